//! The client as a task's native tests see it, against a server that is a closure.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use wasmpool_guest::http::{Client, ErrorKind, Method, Redirects};
use wasmpool_guest::testing::{HttpAnswer, HttpRequest, block_on, serve_http};

/// Serves with `handler` and returns what it was asked.
fn serve(handler: impl Fn(&HttpRequest) -> HttpAnswer + 'static) -> Rc<RefCell<Vec<HttpRequest>>> {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&asked);
    serve_http(move |request| {
        let answer = handler(&request);
        seen.borrow_mut().push(request);
        answer
    });
    asked
}

#[test]
fn a_request_arrives_as_it_was_built() {
    let asked = serve(|_| HttpAnswer::new(201).header("X-Kind", "new").json(&[1, 2]));
    let client = Client::new().default_header("X-Team", "a").default_header("accept", "text/html");
    let request = client.post("http://Example.org:80/items?x=1").query("q", "a b").header("Accept", "*/*");
    let answer = block_on(request.json(&["one"]).send()).expect("an answer");
    assert_eq!((answer.status(), answer.header("x-kind")), (201, Some("new")));
    assert_eq!(block_on(answer.json::<Vec<u8>>()).expect("JSON"), [1, 2]);
    let asked = asked.borrow();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/items"));
    assert_eq!(asked[0].url, "http://example.org/items?x=1&q=a%20b");
    assert_eq!(asked[0].json::<Vec<String>>(), ["one"]);
    let headers = ["x-team", "accept", "content-type"].map(|name| asked[0].header(name).unwrap_or_default());
    assert_eq!(headers, ["a", "*/*", "application/json"]);
    assert!(asked[0].header("user-agent").is_some_and(|agent| agent.starts_with("wasmpool-guest/")));
}

#[test]
fn redirects_are_followed_unless_told_otherwise() {
    let asked = serve(|request| match request.path.as_str() {
        "/a" => HttpAnswer::new(302).header("location", "b"),
        "/b" => HttpAnswer::new(301).header("location", "http://other.example/c"),
        _ => HttpAnswer::new(200).body("end"),
    });
    let get = |client: &Client| block_on(client.get("http://example.org/a").header("cookie", "s=1").send());
    let client = Client::new();
    let answer = get(&client).expect("an answer");
    assert_eq!((answer.url(), answer.status()), ("http://other.example/c", 200));
    let cookies: Vec<_> = asked.borrow().iter().map(|request| request.header("cookie").is_some()).collect();
    assert_eq!(cookies, [true, true, false]);
    assert_eq!(get(&client.clone().redirects(Redirects::None)).expect("an answer").status(), 302);
    let error = get(&client.redirects(Redirects::Follow(1))).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::TooManyRedirects);
    assert!(error.to_string().starts_with("GET http://example.org/b: "), "{error}");
}

#[test]
fn a_request_ends_in_its_time() {
    serve(|_| HttpAnswer::new(200).after(Duration::from_secs(600)));
    let client = Client::new().timeout(Duration::from_secs(600));
    let request = client.get("http://example.org/").timeout(Duration::from_millis(5));
    let error = block_on(request.send()).expect_err("it takes too long");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // No clock counts so far, so this is no limit.
    serve(|_| HttpAnswer::new(200));
    let request = client.get("http://example.org/").timeout(Duration::MAX);
    assert_eq!(block_on(request.send()).expect("an answer").status(), 200);
}

#[test]
fn what_cannot_be_sent_is_told_by_send() {
    let asked = serve(|_| HttpAnswer::new(200));
    let client = Client::new();
    let requests = [
        client.get("nonsense").query("a", "b").header("a", "b").body("x").json(&1),
        client.get("http://example.org/").header("x", "1\r\nhost: other"),
        client.get("http://example.org/").header("Host", "other"),
        client.request(Method::Other("GET / HTTP/1.1\r\n".to_owned()), "http://example.org/"),
        client.request(Method::Other(String::new()), "http://example.org/"),
        client.request(Method::Other("Connect".to_owned()), "http://example.org/"),
        client.post("http://example.org/").json(&std::collections::BTreeMap::from([((1, 2), 3)])),
        Client::new().default_header("a b", "c").get("http://example.org/"),
    ];
    for request in requests {
        assert_eq!(block_on(request.send()).expect_err("it is refused").kind(), ErrorKind::Invalid);
    }
    assert!(asked.borrow().is_empty(), "nothing was sent");
}

#[test]
fn bodies_come_in_pieces() {
    serve(|_| HttpAnswer::new(200).body(vec![b'x'; 10_000]));
    let (bytes, pieces) = block_on(async {
        let mut answer = Client::new().get("http://example.org/").send().await.expect("an answer");
        let (mut bytes, mut pieces) = (0, 0);
        while let Some(piece) = answer.chunk().await.expect("a body") {
            (bytes, pieces) = (bytes + piece.len(), pieces + 1);
        }
        assert!(answer.chunk().await.expect("a body").is_none(), "the end stays the end");
        (bytes, pieces)
    });
    assert!(bytes == 10_000 && pieces > 1, "{bytes} bytes in {pieces} pieces");
}

#[test]
fn statuses_and_bodies_that_are_not_as_they_should_be_are_errors_when_asked() {
    serve(|request| match request.path.as_str() {
        "/busy" => HttpAnswer::new(503).header("Retry-After", "7"),
        "/denied" => HttpAnswer::error(ErrorKind::Denied),
        _ => HttpAnswer::new(200).body([0xFF]),
    });
    let get = |url: &str| block_on(Client::new().get(url).send());
    let busy = get("http://example.org/busy").expect("an answer").error_for_status().expect_err("busy");
    assert_eq!((busy.status(), busy.retry_after()), (Some(503), Some(Duration::from_secs(7))));
    assert_eq!(get("http://example.org/denied").expect_err("denied").kind(), ErrorKind::Denied);
    let page = || get("http://example.org/").expect("an answer").error_for_status().expect("200");
    assert_eq!(block_on(page().text()).expect_err("no text").kind(), ErrorKind::Body);
    assert_eq!(block_on(page().json::<u8>()).expect_err("no JSON").kind(), ErrorKind::Body);
    assert_eq!(block_on(page().bytes()).expect("bytes"), [0xFF]);
}

#[test]
fn without_a_server_requests_are_denied() {
    let error = block_on(Client::new().get("http://example.org/").send()).expect_err("nobody serves");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("serve_http"), "{error}");
}
