//! Energy meters on boards that are folders: what is found, what it adds up to, and what becomes of it when it fails.

mod accounting;
mod board;
mod commands;
mod faults;
mod found;
mod turns;
