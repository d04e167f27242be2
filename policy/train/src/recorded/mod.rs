//! The published ways to choose, fitted to a recorded table: what an action does is what it did when it was run, not an
//! estimate. They read the published state and so know the task of a turn and what was done before it, but neither prompt nor
//! association; the actions are one for each node and set of views, numbered as everywhere.
//!
//! | term | meaning |
//! |---|---|
//! | conversation | some turns of one dialogue in a row |
//! | limit | what a turn may take on average: the budget of a conversation is so much for each of its turns |
//! | contest | every way to choose on the same held-out turns |
//! | front | what one policy file does as the owner's weight of money is swept |

mod contest;
mod conversation;
mod environment;
mod front;
mod learnt;
mod neighbours;

pub use contest::{Contender, Contest, Row, contest};
pub use environment::{Limit, Recorded};
pub use front::{Point, WEIGHTS, front};
pub use learnt::Learnt;
pub use neighbours::Neighbours;
