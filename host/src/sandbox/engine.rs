//! A pool's engines, the space for its sandboxes, and the clock that interrupts busy guests.
//!
//! Modules that have nothing async run on an engine without concurrency support, where a call costs a quarter of what it
//! costs on the other. A pool has the kinds that its modules need.
//!
//! Where the number of sandboxes is known to be moderate, their memories lie in slots that are set aside once and
//! used again, which makes opening twice as fast. There are as many slots as the pool's settings can ask for, and who
//! opens a sandbox waits for one. Otherwise, and where the system does not give so much address space, each
//! sandbox asks the system for its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::{JoinHandle, current};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ResourcesRequired,
};

use crate::limits::Limits;
use crate::module::{EngineKind, TaskModule, engine_config};

/// How often a busy guest is interrupted for a look around.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// More slots are not set aside: each reserves 4 GiB of the 128 TiB of addresses that a process has.
const SLOTS_AT_MOST: usize = 4096;

/// Each stack in reserve is two of the 65,530 mappings that Linux gives a process.
const STACKS_AT_MOST: usize = 8192;

/// What a 32-bit memory can grow to.
const MEMORY_BYTES: usize = 1 << 32;

/// Memories are measured in pages.
const PAGE_BYTES: u64 = 1 << 16;

/// A table in a slot does not grow beyond this; 8 bytes of address space an element.
const TABLE_ELEMENTS_AT_MOST: usize = 1 << 20;

/// So much of a memory's or a table's pages stay with its slot when its sandbox is gone.
const KEPT_BYTES: usize = 1 << 20;

/// What the host needs of a stack below the guest's frames, for imports and for compiled adapters.
const HOST_STACK_BYTES: usize = 3 << 19;

/// How many sandboxes a pool may have at once, and how many calls may be inside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    pub(crate) sandboxes: usize,
    pub(crate) calls: usize,
}

/// A place for a sandbox, free again when it is dropped. Only after the sandbox.
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// An engine of one kind, with the space for its sandboxes.
pub(crate) struct PoolEngine {
    engine: Engine,
    kind: EngineKind,
    /// Free slots; `None` where sandboxes are not counted.
    slots: Option<Arc<Semaphore>>,
    /// The place for a sandbox that is opened to see whether it opens.
    trial: Arc<Semaphore>,
}

/// The engines of a pool and their ticker, which ends with them.
pub(crate) struct PoolEngines {
    limits: Limits,
    /// One of each kind, once it is needed.
    engines: Arc<[OnceLock<Arc<PoolEngine>>; EngineKind::ALL.len()]>,
    ticker: Mutex<Option<Ticker>>,
}

impl PoolEngines {
    /// Begins without an engine.
    pub(crate) fn new(limits: &Limits) -> Self {
        let engines = Arc::<[OnceLock<_>; _]>::default();
        let ticker = Mutex::new(Some(Ticker::start(engines.clone())));
        PoolEngines { limits: limits.clone(), engines, ticker }
    }

    /// Starts the engine of a kind with slots for the sandboxes of these modules, if so many can be set aside.
    ///
    /// # Errors
    /// Why it does not start.
    pub(crate) fn start_with_slots(
        &self,
        kind: EngineKind,
        space: Space,
        modules: &[&TaskModule],
    ) -> Result<(), String> {
        let started = match slots(space, modules, &self.limits) {
            Some(slots) => PoolEngine::start_with_slots(kind, space, slots, &self.limits),
            None => PoolEngine::start(kind, &self.limits),
        };
        let started = started.map_err(|error| does_not_start(&error))?;
        // It is the first of its kind, which nobody has asked for yet.
        let _ = self.engines[kind as usize].set(Arc::new(started));
        Ok(())
    }

    /// Returns the engine of a kind, which is started if there was no use for it yet.
    ///
    /// # Errors
    /// Why it does not start.
    pub(crate) fn of(&self, kind: EngineKind) -> Result<Arc<PoolEngine>, String> {
        let place = &self.engines[kind as usize];
        if let Some(engine) = place.get() {
            return Ok(engine.clone());
        }
        let started = PoolEngine::start(kind, &self.limits).map_err(|error| does_not_start(&error))?;
        let engine = Arc::new(started);
        Ok(place.get_or_init(|| engine).clone())
    }

    /// Has something done at every tick, on the ticker's thread.
    pub(crate) fn at_every_tick(&self, act: impl Fn() + Send + Sync + 'static) {
        if let Some(ticker) = &*self.ticker.lock().expect("no holder of this lock panics") {
            ticker.at_every_tick.write().expect("no holder of this lock panics").push(Arc::new(act));
        }
    }

    /// Ends the ticker's thread. Guest code that still runs would never be interrupted again, so all
    /// workers must have ended.
    pub(crate) fn stop_ticking(&self) {
        *self.ticker.lock().expect("no holder of this lock panics") = None;
    }
}

impl PoolEngine {
    /// Starts an engine that asks the system for each sandbox.
    fn start(kind: EngineKind, limits: &Limits) -> wasmtime::Result<Self> {
        Ok(Self::new(Engine::new(&limited_config(kind, limits))?, kind, None))
    }

