//! What a store carries: WASI's context, the calls that run in it, where its output goes, and what is to
//! be done when the epoch ticks over busy guest code.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::call::AttemptId;
use crate::dispatch::Reply;
use crate::event::{GuestStream, Teller};
use crate::limits::Limits;
use crate::outcome::Denial;
use crate::sandbox::output::OutputDesk;
use crate::sandbox::reach::Reach;

/// How much memory a sandbox has, in bytes: all linear memories together.
#[derive(Debug, Default)]
pub(crate) struct MemoryMeter {
    bytes: AtomicUsize,
}

impl MemoryMeter {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Reads the meter's numbers off the engine's questions, and never says no.
#[derive(Default)]
struct MemoryReader {
    meter: Arc<MemoryMeter>,
    last_growth: usize,
}

impl ResourceLimiter for MemoryReader {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.last_growth = desired.saturating_sub(current);
        self.meter.bytes.fetch_add(self.last_growth, Ordering::Relaxed);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.meter.bytes.fetch_sub(self.last_growth, Ordering::Relaxed);
        Ok(())
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// A busy guest gives way to the rest of its worker every this many ticks.
const TICKS_BETWEEN_YIELDS: u32 = 10;

/// A busy call that nobody awaits any more is stopped after this many ticks.
const TICKS_ABANDONED: u32 = 10;

/// Work left over from an answered call may compute this many ticks in a row before it is stopped.
const TICKS_LEFT_OVER: u32 = 100;

/// What a store carries. As `HostState`, what the embedder's own host functions are given.
#[cfg_attr(not(feature = "wasmtime-api"), expect(unreachable_pub, reason = "public with the feature only"))]
pub struct SandboxState {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) output: OutputDesk,
    pub(crate) roster: Roster,
    pulse: Arc<Pulse>,
    memory: MemoryReader,
    pub(crate) reach: Reach,
    /// What the embedder's own host functions keep in this sandbox, one value of each type.
    #[cfg_attr(
        not(feature = "wasmtime-api"),
        expect(dead_code, reason = "only the feature's functions use it")
    )]
    own: HashMap<TypeId, Box<dyn Any + Send>>,
    ticks_since_yield: u32,
    ticks_left_over: u32,
    /// False while the initializer runs, which belongs to no call.
    is_open: bool,
}

impl SandboxState {
    /// Makes the state of a new store, whose guest has what `wasi` gives it and talks to `teller`.
    /// Its imports work with `reach`.
    pub(crate) fn new(
        teller: Teller,
        limits: &Limits,
        pulse: Arc<Pulse>,
        mut wasi: WasiCtxBuilder,
        reach: Reach,
    ) -> Self {
        let output = OutputDesk::new(teller, limits.guest_output_bytes);
        let wasi = wasi
            .stdout(output.stream(GuestStream::Stdout))
            .stderr(output.stream(GuestStream::Stderr))
            .build();
        SandboxState {
            wasi,
            table: ResourceTable::new(),
            output,
            roster: Roster::default(),
            pulse,
            memory: MemoryReader::default(),
            reach,
            own: HashMap::new(),
            ticks_since_yield: 0,
            ticks_left_over: 0,
            is_open: false,
        }
    }

    /// Has the guest's memory shown on `meter`.
    pub(crate) fn metered(mut self, meter: Arc<MemoryMeter>) -> Self {
        self.memory.meter = meter;
        self
    }

    /// Returns who hears of memories that grow.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.memory
    }

    /// Notes that from now on calls run here. What was printed before belongs to none of them.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
        self.output.set_writer(None);
        self.output.finish(None);
    }

    /// Notes that guest code whose root is `root` may have changed something outside the sandbox. Where the root is
    /// unknown it may have been anybody.
    pub(crate) fn note_effect(&self, root: Option<GuestTaskId>) {
        match root.and_then(|task| self.roster.residents.get(&task)) {
            Some(resident) => resident.reply.note_effect(),
            None => self.roster.residents.values().for_each(|resident| resident.reply.note_effect()),
        }
    }

    /// Notes that guest code whose root is `root` was denied something, which may be why its call fails. The first
    /// denial counts. Where the root is unknown it may have been anybody.
    pub(crate) fn note_denial(&mut self, root: Option<GuestTaskId>, denial: &Denial) {
        let residents = &mut self.roster.residents;
        match root.filter(|task| residents.contains_key(task)) {
            Some(task) => {
                let resident = residents.get_mut(&task).expect("it was just found there");
                resident.denial.get_or_insert_with(|| denial.clone());
            }
            None => {
                for resident in residents.values_mut() {
                    resident.denial.get_or_insert_with(|| denial.clone());
                }
            }
        }
    }

    /// Returns the handles that the guest has of the host's things.
    pub(crate) fn handles(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Returns true if the guest holds nothing of the host's: no file, no stream.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns true if the running guest code has been busy for nobody for too long.
    fn is_busy_for_nobody(&mut self, root: Option<GuestTaskId>) -> bool {
        match root.and_then(|task| self.roster.residents.get_mut(&task)) {
            Some(resident) => {
                self.ticks_left_over = 0;
                resident.abandoned_ticks += u32::from(!resident.reply.is_awaited());
                resident.abandoned_ticks > TICKS_ABANDONED
            }
            None => {
                self.ticks_left_over += u32::from(self.is_open);
                self.ticks_left_over > TICKS_LEFT_OVER
            }
        }
    }
}

