//! The front desk: builds pools, gives out task handles, and ends pools in an orderly way.

pub(crate) mod checks;
pub(crate) mod setting;
pub(crate) mod staff;
mod check_limits;
pub(crate) mod stats;
pub(crate) mod builder;
pub(crate) mod before_calls;
mod during_calls;
mod replace;
pub(crate) mod queue;
pub(crate) mod snapshot;
pub(crate) mod handle;
mod pace;
pub(crate) mod counter;
pub(crate) mod reports;
pub(crate) mod task;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::error::PoolError;
use crate::event::{Event, Events};
use crate::module::{TaskInfo, TaskModule};
use crate::pool::builder::PoolBuilder;
use crate::pool::queue::Queue;
use crate::pool::setting::Replacements;
use crate::pool::stats::Stats;
use crate::pool::task::Task;
use crate::sandbox::args::{TaskArgs, TaskValue};
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::prepare::RawInput;
use crate::scheduler::calls::{CallRules, Scheduler};
use crate::worker::crew::Crew;
use crate::worker::workshop::{ModuleDesk, Workshop};

/// Workers, their queue, and who follows the calls. Clones are handles of the same pool.
///
/// Task handles, call handles and reports keep the pool alive too; dropping the last of them all aborts it.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wasmpool::{Pool, TaskModule};
///
/// let pool = Pool::builder(TaskModule::from_file("hello.wasm").await?).workers(2).build().await?;
/// let greet = pool.task::<(String,), String>("greet")?;
/// assert_eq!(greet.call(("Ada".to_owned(),)).await?, "Hello, Ada!");
/// pool.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Pool {
    inner: Arc<PoolInner>,
}

struct PoolInner {
    scheduler: Arc<Scheduler>,
    shop: Arc<Workshop>,
    crew: Arc<Crew>,
    call_rules: CallRules,
    replacements: tokio::sync::Mutex<Replacements>,
}

impl Pool {
    /// Starts to build a pool over one module, named after its file. More may be added.
    pub fn builder(module: TaskModule) -> PoolBuilder {
        let name = module.name().to_owned();
        PoolBuilder::new().module(name, module)
    }

    /// Returns a handle of a task by static types: a tuple of its parameters, and its output.
    ///
    /// Where the task returns a `result`, the output is the type of its `ok`, and its `err` is the SDK's
    /// [`TaskError`](crate::TaskError); see [`task_with_error`](Self::task_with_error) for others.
    /// `name` is the task's name, or `module/name`, which it must be where two modules have a task of that name.
    /// Opens a sandbox to compare types with, for which it blocks the thread: some 100 µs, and at most
    /// [`Limits::opening_time`](crate::Limits::opening_time).
    ///
    /// # Errors
    /// [`PoolError::UnknownTask`], or [`PoolError::WrongTypes`] naming the task's real signature.
    pub fn task<In, Out>(&self, name: &str) -> Result<Task<In, Out>, PoolError>
    where
        In: TaskArgs,
        Out: TaskValue,
    {
        self.task_with_error(name)
    }

    /// As [`task`](Self::task), for a task that returns a `result` with its author's own type of error.
    ///
    /// A record, variant or enum of the task is a Rust type with the same fields or cases in the same order:
    ///
    /// ```no_run
    /// # async fn example(pool: wasmpool::Pool) -> Result<(), Box<dyn std::error::Error>> {
    /// use wasmpool::CallError;
    /// use wasmpool::wasmtime::{self, component::{ComponentType, Lift, Lower}};
    ///
    /// #[derive(Clone, ComponentType, Lift, Lower)]
    /// #[component(record)]
    /// struct User {
    ///     name: String,
    ///     #[component(name = "age-in-years")]
    ///     age: u8,
    /// }
    ///
    /// #[derive(Clone, Debug, ComponentType, Lift, Lower)]
    /// #[component(variant)]
    /// enum Problem {
    ///     #[component(name = "too-old")]
    ///     TooOld(u8),
    ///     #[component(name = "gone")]
    ///     Gone,
    /// }
    ///
    /// let check = pool.task_with_error::<(User,), String, Problem>("check")?;
    /// match check.call((User { name: "Ada".to_owned(), age: 36 },)).await {
    ///     Err(CallError::Returned(Problem::TooOld(limit))) => println!("older than {limit}"),
    ///     other => println!("{:?}", other.is_ok()),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`task`](Self::task).
    pub fn task_with_error<In, Out, E>(&self, name: &str) -> Result<Task<In, Out, E>, PoolError>
    where
        In: TaskArgs,
        Out: TaskValue,
        E: TaskValue,
    {
        let target = self.find(name)?;
        task::typed(self.clone(), &target)
    }

    /// Returns a handle of a task by JSON: the input is the value of the only parameter, an array of all,
    /// or an object by parameter names.
    ///
    /// Lists of bytes and numbers are copied as they lie in the guest's memory where they are what a task is about, as
    /// in `(list<u8>, u32) -> result<list<u8>, task-error>`. In other signatures, and inside other values, each number
    /// takes some 40 bytes of the host's memory while the call runs; [`task`](Self::task) does not need that.
    ///
    /// # Errors
    /// [`PoolError::UnknownTask`], or [`PoolError::NotForJson`] when a type has no JSON (streams, futures,
    /// resources).
    pub fn json_task(&self, name: &str) -> Result<Task<Value, Value, Value>, PoolError> {
        let target = self.find(name)?;
        task::json(self.clone(), &target)
    }

