//! Set up, test, build packages, measure size.
fn main() {}
