//! Runs model folders and policy files; the only crate that names tract.
