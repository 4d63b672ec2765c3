//! Whether a call that failed is tried again, and when: a pure rule over counts, times and a drawn number.
//!
//! The waits are tenacity's `wait_random_exponential`, also known as full jitter: each is drawn between nothing and a
//! time that doubles, so that calls which failed together do not come back together. Calls that were lost to others are
//! none of this room's business (`lifespan`).

use std::time::Duration;

use crate::failure::{Failure, TimedOut};

const DEFAULT_ATTEMPTS: u32 = 3;
const DEFAULT_FIRST_DELAY: Duration = Duration::from_millis(100);
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(10);
const DEFAULT_FACTOR: f64 = 2.0;

/// A task that asks to be left alone for longer than this gets no further attempt: its caller has not that much time.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Kinds of failure that another attempt may mend.
///
/// `bad-input`, `denied`, `cancelled` and `not-started` are not among them, because the next attempt would end the same
/// way, and neither is `interrupted`, which has [its own rule](crate::PoolBuilder::rerun_interrupted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryOn {
    /// The task returned its error.
    TaskError,
    /// An attempt was stopped at [`Limits::attempt_timeout`](crate::Limits::attempt_timeout).
    TimedOut,
    /// The guest trapped. The call runs in a sandbox of its own from then on.
    Trapped,
    /// The guest wanted more memory than it may have. The call runs in a sandbox of its own from then on.
    OutOfMemory,
    /// The answer was too large.
    TooLarge,
}

/// What is tried again when no policy says so.
const DEFAULT_ON: [RetryOn; 2] = [RetryOn::TaskError, RetryOn::TimedOut];

/// How often a call that fails is tried, and how long it waits in between.
///
/// What is not said is as the task's `#[retry(…)]` says, or else: 3 attempts, 100 ms before the second and twice as long
/// before each further one up to 10 s, each drawn between nothing and that; for a `task-error` or a `timed-out`. A task's
/// error that is permanent is not tried again, and one that says when to come back waits until then.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use wasmpool::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_millis(100)).attempts(5).within(Duration::from_secs(30));
/// let pause = RetryPolicy::fixed(3, Duration::from_secs(1));
/// # let _ = (policy, pause);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryPolicy {
    pub(crate) attempts: Option<u32>,
    pub(crate) first_delay: Option<Duration>,
    pub(crate) max_delay: Option<Duration>,
    pub(crate) factor: Option<f64>,
    pub(crate) jitter: Option<bool>,
    pub(crate) within: Option<Duration>,
    pub(crate) kinds: Option<Vec<RetryOn>>,
    pub(crate) cases: Option<Vec<String>>,
}

/// How an attempt failed, as far as the next one is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setback {
    pub(crate) kind: RetryOn,
    /// Which case of the task's own error it was.
    pub(crate) case: ErrorCase,
    /// The task says when to come back.
    pub(crate) retry_after: Option<Duration>,
}

/// What is known of the case of a task's own error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ErrorCase {
    /// It is none, has no cases, or nobody knows them.
    Unknown,
    Named(String),
    /// Somebody who knows the type has said that it is worth another attempt.
    Worthwhile,
}

/// How much time a call has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// How long ago the first attempt began.
    pub(crate) since_first: Duration,
    /// How long until the deadline of the whole call, if it has one.
    pub(crate) until_deadline: Option<Duration>,
}

impl RetryPolicy {
    /// One attempt, whatever the task says.
    pub fn none() -> Self {
        RetryPolicy::default().attempts(1)
    }

    /// So many attempts, and always the same time between them.
    pub fn fixed(attempts: u32, delay: Duration) -> Self {
        RetryPolicy::default()
            .attempts(attempts)
            .first_delay(delay)
            .factor(1.0)
            .max_delay(delay)
            .jitter(false)
    }

    /// Waits that begin with up to `first_delay` and double.
    pub fn exponential(first_delay: Duration) -> Self {
        RetryPolicy::default().first_delay(first_delay)
    }

