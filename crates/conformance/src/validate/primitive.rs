//! This file is where FHIR R4's primitive types are checked: JSON type, format, range, calendar.
//!
//! The patterns are those of FHIR R4 "Data Types"; a test compares them with the published regular expressions.

use fhir::json::Kind;

/// Characters of a string, FHIR R4 string: "SHALL NOT exceed 1MB in size".
const STRING_BYTES_MAX: usize = 1 << 20;
/// Characters of a decimal; no measurement has more, and exact arithmetic on a million digits is a way to stop a server.
const DECIMAL_CHARS_MAX: usize = 100;

/// A primitive type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// What is wrong with a primitive's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Another JSON type is wanted.
    Shape(&'static str),
    /// The format or range is not the type's.
    Value(&'static str),
    /// It is longer than allowed.
    Length(&'static str),
}

impl Primitive {
    pub(super) const ALL: [Self; 20] = [
        Self::Base64Binary,
        Self::Boolean,
        Self::Canonical,
        Self::Code,
        Self::Date,
        Self::DateTime,
        Self::Decimal,
        Self::Id,
        Self::Instant,
        Self::Integer,
        Self::Markdown,
        Self::Oid,
        Self::PositiveInt,
        Self::String,
        Self::Time,
        Self::UnsignedInt,
        Self::Uri,
        Self::Url,
        Self::Uuid,
        Self::Xhtml,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base64Binary => "base64Binary",
            Self::Boolean => "boolean",
            Self::Canonical => "canonical",
            Self::Code => "code",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Decimal => "decimal",
            Self::Id => "id",
            Self::Instant => "instant",
            Self::Integer => "integer",
            Self::Markdown => "markdown",
            Self::Oid => "oid",
            Self::PositiveInt => "positiveInt",
            Self::String => "string",
            Self::Time => "time",
            Self::UnsignedInt => "unsignedInt",
            Self::Uri => "uri",
            Self::Url => "url",
            Self::Uuid => "uuid",
            Self::Xhtml => "xhtml",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|primitive| primitive.name() == name)
    }

    /// Checks the JSON type.
    pub(super) fn check_kind(self, kind: Kind) -> Result<(), Wrong> {
        let (fits, wanted) = match self {
            Self::Boolean => (kind == Kind::Bool, "must be true or false, without quotes"),
            Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => {
                (kind == Kind::Number, "must be a number, without quotes")
            }
            _ => (matches!(kind, Kind::String | Kind::EscapedString), "must be a string"),
        };
        if fits { Ok(()) } else { Err(Wrong::Shape(wanted)) }
    }

    /// Checks the text: a string's with its escapes resolved, a number's as it is spelled.
    pub(super) fn check(self, text: &str) -> Result<(), Wrong> {
        let right = |fits: bool, words| if fits { Ok(()) } else { Err(Wrong::Value(words)) };
        if text.is_empty() {
            return Err(Wrong::Value("is empty; leave the element out instead"));
        }
        match self {
            Self::Boolean => Ok(()),
            Self::Decimal => decimal(text),
            Self::Integer => integer(text, i64::from(i32::MIN), "must be a whole number of 32 bits"),
            Self::UnsignedInt => integer(text, 0, "must be a whole number from 0 to 2147483647"),
            Self::PositiveInt => integer(text, 1, "must be a whole number from 1 to 2147483647"),
            Self::String | Self::Markdown | Self::Xhtml => prose(text),
            Self::Code => right(is_code(text), "is not a code: no blanks at the ends, none doubled"),
            Self::Id => right(is_id(text), "is not an id: 1 to 64 letters, digits, `-` and `.`"),
            Self::Uri | Self::Url | Self::Canonical => right(is_uri(text), "is not a URI: it has blanks"),
            Self::Oid => right(is_oid(text), "is not an OID: `urn:oid:` and numbers between dots"),
            Self::Uuid => {
                right(is_uuid(text), "is not a UUID: `urn:uuid:` and lower-case hexadecimal groups")
            }
            Self::Base64Binary => right(is_base64(text), "is not base64"),
            Self::Date => {
                right(is_date(text), "is not a date: YYYY, YYYY-MM or YYYY-MM-DD that the calendar has")
            }
            Self::DateTime => right(
                is_date(text) || is_instant(text),
                "is not a dateTime: a date, or a date with time, seconds and time zone",
            ),
            Self::Instant => right(is_instant(text), "is not an instant: date, time, seconds and time zone"),
            Self::Time => right(is_time(text), "is not a time: hh:mm:ss, without time zone"),
        }
    }
}

fn prose(text: &str) -> Result<(), Wrong> {
    if text.len() > STRING_BYTES_MAX {
        return Err(Wrong::Length("is longer than 1 MiB"));
    }
    if text.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err(Wrong::Value("holds a control character"));
    }
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return Err(Wrong::Value("holds nothing but blanks; leave the element out instead"));
    }
    Ok(())
}

