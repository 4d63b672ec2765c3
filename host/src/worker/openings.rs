//! How often the sandboxes of a module failed to open, counted over all workers of a pool.

use std::sync::atomic::{AtomicU32, Ordering};

/// Failed openings in a row, one count for each of the pool's modules.
pub(crate) struct Openings {
    failed_in_a_row: Vec<AtomicU32>,
}

impl Openings {
    pub(crate) fn of(modules: usize) -> Self {
        Openings { failed_in_a_row: (0..modules).map(|_| AtomicU32::new(0)).collect() }
    }

    pub(crate) fn succeeded(&self, module: usize) {
        self.failed_in_a_row[module].store(0, Ordering::Relaxed);
    }

    /// Counts a failure and returns how many there have been in a row.
    pub(crate) fn failed(&self, module: usize) -> u32 {
        self.failed_in_a_row[module].fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}
