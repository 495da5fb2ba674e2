//! This file is where a resource gets its place under a sort.

use super::index::Index;
use super::query::Sort;
use super::value::Value;

/// A place in an order; its bytes sort as `memcmp` does. Keys of one [`Sort`] compare with each other and with no others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SortKey(Vec<u8>);

impl SortKey {
    /// The bytes that sort.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a resource: of several values the least, or the greatest where the sort descends (FHIR R4 search,
/// "sorting"). The order of keys is always rising; who sorts turns it around. None where there is no value; such
/// resources come last either way.
#[must_use]
pub fn sort_key(sort: &Sort, index: &Index) -> Option<SortKey> {
    let keys = index.values(sort.param).filter_map(|value| key(value, sort.descending));
    if sort.descending { keys.max() } else { keys.min() }
}

fn key(value: &Value, descending: bool) -> Option<SortKey> {
    let mut bytes = Vec::new();
    // A zero byte parts the fields, so that a shorter one comes first; none of them holds one but in odd input.
    let text = |text: &str, bytes: &mut Vec<u8>| {
        bytes.extend(text.bytes());
        bytes.push(0);
    };
    match value {
        Value::Token(token) => {
            text(token.key.as_deref().or(token.text.as_deref())?, &mut bytes);
            text(token.system.as_deref().unwrap_or_default(), &mut bytes);
        }
        Value::String { text: given, folded } => {
            text(folded, &mut bytes);
            text(given, &mut bytes);
        }
        Value::Date(interval) => {
            let at = if descending { interval.to } else { interval.from };
            // With the sign turned, two's complement sorts as bytes.
            bytes.extend(at.cast_unsigned().wrapping_add(1 << 63).to_be_bytes());
        }
        Value::Number(span) => bytes.extend(if descending { &span.to } else { &span.from }.as_bytes()),
        Value::Quantity(quantity) => {
            let (unit, span) = match &quantity.canonical {
                Some(canonical) => (canonical.unit.as_str(), &canonical.span),
                None => (
                    quantity.code.as_deref().or(quantity.unit.as_deref()).unwrap_or_default(),
                    &quantity.span,
                ),
            };
            text(unit, &mut bytes);
            bytes.extend(if descending { &span.to } else { &span.from }.as_bytes());
        }
        Value::Uri(uri) => {
            text(&uri.uri, &mut bytes);
            text(uri.version.as_deref().unwrap_or_default(), &mut bytes);
        }
        Value::Reference(reference) => {
            let parts = [&reference.kind, &reference.id, &reference.url];
            let parts = parts.map(|part| part.as_deref().unwrap_or_default());
            if parts.iter().all(|part| part.is_empty()) {
                return None;
            }
            parts.iter().for_each(|part| text(part, &mut bytes));
        }
        Value::Composite(_) => return None,
    }
    Some(SortKey(bytes))
}
