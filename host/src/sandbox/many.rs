//! Many calls that come as one job: run one after the other, in one sandbox.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use wasmtime::Store;
use wasmtime::component::Accessor;

use crate::call::AttemptId;
use crate::reply::Reply;
use crate::sandbox::invoke::{Broken, Inside, Invocation};
use crate::sandbox::roster::Resident;
use crate::sandbox::state::SandboxState;

/// Gives out calls one after the other. Each has ended before the next is asked for.
pub(crate) trait Calls: Send + Sync {
    fn next(&self) -> Option<Next>;
}

/// A call whose turn it is.
pub(crate) struct Next {
    pub(crate) attempt: AttemptId,
    pub(crate) work: Arc<dyn Invocation>,
    pub(crate) reply: Reply,
}

/// The work of a job that is many calls.
pub(crate) struct Many<C> {
    pub(crate) calls: Arc<C>,
}

impl<C: Calls + 'static> Invocation for Many<C> {
    fn run<'a>(
        self: Arc<Self>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>> {
        async move {
            // Its end says that no more calls follow, whatever it is; also when this future is dropped.
            let _whole = resident.reply;
            while let Some(Next { attempt, work, reply }) = self.calls.next() {
                work.run(accessor, inside, Resident::new(attempt, reply)).await?;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn run_alone<'a>(
        self: Arc<Self>,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>> {
        async move {
            let _whole = resident.reply;
            while let Some(Next { attempt, work, reply }) = self.calls.next() {
                work.run_alone(store, inside, Resident::new(attempt, reply)).await?;
            }
            Ok(())
        }
        .boxed_local()
    }
}
