//! A test picture: eight colour bars, and a white line that moves by one step a frame.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimtab_engine::RgbFrame;

use super::config::Playback;
use super::darkroom::Darkroom;
use super::dir::Head;
use super::frame::Frame;
use super::{CameraCounts, CameraError};
use crate::clock::Clock;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const LINE: u32 = 8;
const BARS: [[u8; 3]; 8] = [
    [235, 235, 235],
    [235, 235, 16],
    [16, 235, 235],
    [16, 235, 16],
    [235, 16, 235],
    [235, 16, 16],
    [16, 16, 235],
    [16, 16, 16],
];

pub(super) struct Picture {
    head: Head,
    darkroom: Darkroom,
    state: Mutex<(Option<Frame>, CameraCounts)>,
}

impl Picture {
    pub(super) fn new(playback: Playback, darkroom: Darkroom, clock: Arc<dyn Clock>) -> Self {
        Self { head: Head::new(playback, clock), darkroom, state: Mutex::default() }
    }

    pub(super) fn latest(&self) -> Result<Frame, CameraError> {
        let (due, now) = self.head.due();
        let mut state = self.state();
        if let (Some(frame), _) = &*state
            && frame.seq() == due
        {
            return Ok(frame.clone());
        }
        let pixels = draw(due).map_err(|source| CameraError::Frame { camera: self.darkroom.camera(), source })?;
        let frame = self.darkroom.print(pixels, "pattern:", now, due)?;
        state.1.frames += 1;
        state.0 = Some(frame.clone());
        Ok(frame)
    }

    pub(super) fn step_to(&self, index: u64) -> bool {
        self.head.step_to(index)
    }

    pub(super) fn counts(&self) -> CameraCounts {
        self.state().1
    }

    fn state(&self) -> MutexGuard<'_, (Option<Frame>, CameraCounts)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn draw(index: u64) -> Result<RgbFrame, trimtab_engine::FrameError> {
    let line = (index % u64::from(WIDTH / LINE)) as u32;
    let row: Vec<u8> = (0..WIDTH)
        .flat_map(|x| if x / LINE == line { [255; 3] } else { BARS[(x * BARS.len() as u32 / WIDTH) as usize] })
        .collect();
    RgbFrame::new(WIDTH, HEIGHT, row.repeat(HEIGHT as usize))
}
