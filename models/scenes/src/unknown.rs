//! Prompts that are like none of the four task kinds.

mod held_out;
mod train;

use crate::scene::Split;

/// Prompts unlike any of the four task kinds: the task is `unknown`. The splits share none.
#[must_use]
pub const fn unknown_prompts(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &train::PROMPTS,
        Split::HeldOut => &held_out::PROMPTS,
    }
}
