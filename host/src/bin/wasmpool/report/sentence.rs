//! A call's failure in words, for people.

use wasmpool::{Failure, Outcome};

use super::Report;
use super::record::error_text;

/// Returns what happened, over several lines if there is more to tell; `None` if the call succeeded.
pub(crate) fn what_happened(report: &Report) -> Option<String> {
    let failure = match &report.outcome {
        Outcome::Completed(_) => return None,
        Outcome::Returned(value) => return Some(format!("returned an error: {}", error_text(value))),
        Outcome::Failed(failure) => failure,
    };
    let mut text = match failure {
        Failure::Trapped(_) => format!("trapped: {}", failure.message()),
        Failure::Interrupted { .. } => format!("was interrupted: {}", failure.message()),
        Failure::TimedOut(_) => format!("timed out: {}", failure.message()),
        Failure::OutOfMemory(_) => format!("ran out of memory: {}", failure.message()),
        Failure::TooLarge(_) => format!("is too large: {}", failure.message()),
        Failure::Denied(_) => format!("was denied something: {}", failure.message()),
        Failure::Cancelled => "was cancelled".to_owned(),
        Failure::NotStarted { .. } => format!("was not started: {}", failure.message()),
        Failure::BadInput(_) => format!("has bad input: {}", failure.message()),
        other => format!("failed ({}): {}", other.kind(), other.message()),
    };
    if let Failure::Trapped(trap) = failure {
        for frame in &trap.backtrace {
            text.push_str("\n  at ");
            text.push_str(frame);
        }
    }
    Some(text)
}
