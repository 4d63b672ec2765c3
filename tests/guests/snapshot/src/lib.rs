//! A snapshot function with every hazard and every way to end, and tasks that borrow what it made.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use wasmpool_guest::{Context, Error, bail, tasks, time};

/// How many numbers the table of mode `table` has: 8 MB.
const TABLE_LENGTH: u64 = 1 << 20;

/// A table that is loaded once.
#[tasks]
mod snapshot {
    use super::*;

    /// What all sandboxes start with.
    pub struct Table {
        numbers: Vec<u64>,
        words: HashMap<String, usize>,
        text: String,
        seen: Vec<String>,
        calls: Cell<u32>,
    }

    /// What each sandbox makes of it.
    pub struct Session {
        numbers: usize,
    }

    /// Makes the table and says `loading`. `mode` says how: `table` fills 8 MB; `small` nearly nothing; `files` reads
    /// `/data/text`; `env` takes the environment; `clock` asks what time it is; `sleep` waits a little first; `open`
    /// keeps a file open; `open until third` does so too, and fails from the third run on, as a file in `/data` counts;
    /// `err`, `panic`, `hang`, `wait`, `spin` and `random` end badly.
    #[snapshot]
    pub async fn load(mode: String) -> Result<Table, Error> {
        println!("loading");
        eprint!("half a line");
        let mut table = Table {
            numbers: (0..10).collect(),
            words: ["one", "two", "three"]
                .iter()
                .enumerate()
                .map(|(at, word)| (word.to_string(), at))
                .collect(),
            text: String::new(),
            seen: Vec::new(),
            calls: Cell::new(0),
        };
        match mode.as_str() {
            "table" => table.numbers = (0..TABLE_LENGTH).map(|n| n * n).collect(),
            "small" => {}
            "files" => table.text = std::fs::read_to_string("/data/text").context("no text")?,
            "env" => table.seen = std::env::vars().map(|(key, value)| format!("{key}={value}")).collect(),
            "clock" => table.text = format!("{:?}", std::time::SystemTime::now()),
            "sleep" => time::sleep(Duration::from_millis(5)).await,
            "open until third" => {
                let mut counted = std::fs::OpenOptions::new().append(true).create(true).open("/data/runs")?;
                counted.write_all(b".")?;
                if counted.metadata()?.len() >= 3 {
                    bail!("no third table");
                }
                std::mem::forget(counted);
            }
            "open" => std::mem::forget(std::fs::File::open("/data/text").context("no text")?),
            "err" => Err(Error::msg("no such table").context("cannot load"))?,
            "panic" => panic!("the load panics on purpose"),
            "hang" => std::future::pending().await,
            "wait" => time::sleep(Duration::from_secs(3_600)).await,
            "spin" => loop {
                std::hint::black_box(&table);
            },
            "random" => table.numbers = vec![secure_random()],
            other => bail!("no mode {other}"),
        }
        Ok(table)
    }

    /// Runs in each sandbox, with the table there already.
    #[init]
    pub fn open(table: &Table) -> Session {
        Session { numbers: table.numbers.len() }
    }

    /// One number of the table.
    pub fn lookup(table: &Table, at: u32) -> Option<u64> {
        table.numbers.get(at as usize).copied()
    }

    /// One number of the table, after `ms` milliseconds.
    pub async fn lookup_later(table: &Table, at: u32, ms: u32) -> Option<u64> {
        let found = lookup(table, at);
        time::sleep(Duration::from_millis(ms.into())).await;
        found
    }

    /// How many numbers `open` saw in the table.
    pub fn seen_by_init(session: &Session) -> u32 {
        session.numbers as u32
    }

    /// Where a word stands, and where one that is put in now stands.
    pub fn word(table: &Table, word: String) -> (Option<u32>, Option<u32>) {
        let mut words = table.words.clone();
        words.insert("new".to_owned(), 99);
        let at = |word: &str| words.get(word).map(|at| *at as u32);
        (at(&word), at("new"))
    }

    /// How often this was called in this sandbox.
    pub fn count(table: &Table) -> u32 {
        table.calls.set(table.calls.get() + 1);
        table.calls.get()
    }

    /// What `load` read or saw.
    pub fn remembered(table: &Table) -> (String, Vec<String>) {
        (table.text.clone(), table.seen.clone())
    }

    /// Prints a line to stdout and one to stderr.
    pub fn say(text: String) {
        println!("{text}");
        eprintln!("{text}!");
    }

    /// Reads a file.
    pub fn read(path: String) -> Result<String, Error> {
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Writes a file.
    pub fn write(path: String) -> Result<(), Error> {
        std::fs::write(&path, "written").with_context(|| format!("cannot write {path}"))
    }

    /// A variable of the environment.
    pub fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    /// A secure random number, which is fine after the snapshot.
    pub fn random() -> u64 {
        secure_random()
    }

    /// Panics.
    pub fn spoil() -> u32 {
        panic!("spoiled on purpose")
    }
}

/// Asks the host for a secure random number.
#[cfg(target_family = "wasm")]
fn secure_random() -> u64 {
    wasip3::random::random::get_random_u64()
}

#[cfg(not(target_family = "wasm"))]
fn secure_random() -> u64 {
    4
}

#[cfg(test)]
mod tests {
    use wasmpool_guest::testing::block_on;

    use super::snapshot;

    #[test]
    fn a_table_is_loaded() {
        let table = block_on(snapshot::load("small".to_owned())).expect("mode small loads");
        assert_eq!(snapshot::lookup(&table, 3), Some(3));
    }
}
