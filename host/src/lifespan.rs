//! What becomes of a call after an attempt, of a sandbox after a call, of a module that does not open:
//! pure decisions over counts. Nothing here knows a clock, a queue or an engine.

use std::time::Duration;

use crate::call::{Company, RerunInterrupted};
use crate::event::RetireReason;
use crate::outcome::Interruption;

/// A call that was interrupted this often runs alone from then on: nobody can interrupt it any more.
const INTERRUPTIONS_IN_COMPANY: u32 = 3;

/// A call that lost this many workers under it is given up: it may be the one that kills them.
const INTERRUPTIONS_AT_MOST: u32 = 8;

/// After so many openings in a row that failed, every caller who waits for one is told why.
const OPENINGS_AT_MOST: u32 = 3;

/// Whether an interrupted call is run again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rerun {
    /// Run again, in this company.
    Again(Company),
    /// Tell the caller.
    GiveUp,
}

/// Decides about a call that has been interrupted `times` times, the last time by `interruption`.
pub(crate) fn after_interruption(times: u32, company: Company, interruption: &Interruption) -> Rerun {
    if times >= INTERRUPTIONS_AT_MOST {
        return Rerun::GiveUp;
    }
    // Where nobody can be blamed, each suspect runs by itself, so that the culprit harms only itself.
    let suspect = *interruption == Interruption::SomebodyTrapped;
    if suspect || company == Company::Alone || times >= INTERRUPTIONS_IN_COMPANY {
        return Rerun::Again(Company::Alone);
    }
    Rerun::Again(Company::Shared)
}

/// What decides whether an interrupted call may be run again at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RerunRule {
    pub(crate) policy: RerunInterrupted,
    pub(crate) is_idempotent: bool,
}

impl RerunRule {
    /// Decides about a call whose lost attempt may have changed something outside its sandbox, or not.
    pub(crate) fn allows(&self, had_effect: bool) -> bool {
        match self.policy {
            RerunInterrupted::Always => true,
            RerunInterrupted::Never => false,
            RerunInterrupted::UnlessEffects => self.is_idempotent || !had_effect,
        }
    }
}

/// Returns true if callers who wait for a sandbox should be told after `in_a_row` failed openings.
pub(crate) fn gives_up_opening(in_a_row: u32) -> bool {
    in_a_row >= OPENINGS_AT_MOST
}

/// Returns true if a sandbox holds too many calls that nobody awaits any more: it takes no new ones then,
/// so that they can be dropped with it. A few that merely wait cost nothing and may end by themselves.
pub(crate) fn too_many_abandoned(abandoned: usize, concurrency: usize) -> bool {
    abandoned >= concurrency.max(8)
}

/// After what a pool's sandboxes are replaced by new ones. Every limit has its largest value where none is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recycling {
    pub(crate) calls: u64,
    pub(crate) age: Duration,
    pub(crate) memory_bytes: usize,
    pub(crate) idle: Duration,
    /// By which part of a limit sandboxes differ, so that not all end at once.
    pub(crate) spread: f64,
}

impl Default for Recycling {
    fn default() -> Self {
        Recycling {
            calls: u64::MAX,
            age: Duration::MAX,
            memory_bytes: usize::MAX,
            idle: Duration::MAX,
            spread: 0.1,
        }
    }
}

impl Recycling {
    /// Returns the limits of one sandbox. `draw` is a random number in `0.0..1.0`: it takes up to `spread` off each
    /// limit, and off a number of calls only whole ones, so that small numbers are kept to the letter.
    pub(crate) fn lifespan(&self, draw: f64) -> Lifespan {
        let less = self.spread * draw;
        let calls_less = if self.calls == u64::MAX { 0 } else { (self.calls as f64 * less) as u64 };
        let memory_less =
            if self.memory_bytes == usize::MAX { 0 } else { (self.memory_bytes as f64 * less) as usize };
        let age = if self.age == Duration::MAX { self.age } else { self.age.mul_f64(1.0 - less) };
        Lifespan {
            calls: (self.calls - calls_less).max(1),
            age,
            memory_bytes: self.memory_bytes - memory_less,
            idle: self.idle,
        }
    }

    /// Returns true if no sandbox ends for what its calls do, so that nobody has to look after each.
    pub(crate) fn is_blind_to_calls(&self) -> bool {
        self.calls == u64::MAX && self.memory_bytes == usize::MAX
    }

    /// Returns how long a sandbox may go without being looked at; `None` if time does nothing to it.
    pub(crate) fn longest_look_away(&self) -> Option<Duration> {
        let age = Some(self.age).filter(|age| *age < Duration::MAX).map(|age| age.mul_f64(1.0 - self.spread));
        let idle = Some(self.idle).filter(|idle| *idle < Duration::MAX);
        [age, idle].into_iter().flatten().min()
    }
}

