//! How many calls a pool has accepted and not answered, and whether it accepts more.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::call::CallId;

/// The count of unanswered calls, and the pool's open or closed door.
pub(crate) struct Ledger {
    next_id: AtomicU64,
    unanswered: AtomicUsize,
    closed: AtomicBool,
    all_answered: Notify,
}

impl Ledger {
    pub(crate) fn open() -> Self {
        Ledger {
            next_id: AtomicU64::new(1),
            unanswered: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            all_answered: Notify::new(),
        }
    }

    /// Notes so many more calls, unless no more are accepted, and returns the id of the first; those of the others
    /// follow. Each must be [`answered`](Self::answered) once.
    pub(crate) fn accept(&self, calls: usize) -> Option<CallId> {
        // Counted first: `close` then either sees these calls or has been seen by them.
        self.unanswered.fetch_add(calls, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.answered(calls);
            return None;
        }
        Some(CallId(self.next_id.fetch_add(calls as u64, Ordering::Relaxed)))
    }

    /// Notes that so many calls have been answered.
    pub(crate) fn answered(&self, calls: usize) {
        let before = self.unanswered.fetch_sub(calls, Ordering::SeqCst);
        if before == calls && self.closed.load(Ordering::SeqCst) {
            self.all_answered.notify_waiters();
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    /// Waits until every accepted call is answered; the ledger must have been closed.
    pub(crate) async fn settled(&self) {
        loop {
            let notified = self.all_answered.notified();
            tokio::pin!(notified);
            // Registered before the count is read, so that no answer is missed between the two.
            notified.as_mut().enable();
            if self.unanswered() == 0 {
                return;
            }
            notified.await;
        }
    }
}
