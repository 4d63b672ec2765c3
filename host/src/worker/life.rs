//! The life of one sandbox, from its opening to its end: the future that a worker keeps for it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::event::{Event, RetireReason};
use crate::sandbox::door::Door;
use crate::sandbox::gauges::{Gauges, Pulse};
use crate::sandbox::unopened::Unopened;
use crate::worker::workshop::Workshop;

/// Hears whether the first sandbox of a module opened.
pub(crate) type FirstOpening = oneshot::Sender<Result<(), String>>;

/// Counts a sandbox for which other calls of its worker have to wait, until it is open.
pub(crate) struct SharedOpening(Rc<Cell<usize>>);

impl SharedOpening {
    pub(crate) fn count(opening: &Rc<Cell<usize>>) -> Self {
        opening.set(opening.get() + 1);
        SharedOpening(opening.clone())
    }
}

impl Drop for SharedOpening {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A sandbox that is gone, or never was.
pub(crate) struct Ended {
    pub(crate) door: Rc<Door>,
    pub(crate) how: End,
}

/// How it came to that.
pub(crate) enum End {
    /// It was open, and was taken out of use.
    Retired(RetireReason),
    /// It did not open.
    Unopened(Unopened),
    /// Nobody needed it any more before it could open.
    Unneeded,
}

/// The whole life of one sandbox.
pub(crate) async fn live(
    shop: Arc<Workshop>,
    door: Rc<Door>,
    pulse: Arc<Pulse>,
    shared: Option<SharedOpening>,
    first: Option<FirstOpening>,
) -> Ended {
    let gauges = Gauges { pulse, memory: door.memory.clone(), hold: door.hold.clone() };
    let opening = async {
        let slot = door.blueprint.engine.slot().await;
        let begun = Instant::now();
        (slot, begun, door.blueprint.open(gauges).await)
    };
    let opened = tokio::select! {
        biased;
        opened = opening => Some(opened),
        () = door.done() => None,
    };
    // The slot is free again only when the sandbox is gone, which is declared later and dropped earlier.
    let Some((_slot, begun, opened)) = opened else { return Ended { door, how: End::Unneeded } };
    drop(shared);
    if opened.is_ok() {
        door.note_open();
        shop.modules[door.place.module].note_opened();
        shop.teller.tell(|| Event::SandboxOpened {
            module: door.blueprint.name.clone(),
            worker: door.place.worker,
            took: begun.elapsed(),
        });
    }
    if let Some(hears) = first {
        // Nobody listens any more if the pool's builder has been dropped.
        let _ = hears.send(opened.as_ref().map(|_| ()).map_err(|unopened| unopened.reason.clone()));
    }
    let sandbox = match opened {
        Ok(sandbox) => sandbox,
        Err(unopened) => return Ended { door, how: End::Unopened(unopened) },
    };
    let reason = sandbox.serve(&door).await;
    Ended { door, how: End::Retired(reason) }
}
