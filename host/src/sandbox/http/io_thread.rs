//! The thread on which the connections of a pool live.

use std::io;
use std::sync::Mutex;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with an event loop, until it is told to end or dropped.
pub(crate) struct IoThread {
    handle: Handle,
    state: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says when it gives no more threads or files.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("wasmpool-io".to_owned()).spawn(move || {
            // That the sender is dropped is as good as a word.
            let _ = runtime.block_on(stopped);
            // The look-up of a name may hang, and holds nobody up.
            runtime.shutdown_background();
        })?;
        Ok(IoThread { handle, state: Mutex::new(Some((stop, thread))) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the thread and all its connections.
    pub(crate) fn stop(&self) {
        let state = self.state.lock().expect("no holder of this lock panics").take();
        if let Some((stop, thread)) = state {
            drop(stop);
            // It has nothing to report.
            let _ = thread.join();
        }
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        // Not waited for: the last who knows the pool may be a task on this very thread.
        if let Ok(state) = self.state.get_mut() {
            drop(state.take());
        }
    }
}
