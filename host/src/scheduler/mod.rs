//! Follows each call from submit to report: gives out its attempts, hears how they ended, and decides
//! whether there is another. It runs on no thread of its own: the decision is made by whoever brings the
//! news, so a call that goes well costs one hop to a worker and one back.

pub(crate) mod ledger;
pub(crate) mod progress;
pub(crate) mod watchdog;
pub(crate) mod setback;
pub(crate) mod calls;
mod ending;
pub(crate) mod inbox;
pub(crate) mod batch;
pub(crate) mod stall;
mod retrying;
mod hearing;
mod overdue;
