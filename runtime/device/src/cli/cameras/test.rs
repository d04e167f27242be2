//! `trimtab cameras test`: opens cameras as the runtime would, and says what comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use trimtab_core::Millis;

use super::super::{Common, Failure, show};
use crate::camera::{Camera, CameraError};
use crate::clock::ActiveClock;
use crate::config::Config;

/// How often it is looked for a first frame.
const LOOK: Duration = Duration::from_millis(20);
/// Frames a second are not told of a shorter time.
const MEASURED_MIN: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The camera [default: all that are configured]
    name: Option<String>,
    /// Folder to save a picture of each camera into
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// How long to watch
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
}

struct Watched {
    camera: Camera,
    /// When the first frame came, and how many had come by then.
    first: Option<(Instant, u64)>,
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(common.config.as_deref())?;
    let chosen =
        config.cameras.iter().filter(|camera| arguments.name.as_deref().is_none_or(|name| name == camera.name()));
    let opened: Result<Vec<Camera>, CameraError> =
        chosen.map(|camera| Camera::open(camera.clone(), Arc::new(ActiveClock::new(Millis::ZERO)))).collect();
    let opened = opened.map_err(|fault| Failure::Failed(crate::fault_text(&fault)))?;
    if let (Some(name), true) = (&arguments.name, opened.is_empty()) {
        let names: Vec<&str> = config.cameras.iter().map(|camera| camera.name()).collect();
        return Err(Failure::Failed(format!("no camera is called {name:?}; there are {}", names.join(", "))));
    }
    if let Some(folder) = &arguments.save {
        let fault = |cause| {
            Failure::Failed(format!("{}: cannot be made ({cause}); give a folder to write into", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    let mut watched: Vec<Watched> = opened.into_iter().map(|camera| Watched { camera, first: None }).collect();
    watch(&mut watched, Duration::from_secs(arguments.seconds.into()));
    let found =
        watched.iter().map(|watched| report(watched, arguments.save.as_deref())).collect::<Result<Vec<_>, _>>()?;
    let bad = found.iter().filter(|camera| camera["trouble"].is_string()).count();
    if common.json {
        show::line(&json!({"ok": bad == 0, "cameras": found}).to_string());
    } else {
        found.iter().for_each(show_camera);
    }
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::Reported(format!("{bad} of {} cameras have no frame", found.len())))
}

/// Waits for first frames, and then for as many as come. What does not come by itself is not waited for.
fn watch(watched: &mut [Watched], span: Duration) {
    let asked = Instant::now();
    while watched.iter().any(|watched| watched.camera.config().source().is_live()) && asked.elapsed() < span {
        for Watched { camera, first } in watched.iter_mut().filter(|watched| watched.first.is_none()) {
            let frames = camera.counts().frames;
            *first = (frames > 0).then(|| (Instant::now(), frames));
        }
        sleep(LOOK);
    }
}

fn report(Watched { camera, first }: &Watched, save: Option<&Path>) -> Result<Value, Failure> {
    let counts = camera.counts();
    let rate = first.and_then(|(since, before)| {
        let span = since.elapsed();
        (span >= MEASURED_MIN).then(|| (counts.frames - before) as f64 / span.as_secs_f64())
    });
    let mut found = json!({
        "name": camera.name(),
        "source": camera.config().source().to_string(),
        "mode": camera.mode(),
        "fps": rate.map(|rate| (rate * 10.0).round() / 10.0),
        "frames": counts.frames,
        "lost": counts.lost,
        "bad": counts.bad,
        "restarts": counts.restarts,
    });
    let picture = camera.latest().map_err(|fault| crate::fault_text(&fault)).and_then(|frame| {
        let pixels = frame.pixels().map_err(|fault| crate::fault_text(&fault))?;
        let size = (pixels.width(), pixels.height());
        let jpeg = frame.jpeg().map_err(|fault| crate::fault_text(&fault))?;
        Ok((size, jpeg.to_vec()))
    });
    match picture {
        Ok((size, jpeg)) => {
            (found["width"], found["height"], found["bytes"]) = (json!(size.0), json!(size.1), json!(jpeg.len()));
            if let Some(folder) = save {
                let path = folder.join(format!("{}.jpg", camera.name()));
                let fault = |cause| Failure::Failed(format!("{}: cannot be written ({cause})", path.display()));
                std::fs::write(&path, jpeg).map_err(fault)?;
                found["saved"] = json!(path);
            }
        }
        Err(fault) => found["trouble"] = json!(fault),
    }
    Ok(found)
}

fn show_camera(found: &Value) {
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    if found["trouble"].is_string() {
        // It begins with the camera's name.
        show::line(&format!("missing  {}", text("trouble")));
        return;
    }
    let mut line = format!(
        "fine     {}  {}: {}×{}, {} bytes as JPEG",
        text("name"),
        text("source"),
        found["width"],
        found["height"],
        found["bytes"]
    );
    if let Some(fps) = found["fps"].as_f64() {
        line.push_str(&format!(", {fps} frames a second"));
    }
    if found["mode"].is_string() {
        line.push_str(&format!(" (set to {})", text("mode")));
    }
    for (key, what) in [("lost", "lost"), ("bad", "not usable"), ("restarts", "restarts")] {
        if found[key].as_u64().is_some_and(|count| count > 0) {
            line.push_str(&format!(", {} {what}", found[key]));
        }
    }
    if found["saved"].is_string() {
        line.push_str(&format!(", saved as {}", text("saved")));
    }
    show::line(&line);
}
