//! What is common to all calls, whatever their types: they enter their store's roster before any guest code runs, and leave
//! it with their answer. On an error the store is done for, and who was in it is still on the roster, for whoever finds out
//! why.

use std::future::ready;

use futures::FutureExt;
use wasmtime::StoreContextMut;
use wasmtime::component::GuestTaskId;

use crate::failure::{Denial, Failure};
use crate::outcome::{Answer, Ending, Form, error_text};
use crate::sandbox::invoke::{Inside, Running, Turn, Turns};
use crate::sandbox::roster::{Copied, Resident, Root};
use crate::sandbox::state::SandboxState;

/// Puts a call on the roster.
pub(super) fn enter(
    mut store: StoreContextMut<'_, SandboxState>,
    inside: Inside<'_>,
    root: Root,
    turn: Turn,
    copied: Copied,
) {
    inside.served.set(inside.served.get() + 1);
    let resident = Resident::new(turn.attempt, turn.reply, copied);
    let copy_bytes = store.data_mut().enter(root, resident);
    store.set_hostcall_fuel(copy_bytes);
}

/// Puts a call on the roster that the engine has taken in as `task`, before any of its guest code runs, or answers that it
/// cannot be started.
pub(super) fn begin(
    store: StoreContextMut<'_, SandboxState>,
    inside: Inside<'_>,
    turn: Turn,
    copied: Copied,
    task: Result<GuestTaskId, &wasmtime::Error>,
) -> Option<Root> {
    match task {
        Ok(task) => {
            enter(store, inside, Root::Task(task), turn, copied);
            Some(Root::Task(task))
        }
        Err(error) => {
            does_not_start(turn, error);
            None
        }
    }
}

/// Takes an answered call off the roster and sends its answer.
pub(super) fn leave(mut store: StoreContextMut<'_, SandboxState>, root: Root, answer: &mut dyn Answer) {
    let state = store.data_mut();
    let (resident, copy_bytes) = state.leave(root);
    if let Some(resident) = &resident {
        state.output.finish(Some(resident.attempt));
    }
    store.set_hostcall_fuel(copy_bytes);
    match resident {
        Some(Resident { reply, denial: Some(denial), .. }) if answer.form() != Form::Completed => {
            reply.answer(for_want_of(Some(*denial), answer.wrap()));
        }
        Some(Resident { reply, .. }) => reply.give(answer),
        None => {}
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

/// Answers a call that cannot be started, which does its store no harm.
fn does_not_start(turn: Turn, error: &wasmtime::Error) {
    turn.reply.answer(Ending::Failed(Failure::NotStarted { reason: format!("{error:#}") }));
}

/// As [`does_not_start`], for all calls of a job.
pub(super) fn none_starts<'a>(mut turns: Turns, error: &wasmtime::Error) -> Running<'a> {
    while let Some(turn) = turns.next() {
        does_not_start(turn, error);
    }
    ready(Ok(())).boxed_local()
}
