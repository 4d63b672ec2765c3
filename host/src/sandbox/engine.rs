//! A pool's engine and the clock that interrupts busy guests.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

use crate::module::engine_config;

/// How often a busy guest is interrupted for a look around.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// One engine and its ticker, which ends with it.
pub(crate) struct PoolEngine {
    engine: Engine,
    ticker: Mutex<Option<Ticker>>,
}

impl PoolEngine {
    /// Starts an engine that takes what [`TaskModule`](crate::TaskModule) compiled.
    pub(crate) fn start() -> wasmtime::Result<Self> {
        let engine = Engine::new(&engine_config())?;
        let ticker = Ticker::start(engine.clone());
        Ok(PoolEngine { engine, ticker: Mutex::new(Some(ticker)) })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends the ticker's thread. Guest code that still runs would never be interrupted again, so all
    /// workers must have ended.
    pub(crate) fn stop_ticking(&self) {
        *self.ticker.lock().expect("no holder of this lock panics") = None;
    }
}

/// A plain thread: no busy worker can hold it up.
struct Ticker {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> Self {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("wasmpool-ticker".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })
            .expect("the system gives a pool one more thread");
        Ticker { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to report.
            let _ = thread.join();
        }
    }
}
