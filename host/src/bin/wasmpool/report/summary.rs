//! The last line that `map` says: how many calls there were and what became of them. Its words do not change with
//! the numbers, so that scripts can read it too.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Report;
use super::record::kind;
use super::slowest::{SlowCall, Slowest};
use crate::resume::Past;

/// What became of calls, counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: u64,
    failed: BTreeMap<&'static str, u64>,
    retried: u64,
    slowest: Slowest,
    /// What is not of this run.
    past: Past,
}

impl Tally {
    /// Begins to count, after earlier runs.
    pub(crate) fn after(past: Past) -> Self {
        Tally { past, ..Tally::default() }
    }

    /// Counts a call.
    pub(crate) fn count(&mut self, report: &Report) {
        match kind(report) {
            None => self.done += 1,
            Some(kind) => *self.failed.entry(kind).or_default() += 1,
        }
        if report.attempts.saturating_add(report.interruptions) > 1 {
            self.retried += 1;
        }
        self.slowest.count(report);
    }

    /// Returns how many calls have ended, now or before.
    pub(crate) fn calls(&self) -> u64 {
        self.done + self.failed() + self.past.recorded.len()
    }

    /// Returns how many calls of this run have a result.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Returns how many calls of this run have none.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns how many calls of this run failed, by kind.
    pub(crate) fn failures(&self) -> &BTreeMap<&'static str, u64> {
        &self.failed
    }

    /// Returns how many calls of this run were run more than once.
    pub(crate) fn retried(&self) -> u64 {
        self.retried
    }

    /// Returns the calls of this run that ran longest.
    pub(crate) fn slowest(&self) -> &[SlowCall] {
        self.slowest.calls()
    }

    /// Returns what earlier runs have done.
    pub(crate) fn past(&self) -> &Past {
        &self.past
    }

    /// Returns the summary line.
    pub(crate) fn summary(&self, elapsed: Duration) -> String {
        let mut line = format!("{} calls: {} done", self.calls(), self.done);
        if self.failed() > 0 {
            let mut kinds: Vec<_> = self.failed.iter().collect();
            kinds.sort_by_key(|(_, count)| Reverse(**count));
            let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            line += &format!(", {} failed ({})", self.failed(), kinds.join(", "));
        }
        if self.retried > 0 {
            line += &format!(", {} retried", self.retried);
        }
        let before = self.past.recorded.len();
        if before > 0 {
            line += &format!("; {before} before");
        }
        if self.past.failed > 0 {
            line += &format!(" ({} failed)", self.past.failed);
        }
        format!("{line}; {:.1} s", elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Tally;
    use crate::journal::recorded::Recorded;
    use crate::resume::Past;

    #[test]
    fn the_summary_says_only_what_there_is_to_say() {
        let elapsed = Duration::from_millis(12_345);
        let mut tally = Tally { done: 997, ..Tally::default() };
        assert_eq!(tally.summary(elapsed), "997 calls: 997 done; 12.3 s");
        tally.failed.extend([("task-error", 2), ("timed-out", 1)]);
        tally.retried = 14;
        let line = "1000 calls: 997 done, 3 failed (2 task-error, 1 timed-out), 14 retried; 12.3 s";
        assert_eq!(tally.summary(elapsed), line);
        assert_eq!(Tally::default().summary(Duration::ZERO), "0 calls: 0 done; 0.0 s");
    }

    #[test]
    fn the_summary_tells_earlier_runs_apart() {
        let recorded = || Recorded::new(0..3800).into();
        let tally = Tally { done: 1200, ..Tally::after(Past { recorded: recorded(), failed: 0 }) };
        assert_eq!(tally.summary(Duration::ZERO), "5000 calls: 1200 done; 3800 before; 0.0 s");
        let mut tally = Tally::after(Past { recorded: recorded(), failed: 12 });
        tally.failed.insert("trapped", 1);
        let line = "3801 calls: 0 done, 1 failed (1 trapped); 3800 before (12 failed); 0.0 s";
        assert_eq!(tally.summary(Duration::ZERO), line);
    }
}
