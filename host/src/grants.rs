//! What a sandbox may reach: nothing, but for what is granted here. The words only; folders are opened and
//! variables handed over where a sandbox is opened.

use std::path::{Path, PathBuf};

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
}

/// A folder of the host under the name that guests know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirGrant {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
    pub(crate) access: Access,
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

    /// Returns true if nothing is granted.
    pub fn is_none(&self) -> bool {
        *self == Grants::default()
    }

    /// Returns true if guests may change something outside their sandboxes without anybody seeing which call does.
    pub(crate) fn reaches_outside(&self) -> bool {
        self.dirs.iter().any(|dir| dir.access == Access::ReadWrite)
    }

    /// Returns true if all that `others` grants is granted here, in the same way.
    pub(crate) fn covers(&self, others: &Grants) -> bool {
        others.dirs.iter().all(|dir| self.dirs.contains(dir))
            && others.env.iter().all(|variable| self.env.contains(variable))
    }

    pub(crate) fn dirs(&self) -> &[DirGrant] {
        &self.dirs
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.env
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
}
