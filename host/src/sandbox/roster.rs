//! The calls that run in a store, and what is known of each while it runs.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use wasmtime::component::GuestTaskId;

use crate::call::AttemptId;
use crate::failure::Denial;
use crate::queues::state::Owner;
use crate::reply::Reply;

/// Whose guest code runs: the name of a call while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The guest task that the call began as. The engine uses it again once the call is through.
    Task(GuestTaskId),
    /// The only call that there is, where the engine runs one after the other.
    Only,
}

/// The calls that run in a store, by their names in it.
///
/// It lives in the store, not in the futures that run the calls: when one call traps the engine drops all
/// of those before anybody knows the culprit, and the replies must outlive that.
#[derive(Default)]
pub(crate) struct Roster {
    /// The only call, where there is but one at a time.
    only: Option<Resident>,
    beside_each_other: FxHashMap<GuestTaskId, Resident>,
}

/// How a call's values are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    ByTypes,
    OneByOne,
}

/// A call that runs.
pub(crate) struct Resident {
    pub(crate) attempt: AttemptId,
    pub(crate) reply: Reply,
    /// Ticks in a row that met it busy while nobody awaited it.
    pub(crate) abandoned_ticks: u32,
    /// When the last of them was.
    pub(crate) met_busy_at: Option<Instant>,
    pub(crate) copied: Copied,
    /// The first thing that it asked for and was denied.
    pub(crate) denial: Option<Box<Denial>>,
}

/// Ticks further apart are not in a row: the guest has waited in between.
const IN_A_ROW: Duration = Duration::from_millis(35);

impl Resident {
    pub(crate) fn new(attempt: AttemptId, reply: Reply, copied: Copied) -> Self {
        Resident { attempt, reply, abandoned_ticks: 0, met_busy_at: None, copied, denial: None }
    }

    /// Notes that a tick met the call busy though nobody awaits it; returns how many did so in a row. The first after a
    /// wait says nothing: time had passed before the guest's first instruction.
    pub(super) fn note_abandoned_tick(&mut self) -> u32 {
        let now = Instant::now();
        let is_in_a_row = self.met_busy_at.is_some_and(|last| now - last < IN_A_ROW);
        self.abandoned_ticks = if is_in_a_row { self.abandoned_ticks + 1 } else { 1 };
        self.met_busy_at = Some(now);
        self.abandoned_ticks
    }
}

impl Roster {
    pub(super) fn insert(&mut self, root: Root, resident: Resident) {
        match root {
            Root::Only => self.only = Some(resident),
            Root::Task(task) => drop(self.beside_each_other.insert(task, resident)),
        }
    }

    pub(super) fn remove(&mut self, root: Root) -> Option<Resident> {
        match root {
            Root::Only => self.only.take(),
            Root::Task(task) => self.beside_each_other.remove(&task),
        }
    }

    /// Returns the call that a name stands for; `None` if that has been answered, and only left work over.
    pub(super) fn get(&self, root: Root) -> Option<&Resident> {
        match root {
            Root::Only => self.only.as_ref(),
            Root::Task(task) => self.beside_each_other.get(&task),
        }
    }

    pub(super) fn get_mut(&mut self, root: Root) -> Option<&mut Resident> {
        match root {
            Root::Only => self.only.as_mut(),
            Root::Task(task) => self.beside_each_other.get_mut(&task),
        }
    }

    fn all(&self) -> impl Iterator<Item = (Root, &Resident)> {
        let beside_each_other =
            self.beside_each_other.iter().map(|(task, resident)| (Root::Task(*task), resident));
        self.only.iter().map(|resident| (Root::Only, resident)).chain(beside_each_other)
    }

    /// Returns whose call a task belongs to; `None` for work left over from an answered call.
    pub(crate) fn attempt_of(&self, task: Root) -> Option<AttemptId> {
        self.get(task).map(|resident| resident.attempt)
    }

    /// Returns in whose name a task takes from queues and puts into them.
    pub(crate) fn owner_of(&self, task: Root) -> Option<Owner> {
        let resident = self.get(task)?;
        Some(Owner { attempt: resident.attempt, witness: resident.reply.witness() })
    }

    /// Returns the calls that `root` may stand for: its own, or all where it is unknown.
    pub(super) fn meant_by(&self, root: Option<Root>) -> impl Iterator<Item = &Resident> {
        let is_meant = move |task: &Root| root.is_none_or(|root| *task == root);
        self.all().filter(move |(task, _)| is_meant(task)).map(|(_, resident)| resident)
    }

    /// As [`meant_by`](Self::meant_by), to be changed.
    pub(super) fn meant_by_mut(&mut self, root: Option<Root>) -> impl Iterator<Item = &mut Resident> {
        let is_meant = move |task: Root| root.is_none_or(|root| task == root);
        let only = self.only.iter_mut().filter(move |_| is_meant(Root::Only));
        let beside_each_other =
            self.beside_each_other.iter_mut().filter(move |(task, _)| is_meant(Root::Task(**task)));
        only.chain(beside_each_other.map(|(_, resident)| resident))
    }

    /// Returns the task of an attempt that runs.
    pub(super) fn task_of(&self, attempt: AttemptId) -> Option<Root> {
        self.all().find(|(_, resident)| resident.attempt == attempt).map(|(task, _)| task)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.only.is_none() && self.beside_each_other.is_empty()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Root, Resident)> {
        let beside_each_other =
            self.beside_each_other.drain().map(|(task, resident)| (Root::Task(task), resident));
        self.only.take().map(|resident| (Root::Only, resident)).into_iter().chain(beside_each_other)
    }
}
