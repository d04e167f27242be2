//! Off-policy evaluation on logged scores: what a policy would have scored, told from turns in which something else decided.
//!
//! | term | meaning |
//! |---|---|
//! | class | local, cloud from text, cloud from views: what a logged turn and a choice are matched by; which views is not |
//! | propensity | how often the log took a class in a task |
//! | weight | one over the propensity where the log took the chosen class, 0 elsewhere |
//! | snips | self-normalised inverse propensity score: the mean of the scores by their weights |
//! | dr | doubly robust: what a model expects of the choice, and the weighted miss of the model where it was logged |
//! | effective n | how many unweighted turns would say as much as the weighted ones |
//! | charge | simulated seconds and USD of an action |
//!
//! Snips is right if the propensities are; dr is right if they are, or if the model is. Intervals draw whole dialogues.

pub mod baseline;
pub mod candidates;
pub mod charge;
pub mod distil;
pub mod evaluation;
pub mod file;
pub mod front;
pub mod propensity;
pub mod recipe;
pub mod values;
