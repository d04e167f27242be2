//! Stand-in vision-language models behind an OpenAI-compatible server, for demo and data collection.
//!
//! The server plays the cloud: it speaks `POST /v1/chat/completions` (streamed and not) and `GET /v1/models`, asks for a
//! key, counts tokens and answers from the uploaded pixels only, so that the wrong view gives a wrong answer. How long a
//! real server of its kind would take is declared in a [`ServerProfile`] and let pass by the caller's [`Pacer`].

mod answer;
mod config;
mod error;
mod request;
mod routes;
mod server;
mod stream;
mod wording;

pub use config::{Pacer, ServedModel, ServerProfile, StandInConfig, WallClock};
pub use error::StandInError;
pub use request::{BODY_BYTES_MAX, MESSAGES_MAX, TOKENS_PER_MESSAGE};
pub use server::{CONNECTIONS_MAX, RunningStandIn, StandIn};
