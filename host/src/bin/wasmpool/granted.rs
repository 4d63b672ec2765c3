//! Flags that say what guests may reach, and what runs before the calls. They stand apart because sandboxes
//! and the run of a snapshot function are granted things by the same words.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use clap::Args;
use wasmpool::Grants;

use crate::env_file;

/// What runs before all calls to make the memory that sandboxes start with, and what it may reach.
#[derive(Args)]
pub(crate) struct SnapshotFlags {
    /// Run this function once and start all sandboxes with the memory it leaves, for a module without #[snapshot]
    #[arg(long, value_name = "TASK")]
    pub(crate) snapshot: Option<String>,
    /// An argument of the snapshot function, written like an ARG of `run`; once for each parameter
    #[arg(long = "snapshot-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) snapshot_args: Vec<String>,
    /// Fail if the module cannot be snapshotted, rather than run the function in each sandbox
    #[arg(long)]
    pub(crate) snapshot_required: bool,
    /// Let the snapshot function reach this folder, like --dir; the snapshot is not cached then
    #[arg(long, value_name = "HOST[::GUEST][:rw]")]
    pub(crate) snapshot_dir: Vec<DirFlag>,
    /// Set a variable of the snapshot function's environment, like --env; the snapshot is not cached then
    #[arg(long, value_name = "K[=V]")]
    pub(crate) snapshot_env: Vec<EnvFlag>,
}

impl SnapshotFlags {
    /// Returns what the snapshot function may reach.
    ///
    /// # Errors
    /// A folder or a variable is not there.
    pub(crate) fn grants(&self) -> anyhow::Result<Grants> {
        granted(
            Grants::none(),
            ("--snapshot-dir", &self.snapshot_dir),
            ("--snapshot-env", &self.snapshot_env),
        )
    }
}

/// What guests may reach.
#[derive(Args)]
pub(crate) struct GrantFlags {
    /// Let guests read this folder, as GUEST if that is given; `:rw` lets them change it too
    #[arg(long, value_name = "HOST[::GUEST][:rw]")]
    pub(crate) dir: Vec<DirFlag>,
    /// Set a variable of the guests' environment; without a value, to what it is here
    #[arg(long, value_name = "K[=V]")]
    pub(crate) env: Vec<EnvFlag>,
    /// Let guests send HTTP requests to this origin, such as https://example.org; `any` is the public internet without
    /// private addresses
    #[arg(long, value_name = "ORIGIN|any")]
    pub(crate) http: Vec<String>,
    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Set variables of the guests' environment from a file with a KEY=VALUE a line; --env comes after it
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Let guests connect there by TCP and UDP; HOST is a name, an address, or `any` for the public internet
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) net: Vec<String>,
    /// Set a value that guests read with wasi:config
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) config: Vec<ConfigFlag>,
    /// Give all sandboxes the same clocks and random numbers; with `--isolation fresh` equal calls get equal answers
    #[arg(long)]
    pub(crate) deterministic: bool,
}

impl GrantFlags {
    /// Returns what guests may reach.
    ///
    /// # Errors
    /// A folder, a file or a variable is not there, or a line of the file is no variable.
    pub(crate) fn grants(&self) -> anyhow::Result<Grants> {
        let mut grants = Grants::none();
        for file in &self.env_file {
            for (key, value) in env_file::read(file)? {
                grants = grants.env(key, value);
            }
        }
        grants = granted(grants, ("--dir", &self.dir), ("--env", &self.env))?;
        grants = self.http.iter().fold(grants, Grants::http);
        grants = self.ca_file.iter().fold(grants, Grants::ca_file);
        grants = self.net.iter().fold(grants, Grants::net);
        grants =
            self.config.iter().fold(grants, |grants, ConfigFlag { key, value }| grants.config(key, value));
        Ok(if self.deterministic { grants.deterministic() } else { grants })
    }
}

type Flagged<'a, T> = (&'static str, &'a [T]);

fn granted(
    mut grants: Grants,
    dirs: Flagged<'_, DirFlag>,
    variables: Flagged<'_, EnvFlag>,
) -> anyhow::Result<Grants> {
    for dir in dirs.1 {
        if !dir.host.is_dir() {
            let problem = if dir.host.exists() { "is not a folder" } else { "does not exist" };
            bail!("{}: `{}` {problem}", dirs.0, dir.host.display());
        }
        grants = match dir.is_writable {
            false => grants.dir(&dir.host, &dir.guest),
            true => grants.dir_writable(&dir.host, &dir.guest),
        };
    }
    for EnvFlag { key, value } in variables.1 {
        let value = match (value, env::var(key)) {
            (Some(value), _) => value.clone(),
            (None, Ok(value)) => value,
            (None, Err(error)) => bail!("{}: cannot take `{key}` from here: {error}", variables.0),
        };
        grants = grants.env(key, value);
    }
    Ok(grants)
}

/// A folder of the host, its name for guests, and whether they may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirFlag {
    host: PathBuf,
    guest: String,
    is_writable: bool,
}

impl FromStr for DirFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (folders, is_writable) = match text.strip_suffix(":rw") {
            Some(folders) => (folders, true),
            None => (text, false),
        };
        if folders.ends_with(":ro") {
            return Err("a folder is read-only unless it ends in `:rw`; leave `:ro` out".to_owned());
        }
        let (host, guest) = folders.split_once("::").unwrap_or((folders, folders));
        if host.is_empty() || guest.is_empty() {
            return Err("a folder has a name".to_owned());
        }
        if guest.contains("::") {
            return Err(format!("`{guest}` is no name for guests; write HOST::GUEST with one `::`"));
        }
        if folders != guest && !guest.starts_with('/') {
            return Err(format!("guests know folders by their whole paths; write `{host}::/{guest}`"));
        }
        Ok(DirFlag { host: host.into(), guest: guest.to_owned(), is_writable })
    }
}

/// A variable, with its value unless it is to be what it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvFlag {
    key: String,
    value: Option<String>,
}

impl FromStr for EnvFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() || text.contains('\0') {
            return Err("a variable has a name".to_owned());
        }
        Ok(EnvFlag { key: key.to_owned(), value })
    }
}

/// A value for `wasi:config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFlag {
    key: String,
    value: String,
}

impl FromStr for ConfigFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(ConfigFlag { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("expected KEY=VALUE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DirFlag, EnvFlag};

    #[test]
    fn a_folder_is_known_to_guests_by_its_own_name_and_read_only_unless_said_otherwise() {
        let dir = |host: &str, guest: &str, is_writable| {
            Ok(DirFlag { host: host.into(), guest: guest.to_owned(), is_writable })
        };
        assert_eq!("data".parse(), dir("data", "data", false));
        assert_eq!("data:rw".parse(), dir("data", "data", true));
        assert_eq!("a/b::/data".parse(), dir("a/b", "/data", false));
        assert_eq!("C:\\x::/data:rw".parse(), dir("C:\\x", "/data", true));
        for bad in ["", ":rw", "::/data", "data::", "data:::rw", "data::rel", "data::./rel", "data::/a::/b"] {
            assert!(bad.parse::<DirFlag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_may_have_any_value_or_that_of_here() {
        let env = |key: &str, value: Option<&str>| {
            Ok(EnvFlag { key: key.to_owned(), value: value.map(str::to_owned) })
        };
        assert_eq!("A=b=c".parse(), env("A", Some("b=c")));
        assert_eq!("A=".parse(), env("A", Some("")));
        assert_eq!("A".parse(), env("A", None));
        assert!("=b".parse::<EnvFlag>().is_err());
    }
}
