//! Recorded camera frames of a conversation: one folder for each camera, one JPEG for each turn.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use trimtab_scenes::{CAMERA_NAMES, CAMERAS, Conversation, RenderError, Split, Turn};

/// Quality of the recorded frames, 1 to 100.
pub const FRAME_QUALITY: u8 = 85;

/// Size of recorded frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameSize {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Default for FrameSize {
    fn default() -> Self {
        Self { width: 640, height: 480 }
    }
}

/// Why frames could not be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A folder or file cannot be written.
    #[error("recorded frame {} cannot be written: make room there, or set TMPDIR to another place", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The scene cannot be drawn at this size.
    #[error("frame cannot be drawn: {0}")]
    Draw(RenderError),
    /// The picture cannot be compressed.
    #[error("recorded frame {} cannot be compressed", path.display())]
    Compress {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: image::ImageError,
    },
}

/// A conversation and what the cameras saw at each of its turns. The frames are deleted with it.
#[derive(Debug)]
pub struct Recording {
    folder: tempfile::TempDir,
    turns: Vec<Turn>,
}

impl Recording {
    /// Generates a conversation and records it.
    ///
    /// # Errors
    /// See [`Self::of`].
    pub fn generate(seed: u64, split: Split, turns: usize, size: FrameSize) -> Result<Self, RecordingError> {
        Self::of(Conversation::generate(seed, split, turns).turns, size, &|| {})
    }

    /// Renders the scenes of `turns` to files, on every processor; `drawn` is called after each turn.
    ///
    /// # Errors
    /// The temporary folder cannot be written, or the size cannot be drawn.
    pub fn of(turns: Vec<Turn>, size: FrameSize, drawn: &(dyn Fn() + Sync)) -> Result<Self, RecordingError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |cause| RecordingError::Write { path, cause }
        };
        let folder = tempfile::Builder::new().prefix("trimtab-frames-").tempdir();
        let folder = folder.map_err(failed(&std::env::temp_dir()))?;
        for camera in 0..CAMERAS {
            let path = camera_folder(folder.path(), camera);
            fs::create_dir_all(&path).map_err(failed(&path))?;
        }
        let (next, root) = (AtomicUsize::new(0), folder.path());
        let worker = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(turn) = turns.get(index) else { return Ok(()) };
                for camera in 0..CAMERAS {
                    record(root, camera, index, turn, size)?;
                }
                drawn();
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
            running.into_iter().try_for_each(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        Ok(Self { folder, turns })
    }

    /// The turns, in order.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }
    /// Folder of a camera's frames.
    #[must_use]
    pub fn frames(&self, camera: usize) -> PathBuf {
        camera_folder(self.folder.path(), camera)
    }
}

fn camera_folder(root: &Path, camera: usize) -> PathBuf {
    root.join(CAMERA_NAMES.get(camera).unwrap_or(&"none"))
}

fn record(root: &Path, camera: usize, index: usize, turn: &Turn, size: FrameSize) -> Result<(), RecordingError> {
    let path = camera_folder(root, camera).join(format!("{index:05}.jpg"));
    let picture = turn.scene.render(camera, size.width, size.height).map_err(RecordingError::Draw)?;
    let mut jpeg = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    JpegEncoder::new_with_quality(&mut jpeg, FRAME_QUALITY)
        .write_image(&picture.rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|cause| RecordingError::Compress { path: path.clone(), cause })?;
    fs::write(&path, jpeg).map_err(|cause| RecordingError::Write { path, cause })
}
