//! Recorded frames and the test picture: as recorded, masked, shrunk, and named when they are broken.

use std::fs;
use std::sync::atomic::Ordering;

use trimtab_device::camera::{Look, Mask, NOISE, Upload};
use trimtab_engine::RgbFrame;

use crate::{config, folder_camera, open, picture, shade, told};

#[test]
fn a_stepped_recording_shows_each_frame_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<_> = [200, 100, 50].map(|shade| picture(32, 24, shade)).into();
    for (name, frame) in ["b.jpg", "a.jpeg", "c.JPG"].iter().zip(&frames) {
        fs::write(folder.path().join(name), frame).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let (camera, _) = open(folder_camera(folder.path()).stepped());
    for (step, frame) in [(0, 1), (1, 0), (2, 2), (3, 1), (1, 0)] {
        assert!(camera.step_to(step));
        let shown = camera.latest().unwrap();
        assert_eq!((shown.jpeg().unwrap(), shown.seq()), (&frames[frame][..], step));
        assert_eq!(shown.for_upload().unwrap().jpeg(), &frames[frame][..]);
    }
}

#[test]
fn a_recording_plays_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(16, 16, 0)).unwrap();
    fs::write(folder.path().join("1.jpg"), picture(16, 16, 255)).unwrap();
    let (camera, clock) = open(folder_camera(folder.path()).with_fps(2.0).unwrap());
    for (at, expected) in [(0, 0), (499, 0), (500, 255), (1_000, 0), (61_700, 255)] {
        clock.0.store(at, Ordering::SeqCst);
        assert_eq!(shade(&camera.latest().unwrap()), expected, "at {at} ms");
    }
    assert!(!camera.step_to(1));
}

#[test]
fn a_folder_without_frames_and_a_broken_frame_are_named_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (camera, _) = open(folder_camera(folder.path()).stepped());
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("camera wrist: ") && error.contains("holds no .jpg or .jpeg file"), "{error}");

    let whole = picture(32, 24, 90);
    fs::write(folder.path().join("0.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("1.jpg"), &whole).unwrap();
    fs::write(folder.path().join("2.jpg"), "<html>").unwrap();
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("0.jpg: truncated JPEG"), "{error}");
    camera.step_to(1);
    assert_eq!(camera.latest().unwrap().jpeg().unwrap(), whole);
    camera.step_to(2);
    assert!(told(&camera.latest().unwrap_err()).contains("2.jpg: not a JPEG"));
    assert_eq!((camera.counts().frames, camera.counts().bad), (3, 2));

    let gone = open(config("dir:/nowhere/at/all")).0;
    assert!(told(&gone.latest().unwrap_err()).contains("cannot read /nowhere/at/all"));
}

#[test]
fn masks_are_black_in_everything_that_is_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(64, 64, 200)).unwrap();
    let left_half = Mask::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
    let (camera, _) = open(folder_camera(folder.path()).with_mask(left_half).unwrap());
    let frame = camera.latest().unwrap();
    let sent = RgbFrame::decode(frame.for_upload().unwrap().jpeg(), "sent").unwrap();
    for pixels in [frame.pixels().unwrap(), &sent] {
        let at = |column: usize| pixels.pixels()[(32 * 64 + column) * 3];
        assert!(at(4) < 10 && at(28) < 10, "{} {}", at(4), at(28));
        assert!(at(60) > 180, "{}", at(60));
    }
}

#[test]
fn a_wide_frame_is_shrunk_and_a_private_one_never_leaves() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(320, 200, 120)).unwrap();
    let config = folder_camera(folder.path()).with_upload_width(160).unwrap();
    let (camera, _) = open(config.with_upload(Upload::Never));
    let frame = camera.latest().unwrap();
    assert!(frame.for_upload().is_none());
    let pixels = RgbFrame::decode(frame.jpeg().unwrap(), "shrunk").unwrap();
    assert_eq!((pixels.width(), pixels.height()), (160, 100));
}

#[test]
fn the_test_picture_moves_and_steps() {
    let (camera, clock) = open(config("pattern:").with_fps(10.0).unwrap());
    let first = camera.latest().unwrap();
    clock.0.store(50, Ordering::SeqCst);
    assert_eq!(camera.latest().unwrap().jpeg().unwrap(), first.jpeg().unwrap());
    clock.0.store(100, Ordering::SeqCst);
    assert_ne!(camera.latest().unwrap().jpeg().unwrap(), first.jpeg().unwrap());
    let (stepped, _) = open(config("pattern:").stepped());
    assert!(stepped.step_to(1));
    assert_eq!(stepped.latest().unwrap().seq(), 1);
}

#[test]
fn a_picture_of_too_many_pixels_is_refused_by_its_head() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), crate::widened(picture(32, 24, 90), 20_000)).unwrap();
    let (camera, _) = open(folder_camera(folder.path()));
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("0.jpg has 20000×24 pixels, above the limit of 8192 a side"), "{error}");
    assert_eq!(camera.counts().bad, 1);
}

#[test]
fn noise_is_no_change_and_a_small_thing_is_one() {
    let folder = tempfile::tempdir().unwrap();
    // Noise of single pixels, up to eight steps each way; and a square of a fortieth of the width.
    let scene = |seed: u32, thing: bool| {
        let pixels = (0..320 * 240_u32).flat_map(|at| {
            let (x, y) = (at % 320, at / 320);
            let noise =
                ((at ^ seed).wrapping_mul(2_654_435_761).rotate_left(11).wrapping_mul(2_246_822_519) >> 28) as u8;
            let lit = thing && (160..168).contains(&x) && (120..128).contains(&y);
            [if lit { 200 } else { 90 + noise }; 3]
        });
        RgbFrame::new(320, 240, pixels.collect()).unwrap().to_jpeg(90).unwrap()
    };
    for (name, jpeg) in [("0.jpg", scene(1, false)), ("1.jpg", scene(99, false)), ("2.jpg", scene(7, true))] {
        fs::write(folder.path().join(name), jpeg).unwrap();
    }
    let (camera, _) = open(folder_camera(folder.path()).stepped());
    let look = |index, noise| {
        camera.step_to(index);
        Look::at(&camera.latest().unwrap(), noise).unwrap()
    };
    assert!(look(0, NOISE).is_like(&look(1, NOISE), NOISE));
    assert!(!look(0, NOISE).is_like(&look(2, NOISE), NOISE));
    assert!(!look(0, 0).is_like(&look(1, 0), 0) && look(1, 0).is_like(&look(1, 0), 0));
}
