//! Queues that the command declares: each is fed with the lines of a file by a thread of its own, one JSON value a line, and
//! ends when the file has and nothing is left of it. A queue that is full holds its reader up and nothing else.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::runtime::Handle;
use wasmpool::{Pool, Queue, QueueError, QueueStats};

use crate::queue_args::QueueFlag;
use crate::talk::Talk;

/// How many items a queue holds before its reader waits.
const CAPACITY: usize = 1_024;

/// What queues are to be fed from.
pub(crate) struct Sources(Vec<(String, Box<dyn Read + Send>)>);

/// Opens the files. `reads_stdin` says that something else does.
///
/// # Errors
/// A file is not there, two queues have one name, or stdin is read twice.
pub(crate) fn open(flags: &[QueueFlag], reads_stdin: bool) -> anyhow::Result<Sources> {
    let mut sources: Vec<(String, Box<dyn Read + Send>)> = Vec::new();
    let mut stdin_is_taken = reads_stdin.then_some("the calls");
    for flag in flags {
        let QueueFlag { name, file } = flag;
        if sources.iter().any(|(other, _)| other == name) {
            bail!("--queue: there are two queues `{name}`");
        }
        let source: Box<dyn Read + Send> = if flag.is_stdin() {
            if let Some(other) = stdin_is_taken.replace("another queue") {
                bail!("--queue {name}=- and {other} both read stdin; read one of them from a file");
            }
            Box::new(io::stdin())
        } else {
            Box::new(File::open(file).with_context(|| format!("--queue {name}={}", file.display()))?)
        };
        sources.push((name.clone(), source));
    }
    Ok(Sources(sources))
}

/// The queues of a run, and who feeds them.
#[derive(Default)]
pub(crate) struct Feeders {
    queues: Vec<Queue<Value>>,
    had_trouble: Arc<AtomicBool>,
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
            let feeder = Feeder {
                queue,
                talk: talk.clone(),
                runtime: Handle::current(),
                had_trouble: feeders.had_trouble.clone(),
            };
            let feed = move || feeder.feed(source);
            let spawned = thread::Builder::new().name("wasmpool-queue".to_owned()).spawn(feed);
            spawned.with_context(|| format!("cannot start to feed the queue `{name}`"))?;
        }
        Ok(feeders)
    }

    /// Ends the queues: no more is put into them.
    pub(crate) fn stop(&self) {
        self.queues.iter().for_each(Queue::close);
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

    /// Returns true if not all that should have been in the queues was.
    pub(crate) fn had_trouble(&self) -> bool {
        self.had_trouble.load(Ordering::Relaxed)
    }
}

/// Feeds one queue.
struct Feeder {
    queue: Queue<Value>,
    talk: Talk,
    runtime: Handle,
    had_trouble: Arc<AtomicBool>,
}

impl Feeder {
    fn feed(self, source: Box<dyn Read + Send>) {
        for (index, line) in BufReader::new(source).lines().enumerate() {
            let fed = match line {
                Ok(line) if line.trim().is_empty() => Ok(true),
                Ok(line) => self.put(&line).map_err(|problem| {
                    format!(
                        "line {} of the queue `{}` {problem}; it is left out",
                        index + 1,
                        self.queue.name()
                    )
                }),
                Err(error) => {
                    let problem =
                        format!("cannot read the queue `{}` to its end: {error}", self.queue.name());
                    self.complain(problem);
                    break;
                }
            };
            match fed {
                Ok(true) => {}
                Ok(false) => break,
                Err(problem) => self.complain(problem),
            }
        }
        self.queue.close_when_done();
    }

    /// Puts a line; false if the queue takes no more.
    fn put(&self, line: &str) -> Result<bool, String> {
        let item: Value = serde_json::from_str(line).map_err(|error| format!("is not JSON: {error}"))?;
        match self.runtime.block_on(self.queue.put(&item)) {
            Ok(()) => Ok(true),
            Err(QueueError::Closed) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    fn complain(&self, problem: String) {
        self.had_trouble.store(true, Ordering::Relaxed);
        self.talk.say(problem);
    }
}
