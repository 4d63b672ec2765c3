//! `wasmpool:host/queue`: the pool's queues, as guests use them. To put an item is an outward effect. Nothing is given to
//! a call that nobody awaits any more, and nothing taken from it. A queue that is not declared is not granted.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use wasmtime::component::{Access, Accessor, HasSelf, Linker};

use crate::failure::Denial;
use crate::queues::line::QueueId;
use crate::queues::state::{Granted, Owner};
use crate::queues::{QueueError, Queues, Waiting};
use crate::sandbox::asking::asking_by_access;
use crate::sandbox::contract::wasmpool::host::queue::{self, Error};
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

type Own = HasSelf<SandboxState>;
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Provides `wasmpool:host/queue`.
pub(crate) fn add_queues(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    queue::add_to_linker::<_, Own>(linker, |state| state)
}

impl queue::Host for SandboxState {}

impl<T: 'static> queue::HostWithStore<T> for Own {
    fn find(mut access: Access<'_, T, Self>, name: String) -> Answer<()> {
        Ok(asker(&mut access, &name)?.map(drop))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
        timeout_ms: Option<u64>,
    ) -> Answer<Option<String>> {
        let asker = accessor.with(|mut access| asker(&mut access, &name))?;
        let Asker { queues, queue, owner, .. } = match asker {
            Ok(asker) if asker.is_given_up => return pending().await,
            Ok(asker) => asker,
            Err(error) => return Ok(Err(error)),
        };
        Ok(taken(in_time(queues.get(queue, owner, timeout_ms.is_none()), timeout_ms).await))
    }

    fn try_get(mut access: Access<'_, T, Self>, name: String) -> Answer<Option<String>> {
        let Asker { queues, queue, owner, .. } = match asker(&mut access, &name)? {
            Ok(asker) => asker,
            Err(error) => return Ok(Err(error)),
        };
        Ok(taken(queues.get(queue, owner, false).now().ok_or(Error::Empty)))
    }

    async fn put(
        accessor: &Accessor<T, Self>,
        name: String,
        item: String,
        timeout_ms: Option<u64>,
    ) -> Answer<()> {
        let asker = accessor.with(|mut access| putter(&mut access, &name))?;
        let asker = match asker {
            Ok(asker) if asker.is_given_up => return pending().await,
            Ok(asker) => asker,
            Err(error) => return Ok(Err(error)),
        };
        match asker.put(item, timeout_ms.is_none()) {
            Ok(waiting) => Ok(in_time(waiting, timeout_ms).await.and_then(put)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn try_put(mut access: Access<'_, T, Self>, name: String, item: String) -> Answer<()> {
        let asker = match putter(&mut access, &name)? {
            Ok(asker) => asker,
            Err(error) => return Ok(Err(error)),
        };
        let waiting = asker.put(item, false);
        Ok(waiting.and_then(|waiting| waiting.now().ok_or(Error::Full)).and_then(put))
    }

    fn close(mut access: Access<'_, T, Self>, name: String) -> Answer<()> {
        Ok(putter(&mut access, &name)?.map(|asker| {
            if !asker.is_given_up {
                asker.queues.close(asker.queue);
            }
        }))
    }
}

/// Who asks for something, and of which queue.
struct Asker {
    queues: Arc<Queues>,
    queue: QueueId,
    /// `None` in an initializer, and for what an answered call left running.
    owner: Option<Owner>,
    is_given_up: bool,
}

impl Asker {
    fn put(&self, item: String, is_endless: bool) -> Result<Waiting, Error> {
        serde_json::from_str::<IgnoredAny>(&item).map_err(|_| Error::NotJson)?;
        let waiting = self.queues.put(self.queue, item.into(), self.owner.clone(), is_endless);
        waiting.map_err(|error| match error {
            QueueError::TooLarge { .. } => Error::TooLarge,
            QueueError::Full => Error::Full,
            _ => Error::Closed,
        })
    }
}

/// Finds out who asks. Only at an import's entry.
fn asker<T: 'static>(access: &mut Access<'_, T, Own>, name: &str) -> wasmtime::Result<Result<Asker, Error>> {
    let root = asking_by_access(access)?;
    Ok(access.get().asker_for_queue(root, name))
}

/// As `asker`, for what others will see.
fn putter<T: 'static>(access: &mut Access<'_, T, Own>, name: &str) -> wasmtime::Result<Result<Asker, Error>> {
    let root = asking_by_access(access)?;
    let state = access.get();
    let asker = state.asker_for_queue(root, name);
    if asker.is_ok() {
        state.note_effect(root);
    }
    Ok(asker)
}

impl SandboxState {
    fn asker_for_queue(&mut self, root: Option<Root>, name: &str) -> Result<Asker, Error> {
        let queues = self.reach.queues.clone();
        let Some(queue) = queues.find(name) else {
            let shown: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            self.note_denial(
                root,
                &Denial::of(format!("items of a queue `{shown}`"), format!("--queue {shown}=FILE")),
            );
            return Err(Error::Undeclared);
        };
        let owner = root.and_then(|task| self.roster.owner_of(task));
        Ok(Asker { queues, queue, owner, is_given_up: self.is_given_up(root) })
    }
}

async fn in_time(waiting: Waiting, timeout_ms: Option<u64>) -> Result<Granted, Error> {
    match timeout_ms {
        None => Ok(waiting.await),
        Some(time) => {
            let time = Duration::from_millis(time);
            tokio::time::timeout(time, waiting).await.map_err(|_| Error::TimedOut)
        }
    }
}

fn taken(granted: Result<Granted, Error>) -> Result<Option<String>, Error> {
    match granted? {
        Granted::Item(item) => Ok(Some(item.text.to_string())),
        Granted::End => Ok(None),
        Granted::Put | Granted::Refused => Err(Error::Closed),
    }
}

fn put(granted: Granted) -> Result<(), Error> {
    match granted {
        Granted::Put => Ok(()),
        _ => Err(Error::Closed),
    }
}
