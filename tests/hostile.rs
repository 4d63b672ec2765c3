//! Guests that attack their sandbox: each attack ends as promised, while a well-behaved task of another module goes on in
//! the same pool. Nothing here is bounded by the guest's good will.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use wasmpool::{CallError, Grants, Limits, Pool, PoolBuilder, TaskModule};

use crate::guests::module;
use crate::support::{BASICS, HOSTILE, bounded};

/// How an attack ends.
#[derive(Debug)]
pub(crate) enum Ends {
    /// The sandbox or the pool ends it: the failure's kind, and a part of its message.
    Failed(&'static str, &'static str),
    /// It does no harm and returns this.
    Well(Value),
}

/// How long an attempt may run; no attack here needs longer to be what it is.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Attacks a pool as often as it has workers, while 1,000 calls of another module run in it, and expects all to end
/// as promised.
pub(crate) async fn attack(attacker: TaskModule, limits: Limits, task: &str, args: Value, ends: &Ends) {
    let story = format!("{task} {args}");
    let built = PoolBuilder::new().module("attacker", attacker).module("basics", module(BASICS).await);
    let pool = built.workers(2).limits(limits).build().await.expect("both open");
    let attack = pool.json_task_of_args(&format!("attacker/{task}")).expect("a task");
    let args = args.as_array().expect("all arguments").clone();
    let attacks: Vec<_> = (0..2).map(|_| attack.submit(args.clone())).collect();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let sums = bounded(&story, add.starmap((0..1_000).map(|n| (n, 1))).try_values()).await;
    assert_eq!(sums.expect("the neighbour is innocent"), (1..=1_000).collect::<Vec<_>>(), "{story}");
    for attack in attacks {
        check(&story, bounded(&story, attack).await, ends);
    }
    // It was no luck of a moment: the pool serves as before.
    assert_eq!(bounded(&story, add.call((2, 3))).await.expect("the pool lives"), 5, "{story}");
    bounded(&story, pool.abort()).await;
}

fn check(story: &str, ended: Result<Value, CallError<Value>>, ends: &Ends) {
    match (&ended, ends) {
        (Err(CallError::Failed(failure)), Ends::Failed(kind, part)) => {
            assert_eq!(failure.kind(), *kind, "{story}: {failure}");
            assert!(failure.message().contains(part), "{story}: {failure}");
        }
        (Ok(value), Ends::Well(expected)) => assert_eq!(value, expected, "{story}"),
        _ => panic!("{story}: expected {ends:?}, not {ended:?}"),
    }
}

fn limits() -> Limits {
    Limits::default().attempt_timeout(ATTEMPT_TIMEOUT)
}

async fn attacks(limits: Limits, table: Vec<(&str, Value, Ends)>) {
    for (task, args, ends) in table {
        attack(module(HOSTILE).await, limits.clone(), task, args, &ends).await;
    }
}

#[tokio::test]
async fn what_takes_time_is_stopped_in_time() {
    let late = || Ends::Failed("timed-out", "300ms");
    let table = vec![
        ("spin", json!([]), late()),
        ("spin-async", json!([]), late()),
        ("spin-later", json!([5]), late()),
        ("wait-for-ever", json!([]), late()),
        ("sleep-for-a-day", json!([]), late()),
    ];
    attacks(Limits::default().attempt_timeout(Duration::from_millis(300)), table).await;
}

#[tokio::test]
async fn what_takes_memory_gets_no_more_than_its_limit() {
    let full = || Ends::Failed("out-of-memory", "a sandbox may have 33554432; raise Limits::memory_bytes");
    let table = vec![
        ("grow-in-steps", json!([]), full()),
        ("grow-at-once", json!([]), full()),
        ("grow-by-instruction", json!([]), full()),
    ];
    attacks(limits().memory_bytes(32 << 20), table).await;
}

#[tokio::test]
async fn what_takes_the_stack_traps() {
    let table = vec![
        ("recurse", json!([]), Ends::Failed("trapped", "stack")),
        // Its frames are in linear memory, below which there is nothing.
        ("recurse-with-big-frames", json!([]), Ends::Failed("trapped", "out of bounds")),
    ];
    attacks(limits(), table).await;
}

#[tokio::test]
async fn what_says_too_much_is_cut() {
    let table = vec![
        ("answer", json!([2]), Ends::Failed("too-large", "raise Limits::answer_bytes")),
        ("answer", json!([100]), Ends::Failed("too-large", "raise Limits::answer_bytes")),
        ("flood-stderr", json!([100]), Ends::Well(json!(100 << 20))),
        ("flood-one-line", json!([100]), Ends::Well(json!(100 << 20))),
    ];
    attacks(limits().answer_bytes(1 << 20), table).await;
}

#[tokio::test]
async fn what_takes_handles_gets_no_more_than_its_limit() {
    let table = vec![
        ("begin-waits", json!([100_000]), Ends::Failed("trapped", "")),
        ("open-streams", json!([100_000]), Ends::Failed("trapped", "")),
        ("open-futures", json!([100_000]), Ends::Failed("trapped", "")),
        ("open-streams", json!([10_000]), Ends::Well(json!(10_000))),
    ];
    attacks(limits(), table).await;
}