/// What the embedder's own host functions may use.
#[cfg(feature = "wasmtime-api")]
impl SandboxState {
    /// Returns the sandbox's own value of a type, for what host functions keep from call to call; the default value at
    /// first. It goes with the sandbox. What all sandboxes share is captured by the functions instead.
    pub fn own<T: Any + Default + Send>(&mut self) -> &mut T {
        let value = self.own.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(T::default()));
        value.downcast_mut().expect("values are kept by their types")
    }

    /// Returns the table of the handles that the guest has of the host's things. Drop nothing that is not your own.
    pub fn table(&mut self) -> &mut ResourceTable {
        self.handles()
    }
}

impl WasiView for SandboxState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The calls that run in a store, by the name that the engine has for them.
///
/// It lives in the store, not in the futures that run the calls: when one call traps the engine drops all
/// of those before anybody knows the culprit, and the replies must outlive that.
#[derive(Default)]
pub(crate) struct Roster {
    residents: HashMap<GuestTaskId, Resident>,
}

/// A call that runs.
pub(crate) struct Resident {
    pub(crate) attempt: AttemptId,
    pub(crate) reply: Reply,
    /// Ticks that met it busy while nobody awaited it.
    pub(crate) abandoned_ticks: u32,
    /// The first thing that it asked for and was denied.
    pub(crate) denial: Option<Denial>,
}

impl Roster {
    /// Notes a call before any of its guest code runs. The engine uses an id again once its call is through.
    pub(crate) fn enter(&mut self, task: GuestTaskId, resident: Resident) {
        self.residents.insert(task, resident);
    }

    pub(crate) fn leave(&mut self, task: GuestTaskId) -> Option<Resident> {
        self.residents.remove(&task)
    }

    /// Returns whose call a task belongs to; `None` for work left over from an answered call.
    pub(crate) fn attempt_of(&self, task: GuestTaskId) -> Option<AttemptId> {
        self.residents.get(&task).map(|resident| resident.attempt)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (GuestTaskId, Resident)> {
        self.residents.drain()
    }
}

/// What a worker and the epoch callback of its sandboxes tell each other.
pub(crate) struct Pulse {
    /// Set when guest code was still busy at a tick: the worker is not idle although its loop returned.
    busy: AtomicBool,
    /// Called at each tick that meets a busy guest; returns true if the worker wants its loop back at once.
    at_busy_tick: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Pulse {
    pub(crate) fn new(at_busy_tick: impl Fn() -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Pulse { busy: AtomicBool::new(false), at_busy_tick: Box::new(at_busy_tick) })
    }

    /// Returns whether a guest was met busy since the last time.
    pub(crate) fn take_busy(&self) -> bool {
        self.busy.swap(false, Ordering::Relaxed)
    }
}

/// The engine stopped a call that nobody awaited.
#[derive(Debug, thiserror::Error)]
#[error("still busy although nobody awaits it")]
pub(crate) struct Abandoned;

/// Looks around while guest code is busy: at every tick the pool is told, now and then the worker's other
/// work gets its turn, and what computes for nobody is stopped.
pub(crate) fn on_epoch(mut store: StoreContextMut<'_, SandboxState>) -> wasmtime::Result<UpdateDeadline> {
    let root = store.async_call_stack()?.last();
    let state = store.data_mut();
    state.pulse.busy.store(true, Ordering::Relaxed);
    let worker_is_wanted = (state.pulse.at_busy_tick)();
    if state.is_busy_for_nobody(root) {
        return Err(Abandoned.into());
    }
    state.ticks_since_yield += 1;
    if state.ticks_since_yield < TICKS_BETWEEN_YIELDS && !worker_is_wanted {
        return Ok(UpdateDeadline::Continue(1));
    }
    state.ticks_since_yield = 0;
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}
