//! What identifies a call, and who runs it.

use std::fmt;

/// One request to a task, from submit to report. Unique in its pool, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// Returns the plain number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One worker of a pool, counted from 0. A worker that replaces a lost one keeps its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub(crate) usize);

impl WorkerId {
    /// Returns the plain number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// One attempt of one call, as events and guest output name it. Attempts are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptId {
    /// The call that is tried.
    pub call: CallId,
    /// Which try this is.
    pub attempt: u32,
}

/// Which calls share a sandbox, and with it the state of the module.
///
/// The wall is between sandboxes, and between a sandbox and the host; calls in one sandbox trust each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// The calls of a worker share one sandbox, like coroutines in a process. The default for a module with async
    /// tasks.
    Shared,
    /// One call at a time in a sandbox, which is used again. The default for other modules.
    Exclusive,
    /// A new sandbox for each call, from the snapshot if there is one.
    Fresh,
}

/// Whether a call is run again whose attempt was lost to somebody else's trap, time-out or lost worker.
///
/// An outward effect is an HTTP request other than GET, HEAD or OPTIONS, or a change to what calls share through the pool. A call
/// that may write to a folder or open sockets is taken to have had one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RerunInterrupted {
    /// Unless the lost attempt had an outward effect and the task is not `#[idempotent]`. The default.
    #[default]
    UnlessEffects,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Whether a call shares its sandbox with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// The worker's usual sandbox of the module.
    Shared,
    /// A sandbox that is opened for this one attempt: nobody else can harm it or be harmed.
    Alone,
}