/// After what one sandbox is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifespan {
    pub(crate) calls: u64,
    pub(crate) age: Duration,
    pub(crate) memory_bytes: usize,
    pub(crate) idle: Duration,
}

impl Lifespan {
    /// The life of a sandbox that is opened for one call.
    pub(crate) const ONE_CALL: Lifespan =
        Lifespan { calls: 1, age: Duration::MAX, memory_bytes: usize::MAX, idle: Duration::MAX };

    /// Returns why a sandbox has done enough, if it has.
    pub(crate) fn wear(
        &self,
        calls: u64,
        memory_bytes: usize,
        age: Duration,
        idle: Duration,
    ) -> Option<RetireReason> {
        if calls >= self.calls {
            Some(if *self == Self::ONE_CALL { RetireReason::Used } else { RetireReason::CallLimit })
        } else if memory_bytes >= self.memory_bytes {
            Some(RetireReason::MemoryLimit)
        } else if age >= self.age {
            Some(RetireReason::Age)
        } else if idle >= self.idle {
            Some(RetireReason::Idle)
        } else {
            None
        }
    }
}

/// After so many ticks in a row with jobs that nobody comes for, one more worker is started.
const TICKS_SHORT_HANDED: u32 = 2;

/// Returns true if a pool that may have more workers should start one: jobs have been waiting for `ticks_waiting`
/// ticks while no worker was without work.
pub(crate) fn wants_worker(ticks_waiting: u32) -> bool {
    ticks_waiting >= TICKS_SHORT_HANDED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_of_calls_are_kept_to_the_letter_and_large_ones_are_spread_downwards() {
        let calls = |limit, draw| Recycling { calls: limit, ..Recycling::default() }.lifespan(draw).calls;
        assert_eq!([1, 2, 10].map(|limit| calls(limit, 0.999)), [1, 2, 10]);
        assert_eq!([0.0, 0.5, 0.999].map(|draw| calls(1_000, draw)), [1_000, 950, 901]);
        assert_eq!(calls(u64::MAX, 0.999), u64::MAX);
    }

    #[test]
    fn what_is_not_limited_never_wears() {
        let endless = Recycling::default().lifespan(0.7);
        let long = Duration::from_secs(1 << 40);
        assert_eq!(endless.wear(u64::MAX - 1, usize::MAX - 1, long, long), None);
        assert_eq!(Recycling::default().longest_look_away(), None);
    }

    #[test]
    fn each_limit_is_reached_for_its_own_reason() {
        let second = Duration::from_secs(1);
        let short = Lifespan { calls: 5, age: second * 10, memory_bytes: 100, idle: second };
        let none = Duration::ZERO;
        assert_eq!(short.wear(4, 99, none, none), None);
        assert_eq!(short.wear(5, 0, none, none), Some(RetireReason::CallLimit));
        assert_eq!(short.wear(0, 100, none, none), Some(RetireReason::MemoryLimit));
        assert_eq!(short.wear(0, 0, second * 10, none), Some(RetireReason::Age));
        assert_eq!(short.wear(0, 0, none, second), Some(RetireReason::Idle));
        assert_eq!(Lifespan::ONE_CALL.wear(1, 0, none, none), Some(RetireReason::Used));
    }

    #[test]
    fn a_neighbour_is_run_again_in_company_twice_and_then_alone() {
        let companies: Vec<_> = (1..=4)
            .map(|times| after_interruption(times, Company::Shared, &Interruption::NeighbourTrapped))
            .collect();
        assert_eq!(
            companies,
            [
                Rerun::Again(Company::Shared),
                Rerun::Again(Company::Shared),
                Rerun::Again(Company::Alone),
                Rerun::Again(Company::Alone)
            ]
        );
    }

    #[test]
    fn what_had_an_effect_is_run_again_only_if_somebody_says_so() {
        use RerunInterrupted::{Always, Never, UnlessEffects};
        let allowed = |policy, is_idempotent| {
            [false, true].map(|had_effect| RerunRule { policy, is_idempotent }.allows(had_effect))
        };
        assert_eq!(allowed(UnlessEffects, false), [true, false]);
        assert_eq!(allowed(UnlessEffects, true), [true, true]);
        assert_eq!(allowed(Always, false), [true, true]);
        assert_eq!(allowed(Never, true), [false, false]);
    }

    #[test]
    fn a_suspect_runs_alone_at_once() {
        assert_eq!(
            after_interruption(1, Company::Shared, &Interruption::SomebodyTrapped),
            Rerun::Again(Company::Alone)
        );
    }

    #[test]
    fn a_call_that_loses_worker_after_worker_is_given_up() {
        assert_eq!(after_interruption(8, Company::Alone, &Interruption::WorkerLost), Rerun::GiveUp);
    }

    #[test]
    fn the_third_failed_opening_in_a_row_is_told() {
        assert_eq!([1, 2, 3, 4].map(gives_up_opening), [false, false, true, true]);
    }
}
