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

    /// Makes calls of the inputs that were taken and fit, in their order.
    fn make_calls(&mut self) -> Arc<dyn Invocation>;

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

/// A source whose inputs come from a stream.
pub(crate) struct Inputs<S, In> {
    inputs: Pin<Box<S>>,
    gathered: Box<dyn Gather<In>>,
    /// Returns how much memory an input takes, in bytes.
    weigh: fn(&In) -> usize,
}

impl<S, In> Inputs<S, In> {
    pub(crate) fn new(inputs: S, prepare: Arc<dyn Prepare<In>>, weigh: fn(&In) -> usize) -> Self {
        Inputs { inputs: Box::pin(inputs), gathered: prepare.many(), weigh }
    }
}

impl<S: Stream<Item = In> + Send, In> Source for Inputs<S, In> {
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        let Some(input) = ready!(self.inputs.as_mut().poll_next(cx)) else { return Poll::Ready(None) };
        let weight = (self.weigh)(&input);
        Poll::Ready(Some(Taken { weight, fit: self.gathered.put(input) }))
    }

    fn make_calls(&mut self) -> Arc<dyn Invocation> {
        self.gathered.take()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inputs.size_hint()
    }
}
