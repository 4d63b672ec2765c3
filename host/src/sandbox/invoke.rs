//! One call of one exported function, by static types or by JSON. Only the two ends of a call know its
//! types; everything between them sees an [`Invocation`].
//!
//! There are two ways to run one, as there are two kinds of engines: beside others in one long-lived loop, or as the only
//! one in its store.

use std::cell::Cell;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use wasmtime::component::{
    Access, Accessor, ComponentExportIndex, ComponentNamedList, GuestTaskId, Instance, Lift, Lower, Type, Val,
};
use wasmtime::{AsContextMut, Store, StoreContextMut};

use crate::failure::{Denial, Failure};
use crate::outcome::{Ending, error_text};
use crate::sandbox::args::WireArgs;
use crate::sandbox::copying::check_answer;
use crate::sandbox::roster::{Resident, Root};
use crate::sandbox::state::SandboxState;
use crate::values::{Arg, size_as_json, size_of_values, value_to_json};

/// A call that can be tried any number of times.
pub(crate) trait Invocation: Send + Sync {
    /// Runs the call to its end and answers `resident`'s reply.
    ///
    /// The resident enters the store's roster before any guest code runs. On `Err` the store is done for,
    /// and the resident is still there, for whoever finds out why.
    fn run<'a>(
        self: Arc<Self>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>>;

    /// As [`run`](Self::run), on an engine where it is the only call in the store.
    fn run_alone<'a>(
        self: Arc<Self>,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>>;
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
    fn export(self, task: usize) -> wasmtime::Result<&'a ComponentExportIndex> {
        self.exports.get(task).and_then(Option::as_ref).ok_or_else(gone)
    }

    /// Puts a started call on the roster, or answers that it did not start.
    fn enter<C>(
        self,
        mut store: StoreContextMut<'_, SandboxState>,
        started: wasmtime::Result<C>,
        resident: Resident,
        root: impl FnOnce(&C) -> Root,
    ) -> Option<C> {
        match started {
            Ok(call) => {
                self.served.set(self.served.get() + 1);
                let copy_bytes = store.data_mut().enter(root(&call), resident);
                store.set_hostcall_fuel(copy_bytes);
                Some(call)
            }
            Err(error) => {
                let reason = format!("{error:#}");
                resident.reply.answer(Ending::Failed(Failure::NotStarted { reason }));
                None
            }
        }
    }
}

fn gone() -> wasmtime::Error {
    wasmtime::format_err!("the task is not exported any more")
}

/// A job as sandboxes and workers know it.
pub(crate) type Job = crate::dispatch::Job<dyn Invocation>;

/// The queue of such jobs.
pub(crate) type Queue = crate::dispatch::Queue<dyn Invocation>;

/// A call ended without leaving its store fit for use.
pub(crate) struct Broken {
    pub(crate) task: Root,
    pub(crate) error: wasmtime::Error,
}

/// A call by static types: `P` is the tuple of parameters, `R` the tuple of results.
pub(crate) struct Typed<P, R> {
    /// The task's number.
    pub(crate) task: usize,
    pub(crate) params: P,
    /// Makes the ending of the results and the limit of answers in bytes.
    pub(crate) conclude: fn(R, usize) -> Ending,
}

/// As much of a call by static types as depends on the types, which is kept small: there are many of them.
trait StaticTypes: Send + Sync {
    fn start<'a>(
        &self,
        store: &mut Access<'_, SandboxState>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
    ) -> wasmtime::Result<Started<'a>>;
}

/// A call that the engine has taken in.
struct Started<'a> {
    task: GuestTaskId,
    ending: LocalBoxFuture<'a, wasmtime::Result<Ending>>,
}

impl<P, R> StaticTypes for Typed<P, R>
where
    P: WireArgs,
    R: ComponentNamedList + Lift + 'static,
{
    fn start<'a>(
        &self,
        store: &mut Access<'_, SandboxState>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
    ) -> wasmtime::Result<Started<'a>> {
        let func = inside.instance.get_typed_func::<P, R>(&mut *store, inside.export(self.task)?)?;
        let call = func.start_call_concurrent(&mut *store, self.params.clone())?;
        let (task, conclude) = (call.task(), self.conclude);
        let limit_bytes = store.data_mut().limits.answer_bytes;
        let ending = async move {
            func.finish_call_concurrent(accessor, call).await.map(|results| conclude(results, limit_bytes))
        };
        Ok(Started { task, ending: ending.boxed_local() })
    }
}

impl<P, R> Invocation for Typed<P, R>
where
    P: ComponentNamedList + Lower + Clone + Send + Sync + 'static,
    R: ComponentNamedList + Lift + 'static,
{
    fn run<'a>(
        self: Arc<Self>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>> {
        run_by_types(self, accessor, inside, resident).boxed_local()
    }

    fn run_alone<'a>(
        self: Arc<Self>,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>> {
        async move {
            let found = inside
                .export(self.task)
                .and_then(|export| inside.instance.get_typed_func::<P, R>(&mut *store, export));
            let entered = inside.enter(store.as_context_mut(), found, resident, |_| Root::Only);
            let Some(func) = entered else { return Ok(()) };
            let called = func.call_async(&mut *store, self.params.clone()).await;
            let results = called.map_err(|error| Broken { task: Root::Only, error })?;
            let ending = (self.conclude)(results, store.data().limits.answer_bytes);
            leave(store.as_context_mut(), Root::Only, ending);
            Ok(())
        }
        .boxed_local()
    }
}

