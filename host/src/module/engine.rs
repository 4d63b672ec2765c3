//! The settings of the engine that shape compiled code. Compiling and every pool's own engine start from the
//! same [`engine_config`], or the code would not load; a pool adds what does not shape code (its allocator).

use std::sync::LazyLock;

use wasmtime::{Config, Engine, WasmBacktraceDetails};

/// The two kinds of engines. Code of one does not run on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineKind {
    /// Runs any module, and many calls at once in one sandbox.
    Concurrent,
    /// Runs modules that have nothing async, one call after the other. A call costs a quarter of what it costs there.
    Plain,
}

impl EngineKind {
    pub(crate) const ALL: [EngineKind; 2] = [EngineKind::Concurrent, EngineKind::Plain];
}

/// Returns the settings that compiling and running must share.
pub(crate) fn engine_config(kind: EngineKind) -> Config {
    let mut config = Config::new();
    // Epochs are how busy code is stopped.
    config.epoch_interruption(true);
    config.concurrency_support(kind == EngineKind::Concurrent);
    config.wasm_component_model_async(kind == EngineKind::Concurrent);
    // Names and line tables stay in the compiled code, so a trap read from the cache still knows file and line.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    // One sandbox is one thread, and its memory is counted: neither threads nor a second heap. Said here even
    // though this build leaves both out, because another crate may switch the engine's features on.
    config.wasm_features(wasmparser::WasmFeatures::THREADS, false);
    config.shared_memory(false);
    config.gc_support(false);
    config
}

/// Returns the engine that compiles. No sandbox ever runs on it.
pub(crate) fn compiling_engine(kind: EngineKind) -> &'static Engine {
    static ENGINES: [LazyLock<Engine>; 2] =
        [LazyLock::new(|| compiler(EngineKind::Concurrent)), LazyLock::new(|| compiler(EngineKind::Plain))];
    &ENGINES[kind as usize]
}

fn compiler(kind: EngineKind) -> Engine {
    Engine::new(&engine_config(kind)).expect("the settings are constants that the engine accepts")
}
