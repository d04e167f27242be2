//! A conversation with an RTSP server: what is offered is asked for, begun, kept alive and ended (RFC 2326).
//!
//! Pictures come over the same connection, between the answers: that needs no other port, and nothing gets out of order.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::credential::{Asked, Credential, Login, heed};
use super::super::live::{Desk, LOOK};
use super::super::reach::{connect, refusal};
use super::super::url::StreamUrl;
use super::jpeg::{Assembler, Packet};
use super::message::{Answer, Inbox, Message};
use super::sdp::{self, Offer, Video};
use crate::client::Stream;

/// Most that is read at once, bytes.
const READ_BYTES: usize = 64 * 1024;
/// After how long without a word a server forgets a session, unless it says otherwise (RFC 2326, section 12.37).
const MEMORY: Duration = Duration::from_secs(60);
/// So often within that time it is told that somebody is still there.
const SIGNS: u32 = 3;
/// Least and most time between two signs.
const SIGN_EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(20)];
/// Longest time that a request may take to be written.
const WRITE_TIME_MAX: Duration = Duration::from_secs(2);
/// The channel of pictures that is asked for; a server may choose another one.
const CHANNEL: u8 = 0;

pub(super) struct Session {
    /// The address of all streams together.
    base: String,
    stream: Box<dyn Stream>,
    inbox: Inbox,
    bytes: Vec<u8>,
    login: Option<Login>,
    /// What is known of the log-in, once the server has asked for one.
    asked: Asked,
    /// Requests so far.
    count: u32,
    id: Option<String>,
    sign_every: Duration,
}

impl Session {
    /// Connects.
    pub(super) async fn open(url: &StreamUrl, credential: Option<&Credential>) -> Result<Self, String> {
        let login = credential.map(Credential::login).transpose()?;
        Ok(Self {
            base: url.whole(),
            stream: connect(url).await?,
            inbox: Inbox::default(),
            bytes: vec![0; READ_BYTES],
            login,
            asked: Asked::Nobody,
            count: 0,
            id: None,
            sign_every: MEMORY / SIGNS,
        })
    }

    /// What the server offers at its address.
    pub(super) async fn describe(&mut self) -> Result<Offer, String> {
        let address = self.base.clone();
        let answer = self.ask("DESCRIBE", &address, "Accept: application/sdp\r\n").await?;
        if let Some(base) = answer.header("Content-Base").or_else(|| answer.header("Content-Location")) {
            self.base = base.to_owned();
        }
        Ok(sdp::read(&answer.body))
    }

    /// Has a stream of the offer sent, and says on which channel.
    pub(super) async fn begin(&mut self, video: &Video, all: Option<&str>) -> Result<u8, String> {
        let address = |control| {
            sdp::resolved(&self.base, control).ok_or("names its streams by addresses that cannot be asked for")
        };
        let (one, all) = (address(video.control.as_deref())?, address(all)?);
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={CHANNEL}-{}\r\n", CHANNEL + 1);
        let answer = self.ask("SETUP", &one, &transport).await?;
        let mut words = answer.header("Session").unwrap_or_default().split(';').map(str::trim);
        let is_name = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        self.id = words.next().filter(is_name).map(str::to_owned);
        let memory = words.find_map(|word| word.strip_prefix("timeout=")?.parse().ok().map(Duration::from_secs));
        self.sign_every = (memory.unwrap_or(MEMORY) / SIGNS).clamp(SIGN_EVERY[0], SIGN_EVERY[1]);
        let mut words = answer.header("Transport").unwrap_or_default().split(';');
        let channels = words.find_map(|word| word.trim().strip_prefix("interleaved="));
        let channel = channels.and_then(|channels| channels.split('-').next()?.parse().ok());
        self.base = all.clone();
        self.ask("PLAY", &all, "Range: npt=now-\r\n").await?;
        Ok(channel.unwrap_or(CHANNEL))
    }

