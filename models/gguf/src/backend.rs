//! llama.cpp's state for the whole process.

use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

/// Sets llama.cpp up at the first call. None if somebody else in this process has done so.
pub(crate) fn backend() -> Option<&'static LlamaBackend> {
    static BACKEND: OnceLock<Option<LlamaBackend>> = OnceLock::new();
    let set_up = || {
        // It tells pages of every load: only for those who want every word.
        send_logs_to_tracing(LogOptions::default().with_logs_enabled(tracing::enabled!(tracing::Level::DEBUG)));
        LlamaBackend::init().ok()
    };
    BACKEND.get_or_init(set_up).as_ref()
}
