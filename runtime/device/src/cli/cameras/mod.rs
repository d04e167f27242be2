//! `trimtab cameras`: what cameras there are and how the configured ones do, without a running runtime.

mod list;
mod test;

use clap::Subcommand;

use super::{Common, Failure};

#[derive(Subcommand)]
pub(super) enum CamerasCommand {
    /// List the cameras of this board with their formats, and the configured ones
    #[command(after_help = "Example:\n  trimtab cameras list --json")]
    List,
    /// Open the configured cameras, wait for frames and say how they do
    #[command(
        after_help = "Example:\n  trimtab cameras test --save /tmp/frames wrist\n\nThe runtime must not run meanwhile: most cameras serve one program at a time. Saved pictures are masked like those that are uploaded."
    )]
    Test(test::Arguments),
}

pub(super) fn execute(common: &Common, command: &CamerasCommand) -> Result<(), Failure> {
    match command {
        CamerasCommand::List => list::execute(common),
        CamerasCommand::Test(arguments) => test::execute(common, arguments),
    }
}
