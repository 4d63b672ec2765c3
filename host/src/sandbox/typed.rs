//! Calls by static types.

use futures::FutureExt;
use wasmtime::component::{Accessor, ComponentNamedList, Lift};
use wasmtime::{AsContextMut, Store};

use crate::outcome::Outcome;
use crate::sandbox::args::WireArgs;
use crate::sandbox::invoke::{Broken, Inside, Invocation, Running, Turns};
use crate::sandbox::roster::{Copied, Root};
use crate::sandbox::run::{begin, enter, leave, none_starts};
use crate::sandbox::state::SandboxState;

/// Calls by static types: `P` is the tuple of parameters, `R` the tuple of results, of which an `Out` or an `E` is made.
pub(crate) struct Typed<P, R, Out, E> {
    /// The task's number.
    pub(crate) task: usize,
    /// Of each call.
    pub(crate) params: Vec<P>,
    /// Makes the outcome of the results and the limit of answers in bytes.
    pub(crate) conclude: Conclude<R, Out, E>,
}

pub(crate) type Conclude<R, Out, E> = fn(R, usize) -> Outcome<Out, E>;

// All of this is there once for the types of each task: what does not depend on them is in `run`.
impl<P, R, Out, E> Invocation for Typed<P, R, Out, E>
where
    P: WireArgs,
    R: ComponentNamedList + Lift + 'static,
    Out: Send + 'static,
    E: Send + 'static,
{
    fn run<'a>(
        &'a self,
        mut turns: Turns,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
    ) -> Running<'a> {
        let find = |export| accessor.with(|store| inside.instance.get_typed_func::<P, R>(store, export));
        let func = match inside.export(self.task).and_then(find) {
            Ok(func) => func,
            Err(error) => return none_starts(turns, &error),
        };
        let run = async move {
            while let Some(turn) = turns.next() {
                let params = self.params[turn.number].clone();
                let begun = accessor.with(|mut store| {
                    let call = func.start_call_concurrent(&mut store, params);
                    let task = call.as_ref().map(|call| call.task());
                    let task = begin(store.as_context_mut(), inside, turn, Copied::ByTypes, task)?;
                    Some((task, call.ok()?))
                });
                let Some((task, call)) = begun else { continue };
                let results = func.finish_call_concurrent(accessor, call).await;
                let results = results.map_err(|error| Broken { task, error })?;
                accessor.with(|mut store| {
                    let outcome = (self.conclude)(results, store.data_mut().limits.answer_bytes);
                    leave(store.as_context_mut(), task, &mut Some(outcome));
                });
            }
            Ok(())
        };
        run.boxed_local()
    }

    fn run_alone<'a>(
        &'a self,
        mut turns: Turns,
        store: &'a mut Store<SandboxState>,
        inside: Inside<'a>,
    ) -> Running<'a> {
        let find = |export| inside.instance.get_typed_func::<P::Refs<'a>, R>(&mut *store, export);
        let func = match inside.export(self.task).and_then(find) {
            Ok(func) => func,
            Err(error) => return none_starts(turns, &error),
        };
        let limit_bytes = store.data().limits.answer_bytes;
        let run = async move {
            while let Some(turn) = turns.next() {
                let params = self.params[turn.number].refs();
                enter(store.as_context_mut(), inside, Root::Only, turn, Copied::ByTypes);
                let results = func.call_async(&mut *store, params).await;
                let results = results.map_err(|error| Broken { task: Root::Only, error })?;
                let outcome = (self.conclude)(results, limit_bytes);
                leave(store.as_context_mut(), Root::Only, &mut Some(outcome));
            }
            Ok(())
        };
        run.boxed_local()
    }
}
