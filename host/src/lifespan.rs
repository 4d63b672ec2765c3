//! What becomes of a call after an attempt, of a sandbox after a call, of a module that does not open:
//! pure decisions over counts. Nothing here knows a clock, a queue or an engine.

use crate::call::Company;
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

/// Returns true if callers who wait for a sandbox should be told after `in_a_row` failed openings.
pub(crate) fn gives_up_opening(in_a_row: u32) -> bool {
    in_a_row >= OPENINGS_AT_MOST
}

/// Returns true if a sandbox holds too many calls that nobody awaits any more: it takes no new ones then,
/// so that they can be dropped with it. A few that merely wait cost nothing and may end by themselves.
pub(crate) fn too_many_abandoned(abandoned: usize, concurrency: usize) -> bool {
    abandoned >= concurrency.max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

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
