//! How a pool is set up. Every setting is checked once, in `build`, and the complaint names it.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::call::WorkerId;
use crate::dispatch::Queue;
use crate::error::PoolError;
use crate::event::{Event, Teller};
use crate::limits::Limits;
use crate::module::TaskModule;
use crate::pool::setting::{ModuleSetting, bad, tuple_of_args};
use crate::pool::{Pool, PoolInner};
use crate::sandbox::engine::PoolEngine;
use crate::scheduler::calls::Scheduler;
use crate::scheduler::ledger::Ledger;
use crate::tally::Tally;
use crate::worker::openings::Openings;
use crate::worker::thread::WorkerThread;
use crate::worker::workshop::Workshop;

/// Calls in flight per worker when a module has async tasks and nothing else is said.
const DEFAULT_CONCURRENCY: usize = 16;

/// How many events a slow listener may be behind.
const DEFAULT_EVENT_BACKLOG: usize = 4096;

/// Sets up a [`Pool`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder {
    modules: Vec<ModuleSetting>,
    workers: Option<usize>,
    concurrency: Option<usize>,
    queue_capacity: Option<usize>,
    event_backlog: usize,
    limits: Limits,
    on_event: Option<Box<dyn FnMut(Event) + Send>>,
}

impl Default for PoolBuilder {
    fn default() -> Self {
        PoolBuilder::new()
    }
}

impl PoolBuilder {
    /// Starts without any module; [`Pool::builder`] starts with one.
    pub fn new() -> Self {
        PoolBuilder {
            modules: Vec::new(),
            workers: None,
            concurrency: None,
            queue_capacity: None,
            event_backlog: DEFAULT_EVENT_BACKLOG,
            limits: Limits::default(),
            on_event: None,
        }
    }

    /// Adds a module. Its tasks are called `name/task`, or just `task` where no other module has one of that name.
    pub fn module(mut self, name: impl Into<String>, module: TaskModule) -> Self {
        self.modules.push(ModuleSetting::new(name.into(), module));
        self
    }

    /// Sets the number of workers, each a thread with its own event loop. Default: one per core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets how many calls a worker keeps in flight. Default: 16, or 1 if no module has an async task.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// Sets how many calls may wait or run before `call` waits and `try_call` refuses.
    /// Default: twice as many as can run, at least 64.
    pub fn queue_capacity(mut self, calls: usize) -> Self {
        self.queue_capacity = Some(calls);
        self
    }

    /// Gives the arguments, a tuple, of the initializer of the module added last.
    ///
    /// They travel as JSON: anything that serde serializes the way [`Pool::json_task`] takes it.
    pub fn init_args(mut self, args: impl Serialize) -> Self {
        if let Some(module) = self.modules.last_mut() {
            module.init_args = Some(tuple_of_args(args));
        }
        self
    }

    /// Names an exported function of the module added last that runs once in each new sandbox, for modules
    /// without `#[init]`.
    pub fn initializer(mut self, task: impl Into<String>, args: impl Serialize) -> Self {
        if let Some(module) = self.modules.last_mut() {
            module.initializer = Some(task.into());
        }
        self.init_args(args)
    }

