//! This file is where dates of any precision become intervals of instants.

/// A stretch of time in milliseconds since 1970-01-01T00:00:00Z, `from` included, `to` excluded; always `from < to`.
///
/// `2013-01` is the whole month; a second is 1000 ms. Without a time zone, UTC is taken. What is open (a Period without an
/// end) reaches to `i64::MIN` or `i64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// The first millisecond in it.
    pub from: i64,
    /// The first millisecond after it.
    pub to: i64,
}

const DAY: i64 = 86_400_000;

impl Interval {
    /// Reads `2013`, `2013-01`, `2013-01-14`, `2013-01-14T10:00`, `…:00`, `…:00.123`, the latter three with or without a
    /// zone (FHIR R4 datatypes `date`, `dateTime`, `instant`, and in a search minutes without seconds).
    pub(super) fn read(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year = digits(parts.next()?, 4)?;
        let month = parts.next().map(|month| digits(month, 2)).map_or(Some(None), |month| month.map(Some))?;
        let day = parts.next().map(|day| digits(day, 2)).map_or(Some(None), |day| day.map(Some))?;
        if parts.next().is_some() || year == 0 {
            return None;
        }
        let (from, to) = match (month, day) {
            (None, _) => (days(year, 1, 1), days(year + 1, 1, 1)),
            (Some(month @ 1..=12), None) => (days(year, month, 1), after(year, month)),
            (Some(month @ 1..=12), Some(day)) if day >= 1 => {
                let at = days(year, month, day);
                if at >= after(year, month) {
                    return None;
                }
                (at, at + 1)
            }
            _ => return None,
        };
        match (time, day) {
            (None, _) => Some(Self { from: from * DAY, to: to * DAY }),
            (Some(time), Some(_)) => clock(time).map(|(at, unit)| {
                let from = from * DAY + at;
                Self { from, to: from + unit }
            }),
            (Some(_), None) => None,
        }
    }

    /// The stretch from the beginning of one to the end of the other; none if that is before it.
    pub(super) fn between(start: Option<Self>, end: Option<Self>) -> Option<Self> {
        let both =
            Self { from: start.map_or(i64::MIN, |start| start.from), to: end.map_or(i64::MAX, |end| end.to) };
        (both.from < both.to).then_some(both)
    }

