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

    /// Notes one more call, unless no more are accepted. Each must be [`answered`](Self::answered) once.
    pub(crate) fn accept(&self) -> Option<CallId> {
        // Counted first: `close` then either sees this call or has been seen by it.
        self.unanswered.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.answered();
            return None;
        }
        Some(CallId(self.next_id.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn answered(&self) {
        if self.unanswered.fetch_sub(1, Ordering::SeqCst) == 1 && self.closed.load(Ordering::SeqCst) {
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
