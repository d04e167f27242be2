//! One turn as a state machine without I/O: events in, steps out, time handed in.
//!
//! ```text
//!  open ──▶ Observing ──Observed──▶ Scoring ──Scored──▶ review ──┬─▶ Local ──LocalDone──▶ Over
//!   │ no decision hold                                           ├─▶ Cloud ──CloudAnswer──▶ Over
//!   └──────────────▶ Over (refused)                              │     │ refusal, deadline, link loss
//!                                                                │     └──▶ review of local alone ──▶ Local
//!                                                                └─▶ Over (refused)
//! ```
//!
//! Every turn ends in exactly one [`TurnRecord`], also when it is refused, lost or answered late. Nothing is done without
//! a hold, and every hold is either settled or, where what it will cost is not known yet, left open.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

extern crate alloc;

mod event;
mod governor;
mod quoting;
mod record;
mod turn;

pub use event::{CloudAnswer, CloudRefusal, Event, Observation, Opening, SeenView, Step};
pub use governor::{Governor, KnownNode, MeterFacts, Setup, TooManyNodes};
pub use quoting::{LocalEngine, Upper};
pub use record::{
    Chosen, EnergyPhase, EnergySource, Fallback, Feedback, Finish, Late, PhaseEnergy, RecordedCandidate, RecordedView,
    TurnRecord,
};
pub use turn::Turn;
