//! What is kept of the line of a call until the call has ended: what its record or the file of failed lines needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::key::Key;

/// What is kept of a line.
#[derive(Default)]
pub(crate) struct Kept {
    /// For its record.
    pub(crate) key: Option<Key>,
    /// Its bytes, if the call's failure is to be told by them.
    pub(crate) raw: Vec<u8>,
}

/// What is kept of the lines of calls that have not ended, by their index.
#[derive(Clone, Default)]
pub(crate) struct KeptLines {
    lines: Arc<Mutex<HashMap<usize, Kept>>>,
}

impl KeptLines {
    /// Keeps something of the line of a call.
    pub(crate) fn keep(&self, index: usize, kept: Kept) {
        self.lines().insert(index, kept);
    }

    /// Returns what was kept, which may be nothing.
    pub(crate) fn take(&self, index: usize) -> Kept {
        self.lines().remove(&index).unwrap_or_default()
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<usize, Kept>> {
        self.lines.lock().expect("no holder of this lock panics")
    }
}
