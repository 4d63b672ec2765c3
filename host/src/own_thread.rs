//! Work that would hold up an event loop, on a thread of its own and awaited: any executor can wait for it, and
//! none is needed. Who stops waiting leaves the thread to finish for nobody.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    NoThread(io::Error),
    /// The work panicked; standard error has its message.
    #[error("the host panicked over it")]
    Panicked,
}

/// Does `work` on a thread of this name.
///
/// # Errors
/// [`NoAnswer`], which is nothing that the work returned.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let (answer, answered) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        // Nobody waits for an answer whose future was dropped.
        .spawn(move || drop(answer.send(work())))
        .map_err(NoAnswer::NoThread)?;
    // The sender goes without a word only if the thread unwinds.
    answered.await.map_err(|_| NoAnswer::Panicked)
}
