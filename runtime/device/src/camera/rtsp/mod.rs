//! A camera of the network that speaks RTSP and sends JPEG pictures. Other codecs are named, with the program that turns them
//! into JPEG.
//!
//! A server that ends, stalls, sends garbage or offers no pictures is told, and asked again. Redirects are not followed: a
//! camera's address is configured, and a credential goes to no other.

mod jpeg;
mod message;
mod sdp;
mod session;
mod tables;

use std::convert::Infallible;

use tokio::time::timeout;

use super::credential::Credential;
use super::live::{Desk, Feed};
use super::reach::{ANSWER_TIME_MAX, delivered, unless_stopped};
use super::url::StreamUrl;
use session::Session;

pub(super) struct RtspCamera {
    url: StreamUrl,
    credential: Option<Credential>,
}

impl RtspCamera {
    pub(super) const fn new(url: StreamUrl, credential: Option<Credential>) -> Self {
        Self { url, credential }
    }

    /// As far as the first packet: the session, the channel of the pictures and the mark of their packets.
    async fn begin(&self) -> Result<(Session, u8, u8), String> {
        let mut session = Session::open(&self.url, self.credential.as_ref()).await?;
        let offer = session.describe().await?;
        let video = offer.video.ok_or("offers no pictures; use the address of its video stream")?;
        if !video.is_jpeg() {
            return Err(self.undecoded(&video.codec));
        }
        let channel = session.begin(&video, offer.control.as_deref()).await?;
        Ok((session, channel, video.payload))
    }

    async fn stream(&self, desk: &mut Desk) -> Result<Infallible, String> {
        let late = |_| format!("gave no answer within {} s", ANSWER_TIME_MAX.as_secs());
        let begun = unless_stopped(desk, timeout(ANSWER_TIME_MAX, self.begin())).await?;
        let (mut session, channel, payload) = begun.map_err(late)??;
        let outcome = session.watch(channel, payload, desk).await;
        session.end().await;
        outcome
    }

    /// What to do about pictures that only a program can decode.
    fn undecoded(&self, codec: &str) -> String {
        let (codec, url) = (codec.escape_debug(), &self.url);
        format!(
            "sends {codec}, which is not decoded here; switch the camera to MJPEG, or let a program decode it: source = \"exec:ffmpeg -nostdin -loglevel error -rtsp_transport tcp -i {url} -an -c:v mjpeg -q:v 5 -f mjpeg -\" or \"exec:gst-launch-1.0 -q rtspsrc location={url} protocols=tcp ! decodebin ! videoconvert ! jpegenc ! fdsink\""
        )
    }
}

impl Feed for RtspCamera {
    fn deliver(&mut self, desk: &mut Desk) -> String {
        delivered(&self.url, self.stream(desk))
    }
}
