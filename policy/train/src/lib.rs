//! The policy lab: collects turns by running every action for real, trains policies on them with the device's own observation
//! code, writes them as int8 policy files and evaluates them off the recorded table (binary `trimtab-lab`).
//!
//! | term | meaning |
//! |---|---|
//! | table | dialogues in the extended M4A1 schema, with the outcome of every action |
//! | quality | the probability that a candidate answers right: what is learnt |
//! | score | the owner's value of a candidate, from its quality and its quote: what is chosen by |
//! | reward | the same value with what happened in place of estimates: what is evaluated |

pub mod agent;
pub mod bootstrap;
pub mod calibrate;
pub mod choose;
pub mod collect;
pub mod dataset;
pub mod diagnose;
pub mod estimator;
pub mod evaluate;
pub mod experiment;
pub mod export;
pub mod features;
pub mod learn;
pub mod learner;
pub mod logged;
pub mod network;
pub mod policy;
pub mod projection;
pub mod published;
pub mod quantise;
pub mod recalibrate;
pub mod recorded;
pub mod report;
pub mod robot;
mod whole;

pub use whole::write as write_whole;