    /// Returns a handle of a task by JSON whose input is always the list of all arguments.
    ///
    /// # Errors
    /// As [`json_task`](Self::json_task).
    pub fn json_task_of_args(&self, name: &str) -> Result<Task<Vec<Value>, Value, Value>, PoolError> {
        let target = self.find(name)?;
        task::json_of_args(self.clone(), &target)
    }

    /// Returns a handle of a task whose inputs are what was read from a file or a line, not yet looked at.
    ///
    /// # Errors
    /// As [`json_task`](Self::json_task).
    pub fn raw_task(&self, name: &str) -> Result<Task<RawInput, Value, Value>, PoolError> {
        let target = self.find(name)?;
        task::raw(self.clone(), &target)
    }

    /// Returns the queue of this name, which is declared if there is none; then it holds up to `capacity` items, at least
    /// one, and [`Limits::queue_bytes`](crate::Limits::queue_bytes) of JSON. Tasks of all modules reach it by its name,
    /// or get it as an argument. Closing the pool closes it.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(pool: wasmpool::Pool) -> Result<(), Box<dyn std::error::Error>> {
    /// use wasmpool::Queue;
    ///
    /// let numbers = pool.queue::<i64>("numbers", 64);
    /// let worker = pool.task::<(String, Queue<i64>), u32>("worker")?;
    /// let consumers: Vec<_> = (0..5).map(|i| worker.submit((format!("worker-{i}"), numbers.clone()))).collect();
    /// for number in 0..20 {
    ///     numbers.put(&number).await?;
    /// }
    /// numbers.close();
    /// for consumer in consumers {
    ///     println!("{} numbers", consumer.await?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn queue<T>(&self, name: &str, capacity: usize) -> Queue<T> {
        Queue::declare(self.inner.scheduler.queues.clone(), name, capacity)
    }

    /// Returns everything that happens from now on. A slow listener loses events, never slows a worker.
    pub fn events(&self) -> Events {
        self.inner.scheduler.teller.listen()
    }

    /// Returns what the pool is doing and what it has done, in numbers. Meant to be asked for now and then, as a bar
    /// or a metrics page does: it takes some 50 µs for each worker.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner.scheduler)
    }

    /// Accepts no more calls, closes the queues, waits until all accepted calls are answered, and ends the workers.
    ///
    /// # Cancel safety
    /// Dropped early, the pool accepts no calls, and goes on with those it has.
    pub async fn close(&self) {
        self.inner.close_doors();
        self.inner.scheduler.ledger.settled().await;
        self.end_workers().await;
    }

    /// As [`close`](Self::close), but calls that are not answered after `time` end as cancelled.
    ///
    /// # Panics
    /// Outside a tokio runtime, whose timer it needs.
    pub async fn close_within(&self, time: Duration) {
        self.inner.close_doors();
        // Out of time or not, what is left is ended.
        let _ = tokio::time::timeout(time, self.inner.scheduler.ledger.settled()).await;
        self.end_workers().await;
    }

    /// Ends all calls as cancelled, and the workers.
    pub async fn abort(&self) {
        self.inner.close_doors();
        self.end_workers().await;
    }

    async fn end_workers(&self) {
        self.inner.stop();
        let was_open = self.inner.crew.ended().await;
        self.inner.shop.engines.stop_ticking();
        if let Some(http) = &self.inner.shop.http {
            http.stop();
        }
        if was_open {
            self.inner.scheduler.teller.tell(|| Event::PoolClosed);
        }
    }

    /// Finds a task by `name` or `module/name`.
    fn find(&self, name: &str) -> Result<Target, PoolError> {
        let modules: Vec<_> = self.inner.shop.modules.iter().map(ModuleDesk::blueprint).collect();
        if let Some((module, task)) = name.split_once('/')
            && let Some(index) = modules.iter().position(|blueprint| &*blueprint.name == module)
        {
            return target(&modules, index, task);
        }
        let mut having = (0..modules.len()).filter(|index| modules[*index].module.task(name).is_some());
        match (having.next(), having.next()) {
            (Some(index), None) => target(&modules, index, name),
            (Some(one), Some(other)) => Err(PoolError::UnknownTask(format!(
                "several modules have a task `{name}`: say `{}/{name}` or `{}/{name}`",
                modules[one].name, modules[other].name
            ))),
            (None, _) if modules.len() == 1 => target(&modules, 0, name),
            (None, _) => Err(PoolError::UnknownTask(format!("no module has a task `{name}`"))),
        }
    }
}

fn target(modules: &[Arc<Blueprint>], index: usize, task: &str) -> Result<Target, PoolError> {
    let blueprint = &modules[index];
    match blueprint.module.task(task) {
        Some(info) => Ok(Target { module: index, info: info.clone(), blueprint: blueprint.clone() }),
        None => Err(PoolError::UnknownTask(blueprint.module.unknown_task(task))),
    }
}

/// A task of one of the pool's modules.
struct Target {
    module: usize,
    info: TaskInfo,
    blueprint: Arc<Blueprint>,
}

impl PoolInner {
    /// Accepts no more calls, and no more items in queues: who waits for one beyond the last is told so, and ends.
    fn close_doors(&self) {
        self.scheduler.ledger.close();
        self.scheduler.queues.close_all();
    }

    /// Drops all attempts and tells the workers to end; unanswered calls end as cancelled.
    fn stop(&self) {
        self.scheduler.permits.close();
        // Their replies settle the calls, which find the queue closed.
        drop(self.scheduler.queue.close());
        self.crew.stop();
    }
}

impl Drop for PoolInner {
    fn drop(&mut self) {
        self.close_doors();
        self.stop();
    }
}
