//! To which HTTP origins guests may send requests. Pure: an origin is a scheme, a host and a port as a request names
//! them; which address a name leads to is seen where the connection is made.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use crate::addresses::is_public;

/// An HTTP origin, the default port of its scheme filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    is_https: bool,
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// Reads an origin as people write it: `https://example.org` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// What it is instead.
    fn read(text: &str) -> Result<Self, String> {
        let bad = |problem| {
            format!("`{text}` {problem}; an origin is like `https://example.org` or `http://[::1]:8080`")
        };
        let uri: Uri = text.parse().map_err(|_| bad("is no origin"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("has a path"));
        }
        let origin = Origin::of(&uri).ok_or_else(|| bad("is no http:// or https:// address"))?;
        if origin.host.contains('*') {
            return Err(bad("names no single host; name each, or grant `any`"));
        }
        if origin.port == 0 {
            return Err(bad("has port 0, where nobody listens"));
        }
        Ok(origin)
    }

    /// Returns the origin of a whole address; `None` if it has none, or has a user's name in it.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme()?;
        let is_https = *scheme == Scheme::HTTPS;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        if authority.host().is_empty() || !(is_https || *scheme == Scheme::HTTP) {
            return None;
        }
        let port = match authority.as_str().rsplit_once(':') {
            // Without a number behind it, a colon is that of an IPv6 address, or nothing that can be dialled.
            Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
            _ if is_https => 443,
            _ => 80,
        };
        Some(Origin { is_https, host: authority.host().to_ascii_lowercase(), port })
    }

    /// Returns true if the host is an address that is not of the public internet.
    fn is_special_address(&self) -> bool {
        let address: Result<IpAddr, _> = self.host.trim_matches(['[', ']']).parse();
        address.is_ok_and(|address| !is_public(address))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { is_https, host, port } = self;
        match (is_https, port) {
            (true, 443) => write!(f, "https://{host}"),
            (false, 80) => write!(f, "http://{host}"),
            (true, port) => write!(f, "https://{host}:{port}"),
            (false, port) => write!(f, "http://{host}:{port}"),
        }
    }
}

/// To which origins guests may send requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct OriginRules {
    any: bool,
    named: HashSet<Origin>,
}

/// What is said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Its origin is granted by name, wherever that leads.
    Named,
    /// It may go anywhere in the public internet; the address that its host leads to is still to be seen.
    Public,
    Denied,
}

impl OriginRules {
    /// Reads grants: origins, or `any`.
    ///
    /// # Errors
    /// Which one is neither.
    pub(crate) fn read(grants: &[String]) -> Result<Self, String> {
        let mut rules = OriginRules::default();
        for grant in grants {
            if grant == "any" {
                rules.any = true;
            } else {
                rules.named.insert(Origin::read(grant)?);
            }
        }
        Ok(rules)
    }

    /// Returns true if nothing is granted.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any && self.named.is_empty()
    }

    pub(crate) fn ruling(&self, origin: &Origin) -> Ruling {
        if self.named.contains(origin) {
            Ruling::Named
        } else if self.any && !origin.is_special_address() {
            Ruling::Public
        } else {
            Ruling::Denied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(grants: &[&str]) -> OriginRules {
        OriginRules::read(&grants.iter().map(|grant| (*grant).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn ruling(rules: &OriginRules, uri: &str) -> Ruling {
        Origin::of(&uri.parse().unwrap()).map_or(Ruling::Denied, |origin| rules.ruling(&origin))
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let rules = rules(&["https://Example.org", "http://127.0.0.1:8080", "http://[::1]:80/"]);
        for (uri, expected) in [
            ("https://example.org/a/b?c", Ruling::Named),
            ("https://EXAMPLE.org:443/", Ruling::Named),
            ("http://example.org/", Ruling::Denied),
            ("https://example.org:444/", Ruling::Denied),
            ("https://example.org.evil.test/", Ruling::Denied),
            ("https://example.org@evil.test/", Ruling::Denied),
            ("https://user@example.org/", Ruling::Denied),
            ("http://127.0.0.1:8080/x", Ruling::Named),
            ("http://127.0.0.1/x", Ruling::Denied),
            ("http://localhost:8080/x", Ruling::Denied),
            ("http://[::1]/", Ruling::Named),
            ("http://[::1]:99999/", Ruling::Denied),
            ("http://1.1.1.1/", Ruling::Denied),
        ] {
            assert_eq!(ruling(&rules, uri), expected, "{uri}");
        }
    }

    #[test]
    fn any_is_the_public_internet_as_far_as_can_be_seen() {
        let rules = rules(&["any"]);
        for public in ["http://1.1.1.1/", "https://example.org/", "http://[2606:4700::1111]/"] {
            assert_eq!(ruling(&rules, public), Ruling::Public, "{public}");
        }
        for special in [
            "http://127.0.0.1/",
            "http://10.0.0.1:8080/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest",
        ] {
            assert_eq!(ruling(&rules, special), Ruling::Denied, "{special}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_an_example() {
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "http://",
            "https://example.org/path",
            "http://u@h",
            "http://*.example.org",
            "https://*",
            "http://example.org:0",
            "ANY",
        ] {
            let complaint = OriginRules::read(&[bad.to_owned()]).unwrap_err();
            assert!(complaint.contains("https://example.org"), "{complaint}");
        }
        assert!(rules(&[]).is_empty() && !rules(&["any"]).is_empty());
    }

    #[test]
    fn origins_are_shown_without_the_port_that_goes_without_saying() {
        let shown = |uri: &str| Origin::of(&uri.parse().unwrap()).unwrap().to_string();
        assert_eq!(shown("http://a:80/x"), "http://a");
        assert_eq!(shown("https://a:8443/x"), "https://a:8443");
        assert_eq!(shown("http://[::1]:8080"), "http://[::1]:8080");
    }
}
