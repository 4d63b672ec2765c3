//! Ended calls whose reports have not been given out, in input order or as they ended. Those that came back together stay
//! together until their turn comes.

use std::collections::{BTreeMap, VecDeque};
use std::vec;

use crate::call::CallId;
use crate::outcome::{CallReport, Outcome, Outcomes};
use crate::scheduler::inbox::{Done, DoneCalls};

/// Ended calls, in the order in which their reports are given out.
pub(super) struct Held<Out, E> {
    order: Order<Out, E>,
    /// Those that came back together, and whose reports are being given out.
    present: Option<Together<Out, E>>,
    calls: usize,
    /// How much memory their inputs and outputs take, in bytes, as far as it matters.
    bytes: usize,
}

enum Order<Out, E> {
    /// By the place of the input, of calls that came back together by that of the first; and the place that is next.
    Input {
        held: BTreeMap<usize, Item<Out, E>>,
        next: usize,
    },
    Completion {
        held: VecDeque<Item<Out, E>>,
    },
}

enum Item<Out, E> {
    One(Ended<Out, E>),
    Many(Together<Out, E>),
}

/// A call at its end.
pub(super) struct Ended<Out, E> {
    pub(super) report: CallReport<Out, E>,
    /// How much memory its input and output take, in bytes.
    pub(super) weight: usize,
}

/// Calls that came back together.
struct Together<Out, E> {
    first: CallId,
    first_index: usize,
    /// The weight is that of input and output here.
    calls: vec::IntoIter<Done>,
    outputs: vec::IntoIter<Out>,
    errors: vec::IntoIter<E>,
}

impl<Out: 'static, E: 'static> Held<Out, E> {
    pub(super) fn in_input_order() -> Self {
        let order = Order::Input { held: BTreeMap::new(), next: 0 };
        Held { order, present: None, calls: 0, bytes: 0 }
    }

    /// Gives out in the order of completion from now on. Nothing is lost if some have been given out already: those that
    /// are held go first.
    pub(super) fn as_completed(&mut self) {
        if let Order::Input { held, .. } = &mut self.order {
            let held = std::mem::take(held).into_values().collect();
            self.order = Order::Completion { held };
        }
    }

    /// Returns how many calls are held.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// Returns how much memory they take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds a call until its turn comes, which may be now.
    pub(super) fn hold(&mut self, ended: Ended<Out, E>) {
        self.calls += 1;
        self.bytes += ended.weight;
        self.put(ended.report.index, Item::One(ended));
    }

    /// As [`hold`](Self::hold), for calls that came back together. `weigh` returns how much memory an output takes, in
    /// bytes. Returns how much their inputs take.
    pub(super) fn hold_all(&mut self, done: DoneCalls, weigh: fn(&Out) -> usize) -> usize {
        let DoneCalls { first, first_index, mut calls, outcomes } = done;
        let outcomes: Box<Outcomes<Out, E>> =
            outcomes.downcast().expect("a stream of reports asks for calls of its own types");
        let Outcomes { outputs, errors } = *outcomes;
        let input_bytes = calls.iter().map(|call| call.weight).sum();
        for (call, output) in calls.iter_mut().filter(|call| !call.is_error).zip(&outputs) {
            call.weight += weigh(output);
        }
        self.bytes += calls.iter().map(|call| call.weight).sum::<usize>();
        self.calls += calls.len();
        let (calls, outputs, errors) = (calls.into_iter(), outputs.into_iter(), errors.into_iter());
        let together = Together { first, first_index, calls, outputs, errors };
        if let Some(index) = together.next_index() {
            self.put(index, Item::Many(together));
        }
        input_bytes
    }

    fn put(&mut self, index: usize, item: Item<Out, E>) {
        match &mut self.order {
            Order::Input { held, .. } => drop(held.insert(index, item)),
            Order::Completion { held } => held.push_back(item),
        }
    }

    /// Takes the next report to give out, if it is there.
    pub(super) fn take_next(&mut self) -> Option<CallReport<Out, E>> {
        let Ended { report, weight } = self.take()?;
        self.calls -= 1;
        self.bytes -= weight;
        Some(report)
    }

    fn take(&mut self) -> Option<Ended<Out, E>> {
        loop {
            if let Some(together) = &mut self.present {
                match (together.next_index(), &mut self.order) {
                    (Some(index), Order::Input { next, .. }) if index == *next => {
                        *next += 1;
                        return together.take_next();
                    }
                    (Some(_), Order::Completion { .. }) => return together.take_next(),
                    // One between them goes its own way.
                    (Some(index), Order::Input { held, .. }) => {
                        held.extend(self.present.take().map(|together| (index, Item::Many(together))));
                    }
                    (None, _) => self.present = None,
                }
            }
            let item = match &mut self.order {
                Order::Completion { held } => held.pop_front()?,
                Order::Input { held, next } => {
                    let first = held.first_entry().filter(|first| first.key() == next)?;
                    first.remove()
                }
            };
            match (item, &mut self.order) {
                (Item::Many(together), _) => self.present = Some(together),
                (Item::One(ended), Order::Completion { .. }) => return Some(ended),
                (Item::One(ended), Order::Input { next, .. }) => {
                    *next += 1;
                    return Some(ended);
                }
            }
        }
    }
}

