//! The last line that `map` says: how many calls there were and what became of them. Its words do not change with
//! the numbers, so that scripts can read it too.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Report;
use super::record::kind;

/// What became of calls, counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: u64,
    failed: BTreeMap<&'static str, u64>,
    retried: u64,
}

impl Tally {
    /// Counts a call.
    pub(crate) fn count(&mut self, report: &Report) {
        match kind(report) {
            None => self.done += 1,
            Some(kind) => *self.failed.entry(kind).or_default() += 1,
        }
        if report.attempts.saturating_add(report.interruptions) > 1 {
            self.retried += 1;
        }
    }

    /// Returns how many calls have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.done + self.failed()
    }

    /// Returns how many of them have no result.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the summary line.
    pub(crate) fn summary(&self, elapsed: Duration) -> String {
        let mut line = format!("{} calls: {} done", self.ended(), self.done);
        if self.failed() > 0 {
            let mut kinds: Vec<_> = self.failed.iter().collect();
            kinds.sort_by_key(|(_, count)| Reverse(**count));
            let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            line += &format!(", {} failed ({})", self.failed(), kinds.join(", "));
        }
        if self.retried > 0 {
            line += &format!(", {} retried", self.retried);
        }
        format!("{line}; {:.1} s", elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Tally;

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
}