    /// Wider on either side by a tenth of how long ago (or how far ahead) it is.
    pub(super) fn around(self, now_ms: i64) -> Self {
        let gap = if now_ms < self.from {
            self.from.saturating_sub(now_ms)
        } else {
            now_ms.saturating_sub(self.to).max(0)
        };
        Self { from: self.from.saturating_sub(gap / 10), to: self.to.saturating_add(gap / 10) }
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Milliseconds since midnight UTC, and how long the last unit given is.
fn clock(time: &str) -> Option<(i64, i64)> {
    let (time, zone) = match time.find(['Z', '+', '-', ' ']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let minutes_east = match zone.as_bytes().first()? {
        b'Z' if zone.len() == 1 => 0,
        // A `+` in a URL that wasn't encoded arrives as a blank.
        sign @ (b'+' | b'-' | b' ') => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let (whole, fraction) = match time.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (time, None),
    };
    let mut parts = whole.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second =
        parts.next().map(|second| digits(second, 2)).map_or(Some(None), |second| second.map(Some))?;
    // A leap second counts as the last one of its minute: instants have no room for it.
    if parts.next().is_some() || hour > 23 || minute > 59 || second.is_some_and(|second| second > 60) {
        return None;
    }
    let start = (hour * 60 + minute - minutes_east) * 60_000 + second.unwrap_or(0).min(59) * 1000;
    match (second, fraction) {
        (None, None) => Some((start, 60_000)),
        (Some(_), None) => Some((start, 1000)),
        (Some(_), Some(fraction)) => {
            if fraction.is_empty()
                || fraction.len() > 18
                || !fraction.bytes().all(|byte| byte.is_ascii_digit())
            {
                return None;
            }
            let (mut ms, mut unit) = (0, 1000);
            // Finer than a millisecond is the millisecond that it lies in.
            for digit in fraction.bytes().take(3) {
                unit /= 10;
                ms += i64::from(digit - b'0') * unit;
            }
            Some((start + ms, unit))
        }
        (None, Some(_)) => None,
    }
}

/// The day after a month.
fn after(year: i64, month: i64) -> i64 {
    if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, for years from 1.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end, and months of 30.6 days on average.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_precision_has_its_length() {
        for (text, from, to) in [
            ("1970", 0, 365 * DAY),
            ("1972", 730 * DAY, 1096 * DAY),
            ("1970-02", 31 * DAY, 59 * DAY),
            ("1969-12", -31 * DAY, 0),
            ("2000-02-29", 11_016 * DAY, 11_017 * DAY),
            ("1970-01-02T00:00Z", DAY, DAY + 60_000),
            ("1970-01-01T01:00:00+01:00", 0, 1000),
            ("1970-01-01T01:00:00 01:00", 0, 1000),
            ("1969-12-31T19:00:00-05:00", 0, 1000),
            ("1970-01-01T00:00:00.5Z", 500, 600),
            ("1970-01-01T00:00:00.123Z", 123, 124),
            ("1970-01-01T00:00:00.123456Z", 123, 124),
            ("1970-01-01T00:00:10", 10_000, 11_000),
            ("1970-01-01T23:59:60Z", DAY - 1000, DAY),
        ] {
            assert_eq!(Interval::read(text), Some(Interval { from, to }), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "13",
            "2013-1",
            "2013-13",
            "2013-00",
            "2013-02-30",
            "2013-01-00",
            "2013-01-14T",
            "2013-01-14T10",
            "2013T10:00",
            "2013-01T10:00",
            "2013-01-14T24:00",
            "2013-01-14T10:60",
            "2013-01-14T10:00:61",
            "2013-01-14T10:00:00.Z",
            "2013-01-14T10:00:00+15:00",
            "2013-01-14T10:00:00ZZ",
            "2013-01-14T10:00.5",
            "0000",
            "2013-01-14-01",
            "+013",
        ] {
            assert_eq!(Interval::read(text), None, "{text}");
        }
    }

    #[test]
    fn approximately_grows_with_distance() {
        let day = Interval { from: 10 * DAY, to: 11 * DAY };
        assert_eq!(day.around(21 * DAY), Interval { from: 9 * DAY, to: 12 * DAY });
        assert_eq!(day.around(0), Interval { from: 9 * DAY, to: 12 * DAY });
        assert_eq!(day.around(10 * DAY + 5), day);
    }

    proptest! {
        #[test]
        fn days_follow_each_other(year in 1i64..9999, month in 1i64..=12) {
            let length = after(year, month) - days(year, month, 1);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let expected = match month { 2 if leap => 29, 2 => 28, 4 | 6 | 9 | 11 => 30, _ => 31 };
            prop_assert_eq!(length, expected);
        }

        #[test]
        fn finer_lies_within_coarser(year in 1i64..9999, month in 1i64..=12, day in 1i64..=28, hour in 0i64..24, ms in 0i64..1000) {
            let steps = [
                format!("{year:04}"),
                format!("{year:04}-{month:02}"),
                format!("{year:04}-{month:02}-{day:02}"),
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:30Z"),
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:30:15Z"),
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:30:15.{ms:03}Z"),
            ];
            let read: Vec<_> = steps.iter().map(|text| Interval::read(text).unwrap()).collect();
            for pair in read.windows(2) {
                prop_assert!(pair[0].from <= pair[1].from && pair[1].to <= pair[0].to && pair[1].from < pair[1].to);
            }
        }

        #[test]
        fn reading_never_panics(text in "[-+:.TZ0-9 é]{0,40}") {
            let _ = Interval::read(&text);
        }
    }
}
