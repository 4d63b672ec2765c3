//! The spans of calls and attempts: inside the caller's, whole, closed before the caller goes on, and only where
//! somebody wants them. Each test has a subscriber of its own for its own thread, which no worker's thread has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::instrument::{Instrument, WithSubscriber};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Subscriber, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::support::{basics, bounded, failure_of, hear};

/// A span as it was seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    id: u64,
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    is_closed: bool,
}

/// Sees all spans.
#[derive(Clone, Default)]
struct Watcher {
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Watcher {
    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().expect("no holder of this lock panics");
        // The newest: ids are used again.
        let span = seen.iter_mut().rev().find(|span| span.id == id.into_u64());
        change(span.expect("a span begins before anything else happens to it"));
    }

    fn called(&self, name: &str) -> Vec<Seen> {
        let seen = self.seen.lock().expect("no holder of this lock panics");
        seen.iter().filter(|span| span.name == name).cloned().collect()
    }

    fn only(&self, name: &str) -> Seen {
        let [span] = self.called(name).try_into().expect("one span of that name");
        span
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watcher {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let parent = context.span(id).expect("it is new").parent().map(|parent| parent.id().into_u64());
        let mut span =
            Seen { id: id.into_u64(), name: attributes.metadata().name(), parent, ..Seen::default() };
        attributes.record(&mut Fields(&mut span.fields));
        self.seen.lock().expect("no holder of this lock panics").push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.change(id, |span| values.record(&mut Fields(&mut span.fields)));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |span| span.is_closed = true);
    }
}

/// A watcher, and the subscriber by which it sees.
fn watch() -> (Watcher, Dispatch) {
    let watcher = Watcher::default();
    let subscriber = Dispatch::new(Registry::default().with(watcher.clone()));
    (watcher, subscriber)
}

/// Runs `work` in a span `request` of this subscriber.
fn request<T>(subscriber: &Dispatch, work: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(subscriber, || info_span!("request").in_scope(work))
}

/// Asserts that a span has these fields and no others, and has ended.
fn assert_told(span: &Seen, fields: &[(&'static str, &str)]) {
    let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    assert_eq!(span.fields, fields);
    assert!(span.is_closed, "{span:?}");
}

#[tokio::test]
async fn a_call_is_a_span_in_the_callers_and_its_attempt_one_in_it() {
    let pool = basics(1, 4).await;
    let (watcher, subscriber) = watch();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let handle = request(&subscriber, || add.submit((1, 2)));
    let id = handle.id().expect("accepted").get().to_string();
    assert_eq!(bounded("the call", handle).await.expect("a sum"), 3);
    let (request, call) = (watcher.only("request"), watcher.only("wasmpool.call"));
    let attempt = watcher.only("wasmpool.attempt");
    assert_eq!((request.parent, call.parent, attempt.parent), (None, Some(request.id), Some(call.id)));
    let told = [
        ("call", id.as_str()),
        ("task", "add"),
        ("module", "guest_basics"),
        ("attempts", "1"),
        ("outcome", "completed"),
    ];
    assert_told(&call, &told);
    assert_told(&attempt, &[("attempt", "1"), ("worker", "0"), ("outcome", "completed")]);
    pool.close().await;
}

#[tokio::test]
async fn the_caller_of_call_is_who_polls_it() {
    let pool = basics(1, 4).await;
    let (watcher, subscriber) = watch();
    let fail = pool.task::<(String,), u32>("fail").expect("a task");
    // Made outside of any span.
    let call = fail.call(("no".to_owned(),));
    let request = async {
        let request = info_span!("request");
        bounded("the call", call.instrument(request)).await
    };
    request.with_subscriber(subscriber).await.expect_err("it fails");
    let call = watcher.only("wasmpool.call");
    assert_eq!(call.parent, Some(watcher.only("request").id));
    assert_eq!(call.fields["outcome"], "task-error");
    assert!(call.is_closed);
    pool.close().await;
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own() {
    let pool = basics(1, 4).await;
    let (watcher, subscriber) = watch();
    let mut events = pool.events();
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    let innocent = request(&subscriber, || slowly.submit(("it".to_owned(), 50)));
    hear(&mut events, "it begins").await;
    failure_of(bounded("the culprit", boom.call((0,))).await);
    bounded("the innocent", innocent).await.expect("it only talks");
    let call = watcher.only("wasmpool.call");
    let attempts = watcher.called("wasmpool.attempt");
    assert_eq!((call.fields["attempts"].as_str(), call.is_closed), ("1", true));
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(attempts.iter().all(|attempt| attempt.parent == Some(call.id)));
    assert_told(&attempts[0], &[("attempt", "1"), ("worker", "0"), ("outcome", "interrupted")]);
    assert_told(&attempts[1], &[("attempt", "2"), ("worker", "0"), ("outcome", "completed")]);
    pool.close().await;
}

#[tokio::test]
async fn calls_that_are_refused_or_withdrawn_end_their_spans_too() {
    let pool = basics(1, 1).await;
    let (watcher, subscriber) = watch();
    let mut events = pool.events();
    let json = pool.json_task("add").expect("a task");
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let bad = request(&subscriber, || json.submit("not two numbers".into()));
    let runs = request(&subscriber, || hang.submit(("in".to_owned(),)));
    hear(&mut events, "in").await;
    let waits = request(&subscriber, || hang.submit(("never".to_owned(),)));
    // The one that waits goes first: else it might get the other's place for a moment.
    waits.cancel();
    runs.cancel();
    let calls = watcher.called("wasmpool.call");
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.fields["outcome"].as_str(), call.fields["attempts"].as_str(), call.is_closed))
        .collect();
    assert_eq!(told, [("bad-input", "0", true), ("cancelled", "1", true), ("cancelled", "0", true)]);
    let attempt = watcher.only("wasmpool.attempt");
    assert_told(&attempt, &[("attempt", "1"), ("worker", "0"), ("outcome", "cancelled")]);
    drop((bad, runs, waits));
    pool.close().await;
}

#[tokio::test]
async fn who_wants_no_spans_gets_none() {
    let pool = basics(1, 4).await;
    let watcher = Watcher::default();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let subscriber = Registry::default().with(watcher.clone().with_filter(LevelFilter::WARN));
    let handle = tracing::subscriber::with_default(subscriber, || add.submit((1, 2)));
    assert_eq!(bounded("the call", handle).await.expect("a sum"), 3);
    assert!(watcher.called("wasmpool.call").is_empty() && watcher.called("wasmpool.attempt").is_empty());
    pool.close().await;
}
