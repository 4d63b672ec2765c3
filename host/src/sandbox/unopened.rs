//! Why a sandbox did not open, and what to do about it where the system has no more room for one.

use std::io;

use rustix::io::Errno;

/// Why a sandbox did not open.
#[derive(Clone, Debug)]
pub(crate) struct Unopened {
    pub(crate) reason: String,
    /// The system gives no more of something that the end of another sandbox gives back.
    pub(crate) is_for_want_of_room: bool,
}

impl From<String> for Unopened {
    fn from(reason: String) -> Self {
        Unopened { reason, is_for_want_of_room: false }
    }
}

impl Unopened {
    /// Adds to a reason what to do about it, if the system's answer behind it tells.
    pub(crate) fn for_reason(reason: String, error: &wasmtime::Error) -> Self {
        match error.chain().find_map(system_error).and_then(remedy) {
            Some(remedy) => Unopened { reason: format!("{reason}; {remedy}"), is_for_want_of_room: true },
            None => reason.into(),
        }
    }
}

fn system_error(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let of_std = || cause.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
    cause.downcast_ref::<Errno>().copied().or_else(of_std)
}

fn remedy(error: Errno) -> Option<&'static str> {
    match error {
        Errno::NOMEM => Some(
            "each sandbox reserves 4 GiB of addresses and takes some of a process's mappings: run fewer calls at \
             once, or raise `ulimit -v` or vm.max_map_count",
        ),
        Errno::MFILE | Errno::NFILE => Some(
            "each sandbox opens the folders that it is granted: run fewer calls at once, or raise `ulimit -n`",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_room_is_told_from_other_errors_and_comes_with_a_remedy() {
        let with = |code| {
            let error = wasmtime::Error::new(io::Error::from_raw_os_error(code)).context("cannot reserve");
            Unopened::for_reason("no room".to_owned(), &error)
        };
        let full = with(Errno::NOMEM.raw_os_error());
        assert!(full.is_for_want_of_room && full.reason.starts_with("no room; each sandbox reserves"));
        assert!(with(Errno::MFILE.raw_os_error()).reason.contains("ulimit -n"));
        let other = with(Errno::NOENT.raw_os_error());
        assert!(!other.is_for_want_of_room && other.reason == "no room");
    }
}
