//! HTTP requests of guests: what is granted and what is refused, how connections are shared, what is bounded, and
//! that a server of bad manners is the guest's trouble alone.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use wasmpool::{CallError, Failure, Grants, Limits, Pool, PoolError};

use crate::http_server::Server;
use crate::support::{bounded, builder, failure_of};

const FETCH: &str = "tests/guests/fetch";

pub(crate) async fn pool(grants: Grants, limits: Limits) -> Pool {
    builder(FETCH, 2, 64).await.grants(grants).limits(limits).build().await.expect("the guest opens")
}

pub(crate) fn ask(origin: &str, path: &str) -> Value {
    json!({
        "method": "GET", "origin": origin, "path": path, "headers": [], "body-bytes": 0, "timeout-ms": 0, "connect-ms": 0,
    })
}

/// Calls a task, and returns its answer or what its error says.
pub(crate) async fn call(pool: &Pool, task: &str, input: Value) -> Result<Value, String> {
    let task = pool.json_task_of_args(task).expect("a task");
    bounded("a request", async {
        match task.call(vec![input]).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Returned(error)) => Err(error.to_string()),
            Err(other) => Err(other.to_string()),
        }
    })
    .await
}

async fn status(pool: &Pool, origin: &str, path: &str) -> Result<u16, CallError<wasmpool::TaskError>> {
    let get = pool.task::<(String, String), u16>("get").expect("a task");
    bounded("a request", get.call((origin.to_owned(), path.to_owned()))).await
}

#[tokio::test]
async fn a_granted_origin_answers_by_both_versions_of_wasi() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default()).await;
    for task in ["send", "send-old"] {
        let told = call(&pool, task, ask(&server.origin(), "/")).await.expect("an answer");
        assert_eq!((&told["status"], &told["body-bytes"]), (&json!(200), &json!(5)), "{task}");
        let mut post = ask(&server.origin(), "/");
        post["method"] = json!("POST");
        post["body-bytes"] = json!(10_000);
        assert_eq!(call(&pool, task, post).await.expect("an answer")["status"], 200, "{task}");
    }
}

#[tokio::test]
async fn without_a_grant_nothing_is_dialled_and_every_failure_names_the_flag() {
    let server = Server::start("").await;
    let pool = pool(Grants::none(), Limits::default()).await;
    let origin = server.origin();
    for failure in join_all((0..200).map(|_| status(&pool, &origin, "/"))).await.into_iter().map(failure_of) {
        assert_eq!(failure.kind(), "denied");
        assert!(failure.to_string().contains(&format!("--http {origin}")), "{failure}");
    }
    let old = call(&pool, "send-old", ask(&origin, "/")).await.expect_err("denied");
    assert!(old.contains(&format!("--http {origin}")), "{old}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn all_workers_share_connections_that_are_kept() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default().http_connections(20)).await;
    let origin = server.origin();
    for status in join_all((0..1_000).map(|_| status(&pool, &origin, "/short"))).await {
        assert_eq!(status.expect("an answer"), 200);
    }
    assert!(server.connections() <= 20, "{}", server.connections());
    assert_eq!(server.heads().len(), 1_000);
}

#[tokio::test]
async fn a_redirect_is_a_request_that_is_checked() {
    let there = Server::start("").await;
    let here = Server::start(&there.origin()).await;
    let pool = pool(Grants::none().http(here.origin()), Limits::default()).await;
    let follow = pool.task::<(String,), u16>("follow").expect("a task");
    let failure = failure_of(bounded("a request", follow.call((here.origin(),))).await);
    assert!(matches!(failure, Failure::Denied(_)), "{failure}");
    assert!(failure.to_string().contains(&there.origin()), "{failure}");
    assert_eq!((here.connections(), there.connections()), (1, 0));
}

#[tokio::test]
async fn any_is_the_public_internet_alone() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http("any"), Limits::default()).await;
    let port = server.address.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "LOCALHOST",
    ];
    for host in hosts {
        let error = call(&pool, "send", ask(&format!("http://{host}:{port}"), "/")).await.expect_err(host);
        assert!(error.contains("HttpRequestDenied"), "{host}: {error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_origin_that_is_granted_by_name_may_have_any_address() {
    let server = Server::start("").await;
    let origin = format!("http://localhost:{}", server.address.port());
    let pool = pool(Grants::none().http("any").http(&*origin), Limits::default()).await;
    assert_eq!(status(&pool, &origin, "/").await.expect("an answer"), 200);
    assert_eq!(failure_of(status(&pool, &server.origin(), "/").await).kind(), "denied");
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_errors_that_say_so() {
    let server = Server::start("").await;
    let limits = Limits::default().http_body_bytes(50_000);
    let pool = pool(Grants::none().http(server.origin()), limits).await;
    for task in ["send", "send-old"] {
        for path in ["/large", "/large-unsaid"] {
            let error = call(&pool, task, ask(&server.origin(), path)).await.expect_err(path);
            let said = error.contains("HttpResponseBodySize") || error.contains("body size exceeds limit");
            assert!(said, "{task} {path}: {error}");
        }
        let mut post = ask(&server.origin(), "/");
        post["method"] = json!("POST");
        post["body-bytes"] = json!(200_000);
        let error = call(&pool, task, post).await.expect_err("too large");
        assert!(error.contains("HttpRequestBodySize"), "{task}: {error}");
    }
}

#[tokio::test]
async fn servers_that_do_not_answer_do_not_hold_a_guest_longer_than_it_said() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default()).await;
    for task in ["send", "send-old"] {
        for path in ["/silent", "/drip"] {
            let mut input = ask(&server.origin(), path);
            input["timeout-ms"] = json!(50);
            let error = call(&pool, task, input).await.expect_err(path);
            let said = error.contains("ConnectionReadTimeout") || error.contains("read timeout");
            assert!(said, "{task} {path}: {error}");
        }
    }
}

