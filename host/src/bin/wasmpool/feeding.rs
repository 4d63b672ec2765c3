//! Queues that the command declares: each is fed with the lines of a file by a thread of its own, one JSON value a line, and
//! ends when the file has and nothing is left of it. A queue that is full holds its reader up and nothing else. When all
//! calls wait for queues and nothing more comes, all queues end.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::runtime::Handle;
use wasmpool::{Pool, Queue, QueueError, QueueStats, Stats};

use crate::lines::{LineKind, RawLines};
use crate::queue_args::QueueFlag;
use crate::talk::Talk;

/// How many items a queue holds before its reader waits.
const CAPACITY: usize = 1_024;
/// Lines are read in pieces of so many bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// All calls must have been waiting for so long before the queues end.
const STILL_FOR: Duration = Duration::from_secs(1);

type Source = Box<dyn Read + Send>;

/// What queues are to be fed from.
pub(crate) struct Sources(Vec<(String, Option<Source>)>);

/// Opens the files. `reads_stdin` says that something else does.
///
/// # Errors
/// A file is not there, two queues have one name, or stdin is read twice.
pub(crate) fn open(flags: &[QueueFlag], reads_stdin: bool) -> anyhow::Result<Sources> {
    let mut sources: Vec<(String, Option<Source>)> = Vec::new();
    let mut stdin_is_taken = reads_stdin.then_some("the calls");
    for flag in flags {
        let name = &flag.name;
        if sources.iter().any(|(other, _)| other == name) {
            bail!("--queue: there are two queues `{name}`");
        }
        let source: Option<Source> = match &flag.file {
            None => None,
            Some(_) if flag.is_stdin() => {
                if let Some(other) = stdin_is_taken.replace("another queue") {
                    bail!("--queue {name}=- and {other} both read stdin; read one of them from a file");
                }
                Some(Box::new(io::stdin()))
            }
            Some(file) => {
                let opened = File::open(file);
                Some(Box::new(opened.with_context(|| format!("--queue {name}={}", file.display()))?))
            }
        };
        sources.push((name.clone(), source));
    }
    Ok(Sources(sources))
}

/// The queues of a run, and who feeds them.
#[derive(Default)]
pub(crate) struct Feeders {
    queues: Vec<Queue<Value>>,
    state: Arc<Feeding>,
    /// Since when all calls wait for queues, and nothing more comes.
    still_since: Option<Instant>,
}

/// What those who feed have to say.
#[derive(Default)]
struct Feeding {
    /// How many may bring more items at any time: they read, or have yet to.
    reading: AtomicUsize,
    had_trouble: AtomicBool,
}

impl Feeders {
    /// Declares the queues and begins to feed them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(sources: Sources, pool: &Pool, talk: &Talk) -> anyhow::Result<Self> {
        let mut feeders = Feeders::default();
        for (name, source) in sources.0 {
            let queue = pool.queue(&name, CAPACITY);
            feeders.queues.push(queue.clone());
            let Some(source) = source else { continue };
            let state = feeders.state.clone();
            state.reading.fetch_add(1, Ordering::SeqCst);
            let feeder = Feeder { queue, talk: talk.clone(), runtime: Handle::current(), state };
            let feed = move || feeder.feed(source);
            let spawned = thread::Builder::new().name("wasmpool-queue".to_owned()).spawn(feed);
            spawned.with_context(|| format!("cannot start to feed the queue `{name}`"))?;
        }
        Ok(feeders)
    }

    /// Returns true if there are no queues.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Ends the queues: no more is put into them.
    pub(crate) fn stop(&self) {
        self.queues.iter().for_each(Queue::close);
    }

    /// Ends the queues if all calls have been waiting for them for a while, and nothing comes that could change it.
    pub(crate) fn end_if_still(&mut self, stats: &Stats, more_calls_may_come: bool) {
        let may_begin = more_calls_may_come && stats.calls_running < stats.slots;
        let is_still = stats.calls_running > 0
            && stats.calls_on_queues >= stats.calls_running
            && stats.calls_pausing == 0
            && self.state.reading.load(Ordering::SeqCst) == 0
            && !may_begin
            && (more_calls_may_come || stats.attempts_queued == 0 || stats.calls_running >= stats.slots);
        if !is_still {
            self.still_since = None;
        } else if self.still_since.get_or_insert_with(Instant::now).elapsed() >= STILL_FOR {
            self.stop();
        }
    }

    /// Returns what each queue is doing.
    pub(crate) fn stats(&self) -> impl Iterator<Item = (&str, QueueStats)> {
        self.queues.iter().map(|queue| (queue.name(), queue.stats()))
    }

    /// Says what was left in queues.
    pub(crate) fn tell_what_is_left(&self, talk: &Talk) {
        for (name, stats) in self.stats().filter(|(_, stats)| stats.items > 0) {
            talk.say(format!("{} items were left in the queue `{name}`", stats.items));
        }
    }

    /// Returns true if not all items were in the queues that should have been, or not all were processed.
    pub(crate) fn had_trouble(&self) -> bool {
        let is_left = |(_, stats): (&str, QueueStats)| stats.items > 0 || stats.rejected > 0;
        self.state.had_trouble.load(Ordering::Relaxed) || self.stats().any(is_left)
    }
}

/// Feeds one queue.
struct Feeder {
    queue: Queue<Value>,
    talk: Talk,
    runtime: Handle,
    state: Arc<Feeding>,
}

impl Feeder {
    fn feed(self, source: Source) {
        let mut lines = RawLines::new(source, BUFFER_BYTES, LineKind::Json);
        let name = self.queue.name();
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    self.complain(format!("cannot read the queue `{name}` to its end: {error}"));
                    break;
                }
            };
            let put = match line.text() {
                Ok(text) => self.put(text),
                Err(problem) => Err(QueueError::WrongType(problem)),
            };
            match put {
                Ok(()) => {}
                Err(QueueError::Closed) => {
                    self.complain(format!(
                        "the queue `{name}` was closed before line {} was put",
                        line.number
                    ));
                    break;
                }
                Err(problem) => {
                    self.complain(format!(
                        "line {} of the queue `{name}` is left out: {problem}",
                        line.number
                    ));
                }
            }
        }
        self.queue.close_when_done();
        self.state.reading.fetch_sub(1, Ordering::SeqCst);
    }

    /// Puts a line when there is room. While it waits for that, it brings nothing that could change anything.
    fn put(&self, line: &str) -> Result<(), QueueError> {
        self.state.reading.fetch_sub(1, Ordering::SeqCst);
        let put = self.runtime.block_on(self.queue.put_json(line));
        self.state.reading.fetch_add(1, Ordering::SeqCst);
        put
    }

    fn complain(&self, problem: String) {
        self.state.had_trouble.store(true, Ordering::Relaxed);
        self.talk.say(problem);
    }
}
