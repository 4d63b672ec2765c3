//! What a worker and the desk have to say to each other about an attempt. The answer is owed: a [`Reply`] that is
//! dropped unanswered reports its attempt as lost, so whatever becomes of a worker, the desk hears of it.

use std::sync::Arc;
use std::time::Duration;

use crate::bell::Bell;
use crate::call::WorkerId;
use crate::hold::Hold;
use crate::outcome::{Answer, Ending, Interruption};

/// Where a call stands with the desk, as far as one of its attempts is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody awaits the attempt.
    Awaited,
    /// Nobody does: the call was withdrawn or answered, or another attempt has taken its place.
    Unawaited,
    /// Nobody does, because it has used up its time.
    OutOfTime,
}

/// Who gave out a job and hears how it ended. A call's attempts are told apart by their numbers: one that was given up
/// may still have something to say, which counts for nothing then.
pub(crate) trait Desk: Send + Sync {
    /// Notes that the attempt waits in a worker that listens to `bell`; false if nobody awaits it any more.
    fn seated(&self, attempt: u32, bell: &Arc<Bell>) -> bool;
    /// Notes that the attempt begins to run; false if nobody awaits it any more.
    fn begun(&self, attempt: u32, surroundings: Surroundings<'_>) -> bool;
    fn standing(&self, attempt: u32) -> Standing;
    /// Notes that the attempt kept others from running for this long.
    fn kept_others_waiting(&self, attempt: u32, time: Duration);
    /// Notes that the attempt may have changed something outside its sandbox.
    fn had_effect(&self, attempt: u32);
    /// Hears that the attempt would wait for ever, and why.
    fn stalled(&self, attempt: u32, reason: String);
    /// Hears that everything on the worker's thread waits for something. Only batches are told.
    fn waits(&self) {}
    /// Hears how the attempt ended.
    fn ended(self: Arc<Self>, attempt: u32, ending: Ending);
    /// As [`ended`](Self::ended), for an attempt whose task has returned. Batches have one wrapping for many answers.
    fn answered(self: Arc<Self>, attempt: u32, answer: &mut dyn Answer) {
        self.ended(attempt, answer.wrap());
    }
}

/// Where an attempt runs.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) worker: WorkerId,
    /// Of that worker.
    pub(crate) bell: &'a Arc<Bell>,
    /// Of the sandbox.
    pub(crate) hold: &'a Arc<Hold>,
}

/// The place for a job's answer; answers for itself when dropped.
pub(crate) struct Reply {
    desk: Option<Arc<dyn Desk>>,
    attempt: u32,
}

impl Reply {
    pub(crate) fn to(desk: Arc<dyn Desk>, attempt: u32) -> Self {
        Reply { desk: Some(desk), attempt }
    }

    pub(crate) fn answer(mut self, ending: Ending) {
        if let Some(desk) = self.desk.take() {
            desk.ended(self.attempt, ending);
        }
    }

    /// As [`answer`](Self::answer), for an attempt whose task has returned.
    pub(crate) fn give(mut self, answer: &mut dyn Answer) {
        if let Some(desk) = self.desk.take() {
            desk.answered(self.attempt, answer);
        }
    }

    /// Notes that the attempt begins to run; false if nobody awaits it, so that it need not.
    pub(crate) fn begun(&self, surroundings: Surroundings<'_>) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.begun(self.attempt, surroundings))
    }

    /// Notes that the attempt waits for its sandbox; false if nobody awaits it, so that it need not.
    pub(crate) fn seated(&self, bell: &Arc<Bell>) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.seated(self.attempt, bell))
    }

    /// Notes that the attempt kept others from running for this long.
    pub(crate) fn note_kept_others_waiting(&self, time: Duration) {
        if let Some(desk) = &self.desk {
            desk.kept_others_waiting(self.attempt, time);
        }
    }

    /// Notes that the attempt may have changed something outside its sandbox.
    pub(crate) fn note_effect(&self) {
        if let Some(desk) = &self.desk {
            desk.had_effect(self.attempt);
        }
    }

    /// Returns who can tell for others whether the attempt is still awaited.
    pub(crate) fn witness(&self) -> Witness {
        Witness { desk: self.desk.clone(), attempt: self.attempt }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.desk.as_ref().map_or(Standing::Unawaited, |desk| desk.standing(self.attempt))
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.standing() == Standing::Awaited
    }
}

/// Tells whether an attempt is still awaited, for those who act in its name elsewhere.
#[derive(Clone)]
pub(crate) struct Witness {
    desk: Option<Arc<dyn Desk>>,
    attempt: u32,
}

impl Witness {
    pub(crate) fn is_awaited(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.standing(self.attempt) == Standing::Awaited)
    }

    /// Says that everything on the worker's thread waits for something.
    pub(crate) fn waits(&self) {
        if let Some(desk) = &self.desk {
            desk.waits();
        }
    }

    /// Says that the attempt would wait for ever, and why.
    pub(crate) fn stalled(&self, reason: String) {
        if let Some(desk) = &self.desk {
            desk.stalled(self.attempt, reason);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.ended(self.attempt, Ending::Interrupted(Interruption::WorkerLost));
        }
    }
}

/// Somebody to answer to in tests.
#[cfg(test)]
pub(crate) mod patient {
    use super::*;

    /// Awaits every attempt, and makes nothing of what it hears.
    struct Patient;

    impl Desk for Patient {
        fn seated(&self, _: u32, _: &Arc<Bell>) -> bool {
            true
        }

        fn begun(&self, _: u32, _: Surroundings<'_>) -> bool {
            true
        }

        fn standing(&self, _: u32) -> Standing {
            Standing::Awaited
        }

        fn kept_others_waiting(&self, _: u32, _: Duration) {}

        fn had_effect(&self, _: u32) {}

        fn stalled(&self, _: u32, _: String) {}

        fn ended(self: Arc<Self>, _: u32, _: Ending) {}
    }

    pub(crate) fn reply_to_the_patient() -> Reply {
        Reply::to(Arc::new(Patient), 1)
    }
}
