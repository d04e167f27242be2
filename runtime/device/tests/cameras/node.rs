//! Nodes of the kernel that are no cameras: each is a missing view that names the node and the remedy, and is tried again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use trimtab_device::camera::CameraError;

use crate::{config, open, told, wait_for};

#[test]
fn a_node_that_is_no_camera_is_named_and_tried_again() {
    for (node, expected) in [
        ("/dev/video-none", "there is no such device; plug the camera in"),
        ("/dev/null", "it is no video device; name a camera"),
    ] {
        let (camera, _) = open(config(&format!("v4l2:{node}")));
        let error = wait_for("its fault", || match camera.latest() {
            Err(error @ CameraError::Lost { .. }) => Some(told(&error)),
            _ => None,
        });
        assert!(error.starts_with(&format!("camera wrist: {node}: {expected}")), "{error}");
        assert!(error.ends_with("it is tried again by itself"), "{error}");
        wait_for("another try", || (camera.counts().restarts > 0).then_some(()));
        let asked = Instant::now();
        drop(camera);
        assert!(asked.elapsed() < Duration::from_secs(2), "a camera that is not there is waited for");
    }
}

/// Opened by another user, since root may open everything.
#[test]
fn a_node_without_permission_names_its_group() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("trimtab.toml");
    let node = folder.path().join("video0");
    // The same device as /dev/null, which nobody but its owner may open.
    let made = Command::new("mknod").arg(&node).args(["-m", "0600", "c", "1", "3"]).status();
    if !made.is_ok_and(|status| status.success()) {
        // Without the right to make a node, an existing one that is closed to everybody but root stands in.
        std::os::unix::fs::symlink("/dev/loop-control", &node).unwrap();
    }
    fs::write(&path, format!("[[camera]]\nname = \"wrist\"\nsource = \"v4l2:{}\"\n", node.display())).unwrap();
    // Where the other user may reach it.
    let program = folder.path().join("trimtab");
    fs::copy(env!("CARGO_BIN_EXE_trimtab"), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["cameras", "test", "--seconds", "1", "--config"]).arg(&path).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("permission denied; it belongs to group ") && text.contains("usermod -aG "), "{text}");
}
