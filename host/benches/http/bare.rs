//! The engine by itself with the sender that it comes with, which dials for every request: what guests get where no
//! pool stands between. Each thread has one store, as a worker has a sandbox. Nothing is granted, limited or watched.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use wasmtime::component::{Accessor, Component, Func, InstancePre, Linker, ResourceTable, Val};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// A guest that is ready to be opened.
pub(crate) struct Bare {
    guest: InstancePre<Host>,
}

/// What one store has of the host.
struct Host {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: wasmtime_wasi_http::default_hooks(),
        }
    }
}

/// How much is asked, and by how many.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) requests: usize,
    pub(crate) threads: usize,
    pub(crate) in_flight: usize,
}

impl Bare {
    /// Compiles a guest.
    pub(crate) fn of(file: &Path) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config)?;
        let component = Component::from_file(&engine, file)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        Ok(Bare { guest: linker.instantiate_pre(&component)? })
    }

    /// Asks for `/` at an origin; returns how often that went wrong.
    pub(crate) fn ask(&self, origin: &str, load: Load) -> usize {
        let asked = AtomicUsize::new(0);
        thread::scope(|scope| {
            let on_a_thread = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(self.ask_from_one_store(origin, load, &asked))
            };
            let threads: Vec<_> = (0..load.threads).map(|_| scope.spawn(on_a_thread)).collect();
            let failed = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
            failed.map(|failed| failed.expect("no call traps")).sum()
        })
    }

    async fn ask_from_one_store(
        &self,
        origin: &str,
        load: Load,
        asked: &AtomicUsize,
    ) -> wasmtime::Result<usize> {
        let (wasi, http, table) = (WasiCtx::builder().build(), WasiHttpCtx::new(), ResourceTable::new());
        let mut store = Store::new(self.guest.engine(), Host { wasi, http, table });
        let opened = self.guest.instantiate_async(&mut store).await?;
        let get = opened.get_func(&mut store, "get").expect("the guest has this task");
        let args = [Val::String(origin.to_owned()), Val::String("/".to_owned())];
        let asking = async |accessor: &Accessor<Host>| {
            let next = || {
                let is_one_left = asked.fetch_add(1, Ordering::Relaxed) < load.requests;
                is_one_left.then(|| has_failed(accessor, get, &args))
            };
            let mut calls: FuturesUnordered<_> = (0..load.in_flight).map_while(|_| next()).collect();
            let mut failed = 0;
            while let Some(ended) = calls.next().await {
                failed += usize::from(ended?);
                calls.extend(next());
            }
            Ok(failed)
        };
        store.run_concurrent(asking).await?
    }
}

async fn has_failed(accessor: &Accessor<Host>, get: Func, args: &[Val]) -> wasmtime::Result<bool> {
    let mut answer = [Val::Bool(false)];
    get.call_concurrent(accessor, args, &mut answer).await?;
    Ok(!matches!(&answer[0], Val::Result(Ok(_))))
}
