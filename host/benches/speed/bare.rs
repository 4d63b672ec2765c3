//! The engine without a pool, as somebody would use it who writes the shortest program for the job: the same files, the
//! same WASI, epochs that never come, and slots set aside for sandboxes. Nothing bounds or watches the guest.

use std::path::Path;

use wasmtime::component::{
    Component, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, ResourceTable, TypedFunc,
};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// An epoch that is never reached.
const FAR_AWAY: u64 = 1 << 40;

/// Sandboxes that may be open at once.
const SANDBOXES: u32 = 1_100;

/// Whether an engine can run async exports, which makes all calls dearer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concurrency {
    Supported,
    Unsupported,
}

/// What a bare store carries.
pub(crate) struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A guest, compiled and linked.
pub(crate) struct Bare {
    pre: InstancePre<Host>,
}

/// A guest in a store of its own.
pub(crate) struct Opened {
    pub(crate) store: Store<Host>,
    instance: Instance,
}

impl Bare {
    pub(crate) fn load(file: &Path, concurrency: Concurrency) -> Self {
        let engine = Engine::new(&config(concurrency)).expect("the engine takes these settings");
        let component = Component::from_file(&engine, file).expect("the guest compiles");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("nothing is there yet");
        if concurrency == Concurrency::Supported {
            wasmtime_wasi::p3::add_to_linker(&mut linker).expect("these have other names");
        }
        Bare { pre: linker.instantiate_pre(&component).expect("the guest imports WASI alone") }
    }

    /// Opens a store with the guest in it.
    pub(crate) async fn open(&self) -> Opened {
        let host = Host { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(self.pre.engine(), host);
        store.set_epoch_deadline(FAR_AWAY);
        let instance = self.pre.instantiate_async(&mut store).await.expect("the guest opens");
        Opened { store, instance }
    }
}

impl Opened {
    pub(crate) fn func<P, R>(&mut self, task: &str) -> TypedFunc<P, R>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.instance.get_typed_func(&mut self.store, task).expect("the guest has this task")
    }
}

fn config(concurrency: Concurrency) -> Config {
    let mut slots = PoolingAllocationConfig::default();
    slots
        .total_component_instances(SANDBOXES)
        .total_core_instances(SANDBOXES * 8)
        .total_memories(SANDBOXES)
        .total_tables(SANDBOXES * 4)
        .total_stacks(SANDBOXES);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(concurrency == Concurrency::Supported)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
    config
}
