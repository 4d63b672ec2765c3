//! How far a call is: what its caller is owed, what its attempts have cost, and what is held while one runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::bell::Bell;
use crate::call::{AttemptId, CallId, Company};
use crate::failure::{Failure, Stage};
use crate::hold::Hold;
use crate::outcome::{FailedAttempt, Parcel};
use crate::patience::Taken;
use crate::reply::Surroundings;
use crate::sandbox::engine::TICK;
use crate::spans::{AttemptSpan, CallSpan};
use crate::tally::calls::CountedAttempt;

/// No more of the host's own time is given to an attempt: a host function that blocks is not to keep its caller waiting.
const HOST_TIME_AT_MOST: Duration = Duration::from_millis(500);

/// How a call ended, with its output still wrapped up.
pub(crate) struct Settlement {
    pub(crate) end: SettledEnd,
    pub(crate) attempts: u32,
    pub(crate) interruptions: u32,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
    pub(crate) history: Vec<FailedAttempt>,
}

pub(crate) enum SettledEnd {
    Completed(Parcel),
    Returned(Parcel),
    Failed(Failure),
}

impl SettledEnd {
    /// Returns the kind of the failure.
    pub(crate) fn failure(&self) -> Option<&'static str> {
        match self {
            SettledEnd::Completed(_) => None,
            SettledEnd::Returned(_) => Some("task-error"),
            SettledEnd::Failed(failure) => Some(failure.kind()),
        }
    }
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
    /// Attempts that failed and were followed by another.
    pub(crate) history: Vec<FailedAttempt>,
    /// How long the call pauses before the attempt that is next, while it does.
    pause: Option<Duration>,
    /// When the call was submitted.
    submitted: Instant,
    /// When its first attempt began.
    first_begun: Option<Instant>,
    /// When the present waiting or running began.
    since: Instant,
    /// How often the call was taken to another worker, because others used up its time.
    pub(crate) moves: u32,
    /// Whether it was told that the present attempt is slow.
    pub(crate) is_known_as_slow: bool,
    /// The attempt that runs; `None` while the call waits.
    pub(crate) running_attempt: Option<RunningAttempt>,
    /// Who has the attempt that waits for its sandbox, or had it last.
    pub(crate) seated_with: Option<Arc<Bell>>,
    pub(crate) span: CallSpan,
}

/// What is held while an attempt runs. It goes away outside the call's lock, because its span does.
pub(crate) struct RunningAttempt {
    pub(crate) worker: Arc<Bell>,
    /// What the worker calls it: by another name than its own if it has come in a batch.
    pub(crate) known_as: AttemptId,
    /// Of the sandbox.
    hold: Arc<Hold>,
    busy_ticks_before: u64,
    held_before: Duration,
    host_time_before: Duration,
    /// How long it ran; known once it has ended.
    pub(crate) ran: Duration,
    pub(crate) counted: CountedAttempt,
    pub(crate) span: Option<AttemptSpan>,
}

