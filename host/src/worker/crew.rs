//! The workers of a pool: who is there, who comes while there is much to do, and how all of them end.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use crate::call::WorkerId;
use crate::lifespan;
use crate::worker::life::FirstOpening;
use crate::worker::thread::WorkerThread;
use crate::worker::workshop::Workshop;

/// The workers of a pool.
pub(crate) struct Crew {
    shop: Arc<Workshop>,
    state: Mutex<State>,
    /// Ends when the last worker thread does, once no more are started.
    all_ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

struct State {
    /// By their numbers. Those beyond the permanent ones come and go.
    threads: Vec<Option<WorkerThread>>,
    /// Gone once no more threads are started.
    alive: Option<mpsc::Sender<()>>,
    /// For how many ticks jobs have been waiting while no worker was without work.
    short_handed_ticks: u32,
    /// For how many ticks the system is not asked for one more thread, after it gave none.
    ticks_without_asking: u32,
}

/// Five seconds.
const TICKS_WITHOUT_ASKING: u32 = 500;

impl Crew {
    /// Starts the permanent workers, the first of which opens a sandbox of each module at once, and has more started
    /// while jobs wait, if there may be more.
    ///
    /// # Errors
    /// Which worker could not be started, and what the system says.
    pub(crate) fn start(
        shop: Arc<Workshop>,
        first: Vec<FirstOpening>,
    ) -> Result<Arc<Self>, (usize, io::Error)> {
        let staffing = shop.staffing;
        let (alive, all_ended) = mpsc::channel(1);
        let state = State {
            threads: Vec::with_capacity(staffing.most),
            alive: Some(alive.clone()),
            short_handed_ticks: 0,
            ticks_without_asking: 0,
        };
        let crew =
            Arc::new(Crew { shop, state: Mutex::new(state), all_ended: tokio::sync::Mutex::new(all_ended) });
        let mut first = Some(first);
        for id in 0..staffing.least {
            let first = first.take().unwrap_or_default();
            let thread = WorkerThread::start(WorkerId(id), crew.shop.clone(), first, alive.clone())
                .map_err(|error| (id, error))?;
            crew.state().threads.push(Some(thread));
        }
        // Whatever the workers are doing by then, readers hear of what has ended.
        let owed_wakes = crew.shop.owed_wakes.clone();
        crew.shop.engines.at_every_tick(move || owed_wakes.pay());
        if staffing.most > staffing.least {
            let present = Arc::downgrade(&crew);
            crew.shop.engines.at_every_tick(move || {
                if let Some(crew) = present.upgrade() {
                    crew.look_for_work();
                }
            });
        }
        Ok(crew)
    }

    /// Starts one more worker if jobs have been waiting for a while.
    fn look_for_work(&self) {
        let is_short_handed = self.shop.queue.is_short_handed();
        let mut state = self.state();
        state.ticks_without_asking = state.ticks_without_asking.saturating_sub(1);
        state.short_handed_ticks = if is_short_handed { state.short_handed_ticks + 1 } else { 0 };
        if !lifespan::wants_worker(state.short_handed_ticks) || state.ticks_without_asking > 0 {
            return;
        }
        state.short_handed_ticks = 0;
        let Some(alive) = state.alive.clone() else { return };
        let Some(place) = state.free_place(self.shop.staffing.most) else { return };
        match WorkerThread::start(WorkerId(place), self.shop.clone(), Vec::new(), alive) {
            Ok(thread) => state.threads[place] = Some(thread),
            Err(error) => {
                tracing::warn!("the system gives no thread for one more worker: {error}");
                state.ticks_without_asking = TICKS_WITHOUT_ASKING;
            }
        }
    }

    /// Has every worker look whether its sandboxes are of the present modules.
    pub(crate) fn have_look_around(&self) {
        for thread in self.state().threads.iter().flatten() {
            thread.have_look_around();
        }
    }

    /// Tells all workers to drop everything and end, without waiting for them. Their queue must have been closed.
    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.alive = None;
        for thread in state.threads.iter().flatten() {
            thread.stop();
        }
    }

    /// Waits for the end of all workers, who must have been told. Returns true to the first who asks.
    pub(crate) async fn ended(&self) -> bool {
        let mut all_ended = self.all_ended.lock().await;
        while all_ended.recv().await.is_some() {}
        let threads = std::mem::take(&mut self.state().threads);
        let is_first = !threads.is_empty();
        for thread in threads.into_iter().flatten() {
            // It has dropped all it had; only its last instructions are left.
            thread.join();
        }
        is_first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Crew {
    /// Those who were started must not stay when others could not be.
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    /// Returns the number of a worker that is not there, if there may be one more.
    fn free_place(&mut self, most: usize) -> Option<usize> {
        let is_free = |thread: &Option<WorkerThread>| thread.as_ref().is_none_or(WorkerThread::is_over);
        match self.threads.iter().position(is_free) {
            Some(place) => Some(place),
            None if self.threads.len() < most => {
                self.threads.push(None);
                Some(self.threads.len() - 1)
            }
            None => None,
        }
    }
}
