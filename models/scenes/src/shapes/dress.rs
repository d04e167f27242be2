//! The looks that no prompt asks about.

use crate::canvas::Rgb;
use crate::rng::Rng;

const CLOTHES: &[Rgb] =
    &[[84, 110, 142], [140, 84, 84], [98, 120, 92], [112, 104, 122], [150, 136, 112], [92, 92, 98], [176, 160, 150]];
const TROUSERS: &[Rgb] = &[[52, 56, 84], [70, 66, 62], [96, 88, 76], [44, 46, 50], [84, 92, 104]];
const SKINS: &[Rgb] = &[[244, 208, 178], [232, 184, 148], [206, 152, 112], [168, 114, 78], [124, 80, 54], [88, 56, 40]];
const HAIRS: &[Rgb] = &[[44, 34, 28], [70, 44, 30], [118, 78, 44], [196, 160, 100], [150, 148, 146], [152, 76, 40]];
const FURS: &[Rgb] = &[[214, 150, 88], [122, 122, 126], [78, 70, 64], [196, 190, 182], [150, 120, 92]];
const SHADES: &[Rgb] = &[[112, 108, 104], [140, 128, 112], [96, 100, 108]];
const ENAMELS: &[Rgb] = &[[206, 208, 212], [176, 180, 186], [214, 206, 190], [128, 132, 138]];
const WOODS: &[Rgb] = &[[168, 118, 74], [142, 98, 62], [188, 146, 102], [196, 190, 178]];

/// How a person holds the arms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arms {
    Down,
    OneUp,
    Akimbo,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hair {
    Short,
    Long,
    Bun,
    None,
}

/// What a thing looks like apart from kind, colour, surface and state. One drawing serves every kind of thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dress {
    /// Where a pattern starts, and of which tone it is.
    pub(super) phase: f32,
    pub(super) shirt: Rgb,
    pub(super) trousers: Rgb,
    /// A skirt instead of trousers.
    pub(super) skirt: bool,
    pub(super) skin: Rgb,
    pub(super) hair: Rgb,
    pub(super) cut: Hair,
    /// A woolly cap.
    pub(super) cap: bool,
    pub(super) arms: Arms,
    pub(super) fur: Rgb,
    /// Stripes on the fur.
    pub(super) tabby: bool,
    /// The cat stands; otherwise it sits.
    pub(super) standing: bool,
    pub(super) shade: Rgb,
    pub(super) enamel: Rgb,
    pub(super) wood: Rgb,
    /// Which of the shapes of a fixture, 0 to 2.
    pub(super) make: usize,
}

impl Dress {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            phase: rng.unit(),
            shirt: *rng.pick(CLOTHES),
            trousers: *rng.pick(TROUSERS),
            skirt: rng.chance(0.25),
            skin: *rng.pick(SKINS),
            hair: *rng.pick(HAIRS),
            cut: *rng.pick(&[Hair::Short, Hair::Short, Hair::Long, Hair::Long, Hair::Bun, Hair::None]),
            cap: rng.chance(0.15),
            arms: *rng.pick(&[Arms::Down, Arms::Down, Arms::OneUp, Arms::Akimbo]),
            fur: *rng.pick(FURS),
            tabby: rng.chance(0.4),
            standing: rng.chance(0.4),
            shade: *rng.pick(SHADES),
            enamel: *rng.pick(ENAMELS),
            wood: *rng.pick(WOODS),
            make: rng.below(3),
        }
    }
}
