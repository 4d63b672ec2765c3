//! Whether limits make sense; the complaint names the one that does not.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::PoolError;
use crate::limits::Limits;
use crate::pool::checks::time;
use crate::pool::checks::{bad, in_range};

/// A page of memory, the least that a guest with any has.
const PAGE_BYTES: usize = 1 << 16;

/// What the engine can do with: a stack of less holds no call into it.
const STACK_BYTES: RangeInclusive<usize> = 1 << 15..=1 << 28;

/// Checks all limits.
///
/// # Errors
/// [`PoolError::BadSetting`] with the limit's name.
pub(crate) fn check(limits: &Limits) -> Result<(), PoolError> {
    bytes("memory_bytes", limits.memory_bytes, PAGE_BYTES..=usize::MAX)?;
    in_range("instances", limits.instances, 1, usize::MAX)?;
    bytes("stack_bytes", limits.stack_bytes, STACK_BYTES)?;
    // Fewer do not even start a guest that prints.
    in_range("handles", limits.handles, 16, 1 << 28)?;
    in_range("http_connections", limits.http_connections, 1, 1 << 16)?;
    for (setting, limit) in [
        ("attempt_timeout", limits.attempt_timeout),
        ("queue_timeout", limits.queue_timeout),
        ("deadline", limits.deadline),
        ("slow_after", Some(limits.slow_after)),
        ("opening_time", Some(limits.opening_time)),
        ("snapshot_time", Some(limits.snapshot_time)),
        ("compile_time", Some(limits.compile_time)),
    ] {
        time(setting, limit)?;
    }
    match limits.http_rate {
        Some(rate) if !(rate > 0.0 && rate.is_finite()) => {
            Err(bad("http_rate", format!("{rate} is not a number of requests per second above 0")))
        }
        _ => longest("drain_limit", limits.drain_limit),
    }
}

/// Checks a size; the complaint has it as it may have been written.
fn bytes(setting: &'static str, size: usize, range: RangeInclusive<usize>) -> Result<(), PoolError> {
    let problem = match (size < *range.start(), size > *range.end()) {
        (true, _) => format!("{} is too little; at least {}", in_units(size), in_units(*range.start())),
        (_, true) => format!("{} is too much; at most {}", in_units(size), in_units(*range.end())),
        _ => return Ok(()),
    };
    Err(bad(setting, problem))
}

/// Writes a size in the largest unit in which it is a whole number.
fn in_units(size: usize) -> String {
    let unit = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        .into_iter()
        .find(|(shift, _)| size.is_multiple_of(1 << shift));
    match unit.filter(|_| size > 0) {
        Some((shift, name)) => format!("{}{name}", size >> shift),
        None => format!("{size} bytes"),
    }
}

/// Checks a time that may be none.
fn longest(setting: &'static str, limit: Duration) -> Result<(), PoolError> {
    time(setting, Some(limit).filter(|limit| !limit.is_zero())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_each_complaint_names_its_limit() {
        assert!(check(&Limits::default()).is_ok());
        for (limits, name) in [
            (Limits::default().memory_bytes(1), "memory_bytes"),
            (Limits::default().stack_bytes(1 << 30), "stack_bytes"),
            (Limits::default().handles(1), "handles"),
            (Limits::default().attempt_timeout(Duration::ZERO), "attempt_timeout"),
            (Limits::default().http_rate(f64::NAN), "http_rate"),
            (Limits::default().drain_limit(Duration::MAX), "drain_limit"),
        ] {
            let error = check(&limits).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
        let error = check(&Limits::default().memory_bytes(10 << 10)).unwrap_err().to_string();
        assert_eq!(error, "memory_bytes: 10KiB is too little; at least 64KiB");
        let error = check(&Limits::default().stack_bytes(999)).unwrap_err().to_string();
        assert_eq!(error, "stack_bytes: 999 bytes is too little; at least 32KiB");
        assert!(check(&Limits::default().drain_limit(Duration::ZERO)).is_ok());
    }
}