impl<Out, E> Together<Out, E> {
    /// Returns the place of the input of the call that is next.
    fn next_index(&self) -> Option<usize> {
        self.calls.as_slice().first().map(|done| self.first_index + done.number as usize)
    }

    fn take_next(&mut self) -> Option<Ended<Out, E>> {
        let done = self.calls.next()?;
        let outcome = match done.is_error {
            false => self.outputs.next().map(Outcome::Completed),
            true => self.errors.next().map(Outcome::Returned),
        };
        let outcome = outcome.expect("each call has its output or its error");
        let report = CallReport {
            id: CallId(self.first.get() + u64::from(done.number)),
            index: self.first_index + done.number as usize,
            outcome,
            attempts: 1,
            interruptions: 0,
            waiting: done.waiting(),
            running: done.running(),
            history: Vec::new(),
        };
        Some(Ended { report, weight: done.weight })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::Failure;

    /// Calls of a batch that begins at an index, each with ten times its index as output and one byte of input.
    fn together(first_index: usize, numbers: impl IntoIterator<Item = u32>) -> DoneCalls {
        let done = |number| Done::new(number, 1, false, Duration::ZERO, Duration::ZERO);
        let calls: Vec<_> = numbers.into_iter().map(done).collect();
        let outputs = calls.iter().map(|done| (first_index + done.number as usize) * 10).collect();
        let outcomes = Outcomes::<usize, ()> { outputs, errors: Vec::new() };
        DoneCalls { first: CallId(1000), first_index, calls, outcomes: Box::new(outcomes) }
    }

    fn alone(index: usize) -> Ended<usize, ()> {
        let report = CallReport { index, ..CallReport::unqueued(CallId(7), Failure::Cancelled) };
        Ended { report, weight: 1 }
    }

    fn taken(held: &mut Held<usize, ()>) -> Vec<usize> {
        std::iter::from_fn(|| held.take_next()).map(|report| report.index).collect()
    }

    #[test]
    fn what_came_back_together_is_given_out_in_input_order_around_those_that_went_their_own_way() {
        let mut held = Held::in_input_order();
        assert_eq!(held.hold_all(together(5, 0..3), |_| 1), 3);
        assert_eq!(held.hold_all(together(0, [0, 1, 3, 4]), |_| 1), 4);
        assert_eq!(taken(&mut held), [0, 1]);
        assert_eq!((held.calls(), held.bytes()), (5, 10), "each has an input and an output");
        held.hold(alone(2));
        assert_eq!(taken(&mut held), [2, 3, 4, 5, 6, 7]);
        assert_eq!((held.calls(), held.bytes()), (0, 0));
    }

    #[test]
    fn as_completed_gives_out_first_what_was_held_and_then_what_comes() {
        let mut held = Held::in_input_order();
        held.hold_all(together(4, 0..2), |_| 1);
        held.hold_all(together(0, [0, 3]), |_| 1);
        assert_eq!(held.take_next().map(|report| report.index), Some(0));
        assert!(held.take_next().is_none(), "1 has not ended");
        held.as_completed();
        held.hold(alone(9));
        held.hold_all(together(1, [0]), |_| 1);
        assert_eq!(taken(&mut held), [3, 4, 5, 9, 1]);
    }

    #[test]
    fn outputs_and_errors_are_given_out_in_the_order_of_their_calls() {
        let mut held: Held<u32, &str> = Held::in_input_order();
        let calls = [false, true, true, false].into_iter().zip(0..);
        let calls = calls.map(|(is_error, n)| Done::new(n, 1, is_error, Duration::ZERO, Duration::ZERO));
        let outcomes = Box::new(Outcomes::<u32, &str> { outputs: vec![0, 3], errors: vec!["1", "2"] });
        let done = DoneCalls { first: CallId(1), first_index: 0, calls: calls.collect(), outcomes };
        assert_eq!(held.hold_all(done, |_| 10), 4);
        assert_eq!(held.bytes(), 24, "errors weigh nothing");
        let given_out: Vec<_> =
            std::iter::from_fn(|| held.take_next()).map(|report| report.outcome).collect();
        let [Outcome::Completed(0), Outcome::Returned("1"), Outcome::Returned("2"), Outcome::Completed(3)] =
            given_out[..]
        else {
            panic!("{given_out:?}")
        };
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn a_call_keeps_its_number_and_its_output() {
        let mut held: Held<usize, ()> = Held::in_input_order();
        held.as_completed();
        held.hold_all(together(20, [4]), |_| 0);
        let report = held.take_next().expect("it was held");
        assert_eq!((report.id, report.index, report.attempts), (CallId(1004), 24, 1));
        assert!(matches!(report.outcome, Outcome::Completed(240)));
    }
}
