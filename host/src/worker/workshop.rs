//! What all workers of a pool share: the queue, the modules as they are at present, and the settings.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::call::{Isolation, WorkerId};
use crate::event::Teller;
use crate::lifespan::Recycling;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::engine::PoolEngines;
use crate::sandbox::http::desk::HttpDesk;
use crate::sandbox::invoke::Queue;
use crate::tally::Tally;
use crate::wakes::OwedWakes;

/// What all workers of a pool share.
pub(crate) struct Workshop {
    pub(crate) queue: Arc<Queue>,
    pub(crate) modules: Vec<ModuleDesk>,
    pub(crate) staffing: Staffing,
    /// How many calls a worker keeps in flight.
    pub(crate) concurrency: usize,
    pub(crate) recycling: Recycling,
    pub(crate) teller: Teller,
    pub(crate) tally: Arc<Tally>,
    pub(crate) owed_wakes: Arc<OwedWakes>,
    /// Sends the guests' HTTP requests, if any are granted.
    pub(crate) http: Option<Arc<HttpDesk>>,
    /// They tick as long as a worker may be running guest code.
    pub(crate) engines: PoolEngines,
}

/// How many workers a pool has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staffing {
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// How long a worker beyond the least stays without work.
    pub(crate) idle: Duration,
}

impl Staffing {
    /// Returns true if this worker never leaves while the pool lives.
    pub(crate) fn is_permanent(&self, worker: WorkerId) -> bool {
        worker.get() < self.least
    }
}

/// One of the pool's modules.
pub(crate) struct ModuleDesk {
    pub(crate) name: Arc<str>,
    pub(crate) isolation: Isolation,
    blueprint: RwLock<Arc<Blueprint>>,
    failed_openings_in_a_row: AtomicU32,
}

impl ModuleDesk {
    pub(crate) fn new(blueprint: Blueprint, isolation: Isolation) -> Self {
        ModuleDesk {
            name: blueprint.name.clone(),
            isolation,
            blueprint: RwLock::new(Arc::new(blueprint)),
            failed_openings_in_a_row: AtomicU32::new(0),
        }
    }

    /// Returns what sandboxes are opened from at present.
    pub(crate) fn blueprint(&self) -> Arc<Blueprint> {
        self.blueprint.read().expect("no holder of this lock panics").clone()
    }

    /// Returns true if sandboxes are opened from `blueprint` at present.
    pub(crate) fn is_present(&self, blueprint: &Arc<Blueprint>) -> bool {
        Arc::ptr_eq(&*self.blueprint.read().expect("no holder of this lock panics"), blueprint)
    }

    /// Has sandboxes opened from another module from now on, and returns what it was before. Workers must be told.
    pub(crate) fn replace(&self, blueprint: Arc<Blueprint>) -> Arc<Blueprint> {
        self.failed_openings_in_a_row.store(0, Ordering::Relaxed);
        let mut present = self.blueprint.write().expect("no holder of this lock panics");
        std::mem::replace(&mut *present, blueprint)
    }

    pub(crate) fn note_opened(&self) {
        self.failed_openings_in_a_row.store(0, Ordering::Relaxed);
    }

    /// Counts an opening that failed and returns how many there have been in a row, in all workers.
    pub(crate) fn count_failed_opening(&self) -> u32 {
        self.failed_openings_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}