#[tokio::test]
async fn what_a_server_does_wrong_is_the_guests_error() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()).http("http://127.0.0.1:1"), Limits::default()).await;
    for (origin, path, code) in [
        (server.origin(), "/cut", "HttpResponseIncomplete"),
        (server.origin(), "/header", "HttpResponseHeaderSectionSize"),
        ("http://127.0.0.1:1".to_owned(), "/", "ConnectionRefused"),
    ] {
        let error = call(&pool, "send", ask(&origin, path)).await.expect_err(path);
        assert!(error.contains(code), "{path}: {error}");
    }
    assert_eq!(status(&pool, &server.origin(), "/").await.expect("an answer"), 200);
}

#[tokio::test]
async fn no_header_smuggles_a_second_request() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default()).await;
    let bad = [
        ("host", "elsewhere"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("upgrade", "h2c"),
        ("x", "a\r\n\r\nGET /smuggled HTTP/1.1"),
        ("x\r\ny", "a"),
        ("content-length", "44"),
        ("content-length", "+0"),
        ("content-length", "0, 5"),
    ];
    for task in ["send", "send-old"] {
        for (name, value) in bad {
            let mut input = ask(&server.origin(), "/");
            input["headers"] = json!([[name, value]]);
            // Whether it is refused or sent without harm, only one request may come of it.
            let _ = call(&pool, task, input).await;
        }
        for path in ["/ HTTP/1.1\r\nx: y\r\n\r\nGET /smuggled", "http://elsewhere/"] {
            let error = call(&pool, task, ask(&server.origin(), path)).await;
            assert!(error.is_err(), "{path}");
        }
        let mut connect = ask(&server.origin(), "/");
        connect["method"] = json!("CONNECT");
        call(&pool, task, connect).await.expect_err("no tunnel");
    }
    let host = format!("host: {}\r\n", server.address);
    for head in server.heads() {
        assert!(
            !head.contains("smuggled") && !head.contains("chunked") && !head.contains("upgrade"),
            "{head}"
        );
        assert!(head.matches("host: ").count() == 1 && head.contains(&host), "{head}");
    }
}

#[tokio::test]
async fn a_busy_worker_does_not_hold_up_the_answers_of_another() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default()).await;
    status(&pool, &server.origin(), "/").await.expect("an answer");
    let compute = pool.task::<(u64,), u64>("compute").expect("a task");
    let busy = compute.submit((u64::MAX,));
    for _ in 0..20 {
        assert_eq!(status(&pool, &server.origin(), "/").await.expect("an answer"), 200);
    }
    busy.cancel();
}

#[tokio::test]
async fn requests_beyond_the_rate_wait() {
    let server = Server::start("").await;
    let limits = Limits::default().http_rate(100.0);
    let pool = pool(Grants::none().http(server.origin()), limits).await;
    let (start, origin) = (std::time::Instant::now(), server.origin());
    for status in join_all((0..21).map(|_| status(&pool, &origin, "/"))).await {
        status.expect("an answer");
    }
    // A lower bound alone: nothing is said about how fast this machine is.
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_is_no_origin_is_told_when_the_pool_is_built() {
    for origin in ["example.org", "ftp://example.org", "https://example.org/path", "https://me@example.org"] {
        let building = builder(FETCH, 1, 1).await.grants(Grants::none().http(origin)).build().await;
        let error = building.err().expect(origin);
        assert!(matches!(error, PoolError::BadSetting { setting: "http", .. }), "{error}");
        assert!(error.to_string().contains(origin), "{error}");
    }
}
