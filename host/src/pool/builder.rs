//! How a pool is set up. Every setting is checked once, in `build`, and the complaint names it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::call::{Isolation, RerunInterrupted};
use crate::dispatch::Queue;
use crate::error::PoolError;
use crate::event::{Event, Teller};
use crate::grants::Grants;
use crate::lifespan::RerunRule;
use crate::limits::Limits;
use crate::module::{EngineKind, TaskModule};
use crate::patience::Terms;
use crate::pool::check_limits::check;
use crate::pool::checks::{bad, in_range};
use crate::pool::setting::{ModuleSetting, Replacements};
use crate::pool::staff::StaffSetting;
use crate::pool::{Pool, PoolInner};
use crate::retry::RetryPolicy;
use crate::sandbox::engine::PoolEngines;
use crate::sandbox::http::desk::HttpDesk;
use crate::sandbox::own_imports::{OwnImports, Provisions};
use crate::sandbox::reach::Shared;
use crate::scheduler::calls::{CallRules, Scheduler};
use crate::scheduler::ledger::Ledger;
use crate::scheduler::setback::RetryRule;
use crate::scheduler::stall::StallWatch;
use crate::scheduler::watchdog::Watchdog;
use crate::tally::Tally;
use crate::worker::crew::Crew;
use crate::worker::workshop::{ModuleDesk, Staffing, Workshop};

/// Calls in flight per worker when a module has async tasks and nothing else is said.
const DEFAULT_CONCURRENCY: usize = 16;

/// How many events a slow listener may be behind.
const DEFAULT_EVENT_BACKLOG: usize = 4096;

