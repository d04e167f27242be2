//! `trimtab cameras list`: the cameras of this board, and the configured ones.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trimtab_v4l2::{Device, Error, Offer, Sizes};

use super::super::{Common, Failure, show};
use crate::camera::Upload;
use crate::config::Config;

/// Most nodes that are looked at.
const NODES_MAX: usize = 64;
/// Most entries of the folder of nodes that are read.
const ENTRIES_MAX: usize = 4096;
/// Where nodes are.
const NODES: &str = "/dev";

pub(super) fn execute(common: &Common) -> Result<(), Failure> {
    let config = Config::load(common.config.as_deref())?;
    let devices: Vec<Value> = nodes(Path::new(NODES)).iter().filter_map(|path| device(path)).collect();
    let cameras: Vec<Value> = config
        .cameras
        .iter()
        .map(|camera| {
            let upload = if camera.upload() == Upload::Never { "never" } else { "allowed" };
            json!({"name": camera.name(), "source": camera.source().to_string(), "upload": upload})
        })
        .collect();
    if common.json {
        show::line(&json!({"devices": devices, "cameras": cameras}).to_string());
        return Ok(());
    }
    if devices.is_empty() {
        show::line("device   none: no node /dev/video* captures pictures");
    }
    devices.iter().for_each(show_device);
    for camera in &cameras {
        let text = |key: &str| camera[key].as_str().unwrap_or_default();
        let kept = if text("upload") == "never" { ", never uploaded" } else { "" };
        show::line(&format!("camera   {}  {}{kept}", text("name"), text("source")));
    }
    Ok(())
}

/// Nodes by their number.
fn nodes(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(ENTRIES_MAX).flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).take(NODES_MAX).collect()
}

/// Nothing for a node that captures no pictures: cameras have such nodes beside their own, for what goes with the pictures.
fn device(path: &Path) -> Option<Value> {
    let found = Device::open(path).and_then(|device| {
        let offers = device.offers()?;
        let formats = offers.iter().map(|offer| format(&device, offer)).collect::<Result<Vec<_>, _>>()?;
        let about = device.about();
        Ok(json!({
            "path": path, "card": about.card, "driver": about.driver, "bus": about.bus, "formats": formats,
        }))
    });
    match found {
        Ok(device) => Some(device),
        Err(Error::NoCamera { .. }) => None,
        Err(fault) => Some(json!({"path": path, "fault": crate::fault_text(&fault)})),
    }
}

fn format(device: &Device, offer: &Offer) -> Result<Value, Error> {
    let sizes = match &offer.sizes {
        Sizes::Unknown => Vec::new(),
        Sizes::Listed(sizes) => sizes.clone(),
        Sizes::Within { least, most, .. } => vec![*least, *most],
    };
    let sizes = sizes.into_iter().map(|size| {
        let rates = device.rates(offer.code, size)?;
        Ok(json!({"width": size.0, "height": size.1, "fps": rates}))
    });
    Ok(json!({
        "name": offer.name(),
        "description": offer.description,
        "format": offer.format().map(|format| format.name()),
        "any_size_between": matches!(offer.sizes, Sizes::Within { .. }),
        "sizes": sizes.collect::<Result<Vec<_>, _>>()?,
    }))
}

fn show_device(device: &Value) {
    let path = device["path"].as_str().unwrap_or_default();
    if let Some(fault) = device["fault"].as_str() {
        // It begins with the path.
        show::line(&format!("device   {fault}"));
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    show::line(&format!(
        "device   {path}  {} ({}, {})",
        text(&device["card"]),
        text(&device["driver"]),
        text(&device["bus"])
    ));
    for format in device["formats"].as_array().into_iter().flatten() {
        let name = format["format"]
            .as_str()
            .map_or_else(|| format!("{} (not read here)", text(&format["name"])), str::to_owned);
        let between = if format["any_size_between"] == true { " to " } else { ", " };
        let sizes: Vec<String> = format["sizes"].as_array().into_iter().flatten().map(size).collect();
        show::line(&format!("  {name:<8} {}", sizes.join(between)));
    }
}

/// A size with its fastest rate.
fn size(size: &Value) -> String {
    let fastest = size["fps"].as_array().and_then(|rates| rates.first()?.as_f64());
    let rate = fastest.map_or_else(String::new, |fps| format!("@{}", (fps * 10.0).round() / 10.0));
    format!("{}x{}{rate}", size["width"], size["height"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["video10", "video2", "video", "videox", "vbi0", "video0"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            nodes(folder.path()).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["video0", "video2", "video10"]);
        assert_eq!(device(&folder.path().join("video0")), None);
        assert!(nodes(&folder.path().join("none")).is_empty());
        let gone = device(&folder.path().join("video7")).unwrap();
        assert!(gone["fault"].as_str().unwrap().contains("there is no such device"), "{gone}");
    }
}
