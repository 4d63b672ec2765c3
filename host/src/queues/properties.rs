//! Anything in any order on one queue: puts, gets, ends of attempts good and bad, impatient callers, and a close. No item
//! is lost or doubled, and in the end nobody is left waiting.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::call::{AttemptId, CallId};
use crate::event::Teller;
use crate::queues::state::{Granted, Owner};
use crate::queues::{Queues, Waiting};
use crate::reply::patient::reply_to_the_patient;

fn owner(call: u64) -> Owner {
    let attempt = AttemptId { call: CallId(call), attempt: 1 };
    Owner { attempt, witness: reply_to_the_patient().witness() }
}

#[derive(Clone, Debug)]
enum Step {
    Put,
    Get(u64),
    Collect(usize),
    GiveUp(usize),
    End(u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Put),
        3 => (0u64..4).prop_map(Step::Get),
        4 => any::<usize>().prop_map(Step::Collect),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => (0u64..4, any::<bool>()).prop_map(|(call, went_well)| Step::End(call, went_well)),
    ]
}

/// A queue, and everybody's view of it.
struct House {
    queues: Arc<Queues>,
    getting: Vec<(u64, Waiting)>,
    putting: Vec<Waiting>,
    put: u64,
    /// What each call has been handed and is not done with.
    held: HashMap<u64, Vec<u64>>,
    processed: Vec<u64>,
}

impl House {
    fn take(&mut self, step: Step) {
        match step {
            Step::Put => {
                let waiting = self.queues.put(0, self.put.to_string().into(), None, true);
                self.putting.push(waiting.expect("it is small"));
                self.put += 1;
            }
            Step::Get(call) => {
                let done = self.held.remove(&call).unwrap_or_default();
                self.processed.extend(done);
                self.getting.push((call, self.queues.get(0, Some(owner(call)), true)));
            }
            Step::Collect(which) if !self.getting.is_empty() => {
                let (call, mut waiting) = self.getting.swap_remove(which % self.getting.len());
                match waiting.collect(std::task::Waker::noop()) {
                    None => self.getting.push((call, waiting)),
                    Some(Granted::Item(item)) => {
                        self.held.entry(call).or_default().push(item.text.parse().expect("a number"));
                    }
                    Some(_) => {}
                }
            }
            Step::GiveUp(which) if !self.getting.is_empty() => {
                self.getting.swap_remove(which % self.getting.len());
            }
            Step::Collect(_) | Step::GiveUp(_) => {}
            Step::End(call, went_well) => {
                let attempt = owner(call).attempt;
                self.queues.attempt_ended(attempt, went_well);
                let held = self.held.remove(&call).unwrap_or_default();
                if went_well {
                    self.processed.extend(held);
                }
                self.getting.retain(|(other, _)| *other != call);
            }
        }
    }

    /// Processes what is left by one good call.
    fn finish(&mut self) {
        (0..4).for_each(|call| self.take(Step::End(call, false)));
        self.queues.finish(0);
        loop {
            self.take(Step::Get(9));
            self.take(Step::Collect(0));
            if self.held.get(&9).is_none_or(Vec::is_empty) {
                return;
            }
        }
    }
}

proptest! {
    #[test]
    fn every_item_is_processed_once_or_set_aside(
        capacity in 1usize..5,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let queues = Arc::new(Queues::with_most_bytes(1 << 20, Teller::new(1)));
        queues.declare("numbers", capacity);
        let mut house = House {
            queues,
            getting: Vec::new(),
            putting: Vec::new(),
            put: 0,
            held: HashMap::new(),
            processed: Vec::new(),
        };
        for step in steps {
            let before = house.queues.stats(0);
            // All that a call has taken may come back at once, whatever room there is.
            let comes_back = match step {
                Step::End(..) => before.taken,
                Step::GiveUp(_) => before.taken.min(1),
                Step::Put | Step::Get(_) | Step::Collect(_) => 0,
            };
            house.take(step);
            let most = capacity.max(before.items + comes_back);
            prop_assert!(house.queues.stats(0).items <= most, "only what comes back may exceed it");
        }
        house.finish();
        prop_assert!(house.getting.is_empty(), "the end was told");
        let stats = house.queues.stats(0);
        prop_assert!(stats.is_closed && stats.items == 0 && stats.taken == 0 && stats.putters == 0);
        let rejected = house.queues.take_rejected(0);
        let set_aside = rejected.iter().map(|text| text.parse().expect("a number"));
        let mut all: Vec<u64> = house.processed.iter().copied().chain(set_aside).collect();
        all.sort_unstable();
        // Of those set aside the latest are kept, as many as the queue holds.
        prop_assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        prop_assert!(rejected.len() == capacity || all.len() as u64 == house.put, "{all:?} of {}", house.put);
    }
}
