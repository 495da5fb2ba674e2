//! This file is where decimals of any precision become intervals whose ends sort as bytes.

use std::fmt::Write;

/// Digits that a number may have; one with more is not read.
const DIGITS_MAX: usize = 200;
/// Powers of ten that a number may reach, up or down; FHIR asks for none, UCUM needs about a thousand.
const EXPONENT_MAX: i32 = 20_000;

/// A place between two numbers: just below or just above a decimal, or beyond all of them.
///
/// Its bytes sort (as `memcmp` does, in SQLite's BLOB and PostgreSQL's BYTEA) as the places do, exactly, whatever the
/// number of digits. At most 106 bytes; for numbers as people write them about six.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cut(Vec<u8>);

impl Cut {
    /// The bytes that sort.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number beside which it lies, without needless digits, as `-1205e-2`; none beyond all numbers.
    #[must_use]
    pub fn number(&self) -> Option<String> {
        let (sign, rest) = match *self.0.as_slice() {
            [0x20, _] => return Some("0".to_owned()),
            [0x10, ref rest @ ..] => ("-", rest),
            [0x30, ref rest @ ..] => ("", rest),
            _ => return None,
        };
        let turn = |byte: u8| if sign.is_empty() { byte } else { !byte };
        let [high, low, pairs @ .., _] = rest else { return None };
        let place = i64::from(u16::from_be_bytes([turn(*high), turn(*low)])) - 0x8000;
        let mut digits = String::new();
        for pair in pairs {
            let _ = write!(digits, "{:02}", turn(*pair).saturating_sub(2));
        }
        let exponent = place - digits.len() as i64;
        let shown = digits.trim_end_matches('0');
        let exponent = exponent + (digits.len() - shown.len()) as i64;
        let shown = shown.trim_start_matches('0');
        Some(if exponent == 0 { format!("{sign}{shown}") } else { format!("{sign}{shown}e{exponent}") })
    }

    /// From just below a number to just above it and back.
    pub(super) fn other_side(&self) -> Self {
        let mut bytes = self.0.clone();
        if let (2.., Some(side)) = (bytes.len(), bytes.last_mut()) {
            *side ^= 1;
        }
        Self(bytes)
    }

    /// Below every number.
    #[must_use]
    pub fn lowest() -> Self {
        Self(vec![0])
    }

    /// Above every number.
    #[must_use]
    pub fn highest() -> Self {
        Self(vec![0xff])
    }
}

/// An interval of numbers. A single number reaches from just below to just above itself; always `from < to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub from: Cut,
    /// Where it ends.
    pub to: Cut,
}

impl Span {
    pub(super) fn point(number: &Decimal) -> Self {
        Self { from: number.below(), to: number.above() }
    }

    /// Both ends included; none if there is nothing between them.
    pub(super) fn between(low: Option<&Decimal>, high: Option<&Decimal>) -> Option<Self> {
        let from = low.map_or_else(Cut::lowest, Decimal::below);
        let to = high.map_or_else(Cut::highest, Decimal::above);
        (from < to).then_some(Self { from, to })
    }
}

/// An exact decimal as it was written: `1.10` has three digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    /// Each 0 to 9, without leading zeros, trailing ones kept; empty is zero.
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i32,
}

