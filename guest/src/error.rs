//! The error of tasks that have none of their own, and the two things that one can say about trying again.

use std::fmt;
use std::time::Duration;

pub use anyhow::{Context, Error, anyhow, bail};

/// `Result` with [`Error`], unless told otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says that another attempt would end the same: the host does not retry.
///
/// It is found anywhere among an error's contexts and does not show in its message.
///
/// ```
/// use wasmpool_guest::{Context, Error, Permanent, anyhow};
///
/// fn find(name: &str) -> Result<u32, Error> {
///     Err(anyhow!("there is no {name}")).context(Permanent)
/// }
/// # assert!(find("Ada").unwrap_err().is::<Permanent>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permanent;

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another attempt would end the same")
    }
}

impl std::error::Error for Permanent {}

/// Says how long to wait at least before the next attempt, counted in whole milliseconds.
///
/// Like [`Permanent`], it is found anywhere among an error's contexts and does not show in its message.
///
/// ```
/// use std::time::Duration;
/// use wasmpool_guest::{Context, Error, RetryAfter, anyhow};
///
/// fn ask() -> Result<u32, Error> {
///     Err(anyhow!("the server is busy")).context(RetryAfter(Duration::from_secs(2)))
/// }
/// # assert!(ask().unwrap_err().is::<RetryAfter>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another attempt is welcome after {:?}", self.0)
    }
}

impl std::error::Error for RetryAfter {}
