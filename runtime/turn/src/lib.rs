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

mod calibration;
mod course;
mod event;
mod governor;
mod journal;
mod learnt;
mod quoting;
mod record;
mod replay;
mod turn;

pub use calibration::Coverage;
pub use course::{Course, Outcome};
pub use event::{CloudAnswer, CloudRefusal, Event, Observation, Opening, SeenView, Step};
pub use governor::{Governor, KnownNode, MeterFacts, Setup, TooManyNodes};
pub use journal::{JOURNAL_BYTES_MAX, JOURNAL_FORM};
pub use quoting::{LocalEngine, Upper};
pub use record::{
    Chosen, EnergyPhase, EnergySource, Fallback, Feedback, Finish, Late, PhaseEnergy, RecordedCandidate, RecordedView,
    TurnRecord,
};
pub use replay::{Found, Replay, ReplayError};
pub use turn::Turn;
