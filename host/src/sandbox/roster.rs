//! The calls that run in a store, and what is known of each while it runs.

use std::collections::HashMap;

use wasmtime::component::GuestTaskId;

use crate::call::AttemptId;
use crate::failure::Denial;
use crate::reply::Reply;

/// The calls that run in a store, by the name that the engine has for them.
///
/// It lives in the store, not in the futures that run the calls: when one call traps the engine drops all
/// of those before anybody knows the culprit, and the replies must outlive that.
#[derive(Default)]
pub(crate) struct Roster {
    pub(super) residents: HashMap<GuestTaskId, Resident>,
}

/// A call that runs.
pub(crate) struct Resident {
    pub(crate) attempt: AttemptId,
    pub(crate) reply: Reply,
    /// Ticks that met it busy while nobody awaited it.
    pub(crate) abandoned_ticks: u32,
    /// Whether its values are copied one by one.
    pub(crate) is_by_json: bool,
    /// The first thing that it asked for and was denied.
    pub(crate) denial: Option<Denial>,
}

impl Roster {
    /// Returns whose call a task belongs to; `None` for work left over from an answered call.
    pub(crate) fn attempt_of(&self, task: GuestTaskId) -> Option<AttemptId> {
        self.residents.get(&task).map(|resident| resident.attempt)
    }

    /// Returns the task of an attempt that runs.
    pub(super) fn task_of(&self, attempt: AttemptId) -> Option<GuestTaskId> {
        let mut residents = self.residents.iter();
        residents.find(|(_, resident)| resident.attempt == attempt).map(|(task, _)| *task)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (GuestTaskId, Resident)> {
        self.residents.drain()
    }
}
