//! `trimtab-lab`: from recorded turns to a policy file.

mod command;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trimtab-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
