//! The two shapes of an answer on the wire: one object, or server-sent events token by token.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::answer::Usage;

/// A response body that is sent as its events arrive; it ends with the sender.
pub(crate) struct Events(pub(crate) mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// What all parts of one answer have in common.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) model: String,
}

impl Head {
    pub(crate) fn whole(&self, text: &str, finish: &str, usage: &Usage) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": finish,
            }],
            "usage": usage_object(usage),
        })
    }

    /// The first event: who speaks.
    pub(crate) fn role(&self) -> Vec<u8> {
        self.event(&json!({"role": "assistant", "content": ""}), &Value::Null)
    }

    pub(crate) fn piece(&self, piece: &str) -> Vec<u8> {
        self.event(&json!({"content": piece}), &Value::Null)
    }

    pub(crate) fn finish(&self, finish: &str) -> Vec<u8> {
        self.event(&json!({}), &json!(finish))
    }

    /// The event after the last one, for clients that ask for usage: no choices, only counts.
    pub(crate) fn usage(&self, usage: &Usage) -> Vec<u8> {
        self.chunk(&json!([]), &usage_object(usage))
    }

    fn event(&self, delta: &Value, finish: &Value) -> Vec<u8> {
        self.chunk(&json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Vec<u8> {
        let object = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": usage,
        });
        format!("data: {object}\n\n").into_bytes()
    }
}

/// The end of a stream.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

fn usage_object(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"image_tokens": usage.image_tokens},
    })
}
