//! Files as other exporters write them: nothing is lost, layers are found and quantised, norms folded, faults named.

mod faults;
mod layers;
mod lossless;
mod search;
mod source;
