//! A report as one line of JSON. The names and their order are a contract; whatever reads it may rely on them.

use std::time::Duration;

use serde_json::{Value, json};
use wasmpool::{FailedAttempt, Failure, Outcome, Stage, TimedOut};

use super::Report;
use crate::journal::key::Key;

/// The kind of a call that ended with the task's own error.
const TASK_ERROR: &str = "task-error";

/// Appends the record of a call, with its line end, and with its key where the records are a journal.
pub(crate) fn push_record(lines: &mut Vec<u8>, report: &Report, key: Option<Key>) {
    let index = report.index;
    let key = key.map(|key| format!(r#","key":"{key}""#)).unwrap_or_default();
    let outcome = match &report.outcome {
        Outcome::Completed(value) => format!(r#""ok":{value}"#),
        Outcome::Returned(value) => format!(r#""error":{}"#, returned(value)),
        Outcome::Failed(failure) => format!(r#""error":{}"#, failed(failure)),
    };
    let (attempts, wait, run) = (report.attempts, milliseconds(report.waiting), milliseconds(report.running));
    let history = if report.history.is_empty() { String::new() } else { history(&report.history) };
    let record = format!(
        r#"{{"index":{index}{key},{outcome},"attempts":{attempts},"wait_ms":{wait},"run_ms":{run}{history}}}"#
    );
    lines.extend_from_slice(record.as_bytes());
    lines.push(b'\n');
}

/// Appends the bare result of a call that succeeded.
pub(crate) fn push_value(lines: &mut Vec<u8>, report: &Report) {
    if let Outcome::Completed(value) = &report.outcome {
        lines.extend_from_slice(value.to_string().as_bytes());
        lines.push(b'\n');
    }
}

/// Returns the kind of failure, if the call failed.
pub(crate) fn kind(report: &Report) -> Option<&'static str> {
    match &report.outcome {
        Outcome::Completed(_) => None,
        Outcome::Returned(_) => Some(TASK_ERROR),
        Outcome::Failed(failure) => Some(failure.kind()),
    }
}

/// Returns the text of a task's own error: the message and its causes if the SDK made it, else the value.
pub(crate) fn error_text(value: &Value) -> String {
    match (value["message"].as_str(), value["causes"].as_array()) {
        (Some(message), Some(causes)) => {
            let causes = causes.iter().filter_map(Value::as_str);
            std::iter::once(message).chain(causes).collect::<Vec<_>>().join(": ")
        }
        _ => value.to_string(),
    }
}

fn returned(value: &Value) -> Value {
    json!({"kind": TASK_ERROR, "message": error_text(value), "value": value})
}

fn failed(failure: &Failure) -> Value {
    let mut error = json!({"kind": failure.kind(), "message": failure.message()});
    match failure {
        Failure::Trapped(trap) => {
            error["backtrace"] = json!(trap.backtrace);
            error["trap"] = json!(trap.code);
        }
        Failure::TimedOut(TimedOut { stage, limit, time, .. }) => {
            error["stage"] = json!(match stage {
                Stage::Queued => "queued",
                Stage::Pausing => "pausing",
                _ => "running",
            });
            error["limit"] = json!(limit);
            error["limit_ms"] = json!(time.as_secs_f64() * 1e3);
        }
        Failure::Denied(denial) => error["flag"] = json!(denial.flag),
        Failure::Interrupted { effects, .. } => error["effects"] = json!(effects),
        _ => {}
    }
    error
}

/// Returns the field with the attempts that were followed by another.
fn history(attempts: &[FailedAttempt]) -> String {
    let of = |failed: &FailedAttempt| {
        let (attempt, kind, message) = (failed.attempt, failed.kind, json!(failed.message));
        let (run, delay) = (milliseconds(failed.running), milliseconds(failed.delay));
        format!(
            r#"{{"attempt":{attempt},"kind":"{kind}","message":{message},"run_ms":{run},"retry_in_ms":{delay}}}"#
        )
    };
    format!(r#","history":[{}]"#, attempts.iter().map(of).collect::<Vec<_>>().join(","))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{error_text, failed, milliseconds, returned};
    use wasmpool::Failure;

    #[test]
    fn errors_of_the_sdk_read_as_one_sentence() {
        let value = json!({"message": "a", "causes": ["b", "c"], "permanent": false, "retry-after-ms": null});
        assert_eq!(error_text(&value), "a: b: c");
        assert_eq!(returned(&value)["value"], value);
        assert_eq!(error_text(&json!({"too-old": 130})), r#"{"too-old":130}"#);
        assert_eq!(
            returned(&json!("gone")).to_string(),
            r#"{"kind":"task-error","message":"\"gone\"","value":"gone"}"#
        );
    }

    #[test]
    fn failures_name_kind_and_message_first() {
        let error = failed(&Failure::BadInput("no".to_owned()));
        assert_eq!(error.to_string(), r#"{"kind":"bad-input","message":"no"}"#);
    }

    #[test]
    fn times_have_one_decimal() {
        assert_eq!(milliseconds(Duration::ZERO), "0.0");
        assert_eq!(milliseconds(Duration::from_micros(12_345)), "12.3");
    }
}
