//! The SDK's HTTP client in a sandbox, against a server on loopback: what is asked arrives, what is answered comes
//! back, every hop is checked, and what is given up leaves nothing behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use serde_json::{Value, json};
use wasmpool::{Grants, Limits, Pool, Task};

use crate::guests::module;
use crate::support::bounded;

const REQUESTS: &str = "tests/guests/requests";
const STATUS: &str = "guest/examples/status";

/// A server that goes away with its test.
struct Server {
    origin: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let seen = Arc::clone(&asked);
        let note = axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| {
                seen.lock().expect("no panic").push(format!("{} {}", request.method(), request.uri()));
                next.run(request)
            },
        );
        let app = Router::new()
            .route("/echo", any(echo))
            .route("/status/418", get(|| async { StatusCode::IM_A_TEAPOT }))
            .route("/sorted", post(sorted))
            .route("/large", get(|| async { vec![b'x'; 20 << 20] }))
            .route("/size", post(|body: Body| async move { size(body).await.to_string() }))
            .route("/never", get(std::future::pending::<()>))
            .route("/half", get(half))
            .route("/hop", get(|| async { Redirect::to("hop-2") }))
            .route("/hop-2", get(|| async { Redirect::temporary("/echo?hops=2") }))
            .route(
                "/away",
                get(move || async move { Redirect::to(&format!("http://localhost:{port}/echo")) }),
            )
            .route("/loop", get(|| async { Redirect::to("/loop") }))
            .layer(note);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Server { origin: format!("http://127.0.0.1:{port}"), asked }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn echo(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let of = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let told = json!({
        "uri": uri.to_string(), "secret": of("authorization"), "x": of("x-mine"), "host": of("host"), "body": body.len(),
    });
    axum::Json(told).into_response()
}

async fn sorted(uri: Uri, axum::Json(mut numbers): axum::Json<Vec<u32>>) -> Response {
    if uri.query() != Some("of=a%20b") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    numbers.sort_unstable();
    axum::Json(numbers).into_response()
}

async fn size(body: Body) -> usize {
    axum::body::to_bytes(body, usize::MAX).await.map_or(0, |bytes| bytes.len())
}

/// Says how long the body will be, sends a part, and never the rest.
async fn half() -> Response {
    use futures::{StreamExt as _, stream};
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"half"))]);
    ([(header::CONTENT_LENGTH, "8")], Body::from_stream(begun.chain(stream::pending()))).into_response()
}

/// A pool that may ask the server and nobody else.
async fn pool_for(server: &Server) -> Pool {
    let built = Pool::builder(module(REQUESTS).await).workers(1).concurrency(8);
    built.grants(Grants::none().http(&server.origin)).build().await.expect("it opens")
}

fn task(pool: &Pool, name: &str) -> Task<Vec<Value>, Value, Value> {
    pool.json_task_of_args(name).expect("a task")
}

async fn ask(pool: &Pool, name: &str, args: Value) -> Result<Value, String> {
    let args = args.as_array().expect("all arguments").clone();
    bounded(name, task(pool, name).call(args)).await.map_err(|error| error.to_string())
}

/// Returns what `/echo` saw.
fn echoed(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().expect("a text")).expect("JSON")
}

