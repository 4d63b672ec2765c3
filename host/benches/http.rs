//! Requests per second of guests, and how many connections they take: 10,000 GETs from 2 workers with 64 in flight each,
//! against a server on a thread of this process. Then the same with a server that closes after each answer, and by the
//! engine alone with its own sender, which dials for every request.
//!
//! `cargo bench --bench http`; with `-- serve` it only serves, for `http_peer.py`, until it is stopped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmpool::{Grants, Outcome, Pool, TaskModule};

use crate::bare::{Bare, Load};

#[path = "http/bare.rs"]
mod bare;

const REQUESTS: usize = 10_000;
const WORKERS: usize = 2;
const IN_FLIGHT: usize = 64;
const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|arg| arg == "serve") {
        let (address, connections) = serve(KEPT);
        println!("http://{address}");
        std::io::stdin().read_line(&mut String::new()).expect("stdin is open");
        println!("{} connections", connections.load(Ordering::Relaxed));
        return;
    }
    let guest = guest();
    let module = TaskModule::from_file(&guest).await.expect("the guest loads");
    measure("connections are kept", &module, KEPT).await;
    measure("a connection for each request", &module, CLOSED).await;
    measure_bare(&guest);
}

async fn measure(what: &str, module: &TaskModule, answer: &'static [u8]) {
    let (address, connections) = serve(answer);
    let origin = format!("http://{address}");
    let builder = Pool::builder(module.clone()).workers(WORKERS).concurrency(IN_FLIGHT);
    let pool = builder.grants(Grants::none().http(&*origin)).build().await.expect("the guest opens");
    let get = pool.task::<(String, String), u16>("get").expect("the guest has this task");
    let start = Instant::now();
    let urls = (0..REQUESTS).map(move |_| (origin.clone(), "/".to_owned()));
    let mut answers = get.starmap(urls);
    let mut failed = 0;
    while let Some(report) = answers.next().await {
        failed += usize::from(!matches!(report.outcome, Outcome::Completed(_)));
    }
    tell(what, start, &connections, failed);
    pool.close().await;
}

fn measure_bare(guest: &str) {
    let bare = Bare::of(guest).expect("the guest loads");
    let (address, connections) = serve(KEPT);
    let start = Instant::now();
    let load = Load { requests: REQUESTS, threads: WORKERS, in_flight: IN_FLIGHT };
    let failed = bare.ask(&format!("http://{address}"), load);
    tell("the engine's own sender", start, &connections, failed);
}

fn tell(what: &str, start: Instant, connections: &AtomicUsize, failed: usize) {
    let (elapsed, connections) = (start.elapsed(), connections.load(Ordering::Relaxed));
    let per_second = REQUESTS as f64 / elapsed.as_secs_f64();
    println!("{what}: {per_second:.0} requests/s over {connections} connections, {failed} failed");
}

/// Starts a server on a thread of its own.
fn serve(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket can");
    let address = listener.local_addr().expect("it is bound");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let is_last = answer == CLOSED;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut read = Vec::with_capacity(4_096);
                    while stream.read_buf(&mut read).await.unwrap_or(0) > 0 {
                        if read.ends_with(b"\r\n\r\n") {
                            read.clear();
                            if stream.write_all(answer).await.is_err() || is_last {
                                return;
                            }
                        }
                    }
                });
            }
        });
    });
    (address, connections)
}

fn guest() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/fetch");
    let built = Command::new(env!("CARGO_BIN_EXE_wasmpool")).arg("build").arg(folder).output();
    let built = built.expect("the command starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).expect("a path").trim().to_owned()
}
