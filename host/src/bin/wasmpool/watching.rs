//! What is to be seen of many calls under way: how far they are, who has been running longest, and whether more of them at
//! once would help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmpool::{Pool, Stats};

use crate::feeding::Feeders;
use crate::journal::recorded::Recorded;
use crate::report::in_flight::InFlight;
use crate::report::progress::HowFar;

/// A call is slow in a bar when it has run for so long.
const SLOW: Duration = Duration::from_secs(1);
/// How many calls a status names.
const NAMED: usize = 5;
/// All slots must have been waiting for so long before somebody is told.
const FULL_FOR: Duration = Duration::from_secs(1);
/// More calls at once than this are nobody's first idea.
const MOST_SUGGESTED: usize = 512;

/// Looks at many calls under way.
pub(crate) struct Watcher {
    pool: Pool,
    in_flight: InFlight,
    recorded: Arc<Recorded>,
    /// Since when all slots are taken while more calls wait.
    full_since: Option<Instant>,
    has_hinted: bool,
}

/// What only those know who have the calls.
#[derive(Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    pub(crate) expected: Option<u64>,
}

impl Watcher {
    /// Watches the calls of a pool, some of which were recorded before.
    pub(crate) fn new(pool: Pool, in_flight: InFlight, recorded: Arc<Recorded>) -> Self {
        Watcher { pool, in_flight, recorded, full_since: None, has_hinted: false }
    }

    /// Returns how far the calls are.
    pub(crate) fn how_far(&self, counts: Counts) -> HowFar {
        let stats = self.pool.stats();
        let slowest = self.named(1, SLOW).pop();
        HowFar {
            ended: counts.ended,
            failed: counts.failed,
            retried: stats.attempts_retried,
            running: stats.calls_running,
            waiting: stats.calls_waiting(),
            expected: counts.expected,
            slowest,
        }
    }

    /// Returns what is going on, over several lines.
    pub(crate) fn status(&self, counts: Counts, feeders: &Feeders, elapsed: Duration) -> String {
        let mut text = self.how_far(counts).line(elapsed);
        for call in self.named(NAMED, Duration::ZERO) {
            text += &format!("\n  {call}");
        }
        for (name, stats) in feeders.stats() {
            let (items, taken) = (stats.items, stats.taken);
            text += &format!("\n  queue `{name}`: {items} items, {taken} taken, {} waiting", stats.getters);
        }
        text
    }

    /// Returns a hint, once: all slots wait, although there is more to do.
    pub(crate) fn hint(&mut self) -> Option<String> {
        let stats = self.pool.stats();
        if self.has_hinted || !are_all_slots_waiting(&stats) {
            self.full_since = None;
            return None;
        }
        let full_since = *self.full_since.get_or_insert_with(Instant::now);
        if full_since.elapsed() < FULL_FOR {
            return None;
        }
        self.has_hinted = true;
        let each = stats.slots / stats.workers.max(1);
        let more = (each * 8).min(MOST_SUGGESTED).max(each * 2);
        Some(format!(
            "all {} slots wait while there is more input: -c {more} starts more at once",
            stats.slots
        ))
    }

    fn named(&self, most: usize, at_least: Duration) -> Vec<String> {
        let longest = self.in_flight.longest(most, at_least).into_iter();
        let named = longest.map(|(call, what)| {
            let index = self.recorded.index_of(call.get().saturating_sub(1));
            format!("#{index} {what}")
        });
        named.collect()
    }
}

/// Returns true if every slot has a call and others wait for one. A worker takes a call only while nothing in it is ready
/// to run, so that more of them than workers are there means that they wait.
fn are_all_slots_waiting(stats: &Stats) -> bool {
    stats.calls_running >= stats.slots && stats.slots > stats.workers && stats.attempts_queued > 0
}
