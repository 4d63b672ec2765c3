//! Requests per second of guests, and how many connections they take: 10,000 GETs from 2 workers with 64 in flight each,
//! against a server on a thread of this process. Then the same with a server that closes after each answer, and by the
//! engine alone with its own sender, which dials for every request.
//!
//! `cargo bench --bench http`; with `-- serve` it only serves, for the peers of `compare`, until it is stopped.

#[path = "http/bare.rs"]
mod bare;
#[path = "shared/guests.rs"]
mod guests;
#[path = "shared/http_server.rs"]
mod http_server;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures::StreamExt;
use wasmpool::{Grants, Outcome, Pool, TaskModule};

use crate::bare::{Bare, Load};
use crate::guests::guest;
use crate::http_server::{KEPT, serve};

const REQUESTS: usize = 10_000;
const WORKERS: usize = 2;
const IN_FLIGHT: usize = 64;
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
    let guest = guest("fetch");
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

fn measure_bare(guest: &Path) {
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
