//! How long calls took, as a distribution in constant memory: values between 1 µs and 1 h to two digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Shorter and longer times are counted as these.
const RANGE_MICROS: (u64, u64) = (1, 3_600_000_000);

/// Values are kept to this many decimal digits.
const DIGITS: u8 = 2;

/// How some durations are distributed.
///
/// Each is within 1 % or 1 µs of what was measured. Times under 1 µs count as 1 µs, over an hour as an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeSummary {
    /// How many there are; everything else is zero if there are none.
    pub count: u64,
    /// Their mean.
    pub mean: Duration,
    /// Half of them are at most this long.
    pub p50: Duration,
    /// Nine in ten are at most this long.
    pub p90: Duration,
    /// Ninety-nine in a hundred are at most this long.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Durations, counted by length.
pub(crate) struct Times {
    micros: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        let (least, most) = RANGE_MICROS;
        let micros = Histogram::new_with_bounds(least, most, DIGITS);
        Times { micros: micros.expect("the range and the digits are such as the histogram takes") }
    }
}

impl Times {
    /// Counts times, which costs less where neighbours are alike.
    pub(crate) fn record_all(&mut self, times: impl IntoIterator<Item = Duration>) {
        let (mut micros, mut count) = (RANGE_MICROS.0, 0);
        for time in times {
            let next = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(RANGE_MICROS.0);
            if next != micros {
                self.record_alike(micros, count);
                (micros, count) = (next, 0);
            }
            count += 1;
        }
        self.record_alike(micros, count);
    }

    fn record_alike(&mut self, micros: u64, count: u64) {
        // A value that is not there would be the least or the greatest all the same.
        if count > 0 {
            self.micros.saturating_record_n(micros, count);
        }
    }

    pub(crate) fn add(&mut self, other: &Times) {
        self.micros.add(&other.micros).expect("all have the same range");
    }

    pub(crate) fn summary(&self) -> TimeSummary {
        if self.micros.is_empty() {
            return TimeSummary::default();
        }
        let at = |quantile| Duration::from_micros(self.micros.value_at_quantile(quantile));
        TimeSummary {
            count: self.micros.len(),
            mean: Duration::from_secs_f64(self.micros.mean() / 1e6),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: Duration::from_micros(self.micros.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(all: impl IntoIterator<Item = Duration>) -> Times {
        let mut times = Times::default();
        times.record_all(all);
        times
    }

    /// Within the two digits that are promised.
    fn is_about(time: Duration, expected: Duration) -> bool {
        time.abs_diff(expected) <= expected / 100 + Duration::from_micros(1)
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let summary = times((1..=1000).map(Duration::from_millis)).summary();
        assert_eq!(summary.count, 1000);
        let ms = |ms| Duration::from_millis(ms);
        for (time, expected) in [
            (summary.mean, Duration::from_micros(500_500)),
            (summary.p50, ms(500)),
            (summary.p90, ms(900)),
            (summary.p99, ms(990)),
            (summary.max, ms(1000)),
        ] {
            assert!(is_about(time, expected), "{time:?} for {expected:?}: {summary:?}");
        }
    }

    #[test]
    fn it_is_all_the_same_whether_times_come_together_or_one_by_one() {
        let all = [3, 3, 3, 7, 0, 0, 3, 1, 1].map(Duration::from_micros);
        let mut one_by_one = Times::default();
        all.into_iter().for_each(|time| one_by_one.record_all([time]));
        assert_eq!(times(all).summary(), one_by_one.summary());
        assert_eq!(times([]).summary(), TimeSummary::default());
    }

    #[test]
    fn what_is_out_of_range_counts_as_its_ends() {
        let summary = times([Duration::ZERO, Duration::MAX]).summary();
        assert_eq!((summary.count, summary.p50), (2, Duration::from_micros(1)));
        assert!(is_about(summary.max, Duration::from_hours(1)), "{summary:?}");
    }

    #[test]
    fn of_nothing_everything_is_zero() {
        assert_eq!(times([]).summary(), TimeSummary::default());
    }

    #[test]
    fn sums_are_those_of_all_values() {
        let (short, long) = (Duration::from_micros(5), Duration::from_secs(5));
        let mut sum = times([short; 9]);
        sum.add(&times([long]));
        assert_eq!(sum.summary(), times([[short; 9].as_slice(), &[long]].concat()).summary());
    }
}
