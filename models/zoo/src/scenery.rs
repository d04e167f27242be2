//! Scenes for training, each rendered once and looked at a few times: with other questions every time, it teaches nearly as
//! much as a new one.

use std::sync::{Mutex, PoisonError};

use trimtab_scenes::{CAMERAS, Rng, Scene, Sighting, Split};

use crate::eye::{Channels, push_patches_of};

/// Scenes that are kept.
const KEPT: usize = 240;
/// How often a scene is looked at, on average.
const LOOKS: usize = 3;

/// A scene and what its cameras took.
pub struct Shot {
    /// The scene.
    pub scene: Scene,
    /// What each camera sees.
    pub visible: Vec<Vec<Sighting>>,
    pictures: Vec<Vec<u8>>,
    side: usize,
}

impl Shot {
    /// Renders what every camera of the usual rig takes, `side` pixels high and wide.
    ///
    /// # Panics
    /// When `side` is out of range, which is a mistake of the caller.
    #[must_use]
    pub fn take(scene: Scene, side: usize) -> Self {
        let picture =
            |camera| scene.render(camera, side, side).expect("a camera of the scene and a side within bounds").rgb;
        Self {
            visible: (0..CAMERAS).map(|camera| scene.visible(camera)).collect(),
            pictures: (0..CAMERAS).map(picture).collect(),
            scene,
            side,
        }
    }

    /// Appends the patches of what `camera` took; in the colours that `channels` makes of its own.
    pub fn push_patches(&self, camera: usize, channels: Channels, out: &mut Vec<f32>) {
        push_patches_of(&self.pictures[camera], channels, self.side, out);
    }
}

/// Scenes that change little by little.
pub struct Scenery {
    side: usize,
    shots: Mutex<Vec<Shot>>,
}

impl Scenery {
    /// With pictures of `side` pixels.
    #[must_use]
    pub fn new(side: usize) -> Self {
        Self { side, shots: Mutex::new(Vec::new()) }
    }

    /// Calls `look` with `count` different scenes, some of them new.
    pub fn visit(&self, count: usize, rng: &mut Rng, mut look: impl FnMut(&[&Shot], &mut Rng)) {
        let mut shots = self.shots.lock().unwrap_or_else(PoisonError::into_inner);
        let shot = |rng: &mut Rng| Shot::take(Scene::generate(rng.bits(), Split::Train), self.side);
        while shots.len() < KEPT {
            shots.push(shot(rng));
        }
        for _ in 0..count.div_ceil(LOOKS) {
            let at = rng.below(KEPT);
            shots[at] = shot(rng);
        }
        let mut order: Vec<usize> = (0..KEPT).collect();
        rng.shuffle(&mut order);
        let chosen: Vec<&Shot> = order[..count.min(KEPT)].iter().map(|&at| &shots[at]).collect();
        look(&chosen, rng);
    }
}
