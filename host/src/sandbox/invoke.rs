//! One call of one exported function, by static types or by JSON. Only the two ends of a call know its
//! types; everything between them sees an [`Invocation`]. How it is run is told in `run`.

use std::cell::Cell;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use wasmtime::Store;
use wasmtime::component::{
    Access, Accessor, ComponentExportIndex, ComponentNamedList, GuestTaskId, Instance, Lift, Type, Val,
};

use crate::call::AttemptId;
use crate::outcome::Ending;
use crate::reply::Reply;
use crate::sandbox::args::WireArgs;
use crate::sandbox::copying::check_answer;
use crate::sandbox::state::SandboxState;
use crate::values::{Arg, size_as_json, size_of_values, value_to_json};

/// A call that can be tried any number of times.
pub(crate) trait Invocation: Send + Sync {
    /// Hands the call to the engine, to be run beside others of its store; no guest code runs yet.
    ///
    /// # Errors
    /// Why it cannot be started, which does the store no harm.
    fn start<'a>(
        &'a self,
        store: &mut Access<'_, SandboxState>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        places: &'a mut Places,
    ) -> wasmtime::Result<Started<'a>>;

    /// Begins the call where no other is in the store, without running guest code yet.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    fn start_alone<'a>(
        &'a self,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
    ) -> wasmtime::Result<Running<'a>>;

    /// Makes the ending of results that are in their places, and of the limit of answers in bytes.
    fn conclude_places(&self, places: Places, limit_bytes: usize) -> Ending;

    /// Returns true if its values are copied one by one.
    fn is_one_by_one(&self) -> bool {
        false
    }
}

/// Where values are while the engine works with them, if it does not have them itself.
#[derive(Default)]
pub(crate) struct Places {
    params: Vec<Val>,
    results: Vec<Val>,
}

/// A call that the engine has taken in.
pub(crate) struct Started<'a> {
    pub(crate) task: GuestTaskId,
    /// Its ending, or `None` if that is to be made of what is in its places.
    pub(crate) ending: LocalBoxFuture<'a, wasmtime::Result<Option<Ending>>>,
}

/// Runs a call to its end. On `Err` the store is done for.
pub(crate) type Running<'a> = LocalBoxFuture<'a, wasmtime::Result<Ending>>;

/// What a job is: one call, or many that come together.
#[derive(Clone)]
pub(crate) enum Work {
    One(Arc<dyn Invocation>),
    Many(Arc<dyn Calls>),
}

/// Gives out calls one after the other. Each has ended before the next is asked for.
pub(crate) trait Calls: Send + Sync {
    fn next(self: Arc<Self>) -> Option<Next>;
}

/// A call whose turn it is.
pub(crate) struct Next {
    pub(crate) attempt: AttemptId,
    pub(crate) work: Arc<dyn Invocation>,
    pub(crate) reply: Reply,
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
}

fn gone() -> wasmtime::Error {
    wasmtime::format_err!("the task is not exported any more")
}

/// A job as sandboxes and workers know it.
pub(crate) type Job = crate::dispatch::Job<Work>;

/// The queue of such jobs.
pub(crate) type Queue = crate::dispatch::Queue<Work>;

/// A call by static types: `P` is the tuple of parameters, `R` the tuple of results.
pub(crate) struct Typed<P, R> {
    /// The task's number.
    pub(crate) task: usize,
    pub(crate) params: P,
    /// Makes the ending of the results and the limit of answers in bytes.
    pub(crate) conclude: fn(R, usize) -> Ending,
}

// What depends on the types is kept small: there are many of them.
impl<P, R> Invocation for Typed<P, R>
where
    P: WireArgs,
    R: ComponentNamedList + Lift + 'static,
{
    fn start<'a>(
        &'a self,
        store: &mut Access<'_, SandboxState>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        _: &'a mut Places,
    ) -> wasmtime::Result<Started<'a>> {
        let func = inside.instance.get_typed_func::<P, R>(&mut *store, inside.export(self.task)?)?;
        let call = func.start_call_concurrent(&mut *store, self.params.clone())?;
        let (task, conclude) = (call.task(), self.conclude);
        let limit_bytes = store.data_mut().limits.answer_bytes;
        let ending = async move {
            let results = func.finish_call_concurrent(accessor, call).await?;
            Ok(Some(conclude(results, limit_bytes)))
        };
        Ok(Started { task, ending: ending.boxed_local() })
    }

    fn start_alone<'a>(
        &'a self,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
    ) -> wasmtime::Result<Running<'a>> {
        let export = inside.export(self.task)?;
        let func = inside.instance.get_typed_func::<P::Refs<'a>, R>(&mut *store, export)?;
        let limit_bytes = store.data().limits.answer_bytes;
        let ending = async move {
            let results = func.call_async(store, self.params.refs()).await?;
            Ok((self.conclude)(results, limit_bytes))
        };
        Ok(ending.boxed_local())
    }

    fn conclude_places(&self, _: Places, _: usize) -> Ending {
        unreachable!("its ending is made of the results themselves")
    }
}

/// A call by JSON whose types are not known before.
pub(crate) struct Dynamic {
    /// The task's number.
    pub(crate) task: usize,
    pub(crate) args: Vec<Arg>,
    pub(crate) result: Option<Type>,
}

impl Invocation for Dynamic {
    fn start<'a>(
        &'a self,
        store: &mut Access<'_, SandboxState>,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
        places: &'a mut Places,
    ) -> wasmtime::Result<Started<'a>> {
        let func = inside.instance.get_func(&mut *store, inside.export(self.task)?).ok_or_else(gone)?;
        *places = Places { params: self.params(), results: self.no_results() };
        let call = func.start_call_concurrent(&mut *store, &places.params, &mut places.results)?;
        let task = call.task();
        let ending = async move { func.finish_call_concurrent(accessor, call).await.map(|()| None) };
        Ok(Started { task, ending: ending.boxed_local() })
    }

    fn start_alone<'a>(
        &'a self,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
    ) -> wasmtime::Result<Running<'a>> {
        let func = inside.instance.get_func(&mut *store, inside.export(self.task)?).ok_or_else(gone)?;
        let limit_bytes = store.data().limits.answer_bytes;
        let ending = async move {
            let mut results = self.no_results();
            func.call_async(store, &self.params(), &mut results).await?;
            Ok(self.conclude(results.pop(), limit_bytes))
        };
        Ok(ending.boxed_local())
    }

    fn conclude_places(&self, mut places: Places, limit_bytes: usize) -> Ending {
        self.conclude(places.results.pop(), limit_bytes)
    }

    fn is_one_by_one(&self) -> bool {
        true
    }
}

impl Dynamic {
    fn params(&self) -> Vec<Val> {
        self.args.iter().map(Arg::to_val).collect()
    }

    /// Returns places for the results.
    fn no_results(&self) -> Vec<Val> {
        vec![Val::Bool(false); usize::from(self.result.is_some())]
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
