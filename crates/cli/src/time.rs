//! This file is where points in time are read and written for people: RFC 3339 in UTC.

use jiff::{Timestamp, Zoned, civil, tz::TimeZone};
use primitives::{Millis, Span};

/// The time as RFC 3339, to the second; the end of time as `no end`.
pub(crate) fn text(time: Millis) -> String {
    if time == Millis::MAX {
        return "no end".to_owned();
    }
    let stamp = i64::try_from(time.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    stamp.map_or_else(|| format!("{} ms", time.0), |stamp| stamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A time that somebody wrote: a day (`2027-01-31`), a moment (`2027-01-31T12:00:00Z`), or how long from now (`30d`,
/// `12h`, `90m`).
pub(crate) fn parse(text: &str, now: Millis) -> Result<Millis, String> {
    let wrong = || {
        format!("`{text}` is no time; write 2027-01-31, 2027-01-31T12:00:00Z, or from now on 30d, 12h, 90m")
    };
    if let Some(length) = length(text) {
        return Ok(now.plus(length));
    }
    let stamp = if let Ok(stamp) = text.parse::<Timestamp>() {
        stamp
    } else {
        let day: civil::Date = text.parse().map_err(|_| wrong())?;
        let start: Zoned = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        start.timestamp()
    };
    u64::try_from(stamp.as_millisecond()).map(Millis).map_err(|_| wrong())
}

fn length(text: &str) -> Option<Span> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Span::secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let now = Millis(1_000);
        assert_eq!(parse("30d", now), Ok(Millis(1_000 + 30 * 86_400_000)));
        assert_eq!(parse("1970-01-02", now), Ok(Millis(86_400_000)));
        assert_eq!(parse("1970-01-01T01:00:00+01:00", now), Ok(Millis(0)));
        assert_eq!(text(Millis(86_400_000)), "1970-01-02 00:00:00Z");
        assert_eq!(text(Millis::MAX), "no end");
        for bad in ["", "tomorrow", "30", "d", "1969-12-31", "2027-13-01", "-3d"] {
            assert!(parse(bad, now).is_err(), "{bad}");
        }
    }
}
