//! What a store carries: WASI's context, the calls that run in it, where its output goes, and what is to
//! be done when the epoch ticks over busy guest code.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::call::AttemptId;
use crate::event::{Event, GuestStream, Teller};
use crate::failure::Denial;
use crate::hold::{Held, Hold};
use crate::limits::Limits;
use crate::module::EngineKind;
use crate::reply::Standing;
use crate::sandbox::copying::Copying;
use crate::sandbox::engine::TICK;
use crate::sandbox::gauges::{Gauges, Pulse};
use crate::sandbox::http::hooks::{HttpCaller, HttpNote, SandboxHooks, WhatHappened};
use crate::sandbox::meter::Limiter;
use crate::sandbox::output::OutputDesk;
use crate::sandbox::reach::Reach;
use crate::sandbox::roster::{Copied, Resident, Root, Roster};

/// A busy guest gives way to the rest of its worker every this many ticks.
const TICKS_BETWEEN_YIELDS: u32 = 10;

/// A busy call that has used up its time is stopped after this many ticks; the first may come as it wakes.
const TICKS_OUT_OF_TIME: u32 = 1;

/// A busy call that nobody awaits any more is stopped after this many ticks.
const TICKS_ABANDONED: u32 = 10;

/// Work left over from an answered call may compute this many ticks in a row before it is stopped.
const TICKS_LEFT_OVER: u32 = 100;

/// What a store carries. As `HostState`, what the embedder's own host functions are given.
#[cfg_attr(not(feature = "wasmtime-api"), expect(unreachable_pub, reason = "public with the feature only"))]
pub struct SandboxState {
    /// Of the engine that it is on.
    pub(crate) kind: EngineKind,
    teller: Teller,
    wasi: WasiCtx,
    http_context: WasiHttpCtx,
    http_hooks: SandboxHooks,
    table: ResourceTable,
    pub(crate) output: OutputDesk,
    pub(crate) roster: Roster,
    pulse: Arc<Pulse>,
    hold: Arc<Hold>,
    limiter: Limiter,
    pub(crate) limits: Limits,
    copying: Copying,
    pub(crate) reach: Reach,
    /// What the embedder's own host functions keep in this sandbox, one value of each type.
    #[cfg_attr(
        not(feature = "wasmtime-api"),
        expect(dead_code, reason = "only the feature's functions use it")
    )]
    own: HashMap<TypeId, Box<dyn Any + Send>>,
    ticks_since_yield: u32,
    ticks_left_over: u32,
    /// How many calls run whose values are copied one by one.
    calls_one_by_one: usize,
    /// False while the initializer runs, which belongs to no call.
    is_open: bool,
}

impl SandboxState {
    /// Makes the state of a new store, whose guest has what `wasi` gives it and talks to `teller`.
    /// Its imports work with `reach`.
    pub(crate) fn new(
        kind: EngineKind,
        teller: Teller,
        limits: &Limits,
        copying: Copying,
        gauges: Gauges,
        mut wasi: WasiCtxBuilder,
        reach: Reach,
    ) -> Self {
        let output = OutputDesk::new(teller.clone(), limits.guest_output_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let wasi = wasi
            .stdout(output.stream(GuestStream::Stdout))
            .stderr(output.stream(GuestStream::Stderr))
            .build();
        SandboxState {
            kind,
            teller,
            wasi,
            http_context: WasiHttpCtx::new(),
            http_hooks: SandboxHooks::new(reach.http.clone()),
            table,
            output,
            roster: Roster::default(),
            pulse: gauges.pulse,
            hold: gauges.hold,
            limiter: Limiter::new(limits, gauges.memory),
            limits: limits.clone(),
            copying,
            reach,
            own: HashMap::new(),
            ticks_since_yield: 0,
            ticks_left_over: 0,
            calls_one_by_one: 0,
            is_open: false,
        }
    }

    /// Returns who is asked when memories and tables grow.
    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limiter
    }

