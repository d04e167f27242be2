//! The configured cameras, each until its first frame, and video devices that this user may not open.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use serde_json::Value;
use trimtab_core::Millis;

use super::files::{entries, name};
use super::{Finding, Places};
use crate::camera::{Camera, CameraConfig, CameraError};
use crate::clock::ActiveClock;
use crate::config::Config;

const PART: &str = "camera";
/// How long the first frame is waited for.
const FRAME_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn examine(config: &Config, running: Option<&Value>, places: &Places) -> Vec<Finding> {
    let mut findings = match running {
        Some(status) => told(status),
        None => tried(&config.cameras).await,
    };
    findings.extend(denied(&places.dev));
    findings
}

/// As the runtime sees them.
fn told(status: &Value) -> Vec<Finding> {
    let cameras = status["cameras"].as_array().into_iter().flatten();
    let finding = |camera: &Value| match camera["trouble"].as_str() {
        None => Finding::ok(PART, format!("{}: delivers", camera["name"].as_str().unwrap_or_default())),
        Some(trouble) => Finding::fail(PART, trouble),
    };
    cameras.map(finding).collect()
}

/// All at once: one that hangs keeps nobody waiting longer than itself.
async fn tried(cameras: &[CameraConfig]) -> Vec<Finding> {
    let tries = cameras.iter().map(|camera| {
        let (camera, name) = (camera.clone(), camera.name().to_owned());
        (name, tokio::task::spawn_blocking(move || first_frame(camera)))
    });
    let tries: Vec<_> = tries.collect();
    let mut findings = Vec::with_capacity(tries.len());
    for (name, frame) in tries {
        findings.push(match frame.await {
            Ok(Ok(says)) => Finding::ok(PART, says),
            Ok(Err(fault)) => Finding::fault(PART, &fault),
            Err(fault) => {
                Finding::fail(PART, format!("camera {name}: looking at it broke off ({fault}); please report this"))
            }
        });
    }
    findings
}

fn first_frame(config: CameraConfig) -> Result<String, CameraError> {
    let began = Instant::now();
    let camera = Camera::open(config, Arc::new(ActiveClock::new(Millis::ZERO)))?;
    loop {
        match camera.latest() {
            Ok(frame) => {
                let (source, after) = (camera.config().source(), began.elapsed().as_millis());
                let pixels = frame
                    .pixels()
                    .map_err(|source| CameraError::Frame { camera: frame.camera().to_owned(), source })?;
                let (name, width, height) = (camera.name(), pixels.width(), pixels.height());
                return Ok(format!("{name}: a picture of {width}x{height} from {source} after {after} ms"));
            }
            Err(fault) if began.elapsed() >= FRAME_WITHIN => return Err(fault),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// Video devices that are there and closed to this user.
fn denied(dev: &Path) -> Option<Finding> {
    let video = entries(dev).into_iter().filter(|path| name(path).starts_with("video"));
    let closed: Vec<String> = video
        .filter(|path| access(path, Access::READ_OK | Access::WRITE_OK).is_err())
        .map(|path| path.display().to_string())
        .collect();
    (!closed.is_empty()).then(|| {
        let devices = closed.join(", ");
        Finding::warn(
            "permissions",
            format!("{devices}: this user may not open it; add the user to its group (`usermod -aG video trimtab`) and start the runtime anew"),
        )
    })
}
