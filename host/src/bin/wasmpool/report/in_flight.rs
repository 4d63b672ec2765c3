//! The attempts that run, by the pool's events: who has been running longest, and how far they say they are. Events may be
//! lost when they come too fast, so this is for people to look at and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use wasmpool::{CallId, Event};

/// With so many more entries than calls can be, ends must have been lost.
const MOST_ENTRIES: usize = 1 << 17;

/// The attempts that run. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    attempts: Arc<Mutex<HashMap<CallId, Attempt>>>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    number: u32,
    since: Instant,
    progress: Option<(u64, Option<u64>)>,
}

impl InFlight {
    /// Takes an event into account.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                let mut attempts = self.lock();
                if attempts.len() >= MOST_ENTRIES {
                    attempts.clear();
                }
                let started = Attempt { number: attempt.attempt, since: Instant::now(), progress: None };
                attempts.insert(attempt.call, started);
            }
            Event::Progress { attempt, done, total } => {
                if let Some(running) = self.lock().get_mut(&attempt.call) {
                    running.progress = Some((*done, *total));
                }
            }
            Event::AttemptEnded { attempt, .. } => drop(self.lock().remove(&attempt.call)),
            Event::CallEnded { call, .. } => drop(self.lock().remove(call)),
            _ => {}
        }
    }

    /// Returns those that have been running longest, and for at least so long: each call with what is to be said of it.
    pub(crate) fn longest(&self, most: usize, at_least: Duration) -> Vec<(CallId, String)> {
        let mut running: Vec<_> = self.lock().iter().map(|(call, attempt)| (*call, *attempt)).collect();
        running.retain(|(_, attempt)| attempt.since.elapsed() >= at_least);
        let most = most.min(running.len());
        if most < running.len() {
            running.select_nth_unstable_by_key(most, |(_, attempt)| attempt.since);
            running.truncate(most);
        }
        running.sort_by_key(|(_, attempt)| attempt.since);
        running.into_iter().map(|(call, attempt)| (call, attempt.to_string())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Attempt>> {
        self.attempts.lock().expect("no holder of this lock panics")
    }
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s", self.since.elapsed().as_secs_f64())?;
        if self.number > 1 {
            write!(f, ", attempt {}", self.number)?;
        }
        match self.progress {
            None => Ok(()),
            Some((done, None)) => write!(f, ", {done} steps done"),
            Some((done, Some(total))) => write!(f, ", {done} of {total} steps done"),
        }
    }
}
