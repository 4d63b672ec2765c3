//! What a caller hands in, turned into a call that workers can run: by static types, by JSON, by what was
//! read from somewhere. What does not fit is found here, before anything is queued.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use serde_json::Value;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Lift, Val};

use crate::error::PoolError;
use crate::failure::{Failure, Oversized, TooLarge};
use crate::module::TaskInfo;
use crate::outcome::Outcome;
use crate::sandbox::args::{TaskArgs, TaskValue};
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::bulk::{course, is_on_the_menu};
use crate::sandbox::invoke::Invocation;
use crate::sandbox::typed::{Conclude, Typed};
use crate::values::{Arg, BadValue, args_from_json};

/// Turns what a caller hands in into calls.
pub(crate) trait Prepare<In>: Send + Sync {
    /// Makes a call of one input.
    ///
    /// # Errors
    /// That it does not fit.
    fn one(&self, input: In) -> Result<Arc<dyn Invocation>, Failure>;

    /// Returns where inputs are put whose calls are made together.
    fn many(self: Arc<Self>) -> Box<dyn Gather<In>>;
}

/// Inputs whose calls are made together.
pub(crate) trait Gather<In>: Send {
    /// Puts in one more.
    ///
    /// # Errors
    /// That it does not fit, and is not in.
    fn put(&mut self, input: In) -> Result<(), Failure>;

    /// Makes the calls of all that are in, whose numbers are in their order.
    fn take(&mut self) -> Arc<dyn Invocation>;
}

/// The input of one call as it was read, not yet looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawInput {
    /// JSON: the value of the only parameter, an array of all, or an object by parameter names.
    Json(String),
    /// The text of the only parameter: as it is for a string, JSON for others.
    Text(String),
    /// The only parameter's bytes for a `list<u8>`, their text for others.
    Bytes(Vec<u8>),
    /// Nothing, for this reason: the call ends as bad input, in its place among the others.
    Unreadable(String),
}

impl RawInput {
    /// Returns what tells how much memory a call of `task` with an input takes, in bytes, about.
    pub(crate) fn weight_for(task: &TaskInfo) -> fn(&Self) -> usize {
        if is_on_the_menu(task) { Self::weight } else { Self::weight_as_values }
    }

    fn weight(&self) -> usize {
        match self {
            RawInput::Json(text) | RawInput::Text(text) | RawInput::Unreadable(text) => text.len(),
            RawInput::Bytes(bytes) => bytes.len(),
        }
    }

    /// On its way into the guest a byte list is a list of values.
    fn weight_as_values(&self) -> usize {
        match self {
            RawInput::Bytes(bytes) => bytes.len() * size_of::<Val>(),
            other => other.weight(),
        }
    }
}

impl Blueprint {
    /// Prepares calls by static types. A task may return `result<Out, E>`, `Out`, or nothing for `()`.
    ///
    /// # Errors
    /// [`PoolError::WrongTypes`].
    pub(crate) fn by_types<In, Out, E>(&self, task: &TaskInfo) -> Result<Arc<dyn Prepare<In>>, PoolError>
    where
        In: TaskArgs,
        Out: TaskValue,
        E: TaskValue,
    {
        let (number, export) = self.called(task)?;
        let wrong = |problem| PoolError::WrongTypes { signature: task.signature(), problem };
        let mut probe = self.probe().map_err(wrong)?;
        if probe.check_types::<In::Wire, (Result<Out, E>,)>(&export).is_ok() {
            return Ok(typed::<In, (Result<Out, E>,), Out, E>(number, |(result,), _| match result {
                Ok(output) => Outcome::Completed(output),
                Err(error) => Outcome::Returned(error),
            }));
        }
        if TypeId::of::<Out>() == TypeId::of::<()>() && probe.check_types::<In::Wire, ()>(&export).is_ok() {
            return Ok(typed::<In, (), (), E>(number, |(), _| Outcome::Completed(())));
        }
        probe.check_types::<In::Wire, (Out,)>(&export).map_err(wrong)?;
        Ok(typed::<In, (Out,), Out, E>(number, |(output,), _| Outcome::Completed(output)))
    }

    /// Prepares calls by one JSON value.
    ///
    /// # Errors
    /// [`PoolError::NotForJson`].
    pub(crate) fn by_json(&self, task: &TaskInfo) -> Result<Arc<dyn Prepare<Value>>, PoolError> {
        let (name, params) = (task.name().to_owned(), task.param_types());
        self.fitted(task, move |input: Value| {
            args_from_json(&name, &params, &input).map_err(|problem| problem.to_string())
        })
    }

    /// Prepares calls by the list of all arguments as JSON values.
    ///
    /// # Errors
    /// [`PoolError::NotForJson`].
    pub(crate) fn by_args(&self, task: &TaskInfo) -> Result<Arc<dyn Prepare<Vec<Value>>>, PoolError> {
        let task_info = task.clone();
        self.fitted(task, move |args: Vec<Value>| positional(&task_info, &args))
    }