    /// Hands on what comes on a channel until something ails the server, or the camera is no longer wanted.
    pub(super) async fn watch(&mut self, channel: u8, payload: u8, desk: &mut Desk) -> Result<Infallible, String> {
        let (mut assembler, mut dropped) = (Assembler::new(), 0);
        let (mut sign, mut signed) = ("GET_PARAMETER", Instant::now());
        loop {
            while let Some(message) = self.inbox.next().map_err(|fault| fault.to_string())? {
                match message {
                    Message::Packet { channel: of, bytes } if of == channel => {
                        let packet = Packet::read(bytes).filter(|packet| packet.payload_type == payload);
                        let picture = packet.map(|packet| assembler.push(&packet)).transpose();
                        if let Some(picture) = picture.map_err(|fault| fault.to_string())?.flatten() {
                            desk.jpeg(picture);
                        }
                    }
                    Message::Packet { .. } => {}
                    Message::Request(number) => self.decline(number.as_deref()).await?,
                    Message::Answer(answer) => match answer.code {
                        // What it asks for may have changed meanwhile; the next sign will say it.
                        401 => drop(self.heed(&answer)),
                        454 => return Err("has forgotten the session (454)".to_owned()),
                        // Signs of another kind are then given.
                        400.. => sign = "OPTIONS",
                        _ => {}
                    },
                }
            }
            desk.slot.count_bad(assembler.dropped().saturating_sub(dropped));
            dropped = assembler.dropped();
            if desk.is_stopping() {
                return Err("was stopped".to_owned());
            }
            if let Some(silent) = desk.silent() {
                return Err(silent);
            }
            if signed.elapsed() >= self.sign_every {
                signed = Instant::now();
                let address = self.base.clone();
                self.send(sign, &address, "").await?;
            }
            if let Ok(read) = timeout(LOOK, self.stream.read(&mut self.bytes)).await {
                self.take(read)?;
            }
        }
    }

    /// Tells the server that nobody looks any longer; its answer is not waited for.
    pub(super) async fn end(&mut self) {
        if self.id.is_some() {
            let address = self.base.clone();
            // Should it not get there, the end of the connection says the same.
            let _ = timeout(LOOK, self.send("TEARDOWN", &address, "")).await;
        }
    }

    /// Asks, and once more with user and password where the server wants them; gives the answer if it is a good one.
    async fn ask(&mut self, method: &str, address: &str, more: &str) -> Result<Answer, String> {
        let mut answer = self.exchange(method, address, more).await?;
        if answer.code == 401 && self.heed(&answer) {
            answer = self.exchange(method, address, more).await?;
        }
        match answer.code {
            200 => Ok(answer),
            code => Err(refusal(code, self.asked, answer.header("Location").unwrap_or_default())),
        }
    }

    /// Takes up what a server asks for; false if it cannot be given.
    fn heed(&mut self, answer: &Answer) -> bool {
        self.asked = heed(self.login.as_mut(), &answer.all("WWW-Authenticate"));
        self.asked == Asked::Somebody
    }

    /// Sends a request and waits for its answer; what else comes meanwhile is passed over.
    async fn exchange(&mut self, method: &str, address: &str, more: &str) -> Result<Answer, String> {
        let number = self.send(method, address, more).await?;
        loop {
            while let Some(message) = self.inbox.next().map_err(|fault| fault.to_string())? {
                match message {
                    Message::Answer(answer) if answer.header("CSeq").is_none_or(|of| of.parse() == Ok(number)) => {
                        return Ok(answer);
                    }
                    Message::Request(number) => self.decline(number.as_deref()).await?,
                    Message::Answer(_) | Message::Packet { .. } => {}
                }
            }
            let read = self.stream.read(&mut self.bytes).await;
            self.take(read)?;
        }
    }

    async fn send(&mut self, method: &str, address: &str, more: &str) -> Result<u32, String> {
        self.count = self.count.wrapping_add(1);
        let mut request = format!("{method} {address} RTSP/1.0\r\nCSeq: {}\r\n", self.count);
        request.push_str(concat!("User-Agent: trimtab/", env!("CARGO_PKG_VERSION"), "\r\n"));
        if let Some(id) = &self.id {
            request.push_str(&format!("Session: {id}\r\n"));
        }
        if let Some(authorization) = self.login.as_mut().and_then(|login| login.authorization(method, address)) {
            request.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        request.push_str(more);
        request.push_str("\r\n");
        self.write(&request).await?;
        Ok(self.count)
    }

    /// What a server itself may ask for is not done here; an answer keeps it from giving up.
    async fn decline(&mut self, number: Option<&str>) -> Result<(), String> {
        let number = number.unwrap_or("0");
        self.write(&format!("RTSP/1.0 501 Not Implemented\r\nCSeq: {number}\r\n\r\n")).await
    }

    async fn write(&mut self, text: &str) -> Result<(), String> {
        match timeout(WRITE_TIME_MAX, self.stream.write_all(text.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(format!("broke off ({cause})")),
            Err(_) => Err(format!("takes no request within {} s", WRITE_TIME_MAX.as_secs())),
        }
    }

    /// Takes in what was read.
    fn take(&mut self, read: std::io::Result<usize>) -> Result<(), String> {
        match read {
            Ok(0) => Err("ended the connection".to_owned()),
            Ok(count) => {
                self.inbox.push(&self.bytes[..count]);
                Ok(())
            }
            Err(cause) => Err(format!("broke off ({cause})")),
        }
    }
}
