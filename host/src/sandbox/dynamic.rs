//! Calls by JSON whose types are not known before: each value says what it is.

use futures::FutureExt;
use serde_json::Value as Json;
use wasmtime::component::{Accessor, Type, Val};
use wasmtime::{AsContextMut, Store};

use crate::outcome::Outcome;
use crate::sandbox::copying::check_answer;
use crate::sandbox::invoke::{Broken, Inside, Invocation, Running, Turns, gone};
use crate::sandbox::roster::{Copied, Root};
use crate::sandbox::run::{begin, enter, leave, none_starts};
use crate::sandbox::state::SandboxState;
use crate::values::{Arg, size_as_json, size_of_values, value_to_json};

/// Calls by JSON whose types are not known before.
pub(crate) struct Dynamic {
    /// The task's number.
    pub(crate) task: usize,
    /// Of each call.
    pub(crate) args: Vec<Vec<Arg>>,
    pub(crate) result: Option<Type>,
}

impl Invocation for Dynamic {
    fn run<'a>(
        &'a self,
        mut turns: Turns,
        accessor: &'a Accessor<SandboxState>,
        inside: Inside<'a>,
    ) -> Running<'a> {
        let find = |export| accessor.with(|store| inside.instance.get_func(store, export).ok_or_else(gone));
        let func = match inside.export(self.task).and_then(find) {
            Ok(func) => func,
            Err(error) => return none_starts(turns, &error),
        };
        let run = async move {
            while let Some(turn) = turns.next() {
                let (params, mut results) = (self.params(turn.number), self.no_results());
                let begun = accessor.with(|mut store| {
                    let call = func.start_call_concurrent(&mut store, &params, &mut results);
                    let task = call.as_ref().map(|call| call.task());
                    let task = begin(store.as_context_mut(), inside, turn, Copied::OneByOne, task)?;
                    Some((task, call.ok()?))
                });
                let Some((task, call)) = begun else { continue };
                let ended = func.finish_call_concurrent(accessor, call).await;
                ended.map_err(|error| Broken { task, error })?;
                accessor.with(|mut store| {
                    let outcome = self.conclude(results.pop(), store.data_mut().limits.answer_bytes);
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
        let find = |export| inside.instance.get_func(&mut *store, export).ok_or_else(gone);
        let func = match inside.export(self.task).and_then(find) {
            Ok(func) => func,
            Err(error) => return none_starts(turns, &error),
        };
        let limit_bytes = store.data().limits.answer_bytes;
        let run = async move {
            while let Some(turn) = turns.next() {
                let (params, mut results) = (self.params(turn.number), self.no_results());
                enter(store.as_context_mut(), inside, Root::Only, turn, Copied::OneByOne);
                let ended = func.call_async(&mut *store, &params, &mut results).await;
                ended.map_err(|error| Broken { task: Root::Only, error })?;
                let outcome = self.conclude(results.pop(), limit_bytes);
                leave(store.as_context_mut(), Root::Only, &mut Some(outcome));
            }
            Ok(())
        };
        run.boxed_local()
    }
}

impl Dynamic {
    fn params(&self, number: usize) -> Vec<Val> {
        self.args[number].iter().map(Arg::to_val).collect()
    }

    /// Returns places for the results.
    fn no_results(&self) -> Vec<Val> {
        vec![Val::Bool(false); usize::from(self.result.is_some())]
    }

    /// Turns the function's result into JSON, unless it is too large; a `result` is taken apart, as by static types.
    fn conclude(&self, value: Option<Val>, limit_bytes: usize) -> Outcome<Json, Json> {
        let json_bytes = value.as_ref().map_or(0, size_as_json);
        if let Err(too_large) = check_answer(size_of_values(&value), json_bytes, limit_bytes) {
            return Outcome::Failed(too_large);
        }
        let (Some(ty), Some(value)) = (&self.result, value) else { return Outcome::Completed(Json::Null) };
        let payload = |ty: Option<Type>, value: Option<Box<Val>>| match (ty, value) {
            (Some(ty), Some(value)) => value_to_json(&ty, *value),
            _ => Json::Null,
        };
        match (ty, value) {
            (Type::Result(either), Val::Result(Err(error))) => {
                Outcome::Returned(payload(either.err(), error))
            }
            (Type::Result(either), Val::Result(Ok(value))) => Outcome::Completed(payload(either.ok(), value)),
            (ty, value) => Outcome::Completed(value_to_json(ty, value)),
        }
    }
}
