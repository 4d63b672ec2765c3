//! What guests write to stdout and stderr: cut into lines, attributed to a call, capped, told as events.
//! The last of what a call wrote to stderr is kept, because a trapped guest's panic message is there and
//! nowhere else.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::call::AttemptId;
use crate::event::{Event, GuestStream, Teller};

/// A line longer than this is passed on in pieces.
const LINE_BYTES: usize = 16 << 10;

/// How much of a call's stderr is kept for its trap's message.
const TAIL_BYTES: usize = 8 << 10;

/// Where the output of one sandbox's calls arrives.
#[derive(Clone)]
pub(crate) struct OutputDesk {
    shared: Arc<Mutex<Shared>>,
    /// Whether anything was written. Read first, because most guests write nothing.
    is_used: Arc<AtomicBool>,
}

struct Shared {
    teller: Teller,
    cap_bytes: usize,
    /// Whose guest code is running, as far as is known; what belongs to no call has `None`.
    writer: Option<AttemptId>,
    accounts: HashMap<Option<AttemptId>, Account>,
}

#[derive(Default)]
struct Account {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: Vec<u8>,
    told_bytes: usize,
    dropped_bytes: usize,
}

impl OutputDesk {
    pub(crate) fn new(teller: Teller, cap_bytes: usize) -> Self {
        let shared = Shared { teller, cap_bytes, writer: None, accounts: HashMap::new() };
        OutputDesk { shared: Arc::new(Mutex::new(shared)), is_used: Arc::default() }
    }

    /// Returns a stream for the guest's side.
    pub(crate) fn stream(&self, stream: GuestStream) -> GuestPipe {
        GuestPipe { desk: self.clone(), stream }
    }

    /// Attributes what is written from now on.
    pub(crate) fn set_writer(&self, writer: Option<AttemptId>) {
        self.with(|shared| shared.writer = writer);
    }

    /// Passes on what an ended attempt left of unfinished lines and forgets it; returns the end of its stderr.
    pub(crate) fn finish(&self, attempt: Option<AttemptId>) -> String {
        if !self.is_used.load(Ordering::Acquire) {
            return String::new();
        }
        self.with(|shared| shared.finish(attempt))
    }

    /// Passes on what is left of unfinished lines when the sandbox ends.
    pub(crate) fn finish_all(&self) {
        self.with(|shared| {
            let accounts: Vec<_> = shared.accounts.keys().copied().collect();
            for account in accounts {
                shared.finish(account);
            }
        });
    }

    fn write(&self, stream: GuestStream, bytes: &[u8]) {
        self.is_used.store(true, Ordering::Release);
        self.with(|shared| shared.write(shared.writer, stream, bytes));
    }

    /// Takes what comes by a way that does not tell whose it is.
    fn write_unattributed(&self, stream: GuestStream, bytes: &[u8]) {
        self.is_used.store(true, Ordering::Release);
        self.with(|shared| shared.write(None, stream, bytes));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().expect("no holder of this lock panics"))
    }
}

impl Shared {
    fn write(&mut self, writer: Option<AttemptId>, stream: GuestStream, bytes: &[u8]) {
        let account = self.accounts.entry(writer).or_default();
        if stream == GuestStream::Stderr {
            account.keep_tail(bytes);
        }
        let room = self.cap_bytes.saturating_sub(account.told_bytes);
        let told = &bytes[..bytes.len().min(room)];
        account.told_bytes += told.len();
        account.dropped_bytes += bytes.len() - told.len();
        let line = account.line(stream);
        line.extend_from_slice(told);
        for text in whole_lines(line) {
            self.teller.tell(|| Event::GuestLine { attempt: writer, stream, text });
        }
    }

    fn finish(&mut self, attempt: Option<AttemptId>) -> String {
        // What belongs to no call has no end of its own: its allowance begins anew with each call that ends.
        if attempt.is_some() && self.accounts.get(&None).is_some_and(|account| account.told_bytes > 0) {
            self.finish(None);
        }
        let Some(mut account) = self.accounts.remove(&attempt) else {
            return String::new();
        };
        for stream in [GuestStream::Stdout, GuestStream::Stderr] {
            let rest = std::mem::take(account.line(stream));
            if !rest.is_empty() {
                let text = String::from_utf8_lossy(&rest).into_owned();
                self.teller.tell(|| Event::GuestLine { attempt, stream, text });
            }
        }
        if account.dropped_bytes > 0 {
            let text = format!("[{} more bytes of output were dropped]", account.dropped_bytes);
            self.teller.tell(|| Event::GuestLine { attempt, stream: GuestStream::Stderr, text });
        }
        String::from_utf8_lossy(&account.stderr_tail).into_owned()
    }
}

impl Account {
    fn line(&mut self, stream: GuestStream) -> &mut Vec<u8> {
        match stream {
            GuestStream::Stdout => &mut self.stdout,
            GuestStream::Stderr => &mut self.stderr,
        }
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        self.stderr_tail.extend_from_slice(bytes);
        if self.stderr_tail.len() > TAIL_BYTES {
            let excess = self.stderr_tail.len() - TAIL_BYTES;
            self.stderr_tail.drain(..excess);
        }
    }
}

/// Takes the finished lines out of `pending`, and an unfinished one that has become too long.
fn whole_lines(pending: &mut Vec<u8>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') {
        let finished: Vec<u8> = pending.drain(..=end).collect();
        for line in finished[..end].split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
    }
    if pending.len() >= LINE_BYTES {
        lines.push(String::from_utf8_lossy(pending).into_owned());
        pending.clear();
    }
    lines
}

/// A guest's end of stdout or stderr: takes everything at once and never fails.
#[derive(Clone)]
pub(crate) struct GuestPipe {
    desk: OutputDesk,
    stream: GuestStream,
}

impl IsTerminal for GuestPipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestPipe {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestPipe {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestPipe {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.desk.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for GuestPipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        // This is WASI 0.3, where the import is called once for a whole stream of writes.
        self.desk.write_unattributed(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
