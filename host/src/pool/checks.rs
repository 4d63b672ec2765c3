//! Whether a setting is in its range; the complaint names the setting.

use std::time::Duration;

use crate::error::PoolError;

/// Times beyond a century are taken for mistakes.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(crate) fn bad(setting: &'static str, problem: impl Into<String>) -> PoolError {
    PoolError::BadSetting { setting, problem: problem.into() }
}

pub(crate) fn in_range(
    setting: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<usize, PoolError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(bad(setting, format!("{value} is not in {least}..={most}")))
}

/// Checks a time that may be left out.
pub(crate) fn time(setting: &'static str, time: Option<Duration>) -> Result<Option<Duration>, PoolError> {
    match time {
        Some(time) if time.is_zero() => Err(bad(setting, "it must be longer than nothing")),
        Some(time) if time > LONGEST => Err(bad(setting, "it is longer than a century; leave it out")),
        time => Ok(time),
    }
}
