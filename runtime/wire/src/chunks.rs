//! Large requests in pieces, without I/O: [`Upload`] cuts on the device, [`Assembler`] joins at the bridge.
//!
//! The device publishes a manifest; the bridge that won it subscribes to the request's chunk topics and **grants** a
//! cumulative credit: chunks below that number may be sent. Each chunk that arrives in order of need raises the credit,
//! so at most [`CHUNKS_IN_FLIGHT_MAX`] are under way. A grant of another bridge, or for a later attempt, starts over.

use alloc::vec::Vec;
use core::ops::Range;

use sha2::{Digest, Sha256};
use trimtab_core::{Millis, TurnId, Usd};

use crate::codec::{WireError, check_request};
use crate::limits::{CHUNK_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, ENVELOPE_BYTES_MAX, PACKET_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::names::{BridgeId, NodeName, RequestId, ViewName};
use crate::packet::{Body, Chunked, Grant, Message, Request, View};

/// The device's side of one request: its packet, and the chunks that the packet announces.
#[derive(Debug, Clone)]
pub struct Upload {
    request: Request,
    /// Empty where the views travel inline.
    body: Vec<u8>,
    granted_by: Option<BridgeId>,
    credit: u32,
    next: u32,
}

/// One chunk to publish on `…/req/<rid>/<n>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Its number.
    pub n: u32,
    /// Its payload.
    pub bytes: &'a [u8],
}

/// What a request says apart from its views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// See [`Request::id`].
    pub id: RequestId,
    /// See [`Request::turn`].
    pub turn: TurnId,
    /// See [`Request::node`].
    pub node: NodeName,
    /// See [`Request::fallback_allowed`].
    pub fallback_allowed: bool,
    /// See [`Request::prompt`].
    pub prompt: alloc::string::String,
    /// See [`Request::messages`].
    pub messages: Vec<Message>,
    /// See [`Request::max_tokens`].
    pub max_tokens: u32,
    /// See [`Request::max_cost`].
    pub max_cost: Usd,
    /// See [`Request::deadline`].
    pub deadline: Millis,
}

impl Upload {
    /// Plans the upload of `views` (name and JPEG bytes): inline where all fits one packet, else in chunks. Fails where a
    /// bound is broken, naming it.
    pub fn plan(question: Question, views: Vec<(ViewName, Vec<u8>)>) -> Result<Self, WireError> {
        let total: usize = views.iter().map(|(_, bytes)| bytes.len()).sum();
        if total > REQUEST_BYTES_MAX {
            return Err(WireError::TooMuch {
                what: "views' bytes together",
                found: total as u64,
                limit: REQUEST_BYTES_MAX as u64,
            });
        }
        let listed = views.iter().map(|(name, bytes)| View { name: name.clone(), bytes: bytes.len() as u32 }).collect();
        let bytes: Vec<u8> = views.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let text: usize = question.prompt.len() + question.messages.iter().map(|m| m.text.len()).sum::<usize>();
        let (body, rest) = if text + total + ENVELOPE_BYTES_MAX <= PACKET_BYTES_MAX {
            (Body::Inline(bytes), Vec::new())
        } else {
            let chunk_bytes = CHUNK_BYTES_MAX as u32;
            let sha256 = Sha256::digest(&bytes).into();
            let chunks = (total as u32).div_ceil(chunk_bytes);
            (Body::Chunked(Chunked { chunk_bytes, chunks, total: total as u32, sha256 }), bytes)
        };
        let request = Request {
            id: question.id,
            turn: question.turn,
            attempt: 1,
            node: question.node,
            fallback_allowed: question.fallback_allowed,
            prompt: question.prompt,
            messages: question.messages,
            max_tokens: question.max_tokens,
            max_cost: question.max_cost,
            deadline: question.deadline,
            views: listed,
            body,
        };
        check_request(&request)?;
        Ok(Self { request, body: rest, granted_by: None, credit: 0, next: 0 })
    }

    /// The packet to publish on `…/req`.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Prepares another publication of the same request with what is left until its deadline; chunks start over.
    pub fn retry(&mut self, deadline: Millis) {
        self.request.attempt = self.request.attempt.saturating_add(1);
        self.request.deadline = deadline;
        self.restart(None);
    }

    /// Takes a grant; returns whether it changed what may be sent. One for another attempt is ignored.
    pub fn on_grant(&mut self, grant: &Grant) -> bool {
        if grant.attempt != self.request.attempt {
            return false;
        }
        if self.granted_by.as_ref() != Some(&grant.bridge) {
            self.restart(Some(grant.bridge.clone()));
        }
        let credit = grant.credit.min(self.chunks());
        let raised = credit > self.credit;
        self.credit = self.credit.max(credit);
        raised
    }

