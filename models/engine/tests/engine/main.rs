//! The engine from outside: tiny models built on the spot, files that are wrong in every way, and the shipped models.

mod faults;
mod layers;
mod models;
mod shipped;
mod tiny;
mod tokens;