    fn start_with_slots(
        kind: EngineKind,
        space: Space,
        slots: PoolingAllocationConfig,
        limits: &Limits,
    ) -> wasmtime::Result<Self> {
        let mut config = limited_config(kind, limits);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
        match Engine::new(&config) {
            Ok(engine) => Ok(Self::new(engine, kind, Some(Arc::new(Semaphore::new(space.sandboxes))))),
            Err(error) => {
                tracing::warn!("sandboxes open slower, because no slots could be set aside: {error:#}");
                Self::start(kind, limits)
            }
        }
    }

    fn new(engine: Engine, kind: EngineKind, slots: Option<Arc<Semaphore>>) -> Self {
        PoolEngine { engine, kind, slots, trial: Arc::new(Semaphore::new(1)) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Waits for a place for one more sandbox.
    pub(crate) async fn slot(&self) -> Slot {
        let _permit = match &self.slots {
            Some(slots) => Some(slots.clone().acquire_owned().await.expect("slots are never closed")),
            None => None,
        };
        Slot { _permit }
    }

    /// Waits for the place for a sandbox that serves nobody.
    pub(crate) async fn trial_slot(&self) -> Slot {
        Slot { _permit: Some(self.trial.clone().acquire_owned().await.expect("slots are never closed")) }
    }
}

fn does_not_start(error: &wasmtime::Error) -> String {
    format!("the engine does not start: {error:#}")
}

/// Returns the settings of an engine whose guests have the stack that the limits give them.
fn limited_config(kind: EngineKind, limits: &Limits) -> Config {
    let mut config = engine_config(kind);
    config.max_wasm_stack(limits.stack_bytes).async_stack_size(limits.stack_bytes + HOST_STACK_BYTES);
    config
}

/// Returns how much to set aside, or `None` if that would be too much or cannot be known.
fn slots(space: Space, modules: &[&TaskModule], limits: &Limits) -> Option<PoolingAllocationConfig> {
    let needs = modules.iter().map(|module| module.needs()).collect::<Option<Vec<&ResourcesRequired>>>()?;
    let most =
        |count: fn(&ResourcesRequired) -> u64| needs.iter().map(|needs| count(needs)).max().unwrap_or(0);
    let memories = u32::try_from(most(|needs| needs.num_memories.into())).ok()?;
    let tables = u32::try_from(most(|needs| needs.num_tables.into())).ok()?;
    let memory_bytes = most(|needs| needs.max_initial_memory_size.unwrap_or(0)).checked_mul(PAGE_BYTES)?;
    let elements = usize::try_from(most(|needs| needs.max_initial_table_size.unwrap_or(0))).ok()?;
    // Beside those that wait for a slot there is one of each module, for a look at its types, and one that is tried
    // before it replaces another.
    let sandboxes = space.sandboxes + 2 * modules.len() + 1;
    let memory_slots = sandboxes.checked_mul(memories.max(1) as usize)?;
    // A call that waits in the middle of a sync function keeps its stack, so each may have one.
    let stacks = sandboxes.checked_add(space.calls)?;
    if memory_slots > SLOTS_AT_MOST || stacks > STACKS_AT_MOST || memory_bytes > MEMORY_BYTES as u64 {
        return None;
    }
    let sandboxes = u32::try_from(sandboxes).ok()?;
    let mut slots = PoolingAllocationConfig::default();
    slots
        .total_component_instances(sandboxes)
        // Only counted, never set aside.
        .total_core_instances(u32::MAX)
        .max_core_instance_size(1 << 30)
        .max_component_instance_size(1 << 30)
        .total_memories(u32::try_from(memory_slots).ok()?)
        .max_memories_per_module(memories.max(1))
        .max_memories_per_component(memories.max(1))
        .max_memory_size(MEMORY_BYTES)
        .total_tables(sandboxes.checked_mul(tables)?)
        .max_tables_per_module(tables)
        .max_tables_per_component(tables)
        .table_elements(elements.max(limits.table_elements.min(TABLE_ELEMENTS_AT_MOST)))
        .total_stacks(u32::try_from(stacks).ok()?);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // The few pages that a guest wrote to are found and written over. To give them back to the system instead would
        // interrupt all other workers, whose processors must hear of it.
        slots
            .pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_BYTES)
            .table_keep_resident(KEPT_BYTES);
    }
    Some(slots)
}

/// A plain thread: no busy worker can hold it up.
struct Ticker {
    at_every_tick: Arc<RwLock<Vec<AtTick>>>,
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type AtTick = Arc<dyn Fn() + Send + Sync>;

impl Ticker {
    fn start(engines: Arc<[OnceLock<Arc<PoolEngine>>; EngineKind::ALL.len()]>) -> Self {
        let (stop, stopped) = channel::<()>();
        let at_every_tick = Arc::new(RwLock::new(Vec::<AtTick>::new()));
        let acts = at_every_tick.clone();
        let thread = std::thread::Builder::new()
            .name("wasmpool-ticker".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    for engine in engines.iter().filter_map(OnceLock::get) {
                        engine.engine.increment_epoch();
                    }
                    // Outside the lock, since who acts may ask for more.
                    let acts = acts.read().expect("no holder of this lock panics").clone();
                    for act in acts {
                        // Who is told something there may panic over it; the clock must go on.
                        if catch_unwind(AssertUnwindSafe(|| act())).is_err() {
                            tracing::error!("something that is done at every tick panicked");
                        }
                    }
                }
            })
            .expect("the system gives a pool one more thread");
        Ticker { at_every_tick, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        // What is done at a tick may be the last to let go of the pool; the thread then ends by itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != current().id()) {
            // It has nothing to report.
            let _ = thread.join();
        }
    }
}
