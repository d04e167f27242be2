//! Writes what a webcam with MJPEG sends: pictures of a rendered room, JPEG after JPEG, into one file.
//!
//! `webcam FILE [PICTURES]`

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_scenes::Split;

const SEED: u64 = 7;
const PICTURES: usize = 4;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("webcam: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let file = PathBuf::from(words.next().ok_or("usage: webcam FILE [PICTURES]")?);
    let pictures = match words.next() {
        Some(text) => text.to_string_lossy().parse()?,
        None => PICTURES,
    };
    let recording = Recording::generate(SEED, Split::Train, pictures, FrameSize::default())?;
    let mut frames: Vec<PathBuf> =
        fs::read_dir(recording.frames(0))?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    frames.sort();
    let stream = frames.iter().map(fs::read).collect::<std::io::Result<Vec<_>>>()?.concat();
    Ok(fs::write(file, stream)?)
}