// JSON's grammar of numbers is the pattern of decimal; the reader has checked it.
fn decimal(text: &str) -> Result<(), Wrong> {
    if text.len() > DECIMAL_CHARS_MAX {
        return Err(Wrong::Length("has more than 100 characters"));
    }
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
    match exponent {
        Ok(-1000..=1000) => Ok(()),
        _ => Err(Wrong::Value("has an exponent beyond ±1000")),
    }
}

fn integer(text: &str, min: i64, words: &'static str) -> Result<(), Wrong> {
    // `-0` is in the pattern of integer, not in those of the others.
    let plain = text.strip_prefix('-').filter(|_| min < 0).unwrap_or(text);
    let digits = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
    let digits = digits && (plain == "0" || !plain.starts_with('0'));
    match text.parse::<i64>() {
        Ok(number) if digits && number >= min && number <= i64::from(i32::MAX) => Ok(()),
        _ => Err(Wrong::Value(words)),
    }
}

fn is_code(text: &str) -> bool {
    let mut blank = true;
    for char in text.chars() {
        let is_blank = char.is_whitespace();
        if is_blank && blank {
            return false;
        }
        blank = is_blank;
    }
    !blank
}

pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn is_uri(text: &str) -> bool {
    !text.chars().any(|char| char.is_whitespace() || char.is_control())
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = arcs.split('.');
    let number = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    matches!(arcs.next(), Some("0" | "1" | "2")) && {
        let mut rest = arcs.peekable();
        rest.peek().is_some() && rest.all(number)
    }
}

fn is_uuid(text: &str) -> bool {
    let Some(groups) = text.strip_prefix("urn:uuid:") else { return false };
    let lengths = groups.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && groups.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

fn is_base64(text: &str) -> bool {
    let (mut count, mut pads) = (0_usize, 0_usize);
    for byte in text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)) {
        match byte {
            b'=' => pads += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if pads == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && pads <= 2
}

/// Two digits.
fn two(text: &str) -> Option<u8> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

pub(super) fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (year, month, day, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    let Some(year) = year.filter(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()))
    else {
        return false;
    };
    let Some(year) = year.parse::<i16>().ok().filter(|year| *year > 0) else { return false };
    let month = match month.map(two) {
        None => return true,
        Some(Some(month @ 1..=12)) => month as i8,
        Some(_) => return false,
    };
    match day.map(two) {
        None => true,
        Some(Some(day)) => more.is_none() && jiff::civil::Date::new(year, month, day as i8).is_ok(),
        Some(None) => false,
    }
}

fn is_instant(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    if date.len() != 10 || !is_date(date) {
        return false;
    }
    if let Some(time) = time.strip_suffix('Z') {
        return is_time(time);
    }
    let Some((time, zone)) = time.split_once(['+', '-']) else { return false };
    let Some((hours, minutes)) = zone.split_once(':') else { return false };
    let zone = matches!((two(hours), two(minutes)), (Some(0..=13), Some(0..=59)) | (Some(14), Some(0)));
    zone && is_time(time)
}

