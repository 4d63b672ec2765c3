//! What is told of the calls of a batch that end as mere numbers.

use std::time::Duration;

use crate::event::Event;
use crate::failure::Failure;
use crate::scheduler::batch::Batch;
use crate::scheduler::inbox::Done;

impl Batch {
    /// Notes that the calls from a number on have ended before they began.
    pub(super) fn tell_cancelled(&self, first: u32) {
        let (failure, waiting) = (Failure::Cancelled.kind(), self.submitted.elapsed());
        for number in first..self.len() {
            self.scheduler.tally.count_answered(None, Some(failure), waiting, Duration::ZERO);
            self.scheduler.teller.tell(|| Event::CallEnded {
                call: self.attempt(number).call,
                task: self.task.clone(),
                failure: Some(failure),
                attempts: 0,
                waiting,
                running: Duration::ZERO,
            });
        }
    }

    pub(super) fn tell_ended(&self, done: &Done) {
        let (attempt, failure) = (self.attempt(done.number), done.failure());
        let teller = &self.scheduler.teller;
        teller.tell(|| Event::AttemptEnded { attempt, failure, running: done.running() });
        teller.tell(|| Event::CallEnded {
            call: attempt.call,
            task: self.task.clone(),
            failure,
            attempts: 1,
            waiting: done.waiting(),
            running: done.running(),
        });
    }
}
