//! The way out: a thread that writes what it is handed, at once. A reader who is slow stops the writer, and through
//! it the calls, but not those who wait for signals. A reader who has left is told apart from a disk that is full.

use std::io::{self, ErrorKind};
use std::thread;

use anyhow::anyhow;
use tokio::sync::{mpsc, oneshot};

/// How many buffers may wait for a slow reader.
const BUFFERS_AHEAD: usize = 2;

/// Writes buffers on a thread of its own.
pub(crate) struct Writer {
    buffers: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// How writing ended.
#[derive(Debug)]
pub(crate) enum WriterEnd {
    /// All is written.
    Complete,
    /// The reader of the pipe has left, which is a normal end.
    ReaderLeft,
    /// The system does not write, and this says what and why.
    Failed(anyhow::Error),
}

impl Writer {
    /// Starts the thread; `write` writes one buffer whole. What comes last is an empty one, and others may come
    /// before: then all that was written is to be made safe.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (buffers, mut received) = mpsc::channel::<Vec<u8>>(BUFFERS_AHEAD);
        let (say_end, ended) = oneshot::channel();
        thread::Builder::new().name("wasmpool-output".to_owned()).spawn(move || {
            let mut result = Ok(());
            while let Some(buffer) = received.blocking_recv() {
                result = write(&buffer);
                if result.is_err() {
                    break;
                }
            }
            let result = result.and_then(|()| write(&[]));
            // In this order, so that the end is known when the door is found closed.
            let _ = say_end.send(result);
            drop(received);
        })?;
        Ok(Writer { buffers, ended })
    }

    /// Waits until a buffer can be handed over; `None` once writing has ended.
    pub(crate) async fn room(&self) -> Option<mpsc::Permit<'_, Vec<u8>>> {
        self.buffers.reserve().await.ok()
    }

    /// Waits until writing has ended.
    pub(crate) async fn closed(&self) {
        self.buffers.closed().await;
    }

    /// Waits until all is written.
    pub(crate) async fn finish(self) -> WriterEnd {
        drop(self.buffers);
        match self.ended.await {
            Ok(Ok(())) => WriterEnd::Complete,
            Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => WriterEnd::ReaderLeft,
            Ok(Err(error)) => WriterEnd::Failed(anyhow!(error).context("cannot write the output")),
            Err(_) => WriterEnd::Failed(anyhow!("cannot write the output: the writing thread was lost")),
        }
    }
}
