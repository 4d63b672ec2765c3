//! The life of one sandbox, from its opening to its end: the future that a worker keeps for it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::event::{Event, RetireReason};
use crate::sandbox::door::Door;
use crate::sandbox::state::Pulse;
use crate::sandbox::unopened::Unopened;
use crate::worker::workshop::Workshop;

/// Hears whether the first sandbox of a module opened.
pub(crate) type FirstOpening = oneshot::Sender<Result<(), String>>;

/// Counts a sandbox for which other calls of its worker have to wait, until it is open.
pub(crate) struct Awaited(Rc<Cell<usize>>);

impl Awaited {
    pub(crate) fn count(opening: &Rc<Cell<usize>>) -> Self {
        opening.set(opening.get() + 1);
        Awaited(opening.clone())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A sandbox that is gone, or never was.
pub(crate) struct Ended {
    pub(crate) door: Rc<Door>,
    pub(crate) how: Result<RetireReason, Unopened>,
}

/// The whole life of one sandbox.
pub(crate) async fn live(
    shop: Arc<Workshop>,
    door: Rc<Door>,
    pulse: Arc<Pulse>,
    awaited: Option<Awaited>,
    first: Option<FirstOpening>,
) -> Ended {
    // Free again only when the sandbox is gone, which is declared later and dropped earlier.
    let _slot = shop.engine.slot().await;
    let begun = Instant::now();
    let opened = door.blueprint.open(pulse, door.memory.clone()).await;
    drop(awaited);
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
        Err(unopened) => return Ended { door, how: Err(unopened) },
    };
    let reason = sandbox.serve(&door).await;
    Ended { door, how: Ok(reason) }
}
