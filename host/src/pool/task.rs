//! Task handles: where callers hand in what they want done.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use crate::error::{CallError, PoolError, Refused};
use crate::module::{RetryAttribute, TaskInfo, TimeoutAttribute};
use crate::outcome::Parcel;
use crate::pool::counter::Counter;
use crate::pool::handle::CallHandle;
use crate::pool::reports::Reports;
use crate::pool::reports::source::Inputs;
use crate::pool::{Pool, Target};
use crate::retry::RetryPolicy;
use crate::sandbox::args::{TaskArgs, TaskValue};
use crate::sandbox::prepare::{Prepare, RawInput};
use crate::scheduler::calls::CallRules;
use crate::scheduler::setback::RetryRule;

/// A handle of one task: takes `In`, gives `Out`, or `E` where the task returns a `result`. Cheap to clone.
pub struct Task<In, Out, E = crate::TaskError> {
    inner: Arc<Inner<In, Out>>,
    counter: Counter,
    _error: PhantomData<fn() -> E>,
}

struct Inner<In, Out> {
    prepare: Arc<dyn Prepare<In>>,
    weights: Weights<In, Out>,
}

/// How much memory inputs and outputs take, in bytes, as far as it matters.
#[derive(Clone, Copy)]
pub(crate) struct Weights<In, Out> {
    pub(crate) input: fn(&In) -> usize,
    pub(crate) output: fn(&Out) -> usize,
}

impl<In, Out, E> Clone for Task<In, Out, E> {
    fn clone(&self) -> Self {
        Task { inner: self.inner.clone(), counter: self.counter.clone(), _error: PhantomData }
    }
}

