//! The engine from outside: tiny models built on the spot and files that are wrong in every way.

mod faults;
mod models;
mod tiny;
mod tokens;
