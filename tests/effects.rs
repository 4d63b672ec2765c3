//! Calls that lose their sandbox to a rotten apple: those that have changed something outside are not run twice, all
//! others are.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use wasmpool::{CallError, Failure, Grants, Limits, Outcome, Pool, RerunInterrupted};

use crate::http_server::Server;
use crate::support::{BASICS, bounded, builder};

const REQUESTS: &str = "tests/guests/requests";
const CALLS: usize = 200;

type Asked = (String, String, u32, bool);

/// How many calls ended as completed, interrupted with effects, and trapped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ends {
    completed: usize,
    interrupted: usize,
    trapped: usize,
}

/// Has many calls of one sandbox ask the server and wait, one of which then panics; counts how they ended.
async fn rotten_apple(pool: &Pool, server: &Server, task: &str, method: &str) -> Ends {
    let task = pool.task::<Asked, u16>(task).expect("a task");
    let (origin, method) = (server.origin(), method.to_owned());
    let asked = (0..CALLS).map(move |n| {
        // The rotten one waits for less time than all others, but not so little that those have not asked.
        let ms = if n == 50 { 150 } else { 400 };
        (method.clone(), format!("{origin}/order/{n}"), ms, n == 50)
    });
    let mut ends = Ends::default();
    let mut reports = task.starmap(asked);
    while let Some(report) = bounded("a call", reports.next()).await {
        match report.outcome {
            Outcome::Completed(200) => ends.completed += 1,
            Outcome::Failed(Failure::Interrupted { effects: true, .. }) => ends.interrupted += 1,
            Outcome::Failed(Failure::Trapped(_)) => ends.trapped += 1,
            other => panic!("call {}: {other:?}", report.index),
        }
    }
    ends
}

/// Returns how often the call was asked that was asked most often.
fn most_often(server: &Server) -> usize {
    let mut asked = HashMap::<String, usize>::new();
    for head in server.heads() {
        *asked.entry(head.split(' ').nth(1).expect("a path").to_owned()).or_default() += 1;
    }
    asked.into_values().max().unwrap_or(0)
}

async fn pool(server: &Server, policy: RerunInterrupted) -> Pool {
    let grants = Grants::none().http(server.origin());
    let builder = builder(REQUESTS, 1, CALLS).await.grants(grants).rerun_interrupted(policy);
    builder.build().await.expect("the guest opens")
}

#[tokio::test]
async fn what_was_posted_is_not_posted_again() {
    let server = Server::start("").await;
    let pool = pool(&server, RerunInterrupted::UnlessEffects).await;
    let ends = rotten_apple(&pool, &server, "ask-and-wait", "POST").await;
    assert_eq!(ends.trapped, 1, "{ends:?}");
    assert!(ends.interrupted > 0, "{ends:?}");
    assert_eq!(ends.completed + ends.interrupted, CALLS - 1, "{ends:?}");
    assert_eq!(most_often(&server), 1, "no call has posted twice");
}

#[tokio::test]
async fn what_was_only_read_is_read_again() {
    let server = Server::start("").await;
    let pool = pool(&server, RerunInterrupted::UnlessEffects).await;
    let ends = rotten_apple(&pool, &server, "ask-and-wait", "GET").await;
    assert_eq!(ends, Ends { completed: CALLS - 1, interrupted: 0, trapped: 1 });
}

#[tokio::test]
async fn an_idempotent_task_may_post_again_and_so_may_all_if_the_pool_says_so() {
    let server = Server::start("").await;
    let all_others = Ends { completed: CALLS - 1, interrupted: 0, trapped: 1 };
    let careful = pool(&server, RerunInterrupted::UnlessEffects).await;
    let task = "ask-and-wait-any-number-of-times";
    assert_eq!(rotten_apple(&careful, &server, task, "POST").await, all_others);
    let careless = pool(&server, RerunInterrupted::Always).await;
    assert_eq!(rotten_apple(&careless, &server, "ask-and-wait", "POST").await, all_others);
}

#[tokio::test]
async fn a_pool_may_run_nothing_again_and_a_writable_folder_counts_as_an_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let never = builder(BASICS, 1, 8).await.rerun_interrupted(RerunInterrupted::Never);
    let writable = builder(BASICS, 1, 8).await.grants(Grants::none().dir_writable(folder.path(), "/folder"));
    for (builder, effects_expected) in [(never, false), (writable, true)] {
        let pool = builder.build().await.expect("opens");
        let task = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
        let mut reports = task.starmap((0..8).map(|n| (n, 50, n == 3, 500)));
        let mut interrupted = 0;
        while let Some(report) = bounded("a call", reports.next()).await {
            if let Outcome::Failed(Failure::Interrupted { effects, .. }) = report.outcome {
                assert_eq!(effects, effects_expected);
                interrupted += 1;
            }
        }
        assert!(interrupted > 0);
    }
}

#[tokio::test]
async fn calls_that_are_given_up_do_not_keep_others_from_an_origin() {
    let server = Server::start("").await;
    let limits = Limits::default().http_connections(2);
    let builder = builder(REQUESTS, 2, 16).await.grants(Grants::none().http(server.origin())).limits(limits);
    let pool = builder.build().await.expect("the guest opens");
    let hang = pool.task::<(String,), u16>("ask-and-hang").expect("a task");
    let hang = hang.with_timeout(Duration::from_millis(200));
    let hanging: Vec<_> = (0..4).map(|_| hang.submit((format!("{}/large", server.origin()),))).collect();
    for call in hanging {
        let ended = bounded("one that hangs", call).await;
        assert!(matches!(ended, Err(CallError::Failed(Failure::TimedOut(_)))), "{ended:?}");
    }
    let ask = pool.task::<Asked, u16>("ask-and-wait").expect("a task");
    for _ in 0..5 {
        let asked = ("GET".to_owned(), server.origin(), 0, false);
        assert_eq!(bounded("a later one", ask.call(asked)).await.expect("an answer"), 200);
    }
}

#[tokio::test]
async fn what_waits_for_its_turn_is_not_sent_for_a_call_that_is_given_up() {
    let server = Server::start("").await;
    let limits = Limits::default().http_rate(4.0);
    let builder = builder(REQUESTS, 1, 16).await.grants(Grants::none().http(server.origin())).limits(limits);
    let pool = builder.build().await.expect("the guest opens");
    let task = pool.task::<Asked, u16>("ask-and-wait").expect("a task");
    let hurried = task.with_timeout(Duration::from_millis(100));
    let order = |n: u32| ("POST".to_owned(), format!("{}/order/{n}", server.origin()), 0, false);
    let posts: Vec<_> = (0..4).map(|n| hurried.submit(order(n))).collect();
    let mut posted = 0;
    for post in posts {
        posted += usize::from(bounded("a post", post).await.is_ok());
    }
    // One more, after the turns of all those before it.
    bounded("the last", task.call(order(9))).await.expect("an answer");
    assert_eq!(server.heads().len(), posted + 1, "{:?}", server.heads());
}