impl<In, Out, E> Task<In, Out, E>
where
    In: Send + 'static,
    Out: Send + 'static,
    E: Send + 'static,
{
    /// Returns the task's name without its module's.
    pub fn name(&self) -> &str {
        &self.counter.name
    }

    /// Returns a handle whose calls go to the same sandbox as others of this `key`, while it lives.
    ///
    /// Best effort: calls of one key wait for each other where a sandbox takes one at a time, and for their worker
    /// even if another has nothing to do. Keys share a sandbox where there are more of them than calls in flight. Calls
    /// of one key part when their sandbox retires, when the call in front is withdrawn, when one is run again alone,
    /// and sometimes when there are more than 16,384 keys in use; with [`Isolation::Fresh`](crate::Isolation::Fresh)
    /// no two calls share a sandbox. Keys are compared by a 64-bit hash, across all tasks of a module.
    pub fn with_affinity(&self, key: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut task = self.clone();
        task.counter.affinity = Some(hasher.finish());
        task
    }

    /// Returns a handle whose attempts may run for this long, or for ever if `None`, whatever the pool and the task say.
    pub fn with_timeout(&self, time: impl Into<Option<Duration>>) -> Self {
        let mut task = self.clone();
        task.counter.rules.terms.attempt_timeout = time.into();
        task
    }

    /// Returns a handle whose calls may take this long in all, from their submission, or for ever if `None`, whatever
    /// the pool says.
    pub fn with_deadline(&self, time: impl Into<Option<Duration>>) -> Self {
        let mut task = self.clone();
        task.counter.rules.terms.deadline = time.into();
        task
    }

    /// Returns a handle whose calls are tried again as the policy says; what it leaves open is as the pool and the task
    /// say.
    pub fn with_retry(&self, policy: RetryPolicy) -> Self {
        let mut task = self.clone();
        let rule = RetryRule::clone(&task.counter.rules.retry);
        let policy = Some(policy.or(rule.policy.unwrap_or_default()));
        task.counter.rules.retry = Arc::new(RetryRule { policy, ..rule });
        task
    }

    /// Returns a handle whose calls get so many attempts; 1 is no retry, and 0 is as 1.
    pub fn with_attempts(&self, attempts: u32) -> Self {
        self.with_retry(RetryPolicy::default().attempts(attempts))
    }

    /// Returns a handle that asks whether an error of the task is worth another attempt, in place of the cases of
    /// [`RetryPolicy::on_cases`] and `#[retry(on(…))]`. An attempt is only left if the policy has one.
    ///
    /// It is asked by the worker that brings the error, so it must be quick. One that panics has said no.
    pub fn retry_when(&self, is_worthwhile: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        let test = move |error: &Parcel| error.downcast_ref().is_some_and(&is_worthwhile);
        let mut task = self.clone();
        let rule = RetryRule::clone(&task.counter.rules.retry);
        task.counter.rules.retry = Arc::new(RetryRule { test: Some(Arc::new(test)), ..rule });
        task
    }

    /// Calls the task and waits for its result; waits first while the pool is full.
    ///
    /// # Errors
    /// [`CallError::Returned`] with the task's own error, [`CallError::Failed`], or
    /// [`CallError::Pool`] after the pool was closed.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the call.
    pub fn call(&self, args: In) -> impl Future<Output = Result<Out, CallError<E>>> + Send + use<In, Out, E> {
        let task = self.clone();
        async move {
            let permits = task.counter.scheduler().permits.clone();
            let permit = permits.acquire_owned().await.map_err(|_| CallError::Pool(PoolError::Closed))?;
            match task.begin(args, Some(permit)) {
                Ok(handle) => handle.await,
                Err(_) => Err(CallError::Pool(PoolError::Closed)),
            }
        }
    }

    /// Queues a call at once and returns its handle. Never waits: a call beyond the pool's capacity is
    /// queued too, so bound your own loop, or use [`call`](Self::call) or [`starmap`](Self::starmap).
    pub fn submit(&self, args: In) -> CallHandle<Out, E> {
        let permit = self.counter.scheduler().permits.clone().try_acquire_owned().ok();
        self.begin(args, permit).unwrap_or_else(|_| CallHandle::refused(PoolError::Closed))
    }

    /// Queues a call if the pool is not full.
    ///
    /// Only this way to call gives the arguments back.
    ///
    /// # Errors
    /// [`Refused`] with the arguments, for [`PoolError::Full`] or [`PoolError::Closed`].
    pub fn try_call(&self, args: In) -> Result<CallHandle<Out, E>, Refused<In>> {
        let scheduler = self.counter.scheduler();
        match scheduler.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                self.begin(args, Some(permit)).map_err(|args| Refused { args, error: PoolError::Closed })
            }
            Err(_) if scheduler.ledger.is_closed() => Err(Refused { args, error: PoolError::Closed }),
            Err(TryAcquireError::NoPermits) => Err(Refused { args, error: PoolError::Full }),
            Err(TryAcquireError::Closed) => Err(Refused { args, error: PoolError::Closed }),
        }
    }

    /// Calls the task for each tuple of arguments. Takes inputs only as calls end, a bounded number ahead.
    pub fn starmap<I>(&self, inputs: I) -> Reports<Out, E>
    where
        I: IntoIterator<Item = In>,
        I::IntoIter: Send + 'static,
    {
        self.starmap_stream(futures::stream::iter(inputs))
    }

    /// As [`starmap`](Self::starmap), for inputs that have to be waited for.
    pub fn starmap_stream(&self, inputs: impl Stream<Item = In> + Send + 'static) -> Reports<Out, E> {
        let Weights { input, output } = self.inner.weights;
        let inputs = Inputs::new(inputs, self.inner.prepare.clone(), input);
        Reports::new(Box::new(inputs), self.counter.clone(), output)
    }

    /// Submits a call, or gives the arguments back when the pool is closed.
    fn begin(&self, args: In, permit: Option<OwnedSemaphorePermit>) -> Result<CallHandle<Out, E>, In> {
        let Some(accepted) = self.counter.accept() else { return Err(args) };
        Ok(self.counter.submit(accepted, self.inner.prepare.one(args), permit))
    }
}

impl<A, Out, E> Task<(A,), Out, E>
where
    A: Send + 'static,
    Out: Send + 'static,
    E: Send + 'static,
{
    /// Calls the task, which has one parameter, for each input. See [`starmap`](Self::starmap).
    pub fn map<I>(&self, inputs: I) -> Reports<Out, E>
    where
        I: IntoIterator<Item = A>,
        I::IntoIter: Send + 'static,
    {
        self.starmap(inputs.into_iter().map(|input| (input,)))
    }
}

