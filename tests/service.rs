//! The embedding example as its clients see it, those included that lose patience.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wasmpool::{Event, Pool, TaskModule};

use crate::guests::module;

#[path = "../host/examples/embed.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod embed;

/// Sends a request and returns the open connection.
async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    stream.write_all(request.as_bytes()).await.expect("the service reads");
    stream
}

/// Reads an answer to its end: the status line and the body.
async fn receive(mut stream: TcpStream) -> (String, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the service answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().expect("a status line").to_owned(), body.to_owned())
}

fn nap(ms: usize) -> String {
    format!("GET /nap/{ms} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

async fn pool() -> Pool {
    let markdown: TaskModule = module("guest/examples/markdown").await;
    let delays = module("guest/examples/delays").await;
    Pool::builder(markdown).module("delays", delays).workers(2).concurrency(64).build().await.expect("a pool")
}

async fn serve(pool: &Pool) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let service = embed::service(embed::Tasks::of(pool).expect("both modules have their tasks"));
    let server = tokio::spawn(async move { axum::serve(listener, service).await.expect("a service") });
    (address, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_disconnect_spoil_nothing() {
    let pool = pool().await;
    let permits = pool.stats().permits_free;
    let (address, server) = serve(&pool).await;
    // Every fifth client goes away while its call waits or runs.
    let clients = (0..500).map(|client| async move {
        let stream = send(address, &nap(100 + client % 50)).await;
        if client % 5 == 4 {
            return None;
        }
        Some((100 + client % 50, receive(stream).await))
    });
    let answers: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 400);
    for (ms, answer) in answers {
        assert_eq!(answer, ("HTTP/1.1 200 OK".to_owned(), ms.to_string()));
    }
    let again = join_all((0..100).map(|_| async move { receive(send(address, &nap(1)).await).await })).await;
    assert!(again.iter().all(|(_, body)| body == "1"), "{again:?}");
    server.abort();
    // The server's handlers hold task handles until they are dropped; none of them holds a call any more.
    let _ = server.await;
    pool.close().await;
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.calls_unanswered, stats.attempts_queued), (0, 0, 0));
    assert_eq!(stats.permits_free, permits);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_disconnects_is_no_storm_of_new_sandboxes() {
    let pool = pool().await;
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = {
        let (mut events, opened) = (pool.events(), opened.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event.expect("the listener keeps up") {
                    Event::SandboxOpened { .. } => drop(opened.fetch_add(1, Ordering::Relaxed)),
                    Event::PoolClosed => return,
                    _ => {}
                }
            }
        })
    };
    let (address, server) = serve(&pool).await;
    let clients = (0..1_000).map(|client| async move {
        let stream = send(address, &nap(50 + client % 50)).await;
        if client % 2 == 1 {
            // Some go at once, some while their calls run.
            tokio::time::sleep(Duration::from_millis(client as u64 % 90)).await;
            return None;
        }
        Some((50 + client % 50, receive(stream).await))
    });
    let answers: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 500);
    for (ms, answer) in answers {
        assert_eq!(answer, ("HTTP/1.1 200 OK".to_owned(), ms.to_string()));
    }
    server.abort();
    let _ = server.await;
    pool.close().await;
    counter.await.expect("it counts to the end");
    let opened = opened.load(Ordering::Relaxed);
    assert!(opened < 20, "{opened} sandboxes were opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_comes_back_as_html() {
    let pool = pool().await;
    let (address, server) = serve(&pool).await;
    let text = "# Hello *you*";
    let length = text.len();
    let request = format!(
        "POST /html HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
    );
    let answer =
        tokio::time::timeout(Duration::from_secs(60), async { receive(send(address, &request).await).await });
    assert_eq!(
        answer.await.expect("an answer in time"),
        ("HTTP/1.1 200 OK".to_owned(), "<h1>Hello <em>you</em></h1>\n".to_owned())
    );
    server.abort();
    pool.close_within(Duration::from_secs(1)).await;
}
