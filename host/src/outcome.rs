//! How attempts and calls end. All of it is data: a call without an output is a fact about the guest,
//! while misuse of the pool is a [`PoolError`](crate::PoolError).

use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::call::CallId;

/// Why a call has no output.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The guest trapped: it panicked, ran into a wall of its sandbox, or exited.
    #[error("trapped: {0}")]
    Trapped(Trap),
    /// The call lost its sandbox or its worker through no fault of its own, more often than it is run again.
    #[error("interrupted: {reason}")]
    Interrupted {
        /// What took the sandbox away the last time.
        reason: String,
    },
    /// The caller withdrew the call, or the pool was aborted.
    #[error("cancelled")]
    Cancelled,
    /// No sandbox could be opened for the call.
    #[error("not started: {reason}")]
    NotStarted {
        /// Why the last sandbox did not open.
        reason: String,
    },
    /// The arguments do not fit the task's parameters; nothing ran.
    #[error("bad input: {0}")]
    BadInput(String),
}

impl Failure {
    /// Returns the kind as records and events name it: `trapped`, `interrupted`, `cancelled`, `not-started`
    /// or `bad-input`.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Trapped(_) => "trapped",
            Failure::Interrupted { .. } => "interrupted",
            Failure::Cancelled => "cancelled",
            Failure::NotStarted { .. } => "not-started",
            Failure::BadInput(_) => "bad-input",
        }
    }

    /// Returns what happened, without the kind.
    pub fn message(&self) -> String {
        match self {
            Failure::Trapped(trap) => trap.message.clone(),
            Failure::Interrupted { reason } | Failure::NotStarted { reason } => reason.clone(),
            Failure::Cancelled => "withdrawn before it ended".to_owned(),
            Failure::BadInput(problem) => problem.clone(),
        }
    }
}

/// A guest's end by trap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trap {
    /// The panic's text with its place (`panicked at src/lib.rs:7:9: boom`) where the guest printed one,
    /// else what the engine says.
    pub message: String,
    /// The guest's frames, innermost first: `name at file:line:column`.
    pub backtrace: Vec<String>,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

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
        }
    }

    /// Returns true if the task returned an output.
    pub fn is_completed(&self) -> bool {
        matches!(self.outcome, Outcome::Completed(_))
    }
}

/// A value whose type only the two ends of a call know.
pub(crate) type Parcel = Box<dyn Any + Send>;

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

/// What took an attempt's sandbox away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Another call of the same sandbox trapped.
    NeighbourTrapped,
    /// Guest code of the same sandbox was stopped because it computed for nobody.
    NeighbourStopped,
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
            Interruption::SomebodyTrapped => "a call trapped in the same sandbox, and it is unknown which",
            Interruption::WorkerLost => "the worker was lost",
        })
    }
}
