//! Recorded frames: as many as turns, of the size asked for, the same for the same seed.

use std::fs;
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_scenes::{CAMERAS, Split};

fn generate(size: FrameSize) -> Recording {
    Recording::generate(7, Split::HeldOut, 5, size).unwrap()
}

#[test]
fn every_turn_has_a_frame_of_every_camera() {
    let size = FrameSize { width: 160, height: 120 };
    let (first, again) = (generate(size), generate(size));
    for camera in 0..CAMERAS {
        let files = |recording: &Recording| {
            let mut files: Vec<_> =
                fs::read_dir(recording.frames(camera)).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files
        };
        let pairs = files(&first).into_iter().zip(files(&again));
        assert_eq!(pairs.clone().count(), first.turns().len());
        for (a, b) in pairs {
            let (a, b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
            assert_eq!(a, b);
            let picture = image::load_from_memory(&a).unwrap();
            assert_eq!((picture.width(), picture.height()), (160, 120));
        }
    }
    let folder = first.frames(0);
    drop(first);
    assert!(!folder.exists(), "the frames are deleted with their recording");
}

#[test]
fn an_impossible_size_is_refused() {
    let fault = Recording::generate(1, Split::Train, 1, FrameSize { width: 0, height: 120 }).unwrap_err();
    assert!(fault.to_string().contains("0x120"), "{fault}");
}
