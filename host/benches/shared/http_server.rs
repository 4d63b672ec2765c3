//! An HTTP server that answers every request alike, on a thread of its own, so that what is measured is the client. It
//! lives as long as the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// An answer after which the connection is kept.
pub(crate) const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Starts a server that gives this answer, and says how many connections it had. One that says `connection: close` is the
/// last of its connection.
pub(crate) fn serve(answer: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket can");
    let address = listener.local_addr().expect("it is bound");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let is_last = String::from_utf8_lossy(answer).contains("connection: close");
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
