//! What is set about workers and about the lives of sandboxes, and what that means for the rooms below.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::call::Isolation;
use crate::error::PoolError;
use crate::lifespan::Recycling;
use crate::pool::checks::{bad, in_range, time};
use crate::sandbox::engine::Space;
use crate::worker::workshop::Staffing;

/// How long a worker beyond the least stays without work, if nothing is said about idle sandboxes.
const DEFAULT_WORKER_IDLE: Duration = Duration::from_secs(60);

/// How many workers a pool has: a number, or a range such as `2..=8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    least: usize,
    most: usize,
}

impl From<usize> for Workers {
    fn from(workers: usize) -> Self {
        Workers { least: workers, most: workers }
    }
}

impl From<RangeInclusive<usize>> for Workers {
    fn from(workers: RangeInclusive<usize>) -> Self {
        Workers { least: *workers.start(), most: *workers.end() }
    }
}

impl FromStr for Workers {
    type Err = String;

    /// Reads `4`, or `2..8`, which has both ends.
    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number of workers"));
        match text.split_once("..") {
            None => Ok(number(text)?.into()),
            Some((least, most)) => Ok((number(least)?..=number(most.trim_start_matches('='))?).into()),
        }
    }
}

/// What is set about workers and sandboxes.
#[derive(Default)]
pub(crate) struct StaffSetting {
    pub(crate) workers: Option<Workers>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) recycle_after: Option<u64>,
    pub(crate) recycle_age: Option<Duration>,
    pub(crate) recycle_memory_bytes: Option<usize>,
    pub(crate) recycle_spread: Option<f64>,
    pub(crate) idle_timeout: Option<Duration>,
}

impl StaffSetting {
    pub(crate) fn staffing(&self) -> Result<Staffing, PoolError> {
        let Workers { least, most } = self.workers.unwrap_or_else(|| default_workers().into());
        in_range("workers", least, 1, 4096)?;
        in_range("workers", most, 1, 4096)?;
        if least > most {
            return Err(bad("workers", format!("{least}..={most} is empty: the least comes first")));
        }
        Ok(Staffing { least, most, idle: self.idle_timeout.unwrap_or(DEFAULT_WORKER_IDLE) })
    }

    /// Returns which calls share a sandbox of a module.
    pub(crate) fn isolation(&self, has_async: bool) -> Isolation {
        self.isolation.unwrap_or(if has_async { Isolation::Shared } else { Isolation::Exclusive })
    }

    pub(crate) fn recycling(&self) -> Result<Recycling, PoolError> {
        let endless = Recycling::default();
        if self.recycle_after == Some(0) {
            return Err(bad("recycle_after", "0 calls are none; 1 is a new sandbox for each call"));
        }
        if self.recycle_memory_bytes == Some(0) {
            return Err(bad("recycle_memory_bytes", "every sandbox has more than 0 bytes"));
        }
        let spread = self.recycle_spread.unwrap_or(endless.spread);
        if !(0.0..=1.0).contains(&spread) {
            return Err(bad("recycle_spread", format!("{spread} is not in 0.0..=1.0")));
        }
        Ok(Recycling {
            calls: self.recycle_after.unwrap_or(endless.calls),
            age: time("recycle_age", self.recycle_age)?.unwrap_or(endless.age),
            memory_bytes: self.recycle_memory_bytes.unwrap_or(endless.memory_bytes),
            idle: time("idle_timeout", self.idle_timeout)?.unwrap_or(endless.idle),
            spread,
        })
    }

    /// Returns how many sandboxes there may be at once, and how many calls in them.
    pub(crate) fn space(&self, workers: usize, concurrency: usize, isolations: &[Isolation]) -> Space {
        // A sandbox is in use by a call, or free for another, or has calls that nobody awaits. Of those that calls
        // share, one for each module may be free.
        let spare = concurrency.max(8);
        let all_shared = isolations.iter().all(|isolation| *isolation == Isolation::Shared);
        let free = if all_shared { 0 } else { concurrency };
        let in_worker =
            concurrency.saturating_add(free).saturating_add(spare).saturating_add(isolations.len());
        Space {
            sandboxes: in_worker.saturating_mul(workers),
            calls: concurrency.saturating_add(spare).saturating_mul(workers),
        }
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
