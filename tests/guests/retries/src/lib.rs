//! Tasks that fail until a given attempt, each in another way.

use std::time::Duration;

use wasmpool_guest::{Context, Error, Permanent, RetryAfter, anyhow, bail, call, tasks, time};

/// Fails until a given attempt.
#[tasks]
mod retries {
    use super::*;

    /// An error of its own.
    pub enum Trouble {
        Busy(u32),
        Gone,
    }

    /// Fails with an error.
    pub async fn err_until(attempt: u32) -> Result<u32, Error> {
        if call::attempt() < attempt {
            bail!("attempt {} is too early", call::attempt());
        }
        Ok(call::attempt())
    }

    /// As `err-until`, with a policy of its own.
    #[retry(attempts = 4, first_delay = "1ms")]
    pub async fn marked(attempt: u32) -> Result<u32, Error> {
        err_until(attempt).await
    }

    /// Fails for good.
    #[retry]
    pub async fn permanent() -> Result<u32, Error> {
        Err(anyhow!("there is no such thing")).context(Permanent)
    }

    /// Asks to come back later, at its first attempt.
    #[retry(first_delay = "1ms")]
    pub async fn come_back(after_ms: u32) -> Result<u32, Error> {
        if call::attempt() == 1 {
            return Err(anyhow!("not now")).context(RetryAfter(Duration::from_millis(after_ms.into())));
        }
        Ok(call::attempt())
    }

    /// Fails with an own error, one case of which is worth another attempt.
    #[retry(attempts = 4, first_delay = "1ms", on(Busy))]
    pub async fn by_case(is_busy: bool) -> Result<u32, Trouble> {
        if call::attempt() == 3 {
            return Ok(3);
        }
        Err(if is_busy { Trouble::Busy(call::attempt()) } else { Trouble::Gone })
    }

    /// Panics.
    pub async fn panic_until(attempt: u32) -> Result<u32, Error> {
        assert!(call::attempt() >= attempt, "attempt {} is too early", call::attempt());
        Ok(call::attempt())
    }

    /// Sleeps, in the end only for a moment.
    pub async fn sleep_until(attempt: u32) -> u32 {
        if call::attempt() < attempt {
            time::sleep(Duration::from_secs(3_600)).await;
        }
        call::attempt()
    }

    /// Waits for a moment.
    pub async fn nap(ms: u32) -> u32 {
        time::sleep(Duration::from_millis(ms.into())).await;
        ms
    }
}
