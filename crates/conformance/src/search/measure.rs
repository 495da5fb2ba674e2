//! This file is where numbers and quantities of a resource become intervals, their comparators and ranges included.

use super::decimal::{Decimal, Span};
use super::path::Element;
use super::units::{CURRENCY, UCUM, canonical};
use super::value::Quantity;
use fhir::json;
use octofhir_ucum::Number;

/// Points of a `SampledData` that are looked at; one with more yields no value rather than a wrong one.
const SAMPLES_MAX: usize = 100_000;

fn text(value: json::Value<'_>, key: &str) -> Option<String> {
    value.get(key).and_then(json::Value::text).map(|text| text.into_owned())
}

fn decimal(value: json::Value<'_>) -> Option<Decimal> {
    (value.kind() == json::Kind::Number).then(|| Decimal::read(value.raw()))?
}

/// The interval of a number or a `Range`.
pub(super) fn number(value: json::Value<'_>, element: Element) -> Option<Span> {
    if element != Element::Range {
        return decimal(value).map(|number| Span::point(&number));
    }
    let end = |key| value.get(key).and_then(|end| end.get("value")).map(decimal);
    match (end("low"), end("high")) {
        (None, None) | (Some(None), _) | (_, Some(None)) => None,
        (low, high) => Span::between(low.flatten().as_ref(), high.flatten().as_ref()),
    }
}

/// The interval of a `Quantity`, `Money`, `Range` or `SampledData`, with its unit.
pub(super) fn quantity(value: json::Value<'_>, element: Element) -> Option<Quantity> {
    match element {
        Element::Money => {
            let number = decimal(value.get("value")?)?;
            let code = text(value, "currency");
            let system = code.is_some().then(|| CURRENCY.to_owned());
            Some(Quantity { span: Span::point(&number), system, code, unit: None, canonical: None })
        }
        Element::Range => {
            let (low, high) = (value.get("low"), value.get("high"));
            let unit = |end: json::Value<'_>| (text(end, "system"), text(end, "code"), text(end, "unit"));
            if let (Some(low), Some(high)) = (low, high)
                && unit(low) != unit(high)
            {
                return None;
            }
            let end = |end: Option<json::Value<'_>>| end.and_then(|end| end.get("value")).map(decimal);
            let (low_at, high_at) = (end(low), end(high));
            if matches!((&low_at, &high_at), (None, None) | (Some(None), _) | (_, Some(None))) {
                return None;
            }
            with_unit(low.or(high)?, low_at.flatten().as_ref(), high_at.flatten().as_ref())
        }
        Element::SampledData => {
            let (low, high) = samples(value)?;
            with_unit(value.get("origin")?, Some(&low), Some(&high))
        }
        _ => {
            let number = decimal(value.get("value")?)?;
            match text(value, "comparator").as_deref() {
                None => with_unit(value, Some(&number), Some(&number)),
                Some(comparator) => compared(value, &number, comparator),
            }
        }
    }
}

fn with_unit(unit: json::Value<'_>, low: Option<&Decimal>, high: Option<&Decimal>) -> Option<Quantity> {
    let (system, code) = (text(unit, "system"), text(unit, "code"));
    let canonical = match (&system, &code) {
        (Some(system), Some(code)) if system == UCUM => canonical(code, low, high),
        _ => None,
    };
    Some(Quantity { span: Span::between(low, high)?, system, code, unit: text(unit, "unit"), canonical })
}

/// `<5` and its like reach to infinity; the number itself is in or out.
fn compared(value: json::Value<'_>, number: &Decimal, comparator: &str) -> Option<Quantity> {
    let above = match comparator {
        ">" | ">=" => true,
        "<" | "<=" => false,
        _ => return None,
    };
    let (low, high) = if above { (Some(number), None) } else { (None, Some(number)) };
    let mut quantity = with_unit(value, low, high)?;
    if !comparator.ends_with('=') {
        // Open at the number: the interval ends on the other side of it.
        let spans =
            [Some(&mut quantity.span), quantity.canonical.as_mut().map(|canonical| &mut canonical.span)];
        for span in spans.into_iter().flatten() {
            if above {
                span.from = span.from.other_side();
            } else {
                span.to = span.to.other_side();
            }
        }
    }
    Some(quantity)
}

/// Least and greatest point: origin plus factor times what stands in `data` (FHIR R4 SampledData).
fn samples(value: json::Value<'_>) -> Option<(Decimal, Decimal)> {
    let number = |value: json::Value<'_>| Number::parse(value.raw());
    let origin = number(value.get("origin")?.get("value")?)?;
    let factor = value.get("factor").map_or(Some(Number::ONE), number)?;
    let limit = |key: &str| value.get(key).and_then(number);
    let data = value.get("data")?.text()?;
    let (mut least, mut greatest): (Option<Number>, Option<Number>) = (None, None);
    for (at, sample) in data.split_ascii_whitespace().enumerate() {
        if at >= SAMPLES_MAX {
            return None;
        }
        let point = match sample {
            "E" => continue,
            // Beyond what the device can tell: at least at its limit, which must be known.
            "L" => limit("lowerLimit")?,
            "U" => limit("upperLimit")?,
            sample => Number::parse(sample)?,
        };
        if least.is_none_or(|least| point < least) {
            least = Some(point);
        }
        if greatest.is_none_or(|greatest| point > greatest) {
            greatest = Some(point);
        }
    }
    let scaled = |point: Number| {
        let (digits, exponent) = origin.checked_add(point.checked_mul(factor)?)?.to_integer_and_exponent();
        Decimal::scaled(digits, exponent)
    };
    let (one, other) = (scaled(least?)?, scaled(greatest?)?);
    // A negative factor turns them around.
    Some(if one.below() <= other.below() { (one, other) } else { (other, one) })
}
