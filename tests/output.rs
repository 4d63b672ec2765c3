//! What guests print: in lines, under the name of the call that wrote them, up to a cap, and with the panic's text
//! where a call trapped.

use std::collections::HashMap;

use wasmpool::{CallId, Event, GuestStream, Limits, Pool};

use crate::support::{BASICS, basics, bounded, builder, failure_of, rest_of};

/// Closes a pool and returns the lines of each call, in their order.
async fn lines_of(pool: &Pool, events: wasmpool::Events) -> HashMap<CallId, Vec<(GuestStream, String)>> {
    bounded("close", pool.close()).await;
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for event in rest_of(events).await {
        if let Event::GuestLine { attempt, stream, text } = event {
            let attempt = attempt.expect("every line of these tests belongs to a call");
            lines.entry(attempt.call).or_default().push((stream, text));
        }
    }
    lines
}

fn stdout(text: impl Into<String>) -> (GuestStream, String) {
    (GuestStream::Stdout, text.into())
}

#[tokio::test]
async fn lines_belong_to_their_calls_although_these_run_at_once() {
    let pool = basics(1, 16).await;
    let events = pool.events();
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let calls: Vec<_> = (0..48).map(|n| slowly.submit((format!("call {n}"), n % 7))).collect();
    let ids: Vec<_> = calls.iter().map(|call| call.id().expect("accepted")).collect();
    for call in calls {
        bounded("a call", call).await.expect("it only talks");
    }
    let mut lines = lines_of(&pool, events).await;
    for (n, id) in ids.iter().enumerate() {
        let said = lines.remove(id).expect("lines");
        assert_eq!(said, [stdout(format!("call {n} begins")), stdout(format!("call {n} ends"))]);
    }
    assert!(lines.is_empty());
}

#[tokio::test]
async fn both_streams_and_a_line_without_an_end_arrive() {
    let pool = basics(1, 1).await;
    let events = pool.events();
    let grumble = pool.task::<(String,), ()>("grumble").expect("a task");
    let partial = pool.task::<(String,), ()>("print-partial").expect("a task");
    let say = pool.task::<(String, u32), ()>("say").expect("a task");
    let calls = [
        grumble.submit(("no".to_owned(),)),
        partial.submit(("half".to_owned(),)),
        partial.submit(("two\nand a half".to_owned(),)),
        say.submit((String::new(), 2)),
        say.submit(("x".repeat(20_000), 1)),
    ];
    let ids = calls.each_ref().map(|call| call.id().expect("accepted"));
    for call in calls {
        bounded("a call", call).await.expect("it only talks");
    }
    let lines = lines_of(&pool, events).await;
    assert_eq!(lines[&ids[0]], [(GuestStream::Stderr, "no".to_owned())]);
    assert_eq!(lines[&ids[1]], [stdout("half")]);
    assert_eq!(lines[&ids[2]], [stdout("two"), stdout("and a half")]);
    assert_eq!(lines[&ids[3]], [stdout(""), stdout("")]);
    let long: String = lines[&ids[4]].iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(long, "x".repeat(20_000), "a long line may come in pieces");
}

#[tokio::test]
async fn output_beyond_the_cap_is_counted_for_each_call() {
    let limits = Limits::default().guest_output_bytes(100);
    let pool = builder(BASICS, 1, 4).await.limits(limits).build().await.expect("the guest opens");
    let events = pool.events();
    let say = pool.task::<(String, u32), ()>("say").expect("a task");
    let calls = [say.submit(("0123456789".to_owned(), 50)), say.submit(("short".to_owned(), 1))];
    let ids = calls.each_ref().map(|call| call.id().expect("accepted"));
    for call in calls {
        bounded("a call", call).await.expect("it only talks");
    }
    let lines = lines_of(&pool, events).await;
    let mut expected = vec![stdout("0123456789"); 9];
    expected.push(stdout("0"));
    expected.push((GuestStream::Stderr, "[450 more bytes of output were dropped]".to_owned()));
    assert_eq!(lines[&ids[0]], expected);
    assert_eq!(lines[&ids[1]], [stdout("short")], "the cap is each call's own");
}

#[tokio::test]
async fn a_panic_after_the_cap_still_has_its_text() {
    let limits = Limits::default().guest_output_bytes(0);
    let pool = builder(BASICS, 1, 4).await.limits(limits).build().await.expect("the guest opens");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    let message = failure_of(bounded("boom", boom.call((2,))).await).message();
    assert!(message.contains("lib.rs:") && message.ends_with("boom after 2 ms"), "{message}");
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn the_panic_of_one_call_is_not_found_in_the_lines_of_another() {
    let pool = basics(1, 16).await;
    let events = pool.events();
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    let talkers: Vec<_> = (0..6).map(|n| slowly.submit((format!("{n}"), 10))).collect();
    let culprit = boom.submit((3,));
    let culprits_id = culprit.id().expect("accepted");
    failure_of(bounded("the culprit", culprit).await);
    for talker in talkers {
        bounded("a talker", talker).await.expect("innocent");
    }
    let lines = lines_of(&pool, events).await;
    for (call, said) in lines {
        let panics = said.iter().any(|(_, text)| text.contains("panicked at"));
        assert_eq!(panics, call == culprits_id, "{call}: {said:?}");
    }
}
