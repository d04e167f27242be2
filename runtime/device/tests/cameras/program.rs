//! Programs as cameras: JPEG and raw pictures, and whatever a program may do wrong.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trimtab_device::camera::{Camera, CameraError, PixelFormat};

use crate::{Hand, config, open, picture, shade, told, wait_for, widened};

/// A program made of shell lines, with two pictures beside it.
struct Studio(tempfile::TempDir);

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("dark.jpg"), picture(32, 24, 10)).unwrap();
        fs::write(folder.path().join("bright.jpg"), picture(32, 24, 240)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn camera(&self, script: &str) -> (Camera, Arc<Hand>) {
        let path = self.path("camera.sh");
        fs::write(&path, format!("cd {}\n{script}\n", self.0.path().display())).unwrap();
        open(config(&format!("exec:sh {}", path.display())))
    }
}

#[test]
fn a_program_shows_its_newest_picture_until_that_is_stale() {
    let studio = Studio::new();
    let (camera, clock) = studio.camera("cat dark.jpg bright.jpg; touch shown; exec sleep 60");
    wait_for("both pictures", || (camera.counts().frames == 2).then_some(()));
    assert!(shade(&camera.latest().unwrap()) > 200);
    assert_eq!(camera.counts().unseen, 1);
    clock.0.store(2_001, Ordering::SeqCst);
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("is 2001 ms old, 2000 ms are allowed"), "{error}");
}

#[test]
fn a_program_that_ends_is_started_again_and_its_last_words_are_told() {
    let studio = Studio::new();
    let (camera, _) =
        studio.camera("if [ -e ran ]; then cat bright.jpg; sleep 60; fi; touch ran; echo 'no such sensor' >&2; exit 3");
    let error = wait_for("its end", || match camera.latest() {
        Err(error @ CameraError::Lost { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("sh ended (exit status: 3)") && error.contains("no such sensor"), "{error}");
    wait_for("a picture of the second run", || camera.latest().ok());
    assert_eq!(camera.counts().restarts, 1);

    let none = open(config("exec:no-such-camera-program -x")).0;
    let error = wait_for("its failure", || match none.latest() {
        Err(error @ CameraError::Lost { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("no-such-camera-program does not start"), "{error}");
}

#[test]
fn a_program_dies_with_everything_it_started() {
    let studio = Studio::new();
    let (camera, _) =
        studio.camera("trap '' TERM; sleep 60 & echo $! > grandchild; echo $$ > child; cat dark.jpg; wait");
    wait_for("a picture", || camera.latest().ok());
    let started: Vec<String> =
        ["child", "grandchild"].map(|name| fs::read_to_string(studio.path(name)).unwrap().trim().to_owned()).into();
    drop(camera);
    for process in started {
        // What is left of a process that nobody has waited for yet has no command line any more.
        wait_for("its death", || {
            fs::read(format!("/proc/{process}/cmdline")).map_or(true, |line| line.is_empty()).then_some(())
        });
    }
}

#[test]
fn bad_pictures_are_counted_and_the_camera_goes_on() {
    let studio = Studio::new();
    let bright = fs::read(studio.path("bright.jpg")).unwrap();
    fs::write(studio.path("wide.jpg"), widened(bright.clone(), 20_000)).unwrap();
    fs::write(studio.path("cut.jpg"), &bright[..bright.len() - 8]).unwrap();
    let (camera, _) =
        studio.camera("cat wide.jpg cut.jpg; until [ -e more ]; do sleep 0.01; done; cat bright.jpg; exec sleep 60");
    let error = wait_for("the refusal", || match camera.latest() {
        Err(error @ CameraError::Refused(_)) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("sh has 20000×24 pixels, above the limit of"), "{error}");
    assert!(camera.fault().is_some());
    fs::write(studio.path("more"), "").unwrap();
    let frame = wait_for("a good picture", || camera.latest().ok());
    assert!(shade(&frame) > 200 && camera.fault().is_none());
    assert_eq!((camera.counts().frames, camera.counts().bad, camera.counts().restarts), (1, 2, 0));
}

#[test]
fn raw_pictures_are_cut_by_their_size_and_developed_when_somebody_looks() {
    let studio = Studio::new();
    // Two whole pictures of 4 by 2 pixels and a bit of a third one.
    let bytes = [vec![40; 8], vec![200; 8], vec![9; 3]].concat();
    fs::write(studio.path("grey.raw"), bytes).unwrap();
    fs::write(studio.path("camera.sh"), format!("cat {}; exec sleep 60", studio.path("grey.raw").display())).unwrap();
    let source = format!("exec:sh {}", studio.path("camera.sh").display());
    let grey = config(&source).with_picture(Some(PixelFormat::Grey), Some((4, 2))).unwrap();
    let (camera, _) = open(grey);
    wait_for("both pictures", || (camera.counts().frames == 2).then_some(()));
    let frame = camera.latest().unwrap();
    assert_eq!((frame.pixels().unwrap().pixels(), frame.seq()), (&[200; 24][..], 2));
    assert_eq!((camera.counts().unseen, camera.mode().as_deref()), (1, Some("gray 4×2")));
    assert!(frame.for_upload().unwrap().jpeg().starts_with(&[0xff, 0xd8]));
}
