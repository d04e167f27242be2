//! The decision without clock or I/O: units, ids, limits, actions, observation layouts, quotes, budgets and the shield.
//!
//! `no_std`, no allocation: the same code runs on the board, in training and on a microcontroller. Time is handed in as
//! [`Millis`] of *active* time, which stands still while the device is off.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod action;
pub mod budget;
pub mod id;
pub mod limits;
pub mod node;
pub mod observation;
pub mod preference;
pub mod quote;
pub mod shield;
pub mod task;
pub mod units;

pub use action::{Action, NodeIndex, ViewSet};
pub use budget::{Account, Budget, Budgets, Hold, HoldId, Resource, Settlement, Window};
pub use id::{ConversationId, TurnId};
pub use node::{NodeProfile, Placement};
pub use preference::Preference;
pub use quote::{Cost, Quote};
pub use shield::{Approved, Candidate, Proposal, Reason, Refusal, Shield, Surroundings};
pub use task::{TaskKind, TaskMix};
pub use units::{Bytes, Joules, Millis, Usd, Watts};
