//! Two kinds of failure: the server cannot start, or a request is refused in the words of the API.

use std::net::SocketAddr;

use hyper::StatusCode;
use serde_json::{Value, json};
use trimtab_engine::ModelError;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandInError {
    /// A model folder cannot be loaded.
    #[error("stand-in model {name} cannot be loaded")]
    Model {
        /// The model.
        name: String,
        /// The engine's reason, which names file and remedy.
        #[source]
        source: ModelError,
    },
    /// The address is taken or not ours.
    #[error("stand-in server cannot listen on {listen}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A configuration that offers nothing or the same name twice.
    #[error("stand-in server: {problem}")]
    Config {
        /// What is wrong and what would be right.
        problem: String,
    },
}

/// A refused request: status, and the body that OpenAI's clients understand.
#[derive(Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

impl ApiError {
    /// A request that is wrong in itself; `param` names the field.
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param: Some(param),
            message: message.into(),
        }
    }

    pub(crate) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A body that is no JSON, or not the JSON asked for.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self { param: None, ..Self::invalid("", message) }
    }

    pub(crate) fn key() -> Self {
        Self::malformed("incorrect API key provided; send it as `Authorization: Bearer <key>`")
            .code("invalid_api_key")
            .status(StatusCode::UNAUTHORIZED)
    }

    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            code: None,
            param: None,
            message: error.to_string(),
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}
