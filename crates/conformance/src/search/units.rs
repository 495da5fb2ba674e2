//! This file is where quantities get the base units of UCUM, so that milligrams are found by grams.

use super::decimal::{Decimal, Span};
use super::value::Canonical;
use octofhir_ucum::{Number, get_canonical_units};
use std::cell::RefCell;
use std::collections::HashMap;

/// The system of UCUM.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";
/// The system of currencies, in which `Money` is indexed.
pub(super) const CURRENCY: &str = "urn:iso:std:iso:4217";
/// No unit in use is nearly as long.
const UNIT_BYTES_MAX: usize = 128;
/// Units remembered by a thread. When full, it is emptied: a stream of made-up units must not grow it.
const REMEMBERED_MAX: usize = 1024;

/// A unit's base units, and what turns a value into them.
#[derive(Clone)]
struct Base {
    unit: String,
    factor: Number,
    offset: Number,
}

thread_local! {
    /// Parsing a unit costs a hundred times a lookup, and a hospital uses few.
    static REMEMBERED: RefCell<HashMap<String, Option<Base>>> = RefCell::new(HashMap::new());
}

/// The ends in base units; none if the unit isn't UCUM's or has none (`[pH]`).
pub(super) fn canonical(code: &str, low: Option<&Decimal>, high: Option<&Decimal>) -> Option<Canonical> {
    let base = base(code)?;
    let end =
        |number: Option<&Decimal>| number.map_or(Some(None), |number| converted(number, &base).map(Some));
    let (low, high) = (end(low)?, end(high)?);
    Some(Canonical { span: Span::between(low.as_ref(), high.as_ref())?, unit: base.unit })
}

/// As [`canonical`], with the upper end excluded: the range that a search value stands for.
pub(super) fn canonical_until(code: &str, low: &Decimal, high: &Decimal) -> Option<Canonical> {
    let base = base(code)?;
    let span = Span { from: converted(low, &base)?.below(), to: converted(high, &base)?.below() };
    (span.from < span.to).then_some(Canonical { span, unit: base.unit })
}

fn converted(number: &Decimal, base: &Base) -> Option<Decimal> {
    let product = Number::parse(&number.to_string())?.checked_mul(base.factor)?;
    let (digits, exponent) = product.checked_add(base.offset)?.to_integer_and_exponent();
    Decimal::scaled(digits, exponent)
}

fn base(code: &str) -> Option<Base> {
    if code.is_empty() || code.len() > UNIT_BYTES_MAX {
        return None;
    }
    REMEMBERED.with_borrow_mut(|remembered| {
        if let Some(known) = remembered.get(code) {
            return known.clone();
        }
        let found = get_canonical_units(code).ok().map(|canonical| Base {
            unit: canonical.unit,
            factor: canonical.factor,
            offset: canonical.offset,
        });
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(code.to_owned(), found.clone());
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(text: &str, unit: &str) -> Option<Canonical> {
        let number = Decimal::read(text).unwrap();
        canonical(unit, Some(&number), Some(&number))
    }

    #[test]
    fn units_of_one_kind_meet() {
        for (one, other) in [
            (("5.4", "mg"), ("0.0054", "g")),
            (("1", "[in_i]"), ("2.54", "cm")),
            (("37", "Cel"), ("310.15", "K")),
            (("120", "mm[Hg]"), ("12", "cm[Hg]")),
            (("90", "mg/dL"), ("0.9", "g/L")),
            (("50", "%"), ("0.5", "1")),
            (("1", "h"), ("60", "min")),
        ] {
            let (left, right) = (point(one.0, one.1), point(other.0, other.1));
            assert!(left.is_some() && left == right, "{one:?} {left:?} {right:?}");
        }
        assert_ne!(point("1", "mg").unwrap().unit, point("1", "mL").unwrap().unit);
        assert_eq!(point("7.4", "[pH]"), None);
        assert_eq!(point("1", "no such unit"), None);
        assert_eq!(point("1", &"m.".repeat(500)), None);
    }
}
