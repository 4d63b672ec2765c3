//! An initializer with every way to end, and tasks that borrow what it made.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmpool_guest::{Error, bail, tasks, time};

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis())
}

/// Returns what a mode means for this opening.
fn mode_now(mode: &str) -> Result<String, Error> {
    let Some((when, mode_then)) = mode.split_once(' ').filter(|(when, _)| !when.starts_with("until")) else {
        return Ok(mode.to_owned());
    };
    let mut counted = OpenOptions::new().append(true).create(true).open("/count/openings")?;
    counted.write_all(b".")?;
    let opening = counted.metadata()?.len();
    let is_then = match when.strip_suffix("..") {
        Some(first) => opening >= first.parse::<u64>()?,
        None => opening == when.parse::<u64>()?,
    };
    Ok(if is_then { mode_then } else { "ok" }.to_owned())
}

/// A session opened once per sandbox.
#[tasks]
mod stateful {
    use super::*;

    /// What a sandbox keeps.
    pub struct Session {
        mode: String,
        calls: Cell<u32>,
    }

    /// Opens the session after `ms` milliseconds. `mode` says how that ends: `ok`, `err`, `panic`, `hang`, `spin`, or
    /// `until MS`: well before that many milliseconds of Unix time, then with an error. `3 MODE` is that mode for the
    /// third opening, as a file in `/count` counts them, and `3.. MODE` from the third on; others are `ok`.
    #[init]
    pub async fn open(mode: String, ms: u32) -> Result<Session, Error> {
        time::sleep(Duration::from_millis(ms.into())).await;
        let mode = mode_now(&mode)?;
        match mode.as_str() {
            "ok" => Ok(Session { mode, calls: Cell::new(0) }),
            "panic" => panic!("the session panics on purpose"),
            "hang" => std::future::pending().await,
            "spin" => loop {
                std::hint::black_box(ms);
            },
            other => match other.strip_prefix("until ").map(str::parse) {
                Some(Ok(end_ms)) if unix_ms() < end_ms => Ok(Session { mode, calls: Cell::new(0) }),
                Some(Ok(end_ms)) => bail!("no session after {end_ms}"),
                Some(Err(_)) | None => bail!("no session in mode {other}"),
            },
        }
    }

    /// How often the session was used, this call included.
    pub fn count(session: &Session) -> u32 {
        session.calls.set(session.calls.get() + 1);
        session.calls.get()
    }

    /// Like `count`, after a wait of `ms` milliseconds.
    pub async fn count_later(session: &Session, ms: u32) -> u32 {
        time::sleep(Duration::from_millis(ms.into())).await;
        count(session)
    }

    /// The mode in which the session was opened.
    pub fn mode(session: &Session) -> String {
        session.mode.clone()
    }

    /// Panics.
    pub async fn spoil(session: &Session) -> u32 {
        panic!("spoiled after {} calls", session.calls.get())
    }

    /// Needs no session.
    pub fn ping() -> u32 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::stateful;
    use wasmpool_guest::testing::block_on;

    #[test]
    fn a_session_counts_its_calls() {
        let session = block_on(stateful::open("ok".to_owned(), 0)).expect("mode ok opens");
        stateful::count(&session);
        assert_eq!(block_on(stateful::count_later(&session, 1)), 2);
    }

    #[test]
    fn an_unknown_mode_is_an_error() {
        assert!(block_on(stateful::open("err".to_owned(), 0)).is_err());
    }
}