    /// Sets what a sandbox may use up.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Calls `listener` with every event, on a thread of its own.
    pub fn on_event(mut self, listener: impl FnMut(Event) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(listener));
        self
    }

    /// Sets how many events a slow listener may be behind before it loses some. Default 4096.
    pub fn event_backlog(mut self, events: usize) -> Self {
        self.event_backlog = events;
        self
    }

    /// Starts the workers and opens one sandbox of each module, so that bad settings and failing
    /// initializers show here.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`] or [`PoolError::CannotOpen`].
    pub async fn build(mut self) -> Result<Pool, PoolError> {
        let workers = in_range("workers", self.workers.unwrap_or_else(default_workers), 1, 4096)?;
        let concurrency = in_range(
            "concurrency",
            self.concurrency.unwrap_or_else(|| self.default_concurrency()),
            1,
            1 << 20,
        )?;
        let twice = workers.saturating_mul(concurrency).saturating_mul(2).clamp(64, 1 << 24);
        let capacity = in_range("queue_capacity", self.queue_capacity.unwrap_or(twice), 1, 1 << 24)?;
        let teller = Teller::new(in_range("event_backlog", self.event_backlog, 1, 1 << 24)?);
        if let Some(listener) = self.on_event.take() {
            listen(&teller, listener)?;
        }
        let tally = Tally::of(workers);
        let (shop, names) = self.open_shop(concurrency, &teller, &tally).await?;
        let scheduler = Arc::new(Scheduler {
            queue: shop.queue.clone(),
            ledger: Ledger::open(),
            permits: Arc::new(Semaphore::new(capacity)),
            teller,
            tally,
        });
        let (pool, first) = start(scheduler, shop, workers)?;
        for (name, opened) in names.into_iter().zip(first) {
            // Workers end without a word only when the pool does, and this is its only owner.
            let opened = opened.await.unwrap_or_else(|_| Err("the worker was lost".to_owned()));
            if let Err(reason) = opened {
                pool.abort().await;
                return Err(PoolError::CannotOpen { module: name, reason });
            }
        }
        Ok(pool)
    }

    fn default_concurrency(&self) -> usize {
        if self.modules.iter().any(|setting| setting.module.has_async()) { DEFAULT_CONCURRENCY } else { 1 }
    }

    async fn open_shop(
        self,
        concurrency: usize,
        teller: &Teller,
        tally: &Arc<Tally>,
    ) -> Result<(Workshop, Vec<String>), PoolError> {
        if self.modules.is_empty() {
            return Err(bad("module", "a pool needs at least one module"));
        }
        let engine = PoolEngine::start()
            .map_err(|error| bad("workers", format!("the engine does not start: {error:#}")))?;
        let names: Vec<String> = self.modules.iter().map(|setting| setting.name.clone()).collect();
        let mut blueprints = Vec::new();
        for (index, setting) in self.modules.iter().enumerate() {
            if names[..index].contains(&setting.name) {
                return Err(bad("module", format!("two modules are called `{}`", setting.name)));
            }
            blueprints.push(setting.draw(&engine, &self.limits, teller).await?);
        }
        let openings = Openings::of(blueprints.len());
        let queue = Arc::new(Queue::new());
        let (teller, tally) = (teller.clone(), tally.clone());
        Ok((Workshop { queue, blueprints, openings, concurrency, teller, tally, engine }, names))
    }
}

type FirstOpenings = Vec<oneshot::Receiver<Result<(), String>>>;

/// Starts the worker threads; the first of them opens a sandbox of each module at once.
fn start(
    scheduler: Arc<Scheduler>,
    shop: Workshop,
    workers: usize,
) -> Result<(Pool, FirstOpenings), PoolError> {
    let shop = Arc::new(shop);
    let (hear, first): (Vec<_>, Vec<_>) = shop.blueprints.iter().map(|_| oneshot::channel()).unzip();
    let (alive, all_ended) = mpsc::channel(1);
    let pool = Pool {
        inner: Arc::new(PoolInner {
            scheduler,
            shop: shop.clone(),
            threads: Mutex::default(),
            alive: tokio::sync::Mutex::new(all_ended),
        }),
    };
    let mut hear = Some(hear);
    for id in 0..workers {
        let hear = hear.take().unwrap_or_default();
        let thread =
            WorkerThread::start(WorkerId(id), shop.clone(), hear, alive.clone()).map_err(|error| {
                bad("workers", format!("the system gives no thread for worker {id}: {error}"))
            })?;
        pool.inner.threads().push(thread);
    }
    Ok((pool, first))
}

/// Runs a listener on a thread of its own until the pool ends.
fn listen(teller: &Teller, mut listener: Box<dyn FnMut(Event) + Send>) -> Result<(), PoolError> {
    let mut events = teller.listen();
    let run = move || {
        while let Some(event) = events.blocking_next() {
            // What was lost cannot be told; the listener may ask the reports, which are exact.
            let Ok(event) = event else { continue };
            let is_last = matches!(event, Event::PoolClosed);
            listener(event);
            if is_last {
                return;
            }
        }
    };
    let spawned = std::thread::Builder::new().name("wasmpool-events".to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| bad("on_event", format!("the system gives no thread: {error}")))
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn in_range(setting: &'static str, value: usize, least: usize, most: usize) -> Result<usize, PoolError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(bad(setting, format!("{value} is not in {least}..={most}")))
}
