//! How far a call is: what its caller is owed, what its attempts have cost, and what is held while one runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::bell::Bell;
use crate::call::Company;
use crate::outcome::{Failure, Parcel};
use crate::spans::{AttemptSpan, CallSpan};
use crate::tally::calls::CountedAttempt;

/// How a call ended, with its output still wrapped up.
pub(crate) struct Settlement {
    pub(crate) end: SettledEnd,
    pub(crate) attempts: u32,
    pub(crate) interruptions: u32,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
}

pub(crate) enum SettledEnd {
    Completed(Parcel),
    Returned(Parcel),
    Failed(Failure),
}

/// A call between its submission and its answer; what changes is behind the call's lock.
pub(crate) struct Progress {
    /// Gone once the call is settled.
    pub(crate) caller: Option<oneshot::Sender<Settlement>>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) company: Company,
    pub(crate) attempts: u32,
    pub(crate) interruptions: u32,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
    /// When the present waiting or running began.
    since: Instant,
    /// The attempt that runs; `None` while the call waits.
    pub(crate) running_attempt: Option<RunningAttempt>,
    /// Who has the attempt that waits for its sandbox, or had it last.
    pub(crate) seated_with: Option<Arc<Bell>>,
    pub(crate) span: CallSpan,
}

/// What is held while an attempt runs. It goes away outside the call's lock, because its span does.
pub(crate) struct RunningAttempt {
    pub(crate) worker: Arc<Bell>,
    pub(crate) counted: CountedAttempt,
    pub(crate) span: Option<AttemptSpan>,
}

impl Progress {
    /// Begins to wait for the first attempt.
    pub(crate) fn new(
        caller: oneshot::Sender<Settlement>,
        permit: Option<OwnedSemaphorePermit>,
        span: CallSpan,
    ) -> Self {
        Progress {
            caller: Some(caller),
            permit,
            company: Company::Shared,
            attempts: 0,
            interruptions: 0,
            waiting: Duration::ZERO,
            running: Duration::ZERO,
            since: Instant::now(),
            running_attempt: None,
            seated_with: None,
            span,
        }
    }

    /// Returns the number of the attempt that waits or runs.
    pub(crate) fn present_attempt(&self) -> u32 {
        self.attempts + self.interruptions + 1
    }

    pub(crate) fn begin_attempt(&mut self, attempt: RunningAttempt) {
        let waited = self.lap();
        self.waiting += waited;
        self.running_attempt = Some(attempt);
    }

    /// Ends the present attempt; returns what was held for it, and how long it ran, if it had begun.
    pub(crate) fn end_attempt(&mut self) -> Option<(RunningAttempt, Duration)> {
        let passed = self.lap();
        let Some(attempt) = self.running_attempt.take() else {
            self.waiting += passed;
            return None;
        };
        self.running += passed;
        Some((attempt, passed))
    }

    /// Returns the time since this was last asked for.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.since, now)
    }
}

impl RunningAttempt {
    pub(crate) fn new(worker: Arc<Bell>, counted: CountedAttempt) -> Self {
        RunningAttempt { worker, counted, span: None }
    }

    pub(crate) fn end(self, failure: Option<&'static str>) {
        if let Some(span) = self.span {
            span.end(failure);
        }
    }
}
