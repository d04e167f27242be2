//! A stand-in judge: says what it is told to say, call by call, over real HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a judge says in one call.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    Says(&'static str),
    Fails,
}

/// A judge that says its verdicts in turn, for ever.
pub(crate) struct Judge {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Judge {
    pub(crate) async fn start(verdicts: &'static [Verdict]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let call = counted.fetch_add(1, Ordering::Relaxed);
                answer(stream, verdicts[call % verdicts.len()]).await;
            }
        });
        Self { address, calls }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, verdict: Verdict) {
    let asked = request(&mut stream).await;
    assert!(asked.contains("authorization: Bearer secret-of-the-judge"), "{asked}");
    assert!(asked.contains("\"model\":\"tester\"") && asked.contains("question"), "{asked}");
    let (status, body) = match verdict {
        Verdict::Says(text) => {
            let choice = serde_json::json!({"message": {"content": text}, "finish_reason": "stop"});
            let usage = serde_json::json!({"prompt_tokens": 100, "completion_tokens": 2});
            ("200 OK", serde_json::json!({"choices": [choice], "usage": usage}).to_string())
        }
        Verdict::Fails => ("500 Internal Server Error", "{\"error\": {\"message\": \"out of order\"}}".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
}

/// Head and body of a request.
async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        assert!(stream.read_buf(&mut read).await.unwrap() > 0, "the request broke off: {text}");
    }
}
