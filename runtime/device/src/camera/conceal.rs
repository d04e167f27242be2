//! Addresses in words that people read: a command line, a program's complaint. Whoever reads a log is not told how to log in.

/// What stands for what is not shown.
const HIDDEN: &str = "…";
/// What no address has in it.
const ENDS: [char; 5] = ['"', '\'', '`', '<', '>'];

/// The same text without user, password and query of the URLs in it.
pub(super) fn concealed(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(|letter: char| letter.is_whitespace() || ENDS.contains(&letter)).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        let (authority, target) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        let host = authority.rsplit_once('@').map(|(_, host)| host);
        if host.is_some() {
            shown.push_str(HIDDEN);
            shown.push('@');
        }
        shown.push_str(host.unwrap_or(authority));
        match target.split_once('?') {
            Some((path, _)) => {
                shown.push_str(path);
                shown.push('?');
                shown.push_str(HIDDEN);
            }
            None => shown.push_str(target),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_to_log_in_is_not_shown_and_the_rest_is() {
        for (text, shown) in [
            (
                "ffmpeg -i rtsp://me:s3cret@10.0.0.7:554/live -f mjpeg -",
                "ffmpeg -i rtsp://…@10.0.0.7:554/live -f mjpeg -",
            ),
            ("rtsp://me:a@b@cam: Connection refused", "rtsp://…@cam: Connection refused"),
            ("Error opening 'http://cam/mjpg?user=me&pwd=s3cret#x': 404", "Error opening 'http://cam/mjpg?…': 404"),
            ("http://me@a http://b/c@d?e http://f", "http://…@a http://b/c@d?… http://f"),
            ("rpicam-vid -t 0 -o - a@b ?c", "rpicam-vid -t 0 -o - a@b ?c"),
            ("://", "://"),
        ] {
            assert_eq!(concealed(text), shown);
        }
    }
}
