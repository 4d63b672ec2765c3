//! What rules over further attempts of a task's calls, and what an attempt's end means to it. Where an error's Rust type
//! is only its author's, the embedder may look at it himself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::outcome::{Ending, Parcel, TaskError};
use crate::retry::{ErrorCase, RetryOn, RetryPolicy, Setback};

/// Says of a task's own error whether it is worth another attempt.
pub(crate) type ErrorTest = Arc<dyn Fn(&Parcel) -> bool + Send + Sync>;

/// What rules over further attempts.
#[derive(Clone, Default)]
pub(crate) struct RetryRule {
    /// `None` where nobody has said anything: one attempt then.
    pub(crate) policy: Option<RetryPolicy>,
    /// Counts before the policy's cases.
    pub(crate) test: Option<ErrorTest>,
}

impl RetryRule {
    /// Returns true if no call gets another attempt, however one ends.
    pub(crate) fn is_none(&self) -> bool {
        self.policy.as_ref().is_none_or(RetryPolicy::is_none)
    }

    /// Returns the policy and what it should know of an attempt's end, if there may be another.
    ///
    /// Calls the embedder's test, so no lock may be held.
    pub(super) fn judge(&self, ending: &Ending) -> Option<(&RetryPolicy, Setback)> {
        let policy = self.policy.as_ref().filter(|policy| !policy.is_none())?;
        let setback = match ending {
            Ending::Failed(failure) => Some(Setback::of(RetryOn::of(failure)?)),
            Ending::Returned(error) => self.judge_error(error),
            Ending::Completed(_) | Ending::Interrupted(_) => None,
        };
        setback.map(|setback| (policy, setback))
    }

    fn judge_error(&self, error: &Parcel) -> Option<Setback> {
        let setback = setback_of(error)?;
        let Some(test) = &self.test else { return Some(setback) };
        // The worker that brings the news must not be lost over it, and its call not forgotten.
        let is_worthwhile = catch_unwind(AssertUnwindSafe(|| test(error))).unwrap_or_else(|_| {
            tracing::error!("the test of `retry_when` panicked; the error is taken to be permanent");
            false
        });
        is_worthwhile.then_some(Setback { case: ErrorCase::Worthwhile, ..setback })
    }
}

/// Returns what a task's error says about another attempt; `None` if it is permanent.
fn setback_of(error: &Parcel) -> Option<Setback> {
    let setback = Setback::of(RetryOn::TaskError);
    if let Some(TaskError { permanent, retry_after_ms, .. }) = error.downcast_ref() {
        let retry_after = retry_after_ms.map(Duration::from_millis);
        return (!permanent).then_some(Setback { retry_after, ..setback });
    }
    let Some(error) = error.downcast_ref::<Value>() else { return Some(setback) };
    match error {
        Value::String(case) => Some(Setback { case: ErrorCase::Named(case.clone()), ..setback }),
        Value::Object(fields) if fields.contains_key("message") && fields.contains_key("causes") => {
            let retry_after = error["retry-after-ms"].as_u64().map(Duration::from_millis);
            (error["permanent"] != Value::Bool(true)).then_some(Setback { retry_after, ..setback })
        }
        Value::Object(fields) => {
            let mut names = fields.keys();
            let case = match (names.next(), names.next()) {
                (Some(only), None) => ErrorCase::Named(only.clone()),
                _ => ErrorCase::Unknown,
            };
            Some(Setback { case, ..setback })
        }
        _ => Some(setback),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(error: Value) -> Option<Setback> {
        let rule = RetryRule { policy: Some(RetryPolicy::default()), test: None };
        rule.judge(&Ending::Returned(Box::new(error))).map(|(_, setback)| setback)
    }

    #[test]
    fn an_error_by_json_says_its_case_or_that_it_is_permanent_or_when_to_come_back() {
        let plain = Setback::of(RetryOn::TaskError);
        let named = |case: &str| Some(Setback { case: ErrorCase::Named(case.into()), ..plain.clone() });
        let task_error = |permanent, after: Value| json!({"message": "", "causes": [], "permanent": permanent, "retry-after-ms": after});
        assert_eq!(judged(json!("busy")), named("busy"));
        assert_eq!(judged(json!({"busy": 3})), named("busy"));
        assert_eq!(judged(json!({"code": 3, "text": ""})), Some(plain.clone()));
        assert_eq!(judged(task_error(true, Value::Null)), None);
        let retry_after = Some(Duration::from_millis(70));
        assert_eq!(judged(task_error(false, json!(70))), Some(Setback { retry_after, ..plain }));
    }

    #[test]
    fn the_embedders_test_has_the_last_word_about_an_error_and_may_panic() {
        let rule = |test: fn(&Parcel) -> bool| RetryRule {
            policy: Some(RetryPolicy::default().on_cases(["other"])),
            test: Some(Arc::new(test)),
        };
        let judge = |rule: RetryRule| {
            let ending = Ending::Returned(Box::new(7u8));
            rule.judge(&ending).map(|(_, setback)| setback.case)
        };
        assert_eq!(judge(rule(|error| error.downcast_ref() == Some(&7u8))), Some(ErrorCase::Worthwhile));
        assert_eq!(judge(rule(|_| false)), None);
        assert_eq!(judge(rule(|_| panic!("on purpose"))), None);
    }
}
