//! The long-lived loop in which one sandbox runs its calls, and what becomes of them when it ends.
//!
//! The worker stands at the [`Door`]: it lets jobs in and says when no more will come. The loop is one
//! `run_concurrent` for the life of the store, or one call after the other where the engine has no such thing. Dropping
//! the loop is the only way to stop guest code for good, and is always allowed: unanswered calls answer for themselves.

use std::future::poll_fn;
use std::task::{Context, Poll};

use futures::stream::{FuturesUnordered, StreamExt};
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, Store};

use crate::event::RetireReason;
use crate::module::EngineKind;
use crate::outcome::{Ending, Interruption};
use crate::sandbox::asking::asking_task;
use crate::sandbox::blame::failure;
use crate::sandbox::blueprint::Sandbox;
use crate::sandbox::door::Door;
use crate::sandbox::invoke::{Broken, Inside, Job, Turns, Work};
use crate::sandbox::roster::Root;
use crate::sandbox::run::for_want_of;
use crate::sandbox::state::{SandboxState, Stopped};

impl Sandbox {
    /// Runs the calls that come in by the door until it is closed, a call traps, or it is given up.
    ///
    /// All calls that are still running then are answered here. Those that had not begun stay at the door.
    pub(crate) async fn serve(mut self, door: &Door) -> RetireReason {
        let instance = self.instance;
        let inside =
            Inside { instance: &instance, exports: &door.blueprint.exports, served: door.served_count() };
        let store = &mut self.store;
        let run = async {
            match door.blueprint.engine.kind() {
                EngineKind::Concurrent => {
                    let serve = async |accessor: &_| serve_calls(accessor, inside, door).await;
                    store.run_concurrent(serve).await
                }
                EngineKind::Plain => Ok(serve_one_by_one(store, inside, door).await),
            }
        };
        // The run first: it may be held up, and then nobody but the door can tell that it is over.
        let ended = tokio::select! {
            biased;
            ended = run => Some(ended),
            () = door.given_up() => None,
        };
        let (culprit, error) = match ended {
            Some(Ok(Ok(()))) => (None, None),
            Some(Ok(Err(Broken { task, error }))) => (Some(task), Some(error)),
            Some(Err(error)) => (self.running_task(), Some(error)),
            None => (None, None),
        };
        let reason = match (&error, door.closing()) {
            (Some(error), _) => match error.downcast_ref::<Stopped>() {
                Some(Stopped::Abandoned) => RetireReason::Abandoned,
                Some(Stopped::OutOfTime) => RetireReason::OutOfTime,
                None => RetireReason::Trapped,
            },
            (None, Some(reason)) if door.is_done() => reason,
            (None, _) => RetireReason::Stuck,
        };
        if error.is_some() || !self.store.data().roster.is_empty() {
            self.answer_all(culprit, &error.unwrap_or_else(|| Stopped::Abandoned.into()), door);
        }
        let state = self.store.data_mut();
        state.settle_http_notes();
        // Of work left over from answered calls.
        state.output.finish_all();
        reason
    }

    /// Returns the root of the guest task that was running when the engine gave up, if it knows.
    fn running_task(&mut self) -> Option<Root> {
        asking_task(&mut self.store.as_context_mut()).ok()?
    }

    fn answer_all(&mut self, culprit: Option<Root>, error: &wasmtime::Error, door: &Door) {
        let state = self.store.data_mut();
        state.settle_http_notes();
        let mut residents: Vec<_> = state.roster.drain().collect();
        // Neighbours go back to the queue's front, so the newest goes first.
        residents.sort_by_key(|(_, resident)| std::cmp::Reverse(resident.attempt.call));
        // Where the engine stopped what computed for nobody, no caller is to blame.
        let is_stopped = error.is::<Stopped>();
        let only_call_ever = door.served() == 1 && !is_stopped;
        let known = is_stopped || only_call_ever || residents.iter().any(|(task, _)| Some(*task) == culprit);
        for (task, resident) in residents {
            let stderr = state.output.finish(Some(resident.attempt));
            let ending = match (known, only_call_ever || Some(task) == culprit) {
                (true, true) => Ending::Failed(failure(error, &stderr, &state.limits)),
                (true, false) if is_stopped => Ending::Interrupted(Interruption::NeighbourStopped),
                (true, false) => Ending::Interrupted(Interruption::NeighbourTrapped),
                (false, _) => Ending::Interrupted(Interruption::SomebodyTrapped),
            };
            door.leave(resident.attempt);
            resident.reply.answer(for_want_of(resident.denial.map(|denial| *denial), ending));
        }
    }
}

async fn serve_calls(
    accessor: &Accessor<SandboxState>,
    inside: Inside<'_>,
    door: &Door,
) -> Result<(), Broken> {
    let mut running = FuturesUnordered::new();
    poll_fn(|cx: &mut Context<'_>| {
        loop {
            while let Poll::Ready(Some((attempt, ended))) = running.poll_next_unpin(cx) {
                match ended {
                    Ok(()) => door.leave(attempt),
                    // It stays inside until somebody has found out why.
                    Err(broken) => return Poll::Ready(Err(broken)),
                }
            }
            if let Some(job) = door.take_in(running.len()) {
                if !begins(&job, door) {
                    continue;
                }
                let Job { attempt, work: Work { invocation, which }, reply, .. } = job;
                let turns = Turns::of(which, attempt, reply);
                running.push(async move { (attempt, invocation.run(turns, accessor, inside).await) });
                continue;
            }
            door.note_came_by(cx);
            return if door.is_done() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
    })
    .await
}

/// The same where the engine runs one call after the other.
async fn serve_one_by_one(
    store: &mut Store<SandboxState>,
    inside: Inside<'_>,
    door: &Door,
) -> Result<(), Broken> {
    let next = |cx: &mut Context<'_>| match door.take_in(0) {
        Some(job) => Poll::Ready(Some(job)),
        None => {
            door.note_came_by(cx);
            if door.is_done() { Poll::Ready(None) } else { Poll::Pending }
        }
    };
    while let Some(job) = poll_fn(next).await {
        if begins(&job, door) {
            let Job { attempt, work: Work { invocation, which }, reply, .. } = job;
            invocation.run_alone(Turns::of(which, attempt, reply), store, inside).await?;
            door.leave(attempt);
        }
    }
    Ok(())
}

/// Notes that a job begins, or that it need not.
fn begins(job: &Job, door: &Door) -> bool {
    if !job.reply.begun(door.surroundings()) {
        door.leave(job.attempt);
        return false;
    }
    if job.calls > 1 {
        door.place.lobby.note_batch(job.reply.witness());
    }
    true
}