impl Task<Value, Value, Value> {
    /// Calls the task for each input. See [`starmap`](Self::starmap).
    pub fn map<I>(&self, inputs: I) -> Reports<Value, Value>
    where
        I: IntoIterator<Item = Value>,
        I::IntoIter: Send + 'static,
    {
        self.starmap(inputs)
    }
}

/// Makes a handle by static types, if they are the task's.
pub(super) fn typed<In, Out, E>(pool: Pool, target: &Target) -> Result<Task<In, Out, E>, PoolError>
where
    In: TaskArgs,
    Out: TaskValue,
    E: TaskValue,
{
    let prepare = target.blueprint.by_types::<In, Out, E>(&target.info)?;
    // What a value owns beyond its own size is its author's to know.
    let weights = Weights { input: |_| size_of::<In>(), output: |_| size_of::<Out>() };
    Ok(assemble(pool, target, prepare, weights))
}

/// Makes a handle whose input is one JSON value.
pub(super) fn json(pool: Pool, target: &Target) -> Result<Task<Value, Value, Value>, PoolError> {
    let prepare = target.blueprint.by_json(&target.info)?;
    Ok(assemble(pool, target, prepare, Weights { input: json_bytes, output: json_bytes }))
}

/// Makes a handle whose input is the list of all arguments as JSON values.
pub(super) fn json_of_args(pool: Pool, target: &Target) -> Result<Task<Vec<Value>, Value, Value>, PoolError> {
    let prepare = target.blueprint.by_args(&target.info)?;
    let weigh = |args: &Vec<Value>| args.iter().map(json_bytes).sum();
    Ok(assemble(pool, target, prepare, Weights { input: weigh, output: json_bytes }))
}

/// Makes a handle whose input is what was read.
pub(super) fn raw(pool: Pool, target: &Target) -> Result<Task<RawInput, Value, Value>, PoolError> {
    let prepare = target.blueprint.by_raw_input(&target.info)?;
    Ok(assemble(
        pool,
        target,
        prepare,
        Weights { input: RawInput::weight_for(&target.info), output: json_bytes },
    ))
}

fn assemble<In, Out, E>(
    pool: Pool,
    target: &Target,
    prepare: Arc<dyn Prepare<In>>,
    weights: Weights<In, Out>,
) -> Task<In, Out, E> {
    let name = target.info.name().into();
    let rules = rules(&pool, &target.info);
    let counter = Counter { pool, name, module: target.module, affinity: None, rules };
    Task { inner: Arc::new(Inner { prepare, weights }), counter, _error: PhantomData }
}

/// Returns what holds for calls of a task: what the pool says, else what the task's attributes say.
fn rules(pool: &Pool, task: &TaskInfo) -> CallRules {
    let mut rules = pool.inner.call_rules.clone();
    if let Some(attribute) = task.retry() {
        let policy = rules.retry.policy.clone().unwrap_or_default();
        let policy = Some(policy.or(policy_of(attribute)));
        rules.retry = Arc::new(RetryRule { policy, test: None });
    }
    rules.rerun.is_idempotent = task.is_idempotent();
    if let (None, Some(TimeoutAttribute::After(time))) = (rules.terms.attempt_timeout, task.timeout()) {
        rules.terms.attempt_timeout = Some(time);
    }
    rules
}

fn policy_of(attribute: &RetryAttribute) -> RetryPolicy {
    RetryPolicy {
        attempts: attribute.attempts,
        first_delay: attribute.first_delay,
        max_delay: attribute.max_delay,
        factor: attribute.factor,
        jitter: attribute.jitter,
        within: attribute.within,
        kinds: None,
        cases: Some(attribute.on.clone()).filter(|cases| !cases.is_empty()),
    }
}

/// Returns about how much memory a JSON value takes.
fn json_bytes(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(json_bytes).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + json_bytes(value)).sum(),
    };
    inside + size_of::<Value>()
}