/// Sets up a [`Pool`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder {
    pub(crate) modules: Vec<ModuleSetting>,
    pub(crate) grants: Grants,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) staff: StaffSetting,
    queue_capacity: Option<usize>,
    event_backlog: usize,
    pub(crate) limits: Limits,
    pub(crate) rerun_interrupted: RerunInterrupted,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) imports: OwnImports,
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
            grants: Grants::none(),
            cache_dir: None,
            staff: StaffSetting::default(),
            queue_capacity: None,
            event_backlog: DEFAULT_EVENT_BACKLOG,
            limits: Limits::default(),
            rerun_interrupted: RerunInterrupted::default(),
            retry: None,
            imports: OwnImports::default(),
            on_event: None,
        }
    }

    /// Adds a module. Its tasks are called `name/task`, or just `task` where no other module has one of that name.
    pub fn module(mut self, name: impl Into<String>, module: TaskModule) -> Self {
        self.modules.push(ModuleSetting::new(name.into(), module));
        self
    }

    /// Sets how many calls may wait or run before `call` waits and `try_call` refuses.
    /// Default: twice as many as can run, at least 64.
    pub fn queue_capacity(mut self, calls: usize) -> Self {
        self.queue_capacity = Some(calls);
        self
    }

    /// Sets what a sandbox and a call may use up, in place of all that was said about it before.
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

    /// Takes the snapshots, starts the workers and opens one sandbox of each module, so that bad settings and
    /// failing initializers show here.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`], [`PoolError::CannotSnapshot`] or [`PoolError::CannotOpen`].
    pub async fn build(mut self) -> Result<Pool, PoolError> {
        check(&self.limits)?;
        if let Some(problem) = self.retry.as_ref().and_then(RetryPolicy::problem) {
            return Err(bad("retry", problem));
        }
        let call_rules = self.call_rules();
        let staffing = self.staff.staffing()?;
        let concurrency = self.staff.concurrency.unwrap_or_else(|| self.default_concurrency());
        let concurrency = in_range("concurrency", concurrency, 1, 1 << 20)?;
        let twice = staffing.most.saturating_mul(concurrency).saturating_mul(2).clamp(64, 1 << 24);
        let capacity = in_range("queue_capacity", self.queue_capacity.unwrap_or(twice), 1, 1 << 24)?;
        let http = self.open_http()?;
        let teller = Teller::new(in_range("event_backlog", self.event_backlog, 1, 1 << 24)?);
        let shared = Shared { http, ..Shared::within(&self.limits, &teller) };
        let provisions = Provisions { shared: shared.clone(), imports: std::mem::take(&mut self.imports) };
        for setting in &mut self.modules {
            setting.grants = self.grants.clone();
            setting.cache_dir = self.cache_dir.clone();
            setting.provisions = provisions.clone();
        }
        if let Some(listener) = self.on_event.take() {
            listen(&teller, listener)?;
        }
        let shop = Arc::new(self.open_shop(staffing, concurrency, &teller, shared.http).await?);
        let scheduler = Arc::new(Scheduler {
            queue: shop.queue.clone(),
            ledger: Ledger::open(),
            permits: Arc::new(Semaphore::new(capacity)),
            teller,
            tally: shop.tally.clone(),
            watchdog: Watchdog::new(),
            queues: shared.queues,
            slots: staffing.most.saturating_mul(concurrency),
        });
        let watched = Arc::downgrade(&scheduler);
        let stall = StallWatch::default();
        shop.engines.at_every_tick(move || {
            if let Some(scheduler) = watched.upgrade() {
                scheduler.watchdog.look_around();
                stall.look(&scheduler);
            }
        });
        let (hear, first): (Vec<_>, Vec<_>) = shop.modules.iter().map(|_| oneshot::channel()).unzip();
        let crew = Crew::start(shop.clone(), hear).map_err(|(id, error)| {
            bad("workers", format!("the system gives no thread for worker {id}: {error}"))
        })?;
        let replacements =
            tokio::sync::Mutex::new(Replacements { modules: self.modules, limits: self.limits });
        let pool = Pool { inner: Arc::new(PoolInner { scheduler, shop, crew, call_rules, replacements }) };
        for (module, opened) in pool.inner.shop.modules.iter().zip(first) {
            // Workers end without a word only when the pool does, and this is its only owner.
            let opened = opened.await.unwrap_or_else(|_| Err("the worker was lost".to_owned()));
            if let Err(reason) = opened {
                let module = module.name.to_string();
                pool.abort().await;
                return Err(PoolError::CannotOpen { module, reason });
            }
        }
        Ok(pool)
    }

    /// Returns what holds for calls where neither their task nor their handle says otherwise.
    fn call_rules(&self) -> CallRules {
        let Limits { attempt_timeout, queue_timeout, deadline, slow_after, .. } = self.limits;
        CallRules {
            terms: Terms { attempt_timeout, queue_timeout, deadline, slow_after },
            retry: Arc::new(RetryRule { policy: self.retry.clone(), test: None }),
            rerun: RerunRule { policy: self.rerun_interrupted, is_idempotent: false },
            has_unseen_effects: self.grants.reaches_outside(),
        }
    }

    /// Opens the desk for HTTP, if any is granted.
    fn open_http(&self) -> Result<Option<Arc<HttpDesk>>, PoolError> {
        let rules = self.grants.origins().map_err(|problem| bad("http", problem))?;
        let roots = match self.grants.roots_file() {
            None => HttpDesk::no_roots(),
            Some(file) => {
                let read = std::fs::read(file).map_err(|error| error.to_string());
                let roots = read.and_then(|pem| HttpDesk::read_roots(&pem));
                roots.map_err(|problem| bad("ca_file", format!("`{}`: {problem}", file.display())))?
            }
        };
        if rules.is_empty() {
            return Ok(None);
        }
        let desk = HttpDesk::open(rules, &roots, &self.limits)
            .map_err(|error| bad("http", format!("the system gives no thread for connections: {error}")))?;
        Ok(Some(Arc::new(desk)))
    }

    fn default_concurrency(&self) -> usize {
        if self.modules.iter().any(|setting| setting.module.has_async()) { DEFAULT_CONCURRENCY } else { 1 }
    }

    async fn open_shop(
        &self,
        staffing: Staffing,
        concurrency: usize,
        teller: &Teller,
        http: Option<Arc<HttpDesk>>,
    ) -> Result<Workshop, PoolError> {
        if self.modules.is_empty() {
            return Err(bad("module", "a pool needs at least one module"));
        }
        let recycling = self.staff.recycling()?;
        let isolations: Vec<_> =
            self.modules.iter().map(|setting| self.staff.isolation(setting.module.has_async())).collect();
        let space = self.staff.space(staffing.most, concurrency, &isolations);
        let engines = PoolEngines::new(&self.limits);
        for kind in EngineKind::ALL {
            let of_kind = self.modules.iter().filter(|setting| setting.engine_kind() == kind);
            let loaded: Vec<_> = of_kind.map(|setting| &setting.module).collect();
            if !loaded.is_empty() {
                let started = engines.start_with_slots(kind, space, &loaded);
                started.map_err(|problem| bad("workers", problem))?;
            }
        }
        let mut modules = Vec::new();
        for (index, (setting, isolation)) in self.modules.iter().zip(isolations).enumerate() {
            if self.modules[..index].iter().any(|other| other.name == setting.name) {
                return Err(bad("module", format!("two modules are called `{}`", setting.name)));
            }
            let blueprint = setting.draw(&engines, &self.limits, teller).await?;
            if isolation == Isolation::Fresh && blueprint.has_initializer() {
                let module = blueprint.name.clone();
                tracing::warn!(
                    "module `{module}` runs its initializer before every call; a snapshot would run once"
                );
                teller.tell(|| Event::InitializedForEachCall { module });
            }
            modules.push(ModuleDesk::new(blueprint, isolation));
        }
        let (queue, teller) = (Arc::new(Queue::new(staffing.least)), teller.clone());
        let tally = Tally::of(staffing.most);
        Ok(Workshop {
            queue,
            modules,
            staffing,
            concurrency,
            recycling,
            teller,
            tally,
            owed_wakes: Arc::default(),
            http,
            engines,
        })
    }
}

/// Runs a listener on a thread of its own until the pool ends.
pub(crate) fn listen(teller: &Teller, mut listener: Box<dyn FnMut(Event) + Send>) -> Result<(), PoolError> {
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
