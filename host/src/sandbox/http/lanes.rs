//! How many requests go to one origin at once, and how fast one follows another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::limits::Limits;
use crate::origins::Origin;
use crate::sandbox::http::loan::Loan;

/// So many origins are remembered although nobody is on the way to them.
const LANES_KEPT: usize = 1_024;

/// Who has waited so long for a place looks whether others hold theirs for nobody.
const CALL_BACK_AFTER: Duration = Duration::from_millis(50);

/// The ways to all origins.
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<Origin, Arc<Lane>>>,
    /// Requests to an origin at once.
    connections: usize,
    /// The time between two requests to an origin.
    gap: Option<Duration>,
}

/// The way to one origin.
pub(crate) struct Lane {
    permits: Arc<Semaphore>,
    /// Who has a place, or waits for one.
    loans: Mutex<Vec<Weak<Loan>>>,
    gap: Option<Duration>,
    /// When the next request may leave.
    next: Mutex<Instant>,
}

impl Lanes {
    pub(crate) fn new(limits: &Limits) -> Self {
        let gap =
            limits.http_rate.map(|rate| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX));
        Lanes { lanes: Mutex::default(), connections: limits.http_connections, gap }
    }

    /// Returns the way to an origin.
    pub(crate) fn to(&self, origin: &Origin) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().expect("no holder of this lock panics");
        if let Some(lane) = lanes.get(origin) {
            return lane.clone();
        }
        if lanes.len() >= LANES_KEPT {
            // A guest that goes to ever new origins must not fill the memory.
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let permits = Arc::new(Semaphore::new(self.connections));
        let lane = Lane { permits, loans: Mutex::default(), gap: self.gap, next: Mutex::new(Instant::now()) };
        let lane = Arc::new(lane);
        lanes.insert(origin.clone(), lane.clone());
        lane
    }
}

impl Lane {
    /// Remembers who will want a place, to call it back when nobody awaits it any more.
    pub(crate) fn note(&self, loan: &Arc<Loan>) {
        let mut loans = self.loans.lock().expect("no holder of this lock panics");
        if loans.len() == loans.capacity() {
            loans.retain(|loan| loan.strong_count() > 0);
        }
        loans.push(Arc::downgrade(loan));
    }

    fn call_back(&self) {
        let loans = self.loans.lock().expect("no holder of this lock panics").clone();
        loans.iter().filter_map(Weak::upgrade).for_each(|loan| loan.call_back_if_unawaited());
    }

    /// Waits for a place, and calls back those that nobody needs meanwhile.
    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            let permit = self.permits.clone().acquire_owned();
            match timeout(CALL_BACK_AFTER, permit).await {
                Ok(permit) => return permit.expect("lanes are never closed"),
                Err(_) => self.call_back(),
            }
        }
    }

    /// Waits for room and for the request's turn. What is returned is kept until the answer has been read.
    pub(crate) async fn enter(&self) -> OwnedSemaphorePermit {
        let permit = self.place().await;
        if let Some(gap) = self.gap {
            let turn = {
                let mut next = self.next.lock().expect("no holder of this lock panics");
                let turn = (*next).max(Instant::now());
                *next = turn.checked_add(gap).unwrap_or(turn);
                turn
            };
            sleep_until(turn).await;
        }
        permit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Origin {
        Origin::of(&uri.parse().unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_to_one_origin_keep_their_distance_and_others_do_not_mind() {
        let lanes = Lanes::new(&Limits::default().http_rate(10.0));
        let start = Instant::now();
        for _ in 0..5 {
            drop(lanes.to(&origin("http://a")).enter().await);
        }
        assert_eq!(start.elapsed().as_millis(), 400);
        drop(lanes.to(&origin("http://b")).enter().await);
        assert_eq!(start.elapsed().as_millis(), 400);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_no_more_at_once_than_connections() {
        let lanes = Lanes::new(&Limits::default().http_connections(2));
        let lane = lanes.to(&origin("http://a"));
        let held = [lane.enter().await, lane.enter().await];
        let third = tokio::time::timeout(Duration::from_secs(1), lane.enter());
        assert!(third.await.is_err());
        drop(held);
        drop(lane.enter().await);
    }

    #[test]
    fn origins_that_nobody_goes_to_are_forgotten() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let lanes = Lanes::new(&Limits::default());
            for port in 1..10_000 {
                lanes.to(&origin(&format!("http://a:{port}")));
            }
            assert!(lanes.lanes.lock().unwrap().len() <= LANES_KEPT);
        });
    }
}
