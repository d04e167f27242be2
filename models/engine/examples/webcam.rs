//! Writes what a webcam with MJPEG sends: pictures of a rendered room, JPEG after JPEG, into one file.
//!
//! `webcam FILE [PICTURES]`

use std::path::PathBuf;
use std::process::ExitCode;

use trimtab_engine::RgbFrame;
use trimtab_scenes::{Conversation, Split};

const SEED: u64 = 7;
const PICTURES: usize = 4;
const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const QUALITY: u8 = 85;

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
    let mut stream = Vec::new();
    for turn in Conversation::generate(SEED, Split::Train, pictures).turns {
        let picture = turn.scene.render(0, WIDTH, HEIGHT)?;
        stream.extend(RgbFrame::new(WIDTH as u32, HEIGHT as u32, picture.rgb)?.to_jpeg(QUALITY)?);
    }
    Ok(std::fs::write(file, stream)?)
}