    /// The next chunk that the credit allows.
    pub fn next_chunk(&mut self) -> Option<Chunk<'_>> {
        if self.next >= self.credit {
            return None;
        }
        let Body::Chunked(manifest) = &self.request.body else {
            return None;
        };
        let n = self.next;
        let range = chunk_range(manifest, n)?;
        self.next += 1;
        self.body.get(range).map(|bytes| Chunk { n, bytes })
    }

    /// Bytes that travel up in one attempt: views, prompt and context, without protocol overhead.
    pub fn bytes(&self) -> usize {
        let text: usize = self.request.messages.iter().map(|message| message.text.len()).sum();
        let views: usize = self.request.views.iter().map(|view| view.bytes as usize).sum();
        self.request.prompt.len() + text + views
    }

    fn chunks(&self) -> u32 {
        match &self.request.body {
            Body::Inline(_) => 0,
            Body::Chunked(manifest) => manifest.chunks,
        }
    }

    fn restart(&mut self, granted_by: Option<BridgeId>) {
        self.granted_by = granted_by;
        self.credit = 0;
        self.next = 0;
    }
}

fn chunk_range(manifest: &Chunked, n: u32) -> Option<Range<usize>> {
    let start = n.checked_mul(manifest.chunk_bytes)?;
    let end = start.checked_add(manifest.chunk_bytes)?.min(manifest.total);
    (start < end).then_some(start as usize..end as usize)
}

/// Why a chunk was not taken, or why the whole does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The request announced no such chunk.
    #[error("chunk {n} came; the manifest announced {chunks}")]
    Number {
        /// Its number.
        n: u32,
        /// How many there are.
        chunks: u32,
    },
    /// It was not granted yet.
    #[error("chunk {n} came before it was granted; credit is {credit}")]
    Early {
        /// Its number.
        n: u32,
        /// The credit.
        credit: u32,
    },
    /// Another size than the manifest gives.
    #[error("chunk {n} has {found} bytes; the manifest gives it {expected}")]
    Size {
        /// Its number.
        n: u32,
        /// What came.
        found: usize,
        /// What must come.
        expected: usize,
    },
    /// All chunks are there and their digest is another.
    #[error("the chunks do not add up to the manifest's sha256; send the request again")]
    Digest,
}

/// Where an assembly stands after a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More are needed. The credit, if it rose, must be granted.
    More {
        /// The new cumulative credit.
        credit: Option<u32>,
    },
    /// All are there: [`Assembler::finish`].
    Complete,
}

/// The bridge's side: joins the chunks of one request. Memory grows with what arrived, never with what was announced.
#[derive(Debug)]
pub struct Assembler {
    manifest: Chunked,
    chunks: Vec<Option<Vec<u8>>>,
    received: u32,
    credit: u32,
}

impl Assembler {
    /// For a request whose body is chunked; none for an inline one. The first credit to grant is [`Assembler::credit`].
    pub fn new(request: &Request) -> Option<Self> {
        let Body::Chunked(manifest) = &request.body else {
            return None;
        };
        let mut chunks = Vec::new();
        chunks.resize_with(manifest.chunks as usize, || None);
        let credit = CHUNKS_IN_FLIGHT_MAX.min(manifest.chunks);
        Some(Self { manifest: manifest.clone(), chunks, received: 0, credit })
    }

    /// Chunks below this number may be sent.
    pub fn credit(&self) -> u32 {
        self.credit
    }

    /// Takes one chunk; a repeated one changes nothing.
    pub fn on_chunk(&mut self, n: u32, bytes: &[u8]) -> Result<Progress, ChunkError> {
        let chunks = self.manifest.chunks;
        let number = ChunkError::Number { n, chunks };
        if n >= self.credit && n < chunks {
            return Err(ChunkError::Early { n, credit: self.credit });
        }
        let expected = chunk_range(&self.manifest, n).ok_or(number.clone())?.len();
        let slot = self.chunks.get_mut(n as usize).ok_or(number)?;
        if bytes.len() != expected {
            return Err(ChunkError::Size { n, found: bytes.len(), expected });
        }
        if slot.is_none() {
            *slot = Some(bytes.to_vec());
            self.received += 1;
        }
        if self.received == chunks {
            return Ok(Progress::Complete);
        }
        let credit = (self.received + CHUNKS_IN_FLIGHT_MAX).min(chunks);
        let raised = credit > self.credit;
        self.credit = self.credit.max(credit);
        Ok(Progress::More { credit: raised.then_some(credit) })
    }

    /// All views' bytes, one after the other, once complete and true to the digest.
    pub fn finish(self) -> Result<Vec<u8>, ChunkError> {
        let body: Vec<u8> = self.chunks.into_iter().flatten().flatten().collect();
        let sha256: [u8; 32] = Sha256::digest(&body).into();
        if sha256 != self.manifest.sha256 { Err(ChunkError::Digest) } else { Ok(body) }
    }
}

impl Request {
    /// Cuts `body` (inline, or as [`Assembler::finish`] gave it) into the views; none if the sizes do not match.
    pub fn split<'a>(&self, body: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let mut rest = body;
        let mut views = Vec::with_capacity(self.views.len());
        for view in &self.views {
            let (head, tail) = rest.split_at_checked(view.bytes as usize)?;
            views.push(head);
            rest = tail;
        }
        rest.is_empty().then_some(views)
    }
}
