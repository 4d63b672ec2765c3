//! Where guests may connect to: the grants of `Grants::net` as rules that say yes or no to an address and to a name.
//! Pure: who asks resolves names himself, and comes back with the addresses.

use std::net::{IpAddr, SocketAddr};

use crate::addresses::is_public;

/// Where guests may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetRules {
    targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: Host,
    /// `None` for all ports.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// All addresses of the public internet.
    Any,
    Address(IpAddr),
    /// In lower case, without a dot at its end.
    Name(String),
}

/// What the rules say to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Granted,
    Refused,
    /// Granted if it is an address of one of these names.
    IfNamed(Vec<String>),
}

impl NetRules {
    /// Reads the grants.
    ///
    /// # Errors
    /// Which one is neither `HOST:PORT` nor `any`.
    pub(crate) fn read(grants: &[String]) -> Result<Self, String> {
        let targets = grants.iter().map(|grant| {
            Target::read(grant).ok_or_else(|| {
                format!("`{grant}` is not HOST:PORT, with HOST a name, an IPv4 address or an [IPv6] address, any:PORT or any")
            })
        });
        Ok(NetRules { targets: targets.collect::<Result<_, _>>()? })
    }

    /// Returns true if nothing is granted.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Says whether guests may connect to an address.
    pub(crate) fn verdict(&self, address: SocketAddr) -> Verdict {
        let ip = address.ip().to_canonical();
        let mut names = Vec::new();
        for target in self.targets.iter().filter(|target| target.has_port(address.port())) {
            match &target.host {
                Host::Any if is_public(ip) => return Verdict::Granted,
                Host::Address(granted) if *granted == ip => return Verdict::Granted,
                Host::Name(name) if !names.contains(name) => names.push(name.clone()),
                _ => {}
            }
        }
        if names.is_empty() { Verdict::Refused } else { Verdict::IfNamed(names) }
    }

    /// Returns true if guests may ask for the addresses of a name. An address needs no asking.
    pub(crate) fn may_look_up(&self, name: &str) -> bool {
        let name = plain_name(name);
        let is_granted = |target: &Target| match &target.host {
            Host::Any => true,
            Host::Name(granted) => *granted == name,
            Host::Address(_) => false,
        };
        name.parse::<IpAddr>().is_ok() || self.targets.iter().any(is_granted)
    }
}

impl Target {
    fn read(text: &str) -> Option<Self> {
        if text == "any" {
            return Some(Target { host: Host::Any, port: None });
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some(Target { host: Host::read(host)?, port: Some(port) })
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|granted| granted == port)
    }
}

impl Host {
    fn read(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok()?;
            return Some(Host::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Host::Address(address.into()));
        }
        let is_name_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name = plain_name(text);
        match name.as_str() {
            "any" => Some(Host::Any),
            _ if !name.is_empty() && name.chars().all(is_name_part) => Some(Host::Name(name)),
            _ => None,
        }
    }
}

/// Returns a name as it is compared: the case does not count, nor a dot at the end.
pub(crate) fn plain_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(grants: &[&str]) -> NetRules {
        NetRules::read(&grants.iter().map(|grant| (*grant).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn verdict(grants: &[&str], address: &str) -> Verdict {
        rules(grants).verdict(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_granted_with_its_port_only_and_whatever_its_form() {
        let grants = ["127.0.0.1:5432", "[::1]:80"];
        for granted in ["127.0.0.1:5432", "[::ffff:127.0.0.1]:5432", "[::1]:80"] {
            assert_eq!(verdict(&grants, granted), Verdict::Granted, "{granted}");
        }
        for refused in ["127.0.0.1:5433", "127.0.0.2:5432", "[::1]:5432", "1.1.1.1:80"] {
            assert_eq!(verdict(&grants, refused), Verdict::Refused, "{refused}");
        }
        assert_eq!(verdict(&["[::ffff:10.0.0.1]:1"], "10.0.0.1:1"), Verdict::Granted);
        assert_eq!(verdict(&[], "1.1.1.1:80"), Verdict::Refused);
    }

    #[test]
    fn any_is_the_public_internet_and_no_more() {
        assert_eq!(verdict(&["any"], "1.1.1.1:80"), Verdict::Granted);
        assert_eq!(verdict(&["any:443"], "1.1.1.1:443"), Verdict::Granted);
        assert_eq!(verdict(&["any:443"], "1.1.1.1:80"), Verdict::Refused);
        for refused in ["127.0.0.1:443", "[::ffff:127.0.0.1]:443", "[::1]:443", "169.254.169.254:443"] {
            assert_eq!(verdict(&["any"], refused), Verdict::Refused, "{refused}");
        }
        assert_eq!(verdict(&["any", "127.0.0.1:80"], "127.0.0.1:80"), Verdict::Granted);
    }

    #[test]
    fn names_are_for_who_resolves_them_and_only_granted_ones_are_looked_up() {
        let grants = ["DB.example.:5432", "db.example:5432", "other:1"];
        assert_eq!(verdict(&grants, "10.0.0.1:5432"), Verdict::IfNamed(vec!["db.example".to_owned()]));
        assert_eq!(verdict(&grants, "10.0.0.1:80"), Verdict::Refused);
        let rules = rules(&grants);
        assert!(rules.may_look_up("db.EXAMPLE") && rules.may_look_up("other.") && rules.may_look_up("::1"));
        assert!(!rules.may_look_up("db.example.org") && !rules.may_look_up("secret.db.example"));
    }

    #[test]
    fn what_is_no_target_is_told() {
        for bad in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:99999",
            "::1:80",
            "[::1]",
            "[x]:1",
            "http://a:1",
            "a b:1",
        ] {
            let problem = NetRules::read(&[bad.to_owned()]).unwrap_err();
            assert!(problem.starts_with(&format!("`{bad}` is not HOST:PORT")), "{problem}");
        }
    }
}