impl Progress {
    /// Begins to wait for the first attempt, of a call that was submitted just now or a while ago.
    pub(crate) fn new(
        submitted: Instant,
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
            history: Vec::new(),
            pause: None,
            submitted,
            first_begun: None,
            since: submitted,
            moves: 0,
            is_known_as_slow: false,
            running_attempt: None,
            seated_with: None,
            span,
        }
    }

    /// Returns the number of the attempt that waits or runs.
    pub(crate) fn present_attempt(&self) -> u32 {
        self.attempts + self.interruptions + 1
    }

    /// Begins an attempt, which ran already at `begun`.
    pub(crate) fn begin_attempt(&mut self, attempt: RunningAttempt, begun: Instant) {
        self.waiting += begun.saturating_duration_since(self.since);
        self.since = begun;
        self.first_begun.get_or_insert(self.since);
        self.is_known_as_slow = false;
        self.running_attempt = Some(attempt);
    }

    /// Returns how long the call has taken until `now`. `kept_others` is for how long its attempt kept others waiting,
    /// `waited` for how long it has waited for queues.
    pub(crate) fn taken(&self, call: CallId, now: Instant, kept_others: Duration, waited: Duration) -> Taken {
        let attempt = AttemptId { call, attempt: self.present_attempt() };
        let running = self.running_attempt.as_ref();
        Taken {
            since_submission: now.saturating_duration_since(self.submitted),
            stage: match (running, self.pause) {
                (Some(_), _) => Stage::Running,
                (None, Some(_)) => Stage::Pausing,
                (None, None) => Stage::Queued,
            },
            in_stage: self
                .time_in_stage(now, kept_others, waited)
                .saturating_sub(running.map_or(Duration::ZERO, |running| running.host_time(now))),
            pause: self.pause.unwrap_or_default(),
            used_by_others: running
                .map_or(Duration::ZERO, |running| running.used_by_others(attempt, kept_others)),
            is_kept_waiting: running.is_some_and(|running| running.is_kept_waiting(attempt)),
            moves: self.moves,
            is_known_as_slow: self.is_known_as_slow,
        }
    }

    /// As [`taken`](Self::taken) at the beginning of a stage that is no pause, when nobody has kept it waiting yet.
    pub(crate) fn taken_at_beginning(&self, now: Instant) -> Taken {
        Taken {
            since_submission: now.saturating_duration_since(self.submitted),
            stage: if self.running_attempt.is_some() { Stage::Running } else { Stage::Queued },
            in_stage: Duration::ZERO,
            pause: Duration::ZERO,
            used_by_others: Duration::ZERO,
            is_kept_waiting: false,
            moves: self.moves,
            is_known_as_slow: self.is_known_as_slow,
        }
    }

    /// Returns for how long the call has been in its present stage. To wait for a queue is patience and does not count, but
    /// who computes meanwhile does not wait; the first of the ticks that met it so may have come at once.
    fn time_in_stage(&self, now: Instant, kept_others: Duration, waited: Duration) -> Duration {
        let elapsed = now.saturating_duration_since(self.since);
        let computed = kept_others.saturating_sub(TICK).min(elapsed);
        elapsed.saturating_sub(waited).max(computed)
    }

    /// Ends the present attempt; returns what was held for it, and how long it ran, if it had begun.
    pub(crate) fn end_attempt(&mut self) -> Option<(RunningAttempt, Duration)> {
        let passed = self.lap();
        let Some(mut attempt) = self.running_attempt.take() else {
            self.waiting += passed;
            return None;
        };
        self.running += passed;
        attempt.ran = passed;
        Some((attempt, passed))
    }

    /// Begins to wait after an attempt that failed, for as long as it says.
    pub(crate) fn pause(&mut self, failed: FailedAttempt, history_at_most: usize) {
        self.pause = Some(failed.delay).filter(|delay| !delay.is_zero());
        if self.history.len() >= history_at_most {
            self.history.remove(0);
        }
        self.history.push(failed);
        // What was true of the attempt before is not of the next.
        self.moves = 0;
        self.seated_with = None;
    }

    /// Ends the pause: the call waits for a worker now.
    pub(crate) fn end_pause(&mut self) {
        self.pause = None;
        let paused = self.lap();
        self.waiting += paused;
    }

    /// Returns how long ago the first attempt began.
    pub(crate) fn since_first_attempt(&self) -> Duration {
        self.first_begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    /// Returns the time since this was last asked for.
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.since, now)
    }
}

impl RunningAttempt {
    pub(crate) fn new(
        surroundings: Surroundings<'_>,
        counted: CountedAttempt,
        known_as: AttemptId,
        now: Instant,
    ) -> Self {
        RunningAttempt {
            worker: surroundings.bell.clone(),
            known_as,
            hold: surroundings.hold.clone(),
            busy_ticks_before: surroundings.bell.long_busy_ticks(),
            held_before: surroundings.hold.total(),
            host_time_before: surroundings.bell.host_time(now),
            ran: Duration::ZERO,
            counted,
            span: None,
        }
    }

    /// Returns how much time others have used up since it began, and in which it could not run.
    fn used_by_others(&self, own: AttemptId, kept_others: Duration) -> Duration {
        let ticks = self.worker.long_busy_ticks() - self.busy_ticks_before;
        let computed = TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        let held_by_itself = match self.hold.present() {
            Some((by, time)) if by == Some(own) => time,
            _ => Duration::ZERO,
        };
        let held = self.hold.total().saturating_sub(self.held_before);
        (computed + held).saturating_sub(kept_others + held_by_itself)
    }

    /// Returns how much of its time was the host's own, as when it reads the backtrace of a trap: nobody's time runs then,
    /// within reason.
    fn host_time(&self, now: Instant) -> Duration {
        self.worker.host_time(now).saturating_sub(self.host_time_before).min(HOST_TIME_AT_MOST)
    }

    /// Returns true if others keep it from running at this moment.
    fn is_kept_waiting(&self, own: AttemptId) -> bool {
        let is_held = self.hold.present().is_some_and(|(by, time)| by != Some(own) && time >= TICK * 2);
        is_held || self.worker.busy_with().is_some_and(|call| call != own.call)
    }

    /// Has the worker told that nobody awaits it any more.
    pub(crate) fn withdraw(&self) {
        self.worker.withdraw(self.known_as);
    }

    pub(crate) fn end(self, failure: Option<&'static str>) {
        if let Some(span) = self.span {
            span.end(failure);
        }
    }
}