    /// Notes that from now on calls run here. What was printed before belongs to none of them.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
        self.output.set_writer(None);
        self.output.finish(None);
    }

    /// Puts a call on the roster before any of its guest code runs; the engine uses an id again once its call is through.
    /// Returns how much the host may copy out of the guest at once from now on.
    pub(crate) fn enter(&mut self, task: Root, resident: Resident) -> usize {
        self.calls_one_by_one += usize::from(resident.copied == Copied::OneByOne);
        self.roster.insert(task, resident);
        self.copy_bytes()
    }

    /// Takes a call off the roster that has ended; returns how much the host may copy from now on.
    pub(crate) fn leave(&mut self, task: Root) -> (Option<Resident>, usize) {
        self.settle_http_notes();
        let resident = self.roster.remove(task);
        self.calls_one_by_one -=
            usize::from(resident.as_ref().is_some_and(|resident| resident.copied == Copied::OneByOne));
        (resident, self.copy_bytes())
    }

    fn copy_bytes(&self) -> usize {
        if self.calls_one_by_one > 0 { self.copying.one_by_one } else { self.copying.by_types }
    }

    /// Notes that guest code whose root is `root` may have changed something outside the sandbox. Where the root is
    /// unknown it may have been anybody; what an answered call left running is nobody's.
    pub(crate) fn note_effect(&self, root: Option<Root>) {
        for resident in self.roster.meant_by(root) {
            resident.reply.note_effect();
        }
    }

    /// Notes that guest code whose root is `root` was denied something, which may be why its call fails. The first
    /// denial counts. Where the root is unknown it may have been anybody; what an answered call left running is nobody's.
    pub(crate) fn note_denial(&mut self, root: Option<Root>, denial: &Denial) {
        for resident in self.roster.meant_by_mut(root) {
            if resident.denial.is_none() {
                resident.denial = Some(Box::new(denial.clone()));
                let attempt = resident.attempt;
                self.teller.tell(|| Event::Denied { attempt, denial: denial.clone() });
            }
        }
    }

    /// Tells how far a call is.
    pub(crate) fn tell_progress(&self, attempt: AttemptId, done: u64, total: u64) {
        self.teller.tell(|| Event::Progress { attempt, done, total: (total > 0).then_some(total) });
    }

    /// Returns true if guest code whose root is `root` runs for a call that nobody awaits any more: what it would change
    /// outside, nobody expects.
    pub(crate) fn is_given_up(&self, root: Option<Root>) -> bool {
        root.and_then(|task| self.roster.get(task)).is_some_and(|resident| !resident.reply.is_awaited())
    }

    /// Notes whose guest code sends the HTTP request that comes next.
    pub(crate) fn set_http_caller(&mut self, root: Option<Root>) {
        self.http_hooks.caller = match root.map(|task| self.roster.get(task)) {
            None => HttpCaller::Anybody,
            Some(None) => HttpCaller::Nobody,
            Some(Some(resident)) => HttpCaller::Call(resident.attempt, resident.reply.witness()),
        };
    }

    /// Takes down what has become of HTTP requests since the last time.
    pub(crate) fn settle_http_notes(&mut self) {
        for HttpNote { caller, what } in self.http_hooks.take_notes() {
            let root = match caller {
                HttpCaller::Anybody => None,
                HttpCaller::Nobody => continue,
                HttpCaller::Call(attempt, _) => match self.roster.task_of(attempt) {
                    // The call has ended meanwhile.
                    None => continue,
                    root => root,
                },
            };
            match what {
                WhatHappened::Denied(denial) => self.note_denial(root, &denial),
                WhatHappened::HadEffect => self.note_effect(root),
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

    /// Returns why the running guest code is to be stopped, if it computes for nobody. A call that has used up its
    /// time had enough of it; others may end by themselves in a moment.
    fn why_stop(&mut self, root: Option<Root>) -> Option<Stopped> {
        let Some(resident) = root.and_then(|task| self.roster.get_mut(task)) else {
            self.ticks_left_over += u32::from(self.is_open);
            return (self.ticks_left_over > TICKS_LEFT_OVER).then_some(Stopped::Abandoned);
        };
        self.ticks_left_over = 0;
        match resident.reply.standing() {
            Standing::OutOfTime => {
                (resident.note_abandoned_tick() > TICKS_OUT_OF_TIME).then_some(Stopped::OutOfTime)
            }
            Standing::Unawaited => {
                (resident.note_abandoned_tick() > TICKS_ABANDONED).then_some(Stopped::Abandoned)
            }
            Standing::Awaited => {
                resident.reply.note_kept_others_waiting(TICK);
                None
            }
        }
    }

    /// Looks around while guest code whose root is `root` is busy: at every tick the pool is told, now and then the
    /// worker's other work gets its turn, and what computes for nobody is stopped.
    pub(crate) fn tick(&mut self, root: Option<Root>) -> wasmtime::Result<UpdateDeadline> {
        self.pulse.busy.store(true, Ordering::Relaxed);
        let call = root.and_then(|task| self.roster.attempt_of(task)).map(|attempt| attempt.call);
        let worker_is_wanted = (self.pulse.at_busy_tick)(call);
        if let Some(stopped) = self.why_stop(root) {
            return Err(stopped.into());
        }
        self.ticks_since_yield += 1;
        if self.ticks_since_yield < TICKS_BETWEEN_YIELDS && !worker_is_wanted {
            return Ok(UpdateDeadline::Continue(1));
        }
        self.ticks_since_yield = 0;
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }

    /// Notes that guest code whose root is `root` is about to wait while it holds the whole store.
    pub(crate) fn begin_hold(&self, root: Option<Root>) -> Held {
        self.hold.begin(root.and_then(|task| self.roster.attempt_of(task)))
    }

    /// Notes that it waits no longer.
    pub(crate) fn end_hold(&self, root: Option<Root>, held: Held) {
        let time = held.end();
        if let Some(resident) = root.and_then(|task| self.roster.get(task)) {
            resident.reply.note_kept_others_waiting(time);
        }
    }
}

impl WasiHttpView for SandboxState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.http_hooks, table: &mut self.table, ctx: &mut self.http_context }
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

/// Guest code was stopped that computed for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    /// Whose call was withdrawn or answered.
    #[error("still busy although nobody awaits it")]
    Abandoned,
    /// Whose call has used up its time.
    #[error("still busy although its time is over")]
    OutOfTime,
}
