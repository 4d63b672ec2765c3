//! URLs as far as a client needs them: an origin and what is asked of it. Reading and resolving is RFC 3986 by
//! `iri-string`, after characters that people paste and servers send in spite of it are percent-encoded. Hosts are
//! ASCII: a table of all the world's letters would weigh more than the rest of a module. Fragments are dropped, since
//! they are never sent.

use std::fmt;

use iri_string::types::{UriAbsoluteStr, UriReferenceStr};

use super::{Error, ErrorKind};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// A URL that a request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// Host in lower case, with the port if it is not the scheme's own.
    pub(super) authority: String,
    /// Path, never empty, and query.
    pub(super) path: String,
}

impl Url {
    /// Reads what a person or a program wrote.
    pub(super) fn parse(text: &str) -> Result<Url, Error> {
        let encoded = encoded(text.trim_matches(' '))?;
        let Ok(reference) = UriReferenceStr::new(&encoded) else {
            return Err(bad(text, "it is no URL"));
        };
        Url::of(reference, text)
    }

    /// Reads a redirect's `location`, which may be relative to this URL.
    pub(super) fn join(&self, location: &str) -> Result<Url, Error> {
        let encoded = encoded(location.trim_matches(' '))?;
        let Ok(reference) = UriReferenceStr::new(&encoded) else {
            return Err(bad(location, "it is no URL"));
        };
        let own = self.to_string();
        let base = UriAbsoluteStr::new(&own).map_err(|_| bad(&own, "nothing can be relative to it"))?;
        let resolved = reference.resolve_against(base).to_string();
        let Ok(resolved) = UriReferenceStr::new(&resolved) else {
            return Err(bad(location, "it is no URL"));
        };
        Url::of(resolved, location)
    }

    fn of(reference: &UriReferenceStr, text: &str) -> Result<Url, Error> {
        let scheme = match reference.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(bad(text, "its scheme is neither http nor https")),
            None => return Err(bad(text, "it begins neither with http:// nor with https://")),
        };
        let authority = reference.authority_components().filter(|authority| !authority.host().is_empty());
        let Some(authority) = authority else { return Err(bad(text, "it names no host")) };
        if authority.userinfo().is_some() {
            return Err(bad(text, "it holds a name or password; send them as a header `authorization`"));
        }
        let mut host = authority.host().to_ascii_lowercase();
        if host.contains('%') {
            return Err(bad(
                text,
                "its host holds more than ASCII letters, digits, `-` and `.`; write other letters as `xn--…`",
            ));
        }
        if let Some(port) = authority.port().filter(|port| !port.is_empty()) {
            let port: u16 = port.parse().map_err(|_| bad(text, "its port is no number up to 65535"))?;
            if port != scheme.port() {
                host = format!("{host}:{port}");
            }
        }
        let path = if reference.path_str().is_empty() { "/" } else { reference.path_str() };
        let path = match reference.query_str() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Ok(Url { scheme, authority: host, path })
    }

    /// Adds `name=value` to the query.
    pub(super) fn push_query(&mut self, name: &str, value: &str) {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        percent_encode(name, &mut self.path, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        self.path.push('=');
        percent_encode(value, &mut self.path, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    }

    /// Returns true if `other` is of the same scheme, host and port.
    pub(super) fn is_same_origin(&self, other: &Url) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    /// Returns the origin as the operator grants it: `https://example.org`.
    #[cfg(target_family = "wasm")]
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority, self.path)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

fn bad(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("cannot use the URL `{}`: {why}", text.escape_debug()))
}

/// Percent-encodes what may not stand in a URL and has only one meaning there. Control characters have none.
fn encoded(text: &str) -> Result<String, Error> {
    if text.contains(|c: char| c.is_ascii_control()) {
        return Err(bad(text, "it holds a control character"));
    }
    let mut encoded = String::with_capacity(text.len());
    percent_encode(text, &mut encoded, |byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    Ok(encoded)
}

fn percent_encode(text: &str, to: &mut String, is_plain: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if is_plain(byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            to.push(char::from(DIGITS[usize::from(byte >> 4)]));
            to.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        Url::parse(text).map_or_else(|error| error.to_string(), |url| url.to_string())
    }

    #[test]
    fn urls_are_read_as_people_write_them() {
        let table = [
            ("http://example.org", "http://example.org/"),
            ("HTTP://Example.ORG:80/a?b#c", "http://example.org/a?b"),
            ("https://example.org:443?q", "https://example.org/?q"),
            ("https://example.org:8443/", "https://example.org:8443/"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            (" http://example.org/a b/ü|{1} ", "http://example.org/a%20b/%C3%BC%7C%7B1%7D"),
            ("http://example.org/%20a", "http://example.org/%20a"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_by_name() {
        let table = [
            ("", "begins neither"),
            ("example.org/a", "begins neither"),
            ("/a", "begins neither"),
            ("ftp://example.org/", "neither http nor https"),
            ("file:///etc/passwd", "neither http nor https"),
            ("http://", "no host"),
            ("http:///etc", "no host"),
            ("http:example.org", "no host"),
            ("http://me:secret@example.org/", "name or password"),
            ("http://bücher.example/", "more than ASCII"),
            ("http://example.org:99999/", "port"),
            ("http://example.org:x/", "no URL"),
            ("http://a/\r\nHost: b", "control character"),
            ("http://a/\0", "control character"),
            ("http://[::1/", "no URL"),
            ("http://a/%zz", "no URL"),
        ];
        for (text, expected) in table {
            let error = Url::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn locations_are_resolved() {
        let base = Url::parse("http://example.org/a/b/c?d").expect("a URL");
        let table = [
            ("e", "http://example.org/a/b/e"),
            ("/e?f", "http://example.org/e?f"),
            ("../e", "http://example.org/a/e"),
            ("../../../../e", "http://example.org/e"),
            ("?g", "http://example.org/a/b/c?g"),
            ("", "http://example.org/a/b/c?d"),
            ("//other.example/x", "http://other.example/x"),
            ("https://example.org/", "https://example.org/"),
            ("ä b", "http://example.org/a/b/%C3%A4%20b"),
        ];
        for (location, expected) in table {
            assert_eq!(base.join(location).expect(location).to_string(), expected, "{location}");
        }
        for location in ["file:///etc/passwd", "javascript:alert(1)", "http://me@x/", "http://", "a\nb"] {
            base.join(location).expect_err(location);
        }
    }

    #[test]
    fn queries_are_added() {
        let mut url = Url::parse("http://example.org").expect("a URL");
        url.push_query("q", "a b&c=d");
        url.push_query("ü", "");
        assert_eq!(url.path, "/?q=a%20b%26c%3Dd&%C3%BC=");
    }

    #[test]
    fn a_port_makes_an_origin() {
        let one = Url::parse("http://example.org:80/").expect("a URL");
        assert!(one.is_same_origin(&Url::parse("http://EXAMPLE.org/x").expect("a URL")));
        for other in ["https://example.org/", "http://example.org:81/", "http://sub.example.org/"] {
            assert!(!one.is_same_origin(&Url::parse(other).expect("a URL")), "{other}");
        }
    }
}
