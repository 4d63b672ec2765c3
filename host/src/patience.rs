//! How long a call may wait and run, and whose fault it is when it takes longer: pure decisions over times. Who measures
//! them, and stops what has taken too long, is elsewhere (`scheduler`).

use std::time::Duration;

use crate::failure::{Stage, TimedOut};

/// An attempt whose turn others kept from it is taken to another worker so often; after that its time is over like any
/// other's.
const MOVES_AT_MOST: u32 = 2;

/// How long a call may take. `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) slow_after: Duration,
}

/// How long a call has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) since_submission: Duration,
    pub(crate) stage: Stage,
    /// For how long it has been waiting, or running, without a break.
    pub(crate) in_stage: Duration,
    /// For how long it pauses before its next attempt; only while it does.
    pub(crate) pause: Duration,
    /// How much of that others used up, by computing or holding the sandbox for long.
    pub(crate) used_by_others: Duration,
    /// Whether others keep it from running at this moment.
    pub(crate) is_kept_waiting: bool,
    /// How often it was taken to another worker for that reason.
    pub(crate) moves: u32,
    /// Whether somebody has been told that it is slow.
    pub(crate) is_known_as_slow: bool,
}

/// What to do about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing until this much later, if ever.
    GoOn(Option<Duration>),
    /// Tell somebody that it is slow, and look again at once.
    TellSlow,
    /// Its time is over.
    Stop(TimedOut),
    /// Others have used up its time, and it should run elsewhere.
    Move,
    /// It has paused for long enough before its next attempt.
    TryAgain,
}

impl Terms {
    /// Returns after how long an attempt that still runs is slow.
    fn slow_at(&self) -> Duration {
        let shortly_before = self.attempt_timeout.map_or(Duration::MAX, |timeout| timeout / 5 * 4);
        self.slow_after.min(shortly_before)
    }

    /// Decides about a call that has taken so long.
    pub(crate) fn judge(&self, taken: &Taken) -> Verdict {
        let stop = |limit, time| Verdict::Stop(TimedOut { stage: taken.stage, limit, time });
        let left = |limit: Option<Duration>, spent: Duration| limit.map(|limit| limit.saturating_sub(spent));
        let until_deadline = left(self.deadline, taken.since_submission);
        if let (Some(Duration::ZERO), Some(deadline)) = (until_deadline, self.deadline) {
            return stop("deadline", deadline);
        }
        if taken.stage == Stage::Pausing {
            let until_next = taken.pause.saturating_sub(taken.in_stage);
            return match until_next.is_zero() {
                true => Verdict::TryAgain,
                false => Verdict::GoOn(Some(until_deadline.map_or(until_next, |left| left.min(until_next)))),
            };
        }
        if taken.stage == Stage::Queued {
            let until_timeout = left(self.queue_timeout, taken.in_stage);
            return match (until_timeout, self.queue_timeout) {
                (Some(Duration::ZERO), Some(timeout)) => stop("queue_timeout", timeout),
                _ => Verdict::GoOn([until_timeout, until_deadline].into_iter().flatten().min()),
            };
        }
        let until_slow = self.slow_at().saturating_sub(taken.in_stage);
        if until_slow.is_zero() && !taken.is_known_as_slow {
            return Verdict::TellSlow;
        }
        let until_slow = Some(until_slow).filter(|_| !taken.is_known_as_slow);
        match self.attempt_timeout.map(|timeout| self.judge_attempt(timeout, taken)) {
            Some(Verdict::GoOn(until_timeout)) => {
                Verdict::GoOn([until_timeout, until_slow, until_deadline].into_iter().flatten().min())
            }
            Some(verdict) => verdict,
            None => Verdict::GoOn([until_slow, until_deadline].into_iter().flatten().min()),
        }
    }

