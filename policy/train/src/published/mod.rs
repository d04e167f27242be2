//! The published environment (TMO, arXiv 2502.11007, section 5; the authors' released code), exactly: so that what is trained
//! here can be compared with what they report.
//!
//! | term | meaning |
//! |---|---|
//! | episode | one M4A1 dialogue: the task, the association and the logged action and score of every turn |
//! | action | 0 local; 1 cloud with text alone; 2–4 with view 0, 1, 2; 5–7 with two views; 8 with all three |
//! | record | what the state says of one turn: the action of the turn before it, and its own task |
//! | state | the last five records, oldest first |
//! | response | the estimate of an answer's score: a mean over the nearest logged turns |
//! | reward | response + (association − latency − usage) / 3, the last three normalised to 0..=1 |
//! | reservation | what the rest of a conversation would cost if every turn of it were answered locally |
//!
//! The response of the published environment predicts logged scores badly, because its state leaves the prompt out. It is the
//! yardstick for comparison; [`crate::logged`] is the one for truth.

mod agreement;
mod beliefs;
mod costs;
mod distil;
mod encoding;
mod episode;
mod evaluation;
mod file;
mod frozen;
mod kdtree;
mod levels;
mod oracle;
mod plan;
mod remembered;
mod response;
mod rounding;
mod rules;
mod state;

pub use agreement::{Agreement, agreement};
pub use costs::{CLASSES, Costs, DEVICES, Device, LocalTime, NETWORKS, Network, class_of};
pub use distil::{DistilRecipe, NAMED_BUDGETS, distil};
pub use encoding::{Ramp, observe, ramps};
pub use episode::{ACTIONS, Episode, EpisodeError, VIEWS, views_of};
pub use evaluation::{Budget, Chooser, Evaluation, Outcome, Scene, best, evaluate, value};
pub use file::{FileChooser, PublishedPolicy};
pub use frozen::{FrozenError, FrozenTables};
pub use oracle::{ORACLE_TURNS_MAX, oracle};
pub use plan::{Plan, Planned, Planner, TURNS_PLANNED};
pub use remembered::Remembered;
pub use response::{NEIGHBOURS, Response, ResponseModel};
pub use rules::{Constant, Drawn, Greedy, LookingBack, Restricted, Scripted};
pub use state::{HISTORY, RECORDS, State, TASKS};
