//! Why a call has no output, with what to do about it. A fact about the guest; misuse of the pool is a
//! [`PoolError`](crate::PoolError).

use std::fmt;
use std::time::Duration;

/// Why a call has no output.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The guest trapped: it panicked, ran into a wall of its sandbox, or exited.
    #[error("trapped: {0}")]
    Trapped(Trap),
    /// The call did not end in its time.
    #[error("timed out: {0}")]
    TimedOut(TimedOut),
    /// The guest wanted more memory than a sandbox may have.
    #[error("out of memory: {0}")]
    OutOfMemory(OutOfMemory),
    /// The arguments or the answer are larger than they may be.
    #[error("too large: {0}")]
    TooLarge(TooLarge),
    /// The guest asked for something that was not granted, and failed for want of it.
    #[error("denied: {0}")]
    Denied(Denial),
    /// The call lost its sandbox or its worker through no fault of its own, and is not run again.
    #[error("interrupted: {reason}")]
    Interrupted {
        /// What took the sandbox away the last time.
        reason: String,
        /// Whether the lost attempt may have changed something outside its sandbox, so that running it again could
        /// change it twice.
        effects: bool,
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
    /// Returns the kind as records and events name it: `trapped`, `timed-out`, `out-of-memory`, `too-large`, `denied`,
    /// `interrupted`, `cancelled`, `not-started` or `bad-input`.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Trapped(_) => "trapped",
            Failure::TimedOut(_) => "timed-out",
            Failure::OutOfMemory(_) => "out-of-memory",
            Failure::TooLarge(_) => "too-large",
            Failure::Denied(_) => "denied",
            Failure::Interrupted { .. } => "interrupted",
            Failure::Cancelled => "cancelled",
            Failure::NotStarted { .. } => "not-started",
            Failure::BadInput(_) => "bad-input",
        }
    }

    /// Returns what happened, without the kind.
    pub fn message(&self) -> String {
        match self {
            Failure::Trapped(trap) => trap.to_string(),
            Failure::TimedOut(timed_out) => timed_out.to_string(),
            Failure::OutOfMemory(out_of_memory) => out_of_memory.to_string(),
            Failure::TooLarge(too_large) => too_large.to_string(),
            Failure::Denied(denial) => denial.to_string(),
            Failure::Interrupted { reason, .. } | Failure::NotStarted { reason } => reason.clone(),
            Failure::Cancelled => "withdrawn before it ended".to_owned(),
            Failure::BadInput(problem) => problem.clone(),
        }
    }
}

/// A guest's end by trap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trap {
    /// What kind of trap it was: `panic`, `unreachable` (an abort without a message), `exit`, `stack-overflow`,
    /// `memory-out-of-bounds`, `table-out-of-bounds`, `indirect-call-to-null`, `bad-signature`, `integer-overflow`,
    /// `integer-division-by-zero`, `bad-conversion-to-integer`, `too-many-handles`, or `other`.
    pub code: &'static str,
    /// The panic's text with its place (`panicked at src/lib.rs:7:9: boom`) where the guest printed one,
    /// else what the engine says.
    pub message: String,
    /// The guest's frames, innermost first: `name at file:line:column`.
    pub backtrace: Vec<String>,
}

/// What a call was doing when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// An attempt waited for a worker and a sandbox.
    Queued,
    /// An attempt ran.
    Running,
    /// An attempt had failed, and the next was yet to come.
    Pausing,
}

/// A call that did not end in its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// What it was doing.
    pub stage: Stage,
    /// Which limit it hit, as the builder names it: `attempt_timeout`, `queue_timeout` or `deadline`.
    pub limit: &'static str,
    /// How long that is.
    pub time: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time;
        let doing = match self.stage {
            Stage::Queued => "waiting for a worker",
            Stage::Running => "running",
            Stage::Pausing => "waiting to be tried again",
        };
        match self.limit {
            "deadline" => write!(
                f,
                "not done {time:?} after its submission, still {doing}; raise Limits::deadline (--deadline)"
            ),
            "queue_timeout" => write!(
                f,
                "still {doing} after {time:?}; add workers, or raise Limits::queue_timeout (--queue-timeout)"
            ),
            _ => write!(
                f,
                "still {doing} after {time:?}; raise Limits::attempt_timeout (--timeout) if it needs longer"
            ),
        }
    }
}

/// A guest that wanted more memory than a sandbox may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest wanted {wanted} {unit}, and a sandbox may have {limit}; raise {remedy}")]
#[non_exhaustive]
pub struct OutOfMemory {
    /// How much all its memories, or tables, would have had together.
    pub wanted: usize,
    /// How much they may have.
    pub limit: usize,
    /// What is counted: `bytes of memory` or `elements of tables`.
    pub unit: &'static str,
    /// The limit to raise, and its flag.
    pub remedy: &'static str,
}

/// Arguments or an answer that are larger than they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// What is too large.
    pub what: Oversized,
    /// How large it is, in bytes, if that is known.
    pub bytes: Option<usize>,
    /// How large it may be, in bytes.
    pub limit_bytes: usize,
}

/// What may be too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversized {
    /// The arguments of a call.
    Arguments,
    /// What the guest handed to the host: its answer, or an argument of an import.
    Answer,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, remedy) = match self.what {
            Oversized::Arguments => ("the arguments are", "Limits::arguments_bytes (--max-arguments)"),
            Oversized::Answer => ("the answer is", "Limits::answer_bytes (--max-answer)"),
        };
        match self.bytes {
            Some(bytes) => write!(f, "{what} {bytes} bytes, more than {}", self.limit_bytes)?,
            None => write!(f, "{what} more than a limit of {} bytes allows", self.limit_bytes)?,
        }
        write!(f, "; raise {remedy}")
    }
}

/// Something that a guest asked for and that was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Denial {
    /// What the guest asked for, in the plural: `HTTP requests to http://127.0.0.1:8080`.
    pub wanted: String,
    /// The flag that grants it: `--http http://127.0.0.1:8080`.
    pub flag: String,
    /// What the task said about it in the end, if anything.
    pub said: Option<String>,
}

impl Denial {
    /// Notes that `wanted` was asked for, which `flag` would grant.
    pub(crate) fn of(wanted: impl Into<String>, flag: impl Into<String>) -> Self {
        Denial { wanted: wanted.into(), flag: flag.into(), said: None }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are not granted; grant them with `{}`", self.wanted, self.flag)?;
        match &self.said {
            Some(said) => write!(f, " (the task says: {said})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.code {
            "stack-overflow" => f.write_str(
                " (stack overflow: calls go too deep; recurse less, or raise Limits::stack_bytes (--stack))",
            ),
            // The stack of larger variables lies at the lower end of a guest's own memory, as languages lay it out.
            "memory-out-of-bounds" => {
                f.write_str(" (a wild pointer, or a stack overflow in the guest's own memory)")
            }
            "too-many-handles" => f.write_str(
                " (too many open handles, streams or subtasks; close some, or raise Limits::handles (--max-handles))",
            ),
            "exit" => f.write_str(" (a task returns; only a command exits)"),
            _ => Ok(()),
        }
    }
}