impl Decimal {
    /// Reads the JSON and XML spellings: `-12.50`, `1e2`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (body, exponent) = match rest.split_once(['e', 'E']) {
            Some((body, exponent)) => (body, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
        let given = whole.len() + fraction.len();
        if given == 0 || given > DIGITS_MAX || exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let mut digits = Vec::with_capacity(given);
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' if digits.is_empty() => {}
                b'0'..=b'9' => digits.push(byte - b'0'),
                _ => return None,
            }
        }
        let mut exponent = exponent - i32::try_from(fraction.len()).ok()?;
        // FHIR R4 search, "number": 1e2 stands for 95 to 105, which is as exact as 1.0e2.
        if given == 1 && rest.len() > 1 {
            digits.push(0);
            exponent -= 1;
        }
        Some(Self { negative, digits, exponent })
    }

    /// An integer times a power of ten.
    pub(super) fn scaled(integer: i128, exponent: i32) -> Option<Self> {
        let digits = integer.unsigned_abs().to_string();
        let mut read = Self::read(&digits)?;
        (exponent.abs() <= EXPONENT_MAX).then(|| {
            read.negative = integer < 0;
            read.exponent = exponent;
            read
        })
    }

    /// The numbers that round to this one at its last digit: `100` is 99.5 to 100.5, the latter excluded (FHIR R4
    /// search, "number").
    pub(super) fn rounding(&self) -> (Self, Self) {
        // Half a unit further out is one more digit, a 5; half a unit further in is the same of the number before.
        let mut out = self.clone();
        out.digits.push(5);
        out.exponent -= 1;
        let mut inward = self.clone();
        inward.exponent -= 1;
        match inward.digits.iter().rposition(|digit| *digit != 0) {
            None => inward.negative = !inward.negative,
            Some(at) => {
                for (place, digit) in inward.digits.iter_mut().enumerate() {
                    if place == at {
                        *digit -= 1;
                    } else if place > at {
                        *digit = 9;
                    }
                }
            }
        }
        inward.digits.push(5);
        let zeros = inward.digits.iter().take_while(|digit| **digit == 0).count();
        inward.digits.drain(..zeros);
        if self.negative { (out, inward) } else { (inward, out) }
    }

    /// A tenth less and a tenth more.
    pub(super) fn tenth_around(&self) -> (Self, Self) {
        let (near, far) = (self.times(9), self.times(11));
        if self.negative { (far, near) } else { (near, far) }
    }

    /// A small number of tenths of it.
    fn times(&self, tenths: u32) -> Self {
        let (mut digits, mut carry) = (Vec::with_capacity(self.digits.len() + 2), 0);
        for digit in self.digits.iter().rev() {
            let product = u32::from(*digit) * tenths + carry;
            digits.push((product % 10) as u8);
            carry = product / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
        digits.reverse();
        Self { negative: self.negative, digits, exponent: self.exponent - 1 }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == 0)
    }

    pub(super) fn below(&self) -> Cut {
        self.cut(0)
    }

    pub(super) fn above(&self) -> Cut {
        self.cut(1)
    }

    /// Sign, then the place of the first digit, then two digits a byte (2 to 101), then the side (0 or 1), which is less
    /// than any further digits. Of a negative number all but the sign and the side is turned around.
    fn cut(&self, side: u8) -> Cut {
        if self.is_zero() {
            return Cut(vec![0x20, side]);
        }
        let last = self.digits.iter().rposition(|digit| *digit != 0).map_or(0, |at| at + 1);
        let place = i64::from(self.exponent) + self.digits.len() as i64 + 0x8000;
        let place = u16::try_from(place.clamp(0, 0xffff)).unwrap_or(u16::MAX).to_be_bytes();
        let turn = |byte: u8| if self.negative { !byte } else { byte };
        let mut bytes = vec![if self.negative { 0x10 } else { 0x30 }, turn(place[0]), turn(place[1])];
        for pair in self.digits.get(..last).unwrap_or_default().chunks(2) {
            let (first, second) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
            bytes.push(turn(2 + 10 * first + second));
        }
        bytes.push(if self.negative { 0xfe + side } else { side });
        Cut(bytes)
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        let digits = if digits.is_empty() { "0" } else { &digits };
        if self.exponent == 0 {
            write!(f, "{sign}{digits}")
        } else {
            write!(f, "{sign}{digits}e{}", self.exponent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Decimal {
        Decimal::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn cuts_sort_as_the_numbers_do() {
        let rising = [
            "-1e300", "-1000.1", "-1000", "-12.5", "-12.05", "-12.005", "-12", "-0.5", "-0.05", "0",
            "1e-300", "0.05", "0.5", "1", "1.2", "1.2005", "1.25", "1.2505", "9", "10", "10.01", "12", "100",
            "1000", "1e300",
        ];
        let cuts: Vec<_> =
            rising.iter().flat_map(|text| [number(text).below(), number(text).above()]).collect();
        assert!(cuts.is_sorted_by(|a, b| a < b), "{cuts:?}");
        assert!(Cut::lowest() < cuts[0] && cuts[cuts.len() - 1] < Cut::highest());
    }

    #[test]
    fn one_number_has_one_cut_however_it_is_written() {
        for (one, other) in
            [("1.10", "1.1"), ("100", "1e2"), ("0.00", "-0"), ("-5", "-5.000"), ("0012", "12")]
        {
            assert_eq!(number(one).below(), number(other).below(), "{one}");
        }
    }

    #[test]
    fn precision_is_half_a_unit_of_the_last_digit() {
        for (text, low, high) in [
            ("100", "99.5", "100.5"),
            ("100.00", "99.995", "100.005"),
            ("1e2", "95", "105"),
            ("1.0e2", "95", "105"),
            ("-2", "-2.5", "-1.5"),
            ("0", "-0.5", "0.5"),
            ("0.0", "-0.05", "0.05"),
            ("1", "0.5", "1.5"),
            ("10", "9.5", "10.5"),
        ] {
            let (from, to) = number(text).rounding();
            assert_eq!(
                (from.below(), to.below()),
                (number(low).below(), number(high).below()),
                "{text}: {from} {to}"
            );
        }
        let (from, to) = number("-19.9").tenth_around();
        assert_eq!((from.below(), to.below()), (number("-21.89").below(), number("-17.91").below()));
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in ["", "-", ".", "1.2.3", "1e", "e5", "0x1", "1e99999", "١", "1 "] {
            assert!(Decimal::read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_agrees_with_integers(a in any::<i64>(), b in any::<i64>(), exponent in -50i32..50) {
            let cut = |integer: i64| Decimal::scaled(integer.into(), exponent).unwrap().below();
            prop_assert_eq!(a.cmp(&b), cut(a).cmp(&cut(b)));
        }

        #[test]
        fn a_cut_names_its_number(digits in "-?[0-9]{1,40}", exponent in -60i32..60) {
            let number = Decimal::read(&format!("{digits}e{exponent}")).unwrap();
            for cut in [number.below(), number.above()] {
                let named = Decimal::read(&cut.number().unwrap()).unwrap();
                prop_assert_eq!(named.below(), number.below());
            }
        }

        #[test]
        fn a_number_lies_within_its_own_precision(whole in any::<i64>(), exponent in -9i32..9) {
            let number = Decimal::read(&format!("{whole}e{exponent}")).unwrap();
            let (from, to) = number.rounding();
            prop_assert!(from.below() <= number.below() && number.above() <= to.below());
        }

        #[test]
        fn reading_never_panics(text in "[-+0-9.eE]{0,300}") {
            if let Some(number) = Decimal::read(&text) {
                let _ = (number.rounding(), number.tenth_around(), number.above());
            }
        }
    }
}
