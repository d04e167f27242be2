//! Nodes that are no cameras: each is told by name with what to do, and none is waited for.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use trimtab_v4l2::Device;

fn told(path: &Path) -> String {
    let asked = Instant::now();
    let text = Device::open(path).unwrap_err().to_string();
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    assert!(asked.elapsed() < Duration::from_secs(2), "{text}");
    text
}

#[test]
fn what_is_no_camera_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("video0");
    fs::write(&file, "no camera").unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for (path, expected) in [
        (Path::new("/dev/video-none"), "there is no such device; plug the camera in"),
        (Path::new("/dev/null"), "it is no video device; name a camera"),
        (Path::new("/dev/zero"), "it is no video device"),
        (&file, "it is no device"),
        (&pipe, "it is no device"),
        (folder.path(), "it is no device"),
    ] {
        let text = told(path);
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "no camera");
}
