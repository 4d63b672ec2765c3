//! The thread of a worker, which outlives the worker: when the host panics in it, everything that the
//! worker held is dropped (and answers for itself), and a new worker takes its place.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::bell::Bell;
use crate::call::WorkerId;
use crate::event::Event;
use crate::worker::life::FirstOpening;
use crate::worker::serve::Worker;
use crate::worker::workshop::Workshop;

/// A running worker.
pub(crate) struct WorkerThread {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerThread {
    /// Starts a worker. `alive` is dropped when the thread is about to end.
    ///
    /// # Errors
    /// What the system says when it gives no more threads or files.
    pub(crate) fn start(
        id: WorkerId,
        shop: Arc<Workshop>,
        first: Vec<FirstOpening>,
        alive: mpsc::Sender<()>,
    ) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::default());
        let owed = shop.owed_wakes.clone();
        // By then the worker has asked to be woken itself, should one who is woken here have a job for it.
        let runtime =
            Builder::new_current_thread().enable_all().on_thread_park(move || owed.pay()).build()?;
        let thread = {
            let bell = bell.clone();
            let counted = shop.tally.count_worker();
            std::thread::Builder::new().name(format!("wasmpool-{}", id.get())).spawn(move || {
                let on_this_thread = shop.owed_wakes.on_this_thread();
                work(id, &shop, &bell, &runtime, first);
                drop(on_this_thread);
                // A guest's unfinished file operation must not hold up the end.
                runtime.shutdown_background();
                drop(shop);
                drop(counted);
                drop(alive);
            })?
        };
        Ok(WorkerThread { bell, thread: Some(thread) })
    }

    /// Tells the worker to drop everything and end, without waiting for it.
    pub(crate) fn stop(&self) {
        self.bell.stop();
    }

    /// Tells the worker to look whether its sandboxes are of the present modules.
    pub(crate) fn have_look_around(&self) {
        self.bell.look_around();
    }

    /// Returns true if the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the thread, which must have been told to stop.
    pub(crate) fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("panics of a worker are caught inside its thread");
        }
    }
}

fn work(id: WorkerId, shop: &Arc<Workshop>, bell: &Arc<Bell>, runtime: &Runtime, first: Vec<FirstOpening>) {
    let mut first = Some(first);
    while !bell.is_stopped() {
        let worker = Worker::new(id, shop.clone(), bell.clone());
        let first = first.take().unwrap_or_default();
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(worker.serve(first))));
        match ended {
            Ok(()) => return,
            Err(panic) => {
                shop.teller.tell(|| Event::WorkerLost { worker: id, message: panic_message(&*panic) });
            }
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (_, Some(message)) => message.clone(),
        _ => "a panic without a message".to_owned(),
    }
}
