//! How calls run in a store: beside others of it where the engine can do that, else one after the other. What is common
//! to all of them, whatever their types, is here: they enter the store's roster before any guest code runs, and leave it
//! with their answer. On an error the store is done for, and who was in it is still on the roster, for whoever finds out
//! why.

use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, Store, StoreContextMut};

use crate::call::AttemptId;
use crate::failure::{Denial, Failure};
use crate::outcome::{Ending, error_text};
use crate::reply::Reply;
use crate::sandbox::invoke::{Inside, Next, Places, Started, Work};
use crate::sandbox::roster::{Resident, Root};
use crate::sandbox::state::SandboxState;

/// A call ended without leaving its store fit for use.
pub(crate) struct Broken {
    pub(crate) task: Root,
    pub(crate) error: wasmtime::Error,
}

/// Runs what a job asks for beside the other calls of the store. Where it is many calls, the end of `reply` says that no
/// more of them begin; also when this future is dropped.
pub(crate) async fn run(
    work: Work,
    attempt: AttemptId,
    reply: Reply,
    accessor: &Accessor<SandboxState>,
    inside: Inside<'_>,
) -> Result<(), Broken> {
    match work {
        Work::One(work) => run_one(Next { attempt, work, reply }, accessor, inside).await,
        Work::Many(calls) => {
            let _whole = reply;
            while let Some(next) = calls.clone().next() {
                run_one(next, accessor, inside).await?;
            }
            Ok(())
        }
    }
}

/// As [`run`], where the engine runs one call after the other.
pub(crate) async fn run_alone(
    work: Work,
    attempt: AttemptId,
    reply: Reply,
    store: &mut Store<SandboxState>,
    inside: Inside<'_>,
) -> Result<(), Broken> {
    match work {
        Work::One(work) => run_one_alone(Next { attempt, work, reply }, store, inside).await,
        Work::Many(calls) => {
            let _whole = reply;
            while let Some(next) = calls.clone().next() {
                run_one_alone(next, store, inside).await?;
            }
            Ok(())
        }
    }
}

async fn run_one(next: Next, accessor: &Accessor<SandboxState>, inside: Inside<'_>) -> Result<(), Broken> {
    let Next { attempt, work, reply } = next;
    let resident = Resident::new(attempt, reply, work.is_one_by_one());
    let mut places = Places::default();
    let start = |places| {
        accessor.with(|mut store| match work.start(&mut store, accessor, inside, places) {
            Ok(started) => {
                enter(store.as_context_mut(), inside, Root::Task(started.task), resident);
                Some(started)
            }
            Err(error) => {
                resident.reply.answer(not_started(&error));
                None
            }
        })
    };
    let (task, ending) = match start(&mut places) {
        Some(Started { task, ending }) => (Root::Task(task), ending.await),
        None => return Ok(()),
    };
    let ending = ending.map_err(|error| Broken { task, error })?;
    accessor.with(|mut store| {
        let limit_bytes = store.data_mut().limits.answer_bytes;
        let ending = ending.unwrap_or_else(|| work.conclude_places(places, limit_bytes));
        leave(store.as_context_mut(), task, ending);
    });
    Ok(())
}

async fn run_one_alone(
    next: Next,
    store: &mut Store<SandboxState>,
    inside: Inside<'_>,
) -> Result<(), Broken> {
    let Next { attempt, work, reply } = next;
    let resident = Resident::new(attempt, reply, work.is_one_by_one());
    enter(store.as_context_mut(), inside, Root::Only, resident);
    let ending = match work.start_alone(store, inside) {
        Ok(running) => running.await.map_err(|error| Broken { task: Root::Only, error })?,
        Err(error) => {
            inside.served.set(inside.served.get() - 1);
            not_started(&error)
        }
    };
    leave(store.as_context_mut(), Root::Only, ending);
    Ok(())
}

fn not_started(error: &wasmtime::Error) -> Ending {
    Ending::Failed(Failure::NotStarted { reason: format!("{error:#}") })
}

/// Puts a call on the roster.
fn enter(mut store: StoreContextMut<'_, SandboxState>, inside: Inside<'_>, root: Root, resident: Resident) {
    inside.served.set(inside.served.get() + 1);
    let copy_bytes = store.data_mut().enter(root, resident);
    store.set_hostcall_fuel(copy_bytes);
}

/// Takes an answered call off the roster and sends its answer.
fn leave(mut store: StoreContextMut<'_, SandboxState>, root: Root, ending: Ending) {
    let state = store.data_mut();
    let (resident, copy_bytes) = state.leave(root);
    if let Some(resident) = &resident {
        state.output.finish(Some(resident.attempt));
    }
    store.set_hostcall_fuel(copy_bytes);
    if let Some(Resident { reply, denial, .. }) = resident {
        reply.answer(for_want_of(denial.map(|denial| *denial), ending));
    }
}

/// Says what an attempt failed for want of, if it was denied something.
pub(crate) fn for_want_of(denial: Option<Denial>, ending: Ending) -> Ending {
    let Some(denial) = denial else { return ending };
    let said = match &ending {
        Ending::Returned(parcel) => error_text(parcel),
        Ending::Failed(Failure::Trapped(trap)) => Some(trap.to_string()),
        _ => return ending,
    };
    Ending::Failed(Failure::Denied(Denial { said, ..denial }))
}