    /// Prepares calls by what was read.
    ///
    /// # Errors
    /// [`PoolError::NotForJson`].
    pub(crate) fn by_raw_input(&self, task: &TaskInfo) -> Result<Arc<dyn Prepare<RawInput>>, PoolError> {
        let (task_info, params) = (task.clone(), task.param_types());
        self.fitted(task, move |input: RawInput| match input {
            RawInput::Json(line) => {
                let input =
                    serde_json::from_str(&line).map_err(|error| format!("the line is not JSON: {error}"))?;
                args_from_json(task_info.name(), &params, &input).map_err(|problem| problem.to_string())
            }
            RawInput::Text(text) => only(&task_info, task_info.given_as_text(0, &text)),
            RawInput::Bytes(bytes) => only(&task_info, task_info.given_as_bytes(0, bytes)),
            RawInput::Unreadable(reason) => Err(reason),
        })
    }

    fn fitted<In: Send + 'static>(
        &self,
        task: &TaskInfo,
        fit: impl Fn(In) -> Result<Vec<Arg>, String> + Send + Sync + 'static,
    ) -> Result<Arc<dyn Prepare<In>>, PoolError> {
        if let Err(reason) = task.takes_json() {
            return Err(PoolError::NotForJson { task: task.name().to_owned(), reason: reason.to_owned() });
        }
        let (number, _) = self.called(task)?;
        let limit_bytes = self.limits.arguments_bytes;
        let make = course(task);
        let fit = move |input| {
            let args = fit(input).map_err(Failure::BadInput)?;
            let bytes = args.iter().map(Arg::size).sum();
            if bytes > limit_bytes {
                let what = Oversized::Arguments;
                return Err(Failure::TooLarge(TooLarge { what, bytes: Some(bytes), limit_bytes }));
            }
            Ok(args)
        };
        Ok(Arc::new(Steps { fit, make: move |args| make(number, args), _input: PhantomData }))
    }

    /// Returns a task's number, and where it is in this module.
    fn called(&self, task: &TaskInfo) -> Result<(usize, ComponentExportIndex), PoolError> {
        let number = self.number_of(task.name());
        number
            .and_then(|number| Some((number, self.exports[number]?)))
            .ok_or_else(|| PoolError::UnknownTask(format!("`{}` is not exported any more", task.name())))
    }
}

/// Fits JSON values to a function's parameters one by one.
///
/// # Errors
/// Which does not fit, or that there are too few or too many.
pub(crate) fn positional(task: &TaskInfo, args: &[Value]) -> Result<Vec<Arg>, String> {
    let params = task.param_types();
    if params.len() != args.len() {
        let given = args.len();
        return Err(format!("`{}` takes {} arguments, not {given}", task.signature(), params.len()));
    }
    let fit = |((name, ty), arg): (&(String, _), &Value)| {
        Arg::from_json(ty, arg).map_err(|problem| problem.rooted_at(name).to_string())
    };
    params.iter().zip(args).map(fit).collect()
}

/// Takes one argument for all, if that is all there are.
fn only(task: &TaskInfo, arg: Result<Arg, BadValue>) -> Result<Vec<Arg>, String> {
    if task.params().len() != 1 {
        return Err(format!(
            "`{}` does not take one argument, which is all that a text is",
            task.signature()
        ));
    }
    Ok(vec![arg.map_err(|problem| problem.to_string())?])
}

fn typed<In, R, Out, E>(task: usize, conclude: Conclude<R, Out, E>) -> Arc<dyn Prepare<In>>
where
    In: TaskArgs,
    R: ComponentNamedList + Lift + 'static,
    Out: Send + 'static,
    E: Send + 'static,
{
    let make = move |params| -> Arc<dyn Invocation> { Arc::new(Typed { task, params, conclude }) };
    Arc::new(Steps { fit: |args: In| Ok(args.wire()), make, _input: PhantomData })
}

/// How an input becomes the arguments of a call, and how calls are made of their arguments.
struct Steps<In, F, M> {
    fit: F,
    make: M,
    _input: PhantomData<fn(In)>,
}

impl<In, Args, F, M> Prepare<In> for Steps<In, F, M>
where
    In: 'static,
    Args: Send + 'static,
    F: Fn(In) -> Result<Args, Failure> + Send + Sync + 'static,
    M: Fn(Vec<Args>) -> Arc<dyn Invocation> + Send + Sync + 'static,
{
    fn one(&self, input: In) -> Result<Arc<dyn Invocation>, Failure> {
        Ok((self.make)(vec![(self.fit)(input)?]))
    }

    fn many(self: Arc<Self>) -> Box<dyn Gather<In>> {
        Box::new(Gathered { steps: self, args: Vec::new() })
    }
}

struct Gathered<In, Args, F, M> {
    steps: Arc<Steps<In, F, M>>,
    /// Of each call.
    args: Vec<Args>,
}

impl<In, Args, F, M> Gather<In> for Gathered<In, Args, F, M>
where
    In: 'static,
    Args: Send + 'static,
    F: Fn(In) -> Result<Args, Failure> + Send + Sync + 'static,
    M: Fn(Vec<Args>) -> Arc<dyn Invocation> + Send + Sync + 'static,
{
    fn put(&mut self, input: In) -> Result<(), Failure> {
        self.args.push((self.steps.fit)(input)?);
        Ok(())
    }

    fn take(&mut self) -> Arc<dyn Invocation> {
        // As many may come the next time.
        let next = Vec::with_capacity(self.args.len());
        (self.steps.make)(std::mem::replace(&mut self.args, next))
    }
}
