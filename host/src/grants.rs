//! What a sandbox may reach: nothing, but for what is granted here. The words only; folders are opened and
//! variables handed over where a sandbox is opened.

use std::path::{Path, PathBuf};

use crate::net::NetRules;
use crate::origins::OriginRules;

/// What a sandbox may reach. Default: nothing.
///
/// # Examples
/// ```
/// use wasmpool::Grants;
///
/// let grants = Grants::none().dir("models/v3", "/models").dir_writable("/var/tmp/out", "/out").env("LANG", "en");
/// assert!(!grants.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    dirs: Vec<DirGrant>,
    env: Vec<(String, String)>,
    http: Vec<String>,
    ca_file: Option<PathBuf>,
    net: Vec<String>,
    config: Vec<(String, String)>,
    is_deterministic: bool,
}

/// A folder of the host under the name that guests know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirGrant {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) access: Access,
}

impl DirGrant {
    /// Returns the flag that would let guests change the folder, unless they may already.
    pub(crate) fn writable_flag(&self) -> Option<String> {
        match self.access {
            Access::Read => Some(format!("--dir {}::{}:rw", self.host.display(), self.guest)),
            Access::ReadWrite => None,
        }
    }
}

/// What a guest may do in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read files and list folders.
    Read,
    /// Make, change and remove them too.
    ReadWrite,
}

impl Grants {
    /// Grants nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets guests read the host's folder `host`, and everything below it, as `guest`.
    ///
    /// The folder must be there when the pool is built, and is opened anew for each sandbox.
    pub fn dir(self, host: impl AsRef<Path>, guest: impl Into<String>) -> Self {
        self.with_dir(host, guest, Access::Read)
    }

    /// Lets guests read and change the host's folder `host`, and everything below it, as `guest`.
    pub fn dir_writable(self, host: impl AsRef<Path>, guest: impl Into<String>) -> Self {
        self.with_dir(host, guest, Access::ReadWrite)
    }

    /// Sets a variable of the guests' environment. The last of several values of one variable holds.
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.env.retain(|(known, _)| *known != key);
        self.env.push((key, value.into()));
        self
    }

    /// Lets guests send HTTP requests to an origin, such as `https://example.org` or `http://127.0.0.1:8080`; or, by
    /// `any`, to all of the public internet: to no address of this machine, of a private network, or that is special in
    /// any other way, whatever name leads there. Each request is checked, so a redirect leads nowhere else.
    /// [`build`](crate::PoolBuilder::build) refuses what is no origin.
    pub fn http(mut self, origin: impl Into<String>) -> Self {
        self.http.push(origin.into());
        self
    }

    /// Trusts the certificates in a PEM file beside the usual ones, for HTTPS.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Lets guests connect to `HOST:PORT` by TCP, and send and receive by UDP.
    ///
    /// HOST is a name, an IPv4 address or an `[IPv6]` address. `any:PORT`, or `any` for all ports, is the public
    /// internet: no address of this machine, of a private network, or that is special in any other way. What counts is
    /// the address that is really connected to, whatever it was called. Guests may ask for the addresses of granted
    /// names only (with `any`, of all names); a name is resolved when a guest connects, so that it may move while the
    /// pool lives. Binding to a port and listening stay denied. [`build`](crate::PoolBuilder::build) refuses what is
    /// not of this form.
    pub fn net(mut self, target: impl Into<String>) -> Self {
        self.net.push(target.into());
        self
    }

    /// Sets a value that guests read with `wasi:config/store`. The last of several values of one key holds.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.config.retain(|(known, _)| *known != key);
        self.config.push((key, value.into()));
        self
    }

    /// Takes the real clocks and dice away: in every sandbox the wall clock stands at the beginning of the year 2000, the
    /// monotonic clock starts at 0 and advances 1 ms at each reading, and all random numbers, secure ones too, are the
    /// same ones in the same order. A sleep still takes its time.
    ///
    /// With [`Isolation::Fresh`](crate::Isolation::Fresh) a task that reaches nothing else then gives the same answer for
    /// the same arguments in every run; in a sandbox that serves several calls, those before count too. Snapshots are
    /// taken in this way too, and not cached.
    pub fn deterministic(mut self) -> Self {
        self.is_deterministic = true;
        self
    }

    /// Returns true if nothing is granted.
    pub fn is_none(&self) -> bool {
        *self == Grants::default()
    }

    /// Returns true if all that `others` grants is granted here, in the same way.
    pub(crate) fn covers(&self, others: &Grants) -> bool {
        others.dirs.iter().all(|dir| self.dirs.contains(dir))
            && others.env.iter().all(|variable| self.env.contains(variable))
            && others.http.iter().all(|origin| self.http.contains(origin))
            && others.net.iter().all(|target| self.net.contains(target))
            && others.config.iter().all(|pair| self.config.contains(pair))
            && (self.is_deterministic || !others.is_deterministic)
    }

    /// Returns where guests may send HTTP requests.
    ///
    /// # Errors
    /// What is no origin.
    pub(crate) fn origins(&self) -> Result<OriginRules, String> {
        OriginRules::read(&self.http)
    }

    /// Returns the file with certificates to trust.
    pub(crate) fn roots_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    pub(crate) fn dirs(&self) -> &[DirGrant] {
        &self.dirs
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.env
    }

    pub(crate) fn config_pairs(&self) -> &[(String, String)] {
        &self.config
    }

    pub(crate) fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    /// Returns where guests may connect to.
    ///
    /// # Errors
    /// Which grant cannot be read.
    pub(crate) fn net_rules(&self) -> Result<NetRules, String> {
        NetRules::read(&self.net)
    }

    /// Returns true if guests may change something that stays outside a sandbox without asking for it each time: a file, or
    /// whatever is at the other end of a connection.
    pub(crate) fn reaches_outside(&self) -> bool {
        !self.net.is_empty() || self.dirs.iter().any(|dir| dir.access == Access::ReadWrite)
    }

    fn with_dir(mut self, host: impl AsRef<Path>, guest: impl Into<String>, access: Access) -> Self {
        self.dirs.push(DirGrant { host: host.as_ref().to_owned(), guest: guest.into(), access });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_variable_holds() {
        let grants = Grants::none().env("A", "1").env("B", "2").env("A", "3");
        assert_eq!(grants.variables(), [("B".into(), "2".into()), ("A".into(), "3".into())]);
    }

    #[test]
    fn folders_are_read_only_unless_said_otherwise() {
        let grants = Grants::none().dir("a", "/a").dir_writable("b", "/b");
        let access: Vec<_> = grants.dirs().iter().map(|dir| dir.access).collect();
        assert_eq!(access, [Access::Read, Access::ReadWrite]);
        assert!(!grants.is_none() && Grants::none().is_none());
    }

    #[test]
    fn writable_folders_and_the_network_reach_outside() {
        for grants in [Grants::none().dir_writable("a", "/a"), Grants::none().net("any")] {
            assert!(grants.reaches_outside(), "{grants:?}");
        }
        assert!(
            !Grants::none().dir("a", "/a").env("A", "b").config("c", "d").deterministic().reaches_outside()
        );
    }
}