    /// Decides about an attempt. What others used up is given back to it, but no more than it had; who is kept waiting
    /// even then should try elsewhere.
    fn judge_attempt(&self, timeout: Duration, taken: &Taken) -> Verdict {
        let allowed = timeout + taken.used_by_others.min(timeout);
        let is_last = taken.in_stage >= timeout * 2;
        if taken.in_stage < allowed {
            return Verdict::GoOn(Some(allowed - taken.in_stage));
        }
        match (taken.is_kept_waiting, is_last) {
            (true, false) => Verdict::GoOn(Some(Duration::ZERO)),
            (true, true) if taken.moves < MOVES_AT_MOST => Verdict::Move,
            _ => Verdict::Stop(TimedOut { stage: Stage::Running, limit: "attempt_timeout", time: timeout }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn terms() -> Terms {
        Terms {
            attempt_timeout: Some(MS * 300),
            queue_timeout: None,
            deadline: None,
            slow_after: Duration::from_secs(60),
        }
    }

    fn running(in_stage: u32, used_by_others: u32, is_kept_waiting: bool) -> Taken {
        Taken {
            since_submission: MS * in_stage,
            stage: Stage::Running,
            in_stage: MS * in_stage,
            pause: Duration::ZERO,
            used_by_others: MS * used_by_others,
            is_kept_waiting,
            moves: 0,
            is_known_as_slow: true,
        }
    }

    fn stopped(limit: &'static str, stage: Stage, ms: u32) -> Verdict {
        Verdict::Stop(TimedOut { stage, limit, time: MS * ms })
    }

    #[test]
    fn an_attempt_has_its_time_and_what_others_used_up_once_more_at_most() {
        let table = [
            (running(299, 0, false), Verdict::GoOn(Some(MS))),
            (running(300, 0, false), stopped("attempt_timeout", Stage::Running, 300)),
            (running(300, 290, true), Verdict::GoOn(Some(MS * 290))),
            (running(590, 290, false), stopped("attempt_timeout", Stage::Running, 300)),
            (running(590, 290, true), Verdict::GoOn(Some(Duration::ZERO))),
            (running(600, 590, false), stopped("attempt_timeout", Stage::Running, 300)),
            (running(600, 590, true), Verdict::Move),
            (Taken { moves: 2, ..running(600, 590, true) }, stopped("attempt_timeout", Stage::Running, 300)),
        ];
        for (taken, verdict) in table {
            assert_eq!(terms().judge(&taken), verdict, "{taken:?}");
        }
    }

    #[test]
    fn what_is_not_limited_goes_on_and_is_slow_after_a_while() {
        let endless = Terms { attempt_timeout: None, ..terms() };
        let fresh = |ms| Taken { is_known_as_slow: false, ..running(ms, 0, false) };
        assert_eq!(endless.judge(&fresh(1_000)), Verdict::GoOn(Some(MS * 59_000)));
        assert_eq!(endless.judge(&fresh(60_000)), Verdict::TellSlow);
        assert_eq!(endless.judge(&running(u32::MAX, 0, true)), Verdict::GoOn(None));
        assert_eq!(terms().judge(&fresh(240)), Verdict::TellSlow);
    }

    #[test]
    fn waiting_has_limits_of_its_own_and_the_deadline_counts_everything() {
        let all = Terms { queue_timeout: Some(MS * 50), deadline: Some(MS * 400), ..terms() };
        let queued = |ms| Taken { stage: Stage::Queued, ..running(ms, 0, false) };
        assert_eq!(all.judge(&queued(20)), Verdict::GoOn(Some(MS * 30)));
        assert_eq!(all.judge(&queued(50)), stopped("queue_timeout", Stage::Queued, 50));
        let late = Taken { since_submission: MS * 400, ..running(10, 400, true) };
        assert_eq!(all.judge(&late), stopped("deadline", Stage::Running, 400));
        assert_eq!(all.judge(&Taken { since_submission: MS * 390, ..late }), Verdict::GoOn(Some(MS * 10)));
    }
}
