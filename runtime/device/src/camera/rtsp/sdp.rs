//! Reads a server's description of its streams, as far as it takes to ask for pictures (RFC 4566; RFC 2326, appendix C).

/// The payload type that stands for JPEG without being explained (RFC 3551, section 6).
const JPEG_PAYLOAD: u8 = 26;

/// Which stream is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Video {
    /// Its name in the description, like `JPEG` or `H264`.
    pub(super) codec: String,
    /// The mark of its packets.
    pub(super) payload: u8,
    /// Its own address, absolute or below the base.
    pub(super) control: Option<String>,
}

impl Video {
    pub(super) fn is_jpeg(&self) -> bool {
        self.codec.eq_ignore_ascii_case("JPEG")
    }
}

/// What a description offers.
#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    /// The address of all streams together, absolute or below the base.
    pub(super) control: Option<String>,
    /// Pictures as JPEG if there are any, else the first stream of pictures.
    pub(super) video: Option<Video>,
}

/// Reads a description. Lines that say nothing of pictures, or nothing that is understood, are passed over.
pub(super) fn read(description: &str) -> Offer {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for line in description.lines().map(str::trim) {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    let control = parts.first().and_then(|head| attribute(head, "control")).map(str::to_owned);
    let mut videos: Vec<Video> = parts.iter().skip(1).filter_map(|part| video(part)).collect();
    let chosen = videos.iter().position(Video::is_jpeg).unwrap_or(0);
    let video = (chosen < videos.len()).then(|| videos.swap_remove(chosen));
    Offer { control, video }
}

fn video(part: &[&str]) -> Option<Video> {
    let mut words = part.first()?.strip_prefix("m=video ")?.split_ascii_whitespace();
    let (_port, profile) = (words.next()?, words.next()?);
    let payloads: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    let named = |payload: u8| {
        let maps = part.iter().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
        let mut names = maps.filter(|(number, _)| number.parse() == Ok(payload));
        let name = names.next().map(|(_, name)| name.trim().split('/').next().unwrap_or_default().to_owned());
        name.or_else(|| (payload == JPEG_PAYLOAD).then(|| "JPEG".to_owned()))
    };
    let codecs = payloads.iter().map(|payload| (*payload, named(*payload).unwrap_or_else(|| format!("RTP {payload}"))));
    let mut codecs: Vec<(u8, String)> = codecs.collect();
    let chosen = codecs.iter().position(|(_, name)| name.eq_ignore_ascii_case("JPEG")).unwrap_or(0);
    let (payload, codec) = (chosen < codecs.len()).then(|| codecs.swap_remove(chosen))?;
    // Encrypted packets are those of another profile.
    let codec = if matches!(profile, "RTP/AVP" | "RTP/AVPF" | "RTP/AVP/TCP") {
        codec
    } else {
        format!("{codec} over {profile}")
    };
    Some(Video { codec, payload, control: attribute(part, "control").map(str::to_owned) })
}

fn attribute<'a>(part: &[&'a str], name: &str) -> Option<&'a str> {
    part.iter().find_map(|line| Some(line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// The address that a description's `control` means. Nothing if it cannot stand in a request.
pub(super) fn resolved(base: &str, control: Option<&str>) -> Option<String> {
    let address = match control {
        None | Some("*" | "") => base.to_owned(),
        Some(whole) if whole.starts_with("rtsp://") || whole.starts_with("rtsps://") => whole.to_owned(),
        Some(below) => format!("{}/{}", base.trim_end_matches('/'), below.trim_start_matches('/')),
    };
    address.bytes().all(|byte| byte.is_ascii_graphic()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "m=audio 0 RTP/AVP 0\r\na=control:sound\r\n";

    #[test]
    fn pictures_are_found_among_other_streams() {
        let read = |media: &str| read(&format!("v=0\r\ns=door\r\na=control:*\r\n{media}")).video.unwrap();
        let plain = read(&format!("{SOUND}m=video 0 RTP/AVP 26\r\na=control:stream=1\r\n"));
        let expected = Video { codec: "JPEG".to_owned(), payload: 26, control: Some("stream=1".to_owned()) };
        assert_eq!(plain, expected);
        let both = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:1\nm=video 0 RTP/AVP 97\na=rtpmap:97 jpeg/90000\na=control:2\n";
        assert_eq!((read(both).payload, read(both).control.as_deref()), (97, Some("2")));
        let h264 = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
        assert_eq!((read(h264).codec.as_str(), read(h264).is_jpeg()), ("H264", false));
        assert_eq!(read("m=video 0 RTP/SAVP 26\r\n").codec, "JPEG over RTP/SAVP");
        assert_eq!(read("m=video 0 RTP/AVP 99\r\n").codec, "RTP 99");
        for none in ["", SOUND, "m=video\r\n", "m=video 0 RTP/AVP\r\n", "m=video 0 RTP/AVP x\r\n"] {
            assert_eq!(super::read(none).video, None, "{none}");
        }
    }

    #[test]
    fn addresses_of_streams_are_put_together() {
        let base = "rtsp://door/jpeg/";
        for (control, expected) in [
            (None, Some(base)),
            (Some("*"), Some(base)),
            (Some("stream=0"), Some("rtsp://door/jpeg/stream=0")),
            (Some("rtsp://10.0.0.9/x"), Some("rtsp://10.0.0.9/x")),
            (Some("a b"), None),
        ] {
            assert_eq!(resolved(base, control).as_deref(), expected);
        }
    }
}
