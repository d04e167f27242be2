//! Renders household scenes, cameras and prompts whose right answers are known.
//!
//! A [`Scene`] is one moment in one room: coloured items on a table, a shelf and the floor, a lamp, a stove and a door with
//! their states, people, sometimes a cat. Three cameras look at different zones of it, so most things show in one or two
//! views only. A [`Prompt`] is what a person says to the robot, with its task kind, the answer that is right in the scene,
//! and the views that show what it asks for. Everything follows from a seed; nothing here learns or does I/O.
//!
//! Two splits share no scene seed: [`Split::Train`] never holds the item–colour pairs, phrasings and slot pairs that are
//! reserved for [`Split::HeldOut`].

mod assistive;
mod canvas;
mod caption;
mod conversation;
mod free_form;
mod grade;
mod message;
mod phrasing;
mod prompt;
mod render;
mod rng;
mod scene;
mod shapes;
mod thing;
mod topic;
mod unknown;

pub use canvas::{Picture, RenderError, SIDE_MAX};
pub use caption::{Caption, captions, swapped_caption};
pub use conversation::{Conversation, TURNS_MAX, Turn};
pub use free_form::free_form_prompts;
pub use grade::{grade, says, words};
pub use phrasing::training_questions;
pub use prompt::{Prompt, TaskKind};
pub use rng::Rng;
pub use scene::{CAMERA_NAMES, CAMERAS, Scene, Sighting, Split};
pub use thing::{Category, Colour, Kind, Place, Room, Thing, is_held_out};
pub use topic::{CANNOT_SEE, Topic, view_answers};
pub use unknown::unknown_prompts;