    /// Sets how many attempts a call gets, the first included. Default 3; 0 is as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets how long to wait before the second attempt. Default 100 ms.
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = Some(delay);
        self
    }

    /// Sets how long no wait exceeds, but for a task that says when to come back. Default 10 s, or the first delay if that
    /// is longer.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = Some(delay);
        self
    }

    /// Sets by what each wait is longer than the one before. Default 2.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = Some(factor);
        self
    }

    /// Sets whether waits are drawn between nothing and their full length. Default true.
    pub fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets how long after the beginning of the first attempt the last may begin. Checked before a wait, so that nobody
    /// waits for an attempt that is not made. Default: no limit.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// Sets which kinds of failure are tried again. Default: `task-error` and `timed-out`.
    pub fn on(mut self, kinds: impl IntoIterator<Item = RetryOn>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Sets which cases of the task's own error (a variant or enum) are tried again, by their names in WIT. Default: all.
    ///
    /// A handle with a Rust type for that error ([`Pool::task_with_error`](crate::Pool::task_with_error)) does not know
    /// these names: say the same with [`Task::retry_when`](crate::Task::retry_when) there, or none is tried again.
    pub fn on_cases<C: Into<String>>(mut self, cases: impl IntoIterator<Item = C>) -> Self {
        self.cases = Some(cases.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the policy with what is not said in it taken from another.
    pub(crate) fn or(self, other: RetryPolicy) -> Self {
        RetryPolicy {
            attempts: self.attempts.or(other.attempts),
            first_delay: self.first_delay.or(other.first_delay),
            max_delay: self.max_delay.or(other.max_delay),
            factor: self.factor.or(other.factor),
            jitter: self.jitter.or(other.jitter),
            within: self.within.or(other.within),
            kinds: self.kinds.or(other.kinds),
            cases: self.cases.or(other.cases),
        }
    }

    /// Returns what is wrong with the policy, if anything.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.attempts == Some(0) {
            return Some("a call needs at least 1 attempt");
        }
        let is_good = |factor: f64| factor.is_finite() && factor >= 1.0;
        (!self.factor.is_none_or(is_good)).then_some("the factor must be a number from 1 on")
    }

    /// Returns true if there is never a second attempt.
    pub(crate) fn is_none(&self) -> bool {
        self.most_attempts() <= 1
    }

    fn most_attempts(&self) -> u32 {
        self.attempts.unwrap_or(DEFAULT_ATTEMPTS)
    }

    /// Returns how long to wait before the next attempt, or `None` to give up. `made` attempts have been made, and `draw`
    /// is a random number in `0.0..1.0`.
    pub(crate) fn delay_after(
        &self,
        made: u32,
        setback: &Setback,
        budget: Budget,
        draw: f64,
    ) -> Option<Duration> {
        if made >= self.most_attempts() || !self.covers(setback) {
            return None;
        }
        let delay = self.drawn_delay(made, draw).max(setback.retry_after.unwrap_or_default());
        let begins_after = budget.since_first.saturating_add(delay);
        let is_in_time = self.within.is_none_or(|within| begins_after <= within);
        let is_before_deadline = budget.until_deadline.is_none_or(|left| delay < left);
        let is_soon = setback.retry_after.is_none_or(|time| time <= LONGEST_RETRY_AFTER);
        (is_in_time && is_before_deadline && is_soon).then_some(delay)
    }

    fn covers(&self, setback: &Setback) -> bool {
        if !self.kinds.as_deref().unwrap_or(&DEFAULT_ON).contains(&setback.kind) {
            return false;
        }
        match (&self.cases, &setback.case) {
            (Some(cases), ErrorCase::Named(case)) => cases.contains(case),
            (Some(_), ErrorCase::Unknown) => setback.kind != RetryOn::TaskError,
            _ => true,
        }
    }

    /// Returns the time before the next attempt, which no task has a say in.
    fn drawn_delay(&self, made: u32, draw: f64) -> Duration {
        let first = self.first_delay.unwrap_or(DEFAULT_FIRST_DELAY);
        let most = self.max_delay.unwrap_or(DEFAULT_MAX_DELAY.max(first));
        let exponent = i32::try_from(made.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = first.as_secs_f64() * self.factor.unwrap_or(DEFAULT_FACTOR).powi(exponent);
        // What has no end, and what is no number, is as long as a wait may be.
        let full = Duration::try_from_secs_f64(grown).map_or(most, |delay| delay.min(most));
        if self.jitter.unwrap_or(true) { full.mul_f64(draw.clamp(0.0, 1.0)) } else { full }
    }
}

impl Setback {
    /// What is known of a failure that says no more than its kind.
    pub(crate) fn of(kind: RetryOn) -> Self {
        Setback { kind, case: ErrorCase::Unknown, retry_after: None }
    }
}

impl RetryOn {
    /// Returns the kind of a failure, if it is one that may be tried again.
    pub(crate) fn of(failure: &Failure) -> Option<Self> {
        match failure {
            // Whoever waited too long for a worker, or has no time left at all, would do so again.
            Failure::TimedOut(TimedOut { limit: "attempt_timeout", .. }) => Some(RetryOn::TimedOut),
            Failure::Trapped(_) => Some(RetryOn::Trapped),
            Failure::OutOfMemory(_) => Some(RetryOn::OutOfMemory),
            Failure::TooLarge(_) => Some(RetryOn::TooLarge),
            _ => None,
        }
    }

    /// Returns true if a call that failed so is a danger to those it shares a sandbox with.
    pub(crate) fn harms_neighbours(self) -> bool {
        matches!(self, RetryOn::Trapped | RetryOn::OutOfMemory)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const ENDLESS: Budget = Budget { since_first: Duration::ZERO, until_deadline: None };

    fn delays(policy: &RetryPolicy, draw: f64) -> Vec<Option<u128>> {
        let setback = Setback::of(RetryOn::TaskError);
        let after = |made| policy.delay_after(made, &setback, ENDLESS, draw).map(|delay| delay.as_millis());
        (1..=6).map(after).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_drawn() {
        let policy = RetryPolicy::exponential(MS * 100).attempts(6).max_delay(MS * 500);
        assert_eq!(delays(&policy, 1.0), [Some(100), Some(200), Some(400), Some(500), Some(500), None]);
        assert_eq!(delays(&policy, 0.5), [Some(50), Some(100), Some(200), Some(250), Some(250), None]);
        assert_eq!(delays(&policy.clone().jitter(false), 0.0)[..2], [Some(100), Some(200)]);
        assert_eq!(delays(&RetryPolicy::fixed(3, MS * 7), 0.0)[..3], [Some(7), Some(7), None]);
        assert_eq!(delays(&RetryPolicy::none(), 1.0)[0], None);
        assert_eq!(delays(&RetryPolicy::default(), 1.0)[..3], [Some(100), Some(200), None]);
        let slow = RetryPolicy::exponential(MS * 30_000);
        assert_eq!(delays(&slow, 1.0)[..2], [Some(30_000), Some(30_000)]);
    }

    #[test]
    fn only_what_the_policy_names_is_tried_again() {
        let kinds = [
            RetryOn::TaskError,
            RetryOn::TimedOut,
            RetryOn::Trapped,
            RetryOn::OutOfMemory,
            RetryOn::TooLarge,
        ];
        let tried = |policy: RetryPolicy| {
            kinds.map(|kind| policy.delay_after(1, &Setback::of(kind), ENDLESS, 0.0).is_some())
        };
        assert_eq!(tried(RetryPolicy::default()), [true, true, false, false, false]);
        assert_eq!(tried(RetryPolicy::default().on([RetryOn::Trapped])), [false, false, true, false, false]);
        let by_case = RetryPolicy::default().on_cases(["busy"]);
        assert_eq!(tried(by_case.clone()), [false, true, false, false, false]);
        let named = |case| Setback { case, ..Setback::of(RetryOn::TaskError) };
        let is_tried = |case| by_case.delay_after(1, &named(case), ENDLESS, 0.0).is_some();
        assert!(is_tried(ErrorCase::Named("busy".to_owned())) && is_tried(ErrorCase::Worthwhile));
        assert!(!is_tried(ErrorCase::Named("gone".to_owned())));
    }

    #[test]
    fn a_task_that_says_when_to_come_back_is_left_alone_until_then_but_not_for_hours() {
        let after = |time| {
            let setback = Setback { retry_after: Some(time), ..Setback::of(RetryOn::TaskError) };
            RetryPolicy::default().delay_after(1, &setback, ENDLESS, 1.0)
        };
        assert_eq!(after(MS), Some(MS * 100));
        assert_eq!(after(MS * 60_000), Some(MS * 60_000));
        assert_eq!(after(MS * 3_600_001), None);
    }

    #[test]
    fn what_a_handle_or_the_pool_says_counts_before_the_attribute() {
        let attribute = RetryPolicy::default().attempts(5).first_delay(MS).on_cases(["busy"]);
        let both = RetryPolicy::default().attempts(2).or(attribute);
        assert_eq!(both, RetryPolicy::default().attempts(2).first_delay(MS).on_cases(["busy"]));
    }

    #[test]
    fn settings_that_make_no_sense_are_complained_of() {
        assert!(RetryPolicy::default().problem().is_none());
        assert!(RetryPolicy::default().attempts(0).problem().is_some());
        for factor in [f64::NAN, f64::INFINITY, 0.5, -1.0] {
            assert!(RetryPolicy::default().factor(factor).problem().is_some(), "{factor}");
        }
    }

    proptest! {
        /// Plays a call that fails again and again, each attempt taking some time.
        #[test]
        fn attempts_and_time_are_never_exceeded_and_it_comes_to_an_end(
            attempts in 0u32..40,
            first_ms in 0u64..5_000,
            max_ms in 0u64..5_000,
            factor in prop_oneof![1.0f64..10.0, Just(f64::NAN), Just(f64::INFINITY)],
            within_ms in prop::option::of(0u64..20_000),
            deadline_ms in prop::option::of(0u64..20_000),
            attempt_ms in 0u64..1_000,
            draws in prop::collection::vec(0.0f64..1.0, 40),
        ) {
            let mut policy = RetryPolicy::exponential(MS * first_ms as u32).attempts(attempts).factor(factor);
            policy = policy.max_delay(Duration::from_millis(max_ms));
            policy.within = within_ms.map(Duration::from_millis);
            let deadline = deadline_ms.map(Duration::from_millis);
            let (mut made, mut now) = (0, Duration::ZERO);
            for draw in draws {
                prop_assert!(policy.within.is_none_or(|within| now <= within));
                prop_assert!(made == 0 || deadline.is_none_or(|deadline| now < deadline));
                made += 1;
                now += Duration::from_millis(attempt_ms);
                let until_deadline = deadline.map(|deadline| deadline.saturating_sub(now));
                let budget = Budget { since_first: now, until_deadline };
                let setback = Setback::of(RetryOn::TaskError);
                let Some(delay) = policy.delay_after(made, &setback, budget, draw) else { break };
                prop_assert!(delay <= Duration::from_millis(max_ms));
                now += delay;
            }
            prop_assert!(made <= attempts.max(1));
        }
    }
}
