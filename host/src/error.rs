//! What a caller is told when the pool cannot serve him, as opposed to how a served call ended.

use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome, TaskError};

/// The pool was misused, or cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A setting of the builder is out of its range.
    #[error("{setting}: {problem}")]
    BadSetting {
        /// The builder's method.
        setting: &'static str,
        /// What is wrong with it and what is allowed.
        problem: String,
    },
    /// The first sandbox of a module could not be opened.
    #[error("cannot open a sandbox of module `{module}`: {reason}")]
    CannotOpen {
        /// The module's name in the pool.
        module: String,
        /// What the engine or the initializer said.
        reason: String,
    },
    /// The snapshot of a module could not be taken.
    #[error("cannot take a snapshot of module `{module}`: {reason}")]
    CannotSnapshot {
        /// The module's name in the pool.
        module: String,
        /// What the engine or the snapshot function said.
        reason: String,
    },
    /// There is no such task.
    #[error("{0}")]
    UnknownTask(String),
    /// The handle's types are not those of the task.
    #[error("task `{signature}` does not take or return what the handle asks for: {problem}")]
    WrongTypes {
        /// The task as it really is.
        signature: String,
        /// The first difference.
        problem: String,
    },
    /// The task cannot be called with JSON.
    #[error("task `{task}` cannot be called with JSON: {reason}")]
    NotForJson {
        /// The task's name.
        task: String,
        /// The type that stands in the way.
        reason: String,
    },
    /// As many calls as the pool takes are waiting or running.
    #[error("the pool is full: as many calls wait or run as it takes")]
    Full,
    /// The pool was closed or aborted.
    #[error("the pool is closed")]
    Closed,
}

/// Why a call gave no output.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError<E = TaskError> {
    /// The task returned its own error.
    #[error("the task returned an error: {0}")]
    Returned(E),
    /// The call ended without an answer from the task.
    #[error(transparent)]
    Failed(Failure),
    /// The pool could not serve the call.
    #[error(transparent)]
    Pool(PoolError),
}

/// A call that was refused, with its arguments.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused<In> {
    /// The arguments, unused.
    pub args: In,
    /// Why: [`PoolError::Full`] or [`PoolError::Closed`].
    #[source]
    pub error: PoolError,
}

impl<Out, E> CallReport<Out, E> {
    /// Returns the output, or why there is none.
    ///
    /// # Errors
    /// [`CallError::Returned`] or [`CallError::Failed`].
    pub fn value(self) -> Result<Out, CallError<E>> {
        match self.outcome {
            Outcome::Completed(output) => Ok(output),
            Outcome::Returned(error) => Err(CallError::Returned(error)),
            Outcome::Failed(failure) => Err(CallError::Failed(failure)),
        }
    }
}
