//! Ctrl-C, SIGTERM and SIGUSR1 as values. What they mean is decided where calls are running; before that the system's own
//! way to end a process is good enough, so they are listened to only once a pool is about to open.

use std::io;

use crate::exit::StopSignal;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask the command to end or to say how things are, from the moment this was made.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    status: Signal,
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            status: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next one: to end, or `None` to say how things are (SIGUSR1).
    pub(crate) async fn heard(&mut self) -> Option<StopSignal> {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Some(StopSignal::Interrupt),
            Some(()) = self.terminate.recv() => Some(StopSignal::Terminate),
            Some(()) = self.status.recv() => None,
            else => std::future::pending().await,
        }
    }

    /// Waits for the next one that asks it to end.
    pub(crate) async fn next(&mut self) -> StopSignal {
        loop {
            if let Some(signal) = self.heard().await {
                return signal;
            }
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// None on this system; [`next`](Self::next) does it.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Signals {})
    }

    /// As [`next`](Self::next): this system has no other signal.
    pub(crate) async fn heard(&mut self) -> Option<StopSignal> {
        Some(self.next().await)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> StopSignal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => StopSignal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}
