//! The device runtime: everything on the robot around the decision.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`shell`] | the running device: carries out the steps of each turn with the real parts |
//! | [`api`] | the OpenAI-compatible API on loopback and on a Unix socket |
//! | [`client`] | speaks to a running device from outside |
//! | [`cli`] | the command line of `trimtab` and its exit codes |
//! | [`config`] | the configuration, checked, with every default |
//! | [`doctor`] | what a robot needs to work, looked at part by part |
//! | [`local`] | the language model that answers here, whatever runs it |
//! | [`camera`] | frames of every view, newest first |
//! | [`meter`] | joules, measured or estimated, never silently absent |
//! | [`supervisor`] | the microcontroller beside the board: its joules, its watch over this runtime |
//! | [`thermal`] | heat and undervoltage, and by how much they widen quotes |
//! | [`memory`] | the one ceiling and who is admitted under it |
//! | [`clock`] | active time |
//!
//! Requests to bridges, the operator's topics and what the service manager is told are private to the running device.

pub mod api;
pub mod camera;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod local;
mod lock;
mod log;
pub mod memory;
pub mod meter;
mod offload;
mod operator;
mod program;
mod service;
pub mod shell;
pub mod supervisor;
pub mod thermal;

/// An error with its causes, outermost first, on one line.
pub(crate) fn fault_text(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause| cause.source());
    let mut text = fault.to_string();
    for cause in causes {
        let cause = cause.to_string();
        // A transparent error repeats its cause.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
