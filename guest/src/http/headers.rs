//! Headers in the order they were given. Names are compared without case; what could not be sent, or would let
//! a caller's text become another header or another request, is refused here, natively as in a sandbox.

use super::{Error, ErrorKind};

/// What belongs to a connection or to the length of a body; the host, or this client, sets it.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of a request or an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderList(Vec<(String, String)>);

impl HeaderList {
    /// Sets a header in place of all earlier values.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.push(name, value);
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Returns the first value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Refuses what cannot be sent.
    pub(super) fn check(&self) -> Result<(), Error> {
        for (name, value) in self.iter() {
            let shown = name.escape_debug();
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(invalid(format!("`{shown}` is no name of a header")));
            }
            if RESERVED.contains(&name) {
                return Err(invalid(format!("the header `{shown}` is not the task's to set")));
            }
            if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(invalid(format!("the value of header `{shown}` holds a control character")));
            }
        }
        Ok(())
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        let mut headers = HeaderList::default();
        headers.push("Accept", "a");
        headers.set("ACCEPT", "b");
        headers.push("accept", "c");
        assert_eq!(headers.get("aCCept"), Some("b"));
        assert_eq!(headers.iter().count(), 2);
    }

    #[test]
    fn no_value_becomes_another_header() {
        let bad = [
            ("x", "a\r\nhost: b"),
            ("x", "a\nb"),
            ("x", "a\0"),
            ("x\r\ny", "a"),
            ("x y", "a"),
            ("x:", "a"),
            ("", "a"),
            ("ü", "a"),
            ("Host", "a"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "0"),
        ];
        for (name, value) in bad {
            let mut headers = HeaderList::default();
            headers.push(name, value);
            let error = headers.check().expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}: {value:?}");
        }
    }

    #[test]
    fn tabs_and_letters_of_the_world_are_values() {
        let mut headers = HeaderList::default();
        headers.push("x-name", "Zoë\tand more");
        headers.check().expect("it can be sent");
    }
}
