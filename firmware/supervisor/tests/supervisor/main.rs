//! The supervisor as a board runs it: through its inputs and outputs alone.

mod bench;
mod energy;
mod hosts;
mod links;
mod properties;
mod restarts;
mod sensors;
mod trips;
