//! Where prepared calls of one task are handed in, one by one or many at once. What their types are is not known here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::call::{CallId, Isolation};
use crate::failure::Failure;
use crate::outcome::Parcel;
use crate::pool::Pool;
use crate::pool::handle::CallHandle;
use crate::sandbox::invoke::Invocation;
use crate::scheduler::batch::{Batch, BatchOrder};
use crate::scheduler::calls::{CallRules, Order, Scheduler};
use crate::scheduler::inbox::Inbox;
use crate::spans::CallSpan;

/// Who has less time than this for an attempt is not made to wait for others of a batch.
const LEAST_TIME: Duration = Duration::from_millis(100);

/// Where prepared calls of one task are handed in.
#[derive(Clone)]
pub(super) struct Counter {
    pub(super) pool: Pool,
    pub(super) name: Arc<str>,
    pub(super) module: usize,
    pub(super) affinity: Option<u64>,
    pub(super) rules: CallRules,
}

/// A call that the pool has accepted, and must answer.
pub(super) struct Accepted {
    id: CallId,
    span: CallSpan,
}

impl Counter {
    pub(super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.pool.inner.scheduler
    }

    /// Has the pool accept a call, unless it is closed.
    pub(super) fn accept(&self) -> Option<Accepted> {
        let id = self.scheduler().ledger.accept(1)?;
        let span = CallSpan::begin(id, &self.name, &self.pool.inner.shop.modules[self.module].name);
        Some(Accepted { id, span })
    }

    /// Queues a call that was accepted, or ends it if its arguments do not fit.
    pub(super) fn submit<Out, E>(
        &self,
        accepted: Accepted,
        invocation: Result<Arc<dyn Invocation>, Failure>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> CallHandle<Out, E>
    where
        Out: 'static,
        E: 'static,
    {
        let Accepted { id, span } = accepted;
        let invocation = match invocation {
            Ok(invocation) => invocation,
            Err(failure) => {
                self.scheduler().refuse(id, &self.name, &failure, span);
                return CallHandle::ended(id, failure);
            }
        };
        let (task, affinity, rules) = (self.name.clone(), self.affinity, self.rules.clone());
        let module = self.module;
        let order = Order { task, module, invocation, number: 0, affinity, rules };
        let (call, settlement) = self.scheduler().submit(id, order, permit, span);
        CallHandle::accepted(self.pool.clone(), call, settlement)
    }

    /// Queues calls as one job, or gives their weights back when the pool is closed: how much memory the input of each
    /// takes. How they end is put into `outcomes`.
    pub(super) fn submit_batch(
        &self,
        invocation: Arc<dyn Invocation>,
        weights: Vec<usize>,
        first_index: usize,
        outcomes: Parcel,
        inbox: &Arc<Inbox>,
    ) -> Result<Arc<Batch>, Vec<usize>> {
        let scheduler = self.scheduler();
        let Some(first) = scheduler.ledger.accept(weights.len()) else { return Err(weights) };
        // As single calls do, they take the permits that there are. Others may take some meanwhile.
        let wanted = weights.len().min(scheduler.permits.available_permits());
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let permit = scheduler.permits.clone().try_acquire_many_owned(wanted).ok();
        let (task, module, rules) = (self.name.clone(), self.module, self.rules.clone());
        let order = BatchOrder { task, module, invocation, weights, outcomes, first_index, rules, permit };
        Ok(scheduler.submit_batch(first, order, inbox))
    }

    /// Returns true if nothing that was asked for hangs on each call being a job of its own from the beginning.
    pub(super) fn takes_batches(&self) -> bool {
        let shop = &self.pool.inner.shop;
        let terms = &self.rules.terms;
        self.affinity.is_none()
            && shop.modules[self.module].isolation != Isolation::Fresh
            && shop.recycling.is_blind_to_calls()
            && terms.queue_timeout.is_none()
            && terms.deadline.is_none()
            && terms.attempt_timeout.is_none_or(|time| time >= LEAST_TIME)
            && terms.slow_after >= LEAST_TIME
            && !CallSpan::is_wanted()
    }

    /// Returns how many calls can run at once.
    pub(super) fn slots(&self) -> usize {
        self.scheduler().slots
    }

    /// Returns how many workers there may be.
    pub(super) fn workers(&self) -> usize {
        self.pool.inner.shop.staffing.most
    }
}
