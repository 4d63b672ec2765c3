//! HTTP requests to a server whose door is full: nobody refuses the connection, and nobody makes it. Linux lets such a
//! connection wait; other systems refuse it.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use wasmpool::{Failure, Grants, Limits};

use crate::http::{ask, call, pool};
use crate::http_server::Server;
use crate::support::{bounded, builder, failure_of};

const REQUESTS: &str = "tests/guests/requests";

/// A server that accepts nobody, with so many at its door that no more get that far.
struct FullServer {
    listener: TcpListener,
    at_the_door: Vec<TcpStream>,
}

impl FullServer {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let mut at_the_door = Vec::new();
        // On loopback a connection comes about at once or not at all.
        while let Ok(stream) = timeout(Duration::from_secs(2), TcpStream::connect(address)).await {
            at_the_door.push(stream.expect("nobody refuses it"));
        }
        FullServer { listener, at_the_door }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    /// Lets everybody in, and answers.
    fn open(self) {
        drop(self.at_the_door);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = self.listener.accept().await {
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    while stream.read_buf(&mut read).await.unwrap_or(0) > 0 {
                        if read.ends_with(b"\r\n\r\n") {
                            let answer =
                                b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
                            return stream.write_all(answer).await;
                        }
                    }
                    Ok(())
                });
            }
        });
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_waited_for_as_long_as_the_guest_said() {
    let server = FullServer::start().await;
    // Less than the host waits for a connection by itself, and far more than the guest does.
    let limits = Limits::default().attempt_timeout(Duration::from_secs(20));
    let pool = pool(Grants::none().http(server.origin()), limits).await;
    for task in ["send", "send-old"] {
        let mut input = ask(&server.origin(), "/");
        input["connect-ms"] = json!(50);
        let error = call(&pool, task, input).await.expect_err("there is no connection");
        let said = error.contains("ConnectionTimeout") || error.contains("connection timeout");
        assert!(said, "{task}: {error}");
    }
}

#[tokio::test]
async fn an_answer_may_take_longer_than_its_connection() {
    let server = Server::start("").await;
    let pool = pool(Grants::none().http(server.origin()), Limits::default()).await;
    for task in ["send", "send-old"] {
        let mut input = ask(&server.origin(), "/silent");
        (input["connect-ms"], input["timeout-ms"]) = (json!(500), json!(600));
        let error = call(&pool, task, input).await.expect_err("there is no answer");
        assert!(error.contains("ConnectionReadTimeout"), "{task}: {error}");
    }
}

#[tokio::test]
async fn a_client_with_a_time_limit_gives_up_a_connection_too() {
    let server = FullServer::start().await;
    let grants = Grants::none().http(server.origin());
    let pool = builder(REQUESTS, 1, 8).await.grants(grants).build().await.expect("the guest opens");
    let error_of = pool.task::<(String, u32), String>("error-of").expect("a task");
    let error = bounded("a request", error_of.call((format!("{}/", server.origin()), 50))).await;
    let error = error.expect("the guest tells of it");
    assert!(error.starts_with("timeout: ") && error.contains("within 50ms"), "{error}");
}

#[tokio::test]
async fn a_call_that_waits_for_a_connection_is_stopped_in_its_time_and_leaves_its_place() {
    let server = FullServer::start().await;
    let origin = server.origin();
    let limits = Limits::default().attempt_timeout(Duration::from_millis(300)).http_connections(1);
    let pool = pool(Grants::none().http(&*origin), limits).await;
    for task in ["send", "send-old"] {
        let task = pool.json_task_of_args(task).expect("a task");
        let failure = failure_of(bounded("a request", task.call(vec![ask(&origin, "/")])).await);
        assert!(matches!(failure, Failure::TimedOut(_)), "{failure}");
    }
    server.open();
    let patient = pool.json_task_of_args("send").expect("a task").with_timeout(Duration::from_secs(60));
    let told = bounded("a request", patient.call(vec![ask(&origin, "/")])).await.expect("an answer");
    assert_eq!(told["status"], 200);
}