async fn run_by_types(
    call: Arc<dyn StaticTypes>,
    accessor: &Accessor<SandboxState>,
    inside: Inside<'_>,
    resident: Resident,
) -> Result<(), Broken> {
    let started = accessor.with(|mut store| {
        let started = call.start(&mut store, accessor, inside);
        inside.enter(store.as_context_mut(), started, resident, |started| Root::Task(started.task))
    });
    let Some(Started { task, ending }) = started else { return Ok(()) };
    let task = Root::Task(task);
    let ending = ending.await.map_err(|error| Broken { task, error })?;
    accessor.with(|mut store| leave(store.as_context_mut(), task, ending));
    Ok(())
}

/// A call by JSON whose types are not known before.
pub(crate) struct Dynamic {
    /// The task's number.
    pub(crate) task: usize,
    pub(crate) args: Vec<Arg>,
    pub(crate) result: Option<Type>,
}

impl Invocation for Dynamic {
    fn run<'a>(
        self: Arc<Self>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        resident: Resident,
    ) -> LocalBoxFuture<'a, Result<(), Broken>> {
        async move {
            let mut results = self.no_results();
            let params: Vec<_> = self.args.iter().map(Arg::to_val).collect();
            let resident = Resident { is_one_by_one: true, ..resident };
            let started = accessor.with(|mut store| {
                let started = inside.export(self.task).and_then(|export| {
                    let func = inside.instance.get_func(&mut store, export).ok_or_else(gone)?;
                    Ok((func, func.start_call_concurrent(&mut store, &params, &mut results)?))
                });
                inside.enter(store.as_context_mut(), started, resident, |(_, call)| Root::Task(call.task()))
            });
            let Some((func, call)) = started else { return Ok(()) };
            let task = Root::Task(call.task());
            let finished = func.finish_call_concurrent(accessor, call).await;
            finished.map_err(|error| Broken { task, error })?;
            accessor.with(|mut store| self.leave(store.as_context_mut(), task, results));
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
            let mut results = self.no_results();
            let params: Vec<_> = self.args.iter().map(Arg::to_val).collect();
            let resident = Resident { is_one_by_one: true, ..resident };
            let found = inside
                .export(self.task)
                .and_then(|export| inside.instance.get_func(&mut *store, export).ok_or_else(gone));
            let entered = inside.enter(store.as_context_mut(), found, resident, |_| Root::Only);
            let Some(func) = entered else { return Ok(()) };
            let called = func.call_async(&mut *store, &params, &mut results).await;
            called.map_err(|error| Broken { task: Root::Only, error })?;
            self.leave(store.as_context_mut(), Root::Only, results);
            Ok(())
        }
        .boxed_local()
    }
}

impl Dynamic {
    /// Returns places for the results.
    fn no_results(&self) -> Vec<Val> {
        vec![Val::Bool(false); usize::from(self.result.is_some())]
    }

    /// Takes the call off the roster and sends its answer.
    fn leave(&self, store: StoreContextMut<'_, SandboxState>, root: Root, mut results: Vec<Val>) {
        let limit_bytes = store.data().limits.answer_bytes;
        leave(store, root, self.conclude(results.pop(), limit_bytes));
    }

    /// Turns the function's result into JSON, unless it is too large; a `result` is taken apart, as by static types.
    fn conclude(&self, value: Option<Val>, limit_bytes: usize) -> Ending {
        let json_bytes = value.as_ref().map_or(0, size_as_json);
        if let Err(too_large) = check_answer(size_of_values(&value), json_bytes, limit_bytes) {
            return Ending::Failed(too_large);
        }
        let (Some(ty), Some(value)) = (&self.result, value) else {
            return Ending::Completed(Box::new(serde_json::Value::Null));
        };
        let payload = |ty: Option<Type>, value: Option<Box<Val>>| match (ty, value) {
            (Some(ty), Some(value)) => value_to_json(&ty, *value),
            _ => serde_json::Value::Null,
        };
        match (ty, value) {
            (Type::Result(either), Val::Result(Err(error))) => {
                Ending::Returned(Box::new(payload(either.err(), error)))
            }
            (Type::Result(either), Val::Result(Ok(value))) => {
                Ending::Completed(Box::new(payload(either.ok(), value)))
            }
            (ty, value) => Ending::Completed(Box::new(value_to_json(ty, value))),
        }
    }
}

/// Takes an answered call off the roster and sends its answer.
fn leave(mut store: StoreContextMut<'_, SandboxState>, root: Root, ending: Ending) {
    let state = store.data_mut();
    let (resident, copy_bytes) = state.leave(root);
    if let Some(resident) = &resident {
        state.output.finish(Some(resident.attempt));
    }
    store.set_hostcall_fuel(copy_bytes);
    if let Some(Resident { reply, denial, .. }) = resident {
        reply.answer(for_want_of(denial, ending));
    }
}

/// Says what an attempt failed for want of, if it was denied something.
pub(crate) fn for_want_of(denial: Option<Denial>, ending: Ending) -> Ending {
    let Some(denial) = denial else { return ending };
    let said = match &ending {
        Ending::Returned(parcel) => error_text(parcel),
        Ending::Failed(Failure::Trapped(trap)) => Some(trap.to_string()),
        _ => return ending,
    };
    Ending::Failed(Failure::Denied(Denial { said, ..denial }))
}
