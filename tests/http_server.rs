//! A small HTTP/1.1 server on a loopback address that counts its connections, remembers what it was asked, and answers
//! badly where its path says so. By hand, as no server of good manners does that.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server, which ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    elsewhere: Arc<str>,
}

impl Server {
    /// Starts a server; it redirects to `elsewhere`.
    pub(crate) async fn start(elsewhere: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Server {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            heads: Arc::default(),
            elsewhere: elsewhere.into(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        server
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The heads of all requests, in small letters.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no holder of this lock panics").clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                    return;
                }
            };
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            read.drain(..end);
            if head.contains("transfer-encoding: chunked") {
                while !read.ends_with(b"0\r\n\r\n") {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                read.clear();
            } else if let Some(length) = head.split("content-length: ").nth(1) {
                let length: usize = length.split('\r').next().expect("a line").parse().expect("a number");
                while read.len() < length {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                read.drain(..length);
            }
            self.heads.lock().expect("no holder of this lock panics").push(head.clone());
            let path = head.split(' ').nth(1).expect("a path");
            if !self.answer(path, &mut stream).await {
                return;
            }
        }
    }

    /// Returns true if the connection is to be kept.
    async fn answer(&self, path: &str, stream: &mut TcpStream) -> bool {
        let hang = || tokio::time::sleep(Duration::from_secs(3_600));
        let text = match path {
            "/silent" => {
                hang().await;
                return false;
            }
            "/drip" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\na").await;
                hang().await;
                return false;
            }
            "/cut" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
                return false;
            }
            "/redirect" => {
                format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", self.elsewhere)
            }
            "/header" => {
                let value = "x".repeat(200 << 10);
                format!("HTTP/1.1 200 OK\r\nlarge: {value}\r\ncontent-length: 0\r\n\r\n")
            }
            "/large" => {
                let body = "x".repeat(100 << 10);
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            }
            "/large-unsaid" => {
                let body = "x".repeat(100 << 10);
                format!(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                )
            }
            "/short" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
            }
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
        };
        stream.write_all(text.as_bytes()).await.is_ok()
    }
}
