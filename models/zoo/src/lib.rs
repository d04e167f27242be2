//! Trains the shipped models; the only crate that names burn.
