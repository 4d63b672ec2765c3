//! Tasks that attack: each tries one way to take more than a sandbox may have, to reach what was not granted, or to
//! take its neighbours and the host along. What no compiler makes, such as answers that lie about their memory, is in
//! the tests as text. Meant for a sandbox only: natively some of these would harm the machine.

mod attacks;

use std::time::Duration;

use wasmpool_guest::{Context, Error, tasks, time};

/// Attacks on the sandbox and on the host.
#[tasks]
mod hostile {
    use super::*;

    /// Computes for ever.
    pub fn spin() -> u64 {
        attacks::spin()
    }

    /// Computes for ever, in an async export.
    pub async fn spin_async() -> u64 {
        attacks::spin()
    }

    /// Waits a little, then computes for ever.
    pub async fn spin_later(ms: u32) -> u64 {
        time::sleep(Duration::from_millis(ms.into())).await;
        attacks::spin()
    }

    /// Waits for what never comes.
    pub async fn wait_for_ever() {
        std::future::pending::<()>().await;
    }

    /// Sleeps for a day the old way, which holds the whole sandbox.
    pub async fn sleep_for_a_day() {
        std::thread::sleep(Duration::from_secs(86_400));
    }

    /// Takes memory in steps of 1 MiB and writes to all of it.
    pub fn grow_in_steps() -> u64 {
        attacks::grow_in_steps()
    }

    /// Asks for 1 GiB at once.
    pub fn grow_at_once() -> u64 {
        vec![1_u8; 1 << 30].iter().map(|byte| u64::from(*byte)).sum()
    }

    /// Grows memory by the bare instruction until that fails, and returns how many pages it got.
    pub fn grow_by_instruction() -> u32 {
        attacks::grow_by_instruction()
    }

    /// Calls itself for ever, with small frames.
    pub fn recurse() -> u64 {
        attacks::recurse(0)
    }

    /// Calls itself for ever, with 64 KiB in each frame.
    pub fn recurse_with_big_frames() -> u64 {
        attacks::recurse_with_big_frames(0)
    }

    /// Answers with `mib` MiB.
    pub fn answer(mib: u32) -> Vec<u8> {
        vec![7; (mib as usize) << 20]
    }

    /// Answers with `count` truths, of a byte each.
    pub fn answer_bools(count: u32) -> Vec<bool> {
        vec![true; count as usize]
    }

    /// A small record.
    pub struct Entry {
        id: u32,
        name: String,
        size: u64,
        note: Option<String>,
        is_new: bool,
    }

    /// Answers with `count` small records.
    pub fn answer_records(count: u32) -> Vec<Entry> {
        let entry = |id: u32| Entry { id, name: format!("entry {id}"), size: 7, note: None, is_new: true };
        (0..count).map(entry).collect()
    }

    /// Takes `bytes` and returns how many there were.
    pub fn take(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }

    /// Writes `mib` MiB to stderr, in lines of 1 KiB, and returns how many bytes that were.
    pub fn flood_stderr(mib: u32) -> u64 {
        attacks::flood_stderr(mib)
    }

    /// Writes `mib` MiB to stderr without ever ending a line.
    pub fn flood_one_line(mib: u32) -> u64 {
        attacks::flood_one_line(mib)
    }

    /// Begins `count` waits of a day, then one more that it awaits.
    pub async fn begin_waits(count: u32) -> u32 {
        attacks::begin_waits(count).await
    }

    /// Opens `count` streams and keeps them all.
    pub fn open_streams(count: u32) -> u32 {
        attacks::open_streams(count)
    }

    /// Opens `count` futures and keeps them all.
    pub fn open_futures(count: u32) -> u32 {
        attacks::open_futures(count)
    }

    /// Panics while it panics.
    pub fn panic_in_panic() -> u32 {
        std::panic::set_hook(Box::new(|_| panic!("a panic in a panic")));
        panic!("the first panic")
    }

    /// Ends the program in the middle of an async task.
    pub async fn exit_in_the_middle(code: i32) -> u32 {
        time::sleep(Duration::from_millis(1)).await;
        std::process::exit(code)
    }

    /// Traps at once, without a word.
    pub fn trap() -> u32 {
        attacks::trap()
    }

    /// Reads stdin to its end, and returns how much there was.
    pub fn read_stdin() -> Result<u64, Error> {
        attacks::read_stdin().context("cannot read stdin")
    }

    /// Reads the file at `path`.
    pub fn read_file(path: String) -> Result<String, Error> {
        std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))
    }

    /// Makes a link at `link` to `target`, then reads through it.
    pub fn read_by_link(link: String, target: String) -> Result<String, Error> {
        attacks::read_by_link(&link, &target)
    }

    /// Connects to `address` by TCP.
    pub fn connect(address: String) -> Result<(), Error> {
        attacks::connect(&address).with_context(|| format!("cannot connect to `{address}`"))
    }

    /// Connects to `address` by TCP, and returns it as bytes.
    pub fn connect_for_bytes(address: String) -> Result<Vec<u8>, Error> {
        attacks::connect(&address).with_context(|| format!("cannot connect to `{address}`"))?;
        Ok(address.into_bytes())
    }

    /// Number of addresses of `host`.
    pub fn look_up(host: String) -> Result<u64, Error> {
        attacks::look_up(&host).with_context(|| format!("cannot look up `{host}`"))
    }
}
