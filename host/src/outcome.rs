//! How attempts and calls end. All of it is data: a call without an output is a fact about the guest,
//! while misuse of the pool is a [`PoolError`](crate::PoolError).

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::call::CallId;
use crate::failure::Failure;

/// What a task's `Err` looks like when its author used `wasmpool_guest::Error`.
///
/// It travels as the record `task-error { message, causes, permanent, retry-after-ms }`.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    thiserror::Error,
    wasmtime::component::ComponentType,
    wasmtime::component::Lift,
    wasmtime::component::Lower,
)]
#[component(record)]
#[error("{message}{}", causes.iter().map(|cause| format!(": {cause}")).collect::<String>())]
pub struct TaskError {
    /// What went wrong.
    pub message: String,
    /// What that came from, outermost first.
    pub causes: Vec<String>,
    /// Trying again is useless.
    pub permanent: bool,
    /// Trying again is useless before this time, in milliseconds.
    #[component(name = "retry-after-ms")]
    pub retry_after_ms: Option<u64>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Outcome<Out, E = TaskError> {
    /// The task returned a value (the `Ok` one, if it returns a `Result`).
    Completed(Out),
    /// The task returned its `Err`.
    Returned(E),
    /// There is nothing from the task.
    Failed(Failure),
}

/// Everything that is known of a call once it has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallReport<Out, E = TaskError> {
    /// Which call it was; 0 for one that a closed pool did not accept.
    pub id: CallId,
    /// The place of its input in the input of `map`, from 0; 0 for a single call.
    pub index: usize,
    /// How it ended.
    pub outcome: Outcome<Out, E>,
    /// How many attempts began and ended, well or badly, one that was cancelled in the middle included.
    pub attempts: u32,
    /// How many more were lost to somebody else's trap or a lost worker.
    pub interruptions: u32,
    /// How long the call was not running, all attempts together.
    pub waiting: Duration,
    /// How long the call was running, all attempts together.
    pub running: Duration,
    /// The attempts that failed and were followed by another, oldest first; of very many the latest 100.
    pub history: Vec<FailedAttempt>,
}

/// An attempt that failed and was followed by another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Its number, as events and guest output name it.
    pub attempt: u32,
    /// How it failed: `task-error`, or a kind of [`Failure::kind`].
    pub kind: &'static str,
    /// What it said: of a long text the first 1,000 characters, nothing where an error's own type has no text.
    pub message: String,
    /// How long it ran.
    pub running: Duration,
    /// How long the call waited after it before it asked for the next.
    pub delay: Duration,
}

impl<Out, E> CallReport<Out, E> {
    /// Reports on a call that was never queued.
    pub(crate) fn unqueued(id: CallId, failure: Failure) -> Self {
        CallReport {
            id,
            index: 0,
            outcome: Outcome::Failed(failure),
            attempts: 0,
            interruptions: 0,
            waiting: Duration::ZERO,
            running: Duration::ZERO,
            history: Vec::new(),
        }
    }

    /// Returns true if the task returned an output.
    pub fn is_completed(&self) -> bool {
        matches!(self.outcome, Outcome::Completed(_))
    }
}

/// A value whose type only the two ends of a call know.
pub(crate) type Parcel = Box<dyn Any + Send>;

/// Returns the text of a task's error, if it is of a type that is known to have one.
pub(crate) fn error_text(error: &Parcel) -> Option<String> {
    if let Some(error) = error.downcast_ref::<TaskError>() {
        return Some(error.to_string());
    }
    match error.downcast_ref::<serde_json::Value>()? {
        serde_json::Value::Null => None,
        error => Some(error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned)),
    }
}

/// How one attempt ended; what a worker answers.
pub(crate) enum Ending {
    /// The task returned, with `Ok` where it returns a `Result`.
    Completed(Parcel),
    /// The task returned its `Err`.
    Returned(Parcel),
    /// The attempt ended badly by its own doing.
    Failed(Failure),
    /// The attempt was lost to somebody else's doing.
    Interrupted(Interruption),
}

/// What a task returned, as its own types say it: not wrapped up yet, because many of one kind fit in one wrapping. It is
/// taken once.
pub(crate) trait Answer {
    /// Returns which of the forms it has.
    fn form(&self) -> Form;

    /// Wraps it up by itself.
    fn wrap(&mut self) -> Ending;

    /// Puts an output or an error behind others, in the [`Outcomes`] of those who have the call's types.
    fn put_into(&mut self, outcomes: &mut dyn Any);
}

/// What the tasks of many calls returned, in the order of their ends. Outputs and errors have lists of their own, because
/// an [`Outcome`] takes as much room as a [`Failure`], however small the output, and all of this goes from one processor to
/// another and back.
pub(crate) struct Outcomes<Out, E> {
    pub(crate) outputs: Vec<Out>,
    pub(crate) errors: Vec<E>,
}

/// What an [`Answer`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Completed,
    Returned,
    /// The task returned something that cannot be given out.
    Failed,
}

impl<Out: Send + 'static, E: Send + 'static> Answer for Option<Outcome<Out, E>> {
    fn form(&self) -> Form {
        match self {
            Some(Outcome::Completed(_)) => Form::Completed,
            Some(Outcome::Returned(_)) => Form::Returned,
            Some(Outcome::Failed(_)) | None => Form::Failed,
        }
    }

    fn wrap(&mut self) -> Ending {
        match self.take().expect("an answer is taken once") {
            Outcome::Completed(output) => Ending::Completed(Box::new(output)),
            Outcome::Returned(error) => Ending::Returned(Box::new(error)),
            Outcome::Failed(failure) => Ending::Failed(failure),
        }
    }

    fn put_into(&mut self, outcomes: &mut dyn Any) {
        let outcomes: &mut Outcomes<Out, E> =
            outcomes.downcast_mut().expect("whoever asked for calls has their types");
        match self.take().expect("an answer is taken once") {
            Outcome::Completed(output) => outcomes.outputs.push(output),
            Outcome::Returned(error) => outcomes.errors.push(error),
            Outcome::Failed(_) => unreachable!("a failure is neither an output nor an error"),
        }
    }
}

/// What took an attempt's sandbox away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Another call of the same sandbox trapped.
    NeighbourTrapped,
    /// Guest code of the same sandbox was stopped because it computed for nobody.
    NeighbourStopped,
    /// Other calls used up its time: they computed on its worker, or held its sandbox.
    KeptWaiting,
    /// Some call of the sandbox trapped, and the engine cannot tell which.
    SomebodyTrapped,
    /// The worker's thread ended.
    WorkerLost,
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Interruption::NeighbourTrapped => "another call trapped in the same sandbox",
            Interruption::NeighbourStopped => {
                "guest code that computed for nobody was stopped in the same sandbox"
            }
            Interruption::KeptWaiting => "other calls of its worker used up its time",
            Interruption::SomebodyTrapped => "a call trapped in the same sandbox, and it is unknown which",
            Interruption::WorkerLost => "the worker was lost",
        })
    }
}