#[tokio::test]
async fn the_scraper_reads_statuses_by_one_session() {
    let server = Server::start().await;
    let built = Pool::builder(module(STATUS).await).workers(2).init_args((2_000_u32,));
    let pool = built.grants(Grants::none().http(&server.origin)).build().await.expect("it opens");
    let get_status = pool.task::<(String,), u16>("get-status").expect("a task");
    let urls: Vec<_> =
        (0..200).map(|n| (server.url(if n % 2 == 0 { "/echo" } else { "/status/418" }),)).collect();
    let statuses = bounded("the map", get_status.starmap(urls).try_values()).await.expect("all are answered");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 100);
    assert_eq!(statuses.iter().filter(|status| **status == 418).count(), 100);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn requests_arrive_as_they_were_built() {
    let server = Server::start().await;
    let pool = pool_for(&server).await;
    let put = json!(["PUT", server.url("/echo?q"), ["x-mine", "Zoë"], "AAECAw=="]);
    let answer = ask(&pool, "request", put).await.expect("an answer");
    let seen = echoed(&answer);
    assert_eq!((&seen["uri"], &seen["x"], &seen["body"]), (&json!("/echo?q"), &json!("Zoë"), &json!(4)));
    let sorted = ask(&pool, "post-json", json!([server.url("/sorted"), "[3,1,2]"])).await;
    assert_eq!(sorted.expect("an answer"), json!("[1,2,3]"));
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn bodies_of_any_size_go_both_ways() {
    let server = Server::start().await;
    let built =
        Pool::builder(module(REQUESTS).await).workers(1).limits(Limits::default().memory_bytes(16 << 20));
    let pool = built.grants(Grants::none().http(&server.origin)).build().await.expect("it opens");
    let counted = ask(&pool, "count", json!([server.url("/large")])).await.expect("more than its memory");
    assert_eq!(counted[0], json!(20 << 20));
    let sent = ask(&pool, "upload", json!([server.url("/size"), 4])).await.expect("an answer");
    assert_eq!(sent, json!((4 << 20).to_string()));
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_request_ends_in_its_time_wherever_it_waits() {
    let server = Server::start().await;
    let pool = pool_for(&server).await;
    for path in ["/never", "/half"] {
        let error = ask(&pool, "error-of", json!([server.url(path), 50])).await.expect("an error");
        assert!(error.as_str().is_some_and(|error| error.starts_with("timeout: ")), "{path}: {error}");
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_they_may() {
    let server = Server::start().await;
    let pool = pool_for(&server).await;
    let follow =
        async |path: &str, most: u32| ask(&pool, "get-following", json!([server.url(path), most])).await;
    let answer = follow("/hop", 10).await.expect("an answer");
    assert_eq!(answer["url"], json!(server.url("/echo?hops=2")));
    assert_eq!(echoed(&answer)["secret"], json!("Bearer secret"), "the origin is the same");
    assert_eq!(follow("/hop", 0).await.expect("an answer")["status"], json!(303));
    let error = follow("/loop", 10).await.expect_err("no end");
    assert!(error.contains("more than 10 redirects"), "{error}");
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_redirect_to_an_origin_that_is_not_granted_is_denied() {
    let server = Server::start().await;
    let pool = pool_for(&server).await;
    let error =
        ask(&pool, "get-following", json!([server.url("/away"), 10])).await.expect_err("another origin");
    assert!(error.contains("--http http://localhost:"), "{error}");
    assert_eq!(server.asked(), ["GET /away"]);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn no_text_becomes_another_header_or_request() {
    let server = Server::start().await;
    let pool = pool_for(&server).await;
    let url = server.url("/echo");
    let smuggled = [
        json!(["GET", url, ["x-mine", "1\r\nauthorization: secret"], ""]),
        json!(["GET", url, ["x-mine: 1\r\nauthorization", "secret"], ""]),
        json!(["GET", url, ["host", "other.example"], ""]),
        json!(["GET", url, ["content-length", "0"], "AAECAw=="]),
        json!(["GET", url, ["transfer-encoding", "chunked"], ""]),
        json!(["GET /a HTTP/1.1\r\nx: ", url, ["x-mine", "1"], ""]),
        json!(["GET", format!("{url} HTTP/1.1\r\nx: 1"), ["x-mine", "1"], ""]),
        json!(["CONNECT", url, ["x-mine", "1"], ""]),
    ];
    for request in smuggled {
        ask(&pool, "request", request.clone()).await.expect_err(&request.to_string());
    }
    assert!(server.asked().is_empty(), "nothing was sent: {:?}", server.asked());
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn answers_that_are_dropped_leave_nothing_behind() {
    let server = Server::start().await;
    // A request takes about ten handles while it runs; a hundred calls that left one each would be too many.
    let limits = Limits::default().handles(100).attempt_timeout(Duration::from_secs(60));
    let built = Pool::builder(module(REQUESTS).await).workers(1).concurrency(2).limits(limits);
    let pool = built.grants(Grants::none().http(&server.origin)).build().await.expect("it opens");
    for _ in 0..30 {
        assert_eq!(ask(&pool, "sip", json!([server.url("/large"), 3])).await.expect("sips"), json!(3));
        ask(&pool, "error-of", json!([server.url("/half"), 5])).await.expect("an error");
    }
    assert_eq!(pool.stats().sandboxes(), 1);
    bounded("close", pool.close()).await;
}