fn is_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let mut parts = whole.split(':').map(two);
    let (hour, minute, second, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    // Second 60 is a leap second.
    matches!((hour, minute, second), (Some(Some(0..=23)), Some(Some(0..=59)), Some(Some(0..=60))))
        && more.is_none()
        && fraction.is_none_or(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Primitive, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert_eq!(kind.check(text), Ok(()), "{kind:?} `{text}`");
        }
        for text in wrong {
            assert!(kind.check(text).is_err(), "{kind:?} `{text}`");
        }
    }

    #[test]
    fn values_that_a_type_takes_and_refuses() {
        use Primitive::*;
        check(
            Date,
            &["2019", "2019-02", "2020-02-29", "0001-01-01"],
            &[
                "2019-02-29",
                "2019-02-30",
                "2019-13",
                "0000",
                "19-02-01",
                "2019-2-1",
                "2019-02-01-",
                "2019-02-01T",
            ],
        );
        check(
            DateTime,
            &["2019", "2019-02-03T00:00:00Z", "2016-12-31T23:59:60.123456789+14:00"],
            &[
                "2019-02-30T00:00:00Z",
                "2019-02-03T24:00:00Z",
                "2019-02-03T10:00Z",
                "2019-02-03T10:00:00",
                "2019-02T10:00:00Z",
                "2019-02-03T10:00:00+14:01",
            ],
        );
        check(Instant, &["2019-02-03T10:00:00.000-05:00"], &["2019-02-03", "2019-02-03T10:00:00.Z"]);
        check(Time, &["00:00:00", "23:59:59.9"], &["10:00", "24:00:00", "10:00:00Z"]);
        check(Integer, &["0", "-1", "-0", "2147483647", "-2147483648"], &["2147483648", "1.0", "1e3", "-"]);
        check(PositiveInt, &["1", "2147483647"], &["0", "-1", "+1", "2147483648"]);
        check(UnsignedInt, &["0", "7"], &["-1", "-0", "0.5"]);
        check(Decimal, &["1.10", "-0", "1e10", "1.00000000000000000000001"], &["1e1001", "1e99999999999"]);
        check(Id, &["a", "A-1.b"], &["a_b", "", "a b", "ä"]);
        check(
            Oid,
            &["urn:oid:1.2.840", "urn:oid:0.0"],
            &["1.2", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1."],
        );
        check(
            Uuid,
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
                "urn:uuid:c757873d",
            ],
        );
        check(Code, &["a", "a b"], &[" a", "a ", "a  b", ""]);
        check(Uri, &["http://a.example/ä", "urn:x"], &["a b", "a\tb", ""]);
        check(Base64Binary, &["QQ==", "QUJD", "QU\nJD"], &["QQ=", "Q===", "====QQQQ", "QQ-_", " "]);
        check(String, &["a", " a\n\t"], &["", " ", "a\u{1}b"]);
    }

    /// Nothing is taken that the published pattern refuses; and what it takes is refused only for a reason beyond it.
    #[test]
    fn the_published_patterns_agree() {
        let texts = [
            "",
            " ",
            "a",
            " a",
            "a b",
            "a  b",
            "a\tb",
            "ä",
            "0",
            "-0",
            "1",
            "-1",
            "01",
            "1.0",
            "1e3",
            "2147483647",
            "true",
            "A-1.b",
            "a_b",
            "2019",
            "2019-02",
            "2019-2",
            "2019-02-03",
            "0000",
            "2019-02-03T10:00:00Z",
            "2019-02-03T10:00:00.5+14:00",
            "2019-02-03T10:00:00+15:00",
            "2019-02-03T24:00:00Z",
            "2019-02-03T10:00Z",
            "2016-12-31T23:59:60Z",
            "10:00:00",
            "10:00",
            "10:00:00.25",
            "urn:oid:1.2.3",
            "urn:oid:1.02",
            "urn:oid:4.1",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
            "QQ==",
            "QQ=",
            "QUJD QUJD",
            "http://a.example/b?c#d",
        ];
        let mut count = 0;
        for line in include_str!("r4.tsv").lines() {
            let ["P", name, pattern] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
            let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let kind = Primitive::named(name).unwrap();
            for text in texts {
                let taken = kind.check(text).is_ok();
                let numeric = matches!(kind, Primitive::Decimal | Primitive::Boolean);
                // Empty values are refused for all types, blank ones for texts; JSON's reader has seen to numbers.
                let blank = text.trim().is_empty();
                if !blank && !numeric {
                    assert_eq!(taken, pattern.is_match(text), "{name} `{text}`");
                }
            }
            count += 1;
        }
        assert_eq!(count, Primitive::ALL.len() - 1, "all but xhtml have a pattern");
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(Primitive::String.check(&"a".repeat((1 << 20) + 1)), Err(Wrong::Length(_))));
        assert!(matches!(Primitive::Decimal.check(&"1".repeat(101)), Err(Wrong::Length(_))));
        assert!(Primitive::Id.check(&"a".repeat(65)).is_err());
    }
}
