//! The life of one sandbox, from its opening to its end: the future that a worker keeps for it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::call::WorkerId;
use crate::event::Event;
use crate::sandbox::serve::{Departure, Door};
use crate::sandbox::state::Pulse;
use crate::worker::workshop::Workshop;

/// Hears whether the first sandbox of a module opened.
pub(crate) type FirstOpening = oneshot::Sender<Result<(), String>>;

/// A sandbox that is gone, or never was.
pub(crate) struct Ended {
    pub(crate) door: Rc<Door>,
    pub(crate) how: Result<Departure, String>,
}

/// The whole life of one sandbox.
pub(crate) async fn live(
    shop: Arc<Workshop>,
    worker: WorkerId,
    door: Rc<Door>,
    pulse: Arc<Pulse>,
    opening: Rc<Cell<usize>>,
    first: Option<FirstOpening>,
) -> Ended {
    let blueprint = &shop.blueprints[door.module];
    let begun = Instant::now();
    let opened = blueprint.open(pulse).await;
    opening.set(opening.get() - 1);
    if let Some(hears) = first {
        // Nobody listens any more if the pool's builder has been dropped.
        let _ = hears.send(opened.as_ref().map(|_| ()).map_err(String::clone));
    }
    let sandbox = match opened {
        Ok(sandbox) => sandbox,
        Err(reason) => return Ended { door, how: Err(reason) },
    };
    shop.openings.succeeded(door.module);
    door.counted.opened();
    shop.teller.tell(|| Event::SandboxOpened {
        module: blueprint.name.clone(),
        worker,
        took: begun.elapsed(),
    });
    let departure = sandbox.serve(&door).await;
    Ended { door, how: Ok(departure) }
}
