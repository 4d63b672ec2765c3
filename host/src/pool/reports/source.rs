//! The inputs of a stream of reports. What type they are of is known here alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;

use crate::failure::Failure;
use crate::sandbox::invoke::Invocation;
use crate::sandbox::prepare::{Gather, Prepare};

/// Inputs, and those of them that were taken and have not been made calls.
pub(crate) trait Source: Send {
    /// Takes the next input.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken>>;

    /// Returns how many inputs were taken and fit, and have not been made calls; and how much memory they take, in bytes.
    fn gathered(&self) -> (usize, usize);

    /// Makes calls of those, in their order.
    fn make_calls(&mut self) -> Calls;

    /// Returns how many inputs there are at least and at most that have not been taken.
    fn size_hint(&self) -> (usize, Option<usize>);
}

/// An input that was taken.
pub(crate) struct Taken {
    /// How much memory it takes, in bytes.
    pub(super) weight: usize,
    /// Whether it can be the input of a call.
    pub(super) fit: Result<(), Failure>,
}

/// Calls that are ready to be handed in.
pub(crate) struct Calls {
    pub(super) invocation: Arc<dyn Invocation>,
    /// How much memory the input of each takes, in bytes.
    pub(super) weights: Vec<usize>,
}

/// A source whose inputs come from a stream.
pub(crate) struct Inputs<S, In> {
    inputs: Pin<Box<S>>,
    gathered: Box<dyn Gather<In>>,
    /// How much memory each of these takes, in bytes.
    weights: Vec<usize>,
    /// Returns how much memory an input takes, in bytes.
    weigh: fn(&In) -> usize,
}

impl<S, In> Inputs<S, In> {
    pub(crate) fn new(inputs: S, prepare: Arc<dyn Prepare<In>>, weigh: fn(&In) -> usize) -> Self {
        Inputs { inputs: Box::pin(inputs), gathered: prepare.many(), weights: Vec::new(), weigh }
    }
}

impl<S: Stream<Item = In> + Send, In> Source for Inputs<S, In> {
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let Some(input) = ready!(self.inputs.as_mut().poll_next(cx)) else { return Poll::Ready(None) };
        let weight = (self.weigh)(&input);
        let fit = self.gathered.put(input);
        if fit.is_ok() {
            self.weights.push(weight);
        }
        Poll::Ready(Some(Taken { weight, fit }))
    }

    fn gathered(&self) -> (usize, usize) {
        (self.weights.len(), self.weights.iter().sum())
    }

    fn make_calls(&mut self) -> Calls {
        // As many may come the next time.
        let next = Vec::with_capacity(self.weights.len());
        Calls { invocation: self.gathered.take(), weights: std::mem::replace(&mut self.weights, next) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inputs.size_hint()
    }
}
