//! How many short calls travel together: as many as make a hop to a worker and back worth its while, by what they took
//! until now. Pure decisions over times.

use std::time::Duration;

/// What a batch should keep a worker busy for. A hop there and back costs some microseconds of both sides, and of a
/// worker that has to be woken 50 or so: with half of this time, calls cost some 3 % more.
const BATCH_TIME: Duration = Duration::from_micros(200);

/// Calls that take longer are not worth it.
const SHORT: Duration = Duration::from_micros(50);

/// More never travel together: as many would be queued one by one if the first of them takes its time.
const CALLS_AT_MOST: u32 = 512;

/// So many calls must have been seen.
const CALLS_AT_LEAST: u32 = 16;

/// So many calls go by themselves after a call took its time that travelled with others, and up to so many if it happens
/// again and again.
const ALONE_AT_LEAST: u32 = 64;
const ALONE_AT_MOST: u32 = 4_096;

/// Calls are not told apart by less than this.
const TOLERATED: Duration = Duration::from_micros(1);

/// How fast calls end, and how fast their inputs come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seen: u32,
    /// How long a call takes, by a running average.
    call: Duration,
    /// How long it takes to come by the input of a call and hand it in.
    input: Duration,
    /// How many calls go by themselves before it is tried again with many.
    alone: u32,
    /// How many that were the last time.
    alone_before: u32,
}

impl Pace {
    /// Notes how long calls took that ended together.
    pub(super) fn note_calls(&mut self, times: impl IntoIterator<Item = Duration>) {
        // One call in a thousand that waits, or whose worker was put to sleep by the system, says little of the others.
        let most = if self.seen < CALLS_AT_LEAST { Duration::MAX } else { self.call * 4 + TOLERATED };
        let (mut calls, mut sum) = (0, Duration::ZERO);
        for time in times {
            calls += 1;
            sum += time.min(most);
        }
        if calls == 0 {
            return;
        }
        self.alone = self.alone.saturating_sub(calls);
        // As one measurement for all, since those that end together are of one time.
        let average = sum / calls;
        self.call = if self.seen == 0 { average } else { (self.call * 3 + average) / 4 };
        self.seen = self.seen.saturating_add(calls);
    }

    /// Notes that of so many batches calls took their time, and of the others none: to travel together was of no use to
    /// those behind.
    pub(super) fn note_batches(&mut self, dissolved: u32) {
        if dissolved == 0 {
            self.alone_before /= 2;
            return;
        }
        self.alone_before = (self.alone_before * 2).clamp(ALONE_AT_LEAST, ALONE_AT_MOST);
        self.alone = self.alone_before;
    }

    /// Notes how long it took to come by some inputs and hand them in.
    pub(super) fn note_inputs(&mut self, inputs: u32, time: Duration) {
        let each = (time / inputs.max(1)).min(self.input * 4 + TOLERATED);
        self.input = (self.input + each) / 2;
    }

    /// Returns how many calls should travel together; 1 for none with others.
    pub(super) fn calls_together(&self) -> usize {
        if self.seen < CALLS_AT_LEAST || self.alone > 0 || self.call > SHORT || self.input > SHORT {
            return 1;
        }
        let each = self.call.max(Duration::from_nanos(1));
        let calls = (BATCH_TIME.as_nanos() / each.as_nanos()).min(CALLS_AT_MOST.into());
        usize::try_from(calls).expect("it is small")
    }

    /// Returns true if it costs more to look at the clock than to come by an input.
    pub(super) fn inputs_come_fast(&self) -> bool {
        self.input < TOLERATED
    }

    /// Returns true if the inputs at hand should go now, which took so long to come by.
    pub(super) fn is_time(&self, collecting: Duration) -> bool {
        collecting > BATCH_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn note(pace: &mut Pace, calls: usize, each: Duration) {
        pace.note_calls(std::iter::repeat_n(each, calls));
    }

    #[test]
    fn short_calls_travel_together_once_some_have_been_seen() {
        let mut pace = Pace::default();
        for _ in 0..CALLS_AT_LEAST {
            assert_eq!(pace.calls_together(), 1);
            note(&mut pace, 1, us(2));
        }
        assert_eq!(pace.calls_together(), 100);
        (0..100).for_each(|_| note(&mut pace, 50, Duration::from_nanos(100)));
        assert_eq!(pace.calls_together(), CALLS_AT_MOST as usize);
    }

    #[test]
    fn a_rare_long_call_changes_little_and_many_of_them_much() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| note(&mut pace, 100, us(1)));
        assert_eq!(pace.calls_together(), 200);
        note(&mut pace, 1, Duration::from_secs(1));
        assert!(pace.calls_together() >= 80, "{pace:?}");
        let alone = (1..).find(|_| {
            note(&mut pace, 1, Duration::from_secs(1));
            pace.calls_together() == 1
        });
        assert!(alone.is_some_and(|calls| calls < 20), "{alone:?}");
    }

    #[test]
    fn where_calls_take_their_time_again_and_again_they_travel_together_less_often() {
        let mut pace = Pace::default();
        let calls_alone = |pace: &mut Pace| {
            pace.note_batches(1);
            (0..).find(|_| {
                note(pace, 1, us(1));
                pace.calls_together() > 1
            })
        };
        let alone: Vec<_> = (0..8).map(|_| calls_alone(&mut pace)).collect();
        assert_eq!(alone[..3], [Some(63), Some(127), Some(255)]);
        assert_eq!(alone[7], Some(4_095));
        (0..12).for_each(|_| pace.note_batches(0));
        assert_eq!(calls_alone(&mut pace), Some(63));
    }

    #[test]
    fn inputs_that_come_slowly_wait_for_nobody() {
        let mut pace = Pace::default();
        (0..20).for_each(|_| note(&mut pace, 100, us(1)));
        let slow = (1..).find(|_| {
            pace.note_inputs(1, Duration::from_secs(1));
            pace.calls_together() == 1
        });
        assert!(slow.is_some_and(|inputs| inputs < 10), "{slow:?}");
        (0..20).for_each(|_| pace.note_inputs(1, us(1)));
        assert_eq!(pace.calls_together(), 200);
    }
}