#[tokio::test]
async fn what_ends_itself_ends_alone() {
    let table = vec![
        ("panic-in-panic", json!([]), Ends::Failed("trapped", "unreachable")),
        ("exit-in-the-middle", json!([0]), Ends::Failed("trapped", "exit with status 0")),
        ("exit-in-the-middle", json!([3]), Ends::Failed("trapped", "exit with status")),
        ("trap", json!([]), Ends::Failed("trapped", "unreachable")),
    ];
    attacks(limits(), table).await;
}

#[tokio::test]
async fn stdin_is_closed() {
    attacks(limits(), vec![("read-stdin", json!([]), Ends::Well(json!(0)))]).await;
}

#[tokio::test]
async fn calls_that_all_trap_leave_the_neighbour_alone() {
    let built = Pool::builder(module(HOSTILE).await).module("basics", module(BASICS).await).workers(2);
    let pool = built.build().await.expect("both open");
    let trap = pool.json_task_of_args("trap").expect("a task");
    let traps: Vec<_> = (0..200).map(|_| trap.submit(Vec::new())).collect();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let sums = bounded("the sums", add.starmap((0..1_000).map(|n| (n, 1))).try_values()).await;
    assert_eq!(sums.expect("the neighbour is innocent").len(), 1_000);
    for trap in traps {
        check("trap", bounded("a trap", trap).await, &Ends::Failed("trapped", "unreachable"));
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn an_initializer_that_never_ends_is_an_error_of_the_pool() {
    for task in ["spin", "spin-async", "sleep-for-a-day"] {
        let limits = Limits::default().opening_time(Duration::from_millis(300));
        let built = Pool::builder(module(HOSTILE).await).workers(1).initializer(task, ()).limits(limits);
        let error = bounded(task, built.build()).await.err().expect("it cannot open");
        assert!(error.to_string().contains("300ms"), "{task}: {error}");
    }
}

#[tokio::test]
async fn a_snapshot_that_never_ends_is_an_error_of_the_pool() {
    for task in ["spin", "spin-async", "sleep-for-a-day"] {
        let limits = Limits::default().snapshot_time(Duration::from_millis(300));
        let built = Pool::builder(module(HOSTILE).await).workers(1).snapshot(task, ()).limits(limits);
        let error = bounded(task, built.build()).await.err().expect("it cannot be made");
        assert!(error.to_string().contains("300ms"), "{task}: {error}");
    }
}

#[tokio::test]
async fn an_initializer_that_waits_for_nothing_is_an_error_of_the_pool() {
    let pool = Pool::builder(module(HOSTILE).await).workers(1).initializer("wait-for-ever", ());
    let error = bounded("build", pool.build()).await.err().expect("it cannot open");
    assert!(error.to_string().contains("deadlock"), "{error}");
}

#[tokio::test]
async fn no_path_leads_out_of_a_folder() {
    let outside = tempfile::tempdir().expect("a folder");
    let (given, secret) = (outside.path().join("given"), outside.path().join("secret"));
    std::fs::create_dir(&given).expect("a folder");
    std::fs::write(&secret, "secret").expect("a file");
    std::fs::write(given.join("mine"), "mine").expect("a file");
    std::os::unix::fs::symlink(&secret, given.join("link")).expect("a link");
    std::os::unix::fs::symlink("../secret", given.join("short-link")).expect("a link");
    std::os::unix::fs::symlink("..", given.join("up")).expect("a link");
    let built = Pool::builder(module(HOSTILE).await).workers(1);
    let pool = built.grants(Grants::none().dir_writable(&given, "/data")).build().await.expect("it opens");
    let read = pool.task::<(String,), String>("read-file").expect("a task");
    assert_eq!(read.call(("/data/mine".to_owned(),)).await.expect("it is granted"), "mine");
    let host_path = secret.display().to_string();
    let ways =
        ["/data/../secret", "/data/link", "/data/short-link", "/data/up/secret", "/etc/passwd", "../secret"];
    for way in ways.into_iter().chain([host_path.as_str()]) {
        let ended = bounded(way, read.call((way.to_owned(),))).await;
        assert!(matches!(ended, Err(CallError::Returned(_) | CallError::Failed(_))), "{way}: {ended:?}");
    }
    let by_link = pool.task::<(String, String), String>("read-by-link").expect("a task");
    for (number, target) in [host_path.as_str(), "../secret", "link", "up/secret"].into_iter().enumerate() {
        let link = format!("/data/made-{number}");
        let ended = bounded(target, by_link.call((link, target.to_owned()))).await;
        assert!(matches!(ended, Err(CallError::Returned(_) | CallError::Failed(_))), "{target}: {ended:?}");
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn no_connection_is_made_that_was_not_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("a port").to_string();
    let pool = Pool::builder(module(HOSTILE).await).workers(1).build().await.expect("it opens");
    let connect = pool.task::<(String,), ()>("connect").expect("a task");
    let mapped = address.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for address in [address, mapped] {
        let ended = bounded(&address, connect.call((address.clone(),))).await;
        assert!(matches!(ended, Err(CallError::Returned(_) | CallError::Failed(_))), "{address}: {ended:?}");
    }
    let look_up = pool.task::<(String,), u64>("look-up").expect("a task");
    let ended = bounded("a name", look_up.call(("localhost".to_owned(),))).await;
    assert!(matches!(ended, Err(CallError::Returned(_) | CallError::Failed(_))), "{ended:?}");
    let knock = listener.accept().expect_err("nobody comes");
    assert_eq!(knock.kind(), std::io::ErrorKind::WouldBlock);
    bounded("close", pool.close()).await;
}
