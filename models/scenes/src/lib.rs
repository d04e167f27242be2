//! Renders household scenes, cameras and prompts whose right answers are known.
//!
//! A [`Scene`] is one moment in one long room of three zones: coloured items on tables, shelves and the floor, a lamp, a stove and
//! a door with their states, people, sometimes a cat, clutter, a folding screen. Three to six [`Camera`]s with known poses look at
//! it, so most things show in one or two views only; what a view shows is measured in the painted picture. A [`Prompt`] is what a person says to the robot, with its task kind, the answer that is right in the scene,
//! and the views that show what it asks for. Everything follows from a seed; nothing here learns or does I/O.
//!
//! Two splits share no scene seed: [`Split::Train`] never holds the item–colour pairs, phrasings and slot pairs that are
//! reserved for [`Split::HeldOut`].

mod assistive;
mod camera;
mod canvas;
mod caption;
mod conversation;
mod free_form;
mod furnish;
mod grade;
mod layout;
mod message;
mod phrasing;
mod placed;
mod prompt;
mod render;
mod rng;
mod scene;
mod shapes;
mod thing;
mod topic;
mod unknown;

pub use camera::{CAMERA_NAMES, CAMERAS, CAMERAS_MAX, Camera, Projection, Vector};
pub use canvas::{Picture, RenderError, SIDE_MAX};
pub use caption::{Caption, captions, swapped_caption};
pub use conversation::{Conversation, TURNS_MAX, Turn};
pub use free_form::free_form_prompts;
pub use grade::{grade, says, words};
pub use phrasing::training_questions;
pub use prompt::{Prompt, TaskKind};
pub use rng::Rng;
pub use scene::{Scene, Sighting, Split};
pub use thing::{Category, Colour, Finish, Kind, Place, Room, Thing, is_held_out};
pub use topic::{CANNOT_SEE, Topic, view_answers};
pub use unknown::unknown_prompts;
