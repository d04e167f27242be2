//! `trimtab`, the program on the robot.

use std::process::ExitCode;

fn main() -> ExitCode {
    trimtab_device::cli::main()
}
