//! A thread with its own event loop that keeps sandboxes busy.
//!
//! A worker pulls jobs from the shared queue, one at a time, and only while nothing in it is ready to run:
//! so calls that compute spread over the workers, and calls that wait pile up in few. It opens sandboxes as
//! jobs need them and decides nothing about calls: what it cannot finish it hands back.

pub(crate) mod workshop;
pub(crate) mod life;
pub(crate) mod shelf;
pub(crate) mod serve;
mod care;
mod watch;
pub(crate) mod thread;
pub(crate) mod crew;
