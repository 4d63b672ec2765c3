//! Calls of one exported function, one or many. Only the two ends of a call know its types; everything between them sees
//! an [`Invocation`]. By static types they are run in `typed`, by JSON in `dynamic`.

use std::cell::Cell;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use wasmtime::Store;
use wasmtime::component::{Accessor, ComponentExportIndex, Instance};

use crate::call::AttemptId;
use crate::reply::Reply;
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

/// Calls of one task, by their numbers from 0; each can be tried any number of times.
pub(crate) trait Invocation: Send + Sync {
    /// Runs the calls whose turns these are, one after the other, beside others of their store.
    fn run<'a>(
        &'a self,
        turns: Turns,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
    ) -> Running<'a>;

    /// As [`run`](Self::run), where no other call is in the store.
    fn run_alone<'a>(
        &'a self,
        turns: Turns,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
    ) -> Running<'a>;
}

/// Calls that run to their ends.
///
/// # Errors
/// The store is done for, and who was in it is still on the roster.
pub(crate) type Running<'a> = LocalBoxFuture<'a, Result<(), Broken>>;

/// A call ended without leaving its store fit for use.
pub(crate) struct Broken {
    pub(crate) task: Root,
    pub(crate) error: wasmtime::Error,
}

/// What a job is: some calls, and which of them.
pub(crate) struct Work {
    pub(crate) invocation: Arc<dyn Invocation>,
    pub(crate) which: Which,
}

pub(crate) enum Which {
    One(usize),
    /// As many as this gives out.
    Many(Arc<dyn GivesTurns>),
}

/// Gives out calls one after the other. Each has ended before the next is asked for.
pub(crate) trait GivesTurns: Send + Sync {
    fn next(self: Arc<Self>) -> Option<Turn>;
}

/// The calls of a job, in the order in which they run. Dropping it says that no more of them begin.
pub(crate) enum Turns {
    One(Option<Turn>),
    Many {
        giver: Arc<dyn GivesTurns>,
        /// Owed for the job as a whole.
        _whole: Reply,
    },
}

/// A call whose turn it is.
pub(crate) struct Turn {
    pub(crate) number: usize,
    pub(crate) attempt: AttemptId,
    pub(crate) reply: Reply,
}

impl Turns {
    pub(crate) fn of(which: Which, attempt: AttemptId, reply: Reply) -> Self {
        match which {
            Which::One(number) => Turns::One(Some(Turn { number, attempt, reply })),
            Which::Many(giver) => Turns::Many { giver, _whole: reply },
        }
    }

    pub(crate) fn next(&mut self) -> Option<Turn> {
        match self {
            Turns::One(turn) => turn.take(),
            Turns::Many { giver, .. } => giver.clone().next(),
        }
    }
}

/// What a call finds in its sandbox.
#[derive(Clone, Copy)]
pub(crate) struct Inside<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) exports: &'a Exports,
    /// How many calls have begun in it.
    pub(crate) served: &'a Cell<u64>,
}

/// Where an instance's tasks are, by their numbers in the pool. A module that replaces another has the same tasks
/// elsewhere, and calls that were prepared for the one run in the other.
pub(crate) type Exports = [Option<ComponentExportIndex>];

impl<'a> Inside<'a> {
    pub(super) fn export(self, task: usize) -> wasmtime::Result<&'a ComponentExportIndex> {
        self.exports.get(task).and_then(Option::as_ref).ok_or_else(gone)
    }
}

/// The module that replaced another does not have the task.
pub(super) fn gone() -> wasmtime::Error {
    wasmtime::format_err!("the task is not exported any more")
}

/// A job as sandboxes and workers know it.
pub(crate) type Job = crate::dispatch::Job<Work>;

/// The queue of such jobs.
pub(crate) type Queue = crate::dispatch::Queue<Work>;
