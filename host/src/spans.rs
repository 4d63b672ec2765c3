//! What `tracing` hears of calls: a span `wasmpool.call` from submit to answer, inside the span that the caller
//! was in, and in it a span `wasmpool.attempt` for each attempt while it runs.
//!
//! Nothing is made while no subscriber wants them. Nobody is ever *in* these spans: a sandbox runs its calls
//! interleaved, and only its engine knows whose turn it is. Whoever listens runs code of his own when a span
//! begins and ends, so neither happens under a lock of ours.

use std::sync::Arc;

use tracing::Span;
use tracing::field::Empty;

use crate::call::{CallId, WorkerId};

/// The span of a call, if anybody wants it.
#[derive(Clone, Default)]
pub(crate) struct CallSpan {
    span: Option<Arc<OwnSpan>>,
}

/// The span of an attempt that somebody wants.
pub(crate) struct AttemptSpan {
    span: OwnSpan,
}

/// A span that ends under the subscriber that it began with. The thread that ends it may have another or none, and
/// the usual registry lets the end of a span count for its parent only where it is itself the current one.
struct OwnSpan {
    span: Span,
}

impl CallSpan {
    /// Returns true if somebody wants spans of calls.
    pub(crate) fn is_wanted() -> bool {
        tracing::span_enabled!(target: "wasmpool", tracing::Level::INFO)
    }

    /// Begins the span of a call inside the current one.
    pub(crate) fn begin(call: CallId, task: &str, module: &str) -> Self {
        let span = tracing::info_span!(
            target: "wasmpool",
            "wasmpool.call",
            call = call.get(),
            task,
            module,
            attempts = Empty,
            outcome = Empty
        );
        CallSpan { span: (!span.is_disabled()).then(|| Arc::new(OwnSpan { span })) }
    }

    /// Begins the span of an attempt.
    pub(crate) fn begin_attempt(&self, attempt: u32, worker: WorkerId) -> Option<AttemptSpan> {
        let call = &self.span.as_ref()?.span;
        let begin = || {
            tracing::info_span!(
                target: "wasmpool",
                parent: call,
                "wasmpool.attempt",
                attempt,
                worker = worker.get(),
                outcome = Empty
            )
        };
        // The caller's subscriber, which need not be that of the worker's thread and alone knows the parent.
        let span = call.with_subscriber(|(_, caller)| tracing::dispatcher::with_default(caller, begin))?;
        Some(AttemptSpan { span: OwnSpan { span } })
    }

    /// Ends the span of a call that has had so many attempts.
    pub(crate) fn end(self, attempts: u32, failure: Option<&'static str>) {
        if let Some(own) = self.span {
            own.span.record("attempts", attempts).record("outcome", outcome(failure));
        }
    }
}

impl AttemptSpan {
    pub(crate) fn end(self, failure: Option<&'static str>) {
        self.span.span.record("outcome", outcome(failure));
    }
}

impl Drop for OwnSpan {
    fn drop(&mut self) {
        let span = std::mem::replace(&mut self.span, Span::none());
        if let Some(subscriber) = span.with_subscriber(|(_, subscriber)| subscriber.clone()) {
            tracing::dispatcher::with_default(&subscriber, || drop(span));
        }
    }
}

fn outcome(failure: Option<&'static str>) -> &'static str {
    failure.unwrap_or("completed")
}
