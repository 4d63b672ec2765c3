//! Times, sizes, rates and counts as people write them in flags. None is negative: a minus sign is taken for the
//! value's, not for another flag's, so that the complaint is about the value.

use std::str::FromStr;
use std::time::Duration;

/// Reads a time such as `500ms` or `10s`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    expect_sign(text, "a time", "10s")?;
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// Reads a time that is longer than nothing.
pub(crate) fn parse_some_time(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Duration::ZERO => Err("it must be longer than nothing, such as 10s".to_owned()),
        time => Ok(time),
    }
}

/// Reads a size such as `64MiB`.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    expect_sign(text, "a size", "64MiB")?;
    let bytes = parse_size::parse_size(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes).map_err(|_| "it is more than this machine can address".to_owned())
}

/// Reads a rate such as `10/s`, per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    expect_sign(text, "a rate", "10/s")?;
    let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is none of s, m and h")),
    };
    let count: f64 = count.parse().map_err(|_| format!("`{count}` is not a number"))?;
    Ok(count / seconds)
}

/// Reads a number of things.
pub(crate) fn parse_count<T: FromStr>(text: &str) -> Result<T, String> {
    expect_sign(text, "a number of things", "4")?;
    text.parse().map_err(|_| format!("`{text}` is not a whole number that fits, such as 4"))
}

fn expect_sign(text: &str, what: &str, example: &str) -> Result<(), String> {
    if !text.starts_with('-') {
        return Ok(());
    }
    Err(format!("{what} is not negative; give one such as {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_minute_or_hour() {
        assert_eq!(parse_rate("10/s"), Ok(10.0));
        assert_eq!(parse_rate("2.5"), Ok(2.5));
        assert_eq!(parse_rate("300/m"), Ok(5.0));
        assert!(parse_rate("10/d").is_err() && parse_rate("many/s").is_err());
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("64MB"), Ok(64_000_000));
        assert_eq!(parse_bytes("1234"), Ok(1234));
        assert!(parse_bytes("many").is_err());
    }

    #[test]
    fn nothing_is_negative_and_some_times_are_more_than_nothing() {
        for complaint in [
            parse_time("-5s").unwrap_err(),
            parse_bytes("-1").unwrap_err(),
            parse_rate("-1/s").unwrap_err(),
            parse_count::<usize>("-1").unwrap_err(),
        ] {
            assert!(complaint.contains("is not negative"), "{complaint}");
        }
        assert_eq!(parse_time("0s"), Ok(Duration::ZERO));
        assert!(parse_some_time("0s").unwrap_err().contains("longer than nothing"));
        assert_eq!(parse_count::<u8>("4"), Ok(4));
        assert!(parse_count::<u8>("256").unwrap_err().contains("256"));
    }
}
