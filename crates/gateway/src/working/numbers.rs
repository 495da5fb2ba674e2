//! This file is where types and search parameters get the small numbers under which rows are stored.
//!
//! The numbers follow from the compiled definitions. A working set that was made with others is made anew; see
//! [`super::schema`].

use conformance::search::{Parameter, parameters};
use std::{collections::HashMap, sync::LazyLock};

/// Numbers of parameters, by type and code.
static PARAMS: LazyLock<HashMap<(&'static str, &'static str), i64>> = LazyLock::new(|| {
    let types = conformance::search::resource_types().enumerate();
    let all = types.flat_map(|(place, kind)| {
        parameters(kind).enumerate().map(move |(at, param)| ((kind, param.code), number(place, at)))
    });
    all.collect()
});

/// Numbers of types.
static KINDS: LazyLock<HashMap<&'static str, i64>> =
    LazyLock::new(|| conformance::search::resource_types().zip(1..).collect());

fn number(kind: usize, at: usize) -> i64 {
    // No type has more than a few dozen parameters.
    i64::try_from(kind * 256 + at % 256).unwrap_or(i64::MAX)
}

/// The number of a resource type; 0, which no row has, for what isn't one.
pub(super) fn kind(name: &str) -> i64 {
    KINDS.get(name).copied().unwrap_or(0)
}

/// The type of this number.
pub(super) fn kind_of(number: i64) -> Option<&'static str> {
    let at = usize::try_from(number.checked_sub(1)?).ok()?;
    conformance::search::resource_types().nth(at)
}

/// The number of a type's parameter; -1, which no row has, for what isn't one.
pub(super) fn param(kind: &str, param: &Parameter) -> i64 {
    by_code(kind, param.code)
}

/// The number of a type's parameter by its code.
pub(super) fn by_code(kind: &str, code: &str) -> i64 {
    // A `&str` key of another lifetime can't be looked up in a map of `&'static str` pairs without being made static.
    let Some(kind) = fhir::types::r4(kind) else { return -1 };
    let Some(param) = conformance::search::parameter(kind, code) else { return -1 };
    PARAMS.get(&(kind, param.code)).copied().unwrap_or(-1)
}

/// Most components of a composite parameter.
const COMPONENTS_MAX: i64 = 16;

/// The number of a component of the composite parameter with this number: no parameter has it.
pub(super) fn component(param: i64, at: usize) -> i64 {
    let at = i64::try_from(at).unwrap_or(COMPONENTS_MAX).min(COMPONENTS_MAX - 1);
    (1 << 32) + param * COMPONENTS_MAX + at
}

/// The number of one composite value of a resource: below zero, where no resource is.
pub(super) fn composite(rid: i64, ordinal: usize) -> i64 {
    -(rid * COMPOSITES_MAX + i64::try_from(ordinal).unwrap_or(i64::MAX).min(COMPOSITES_MAX - 1)) - 1
}

/// Most composite values of a resource: more than its bytes could hold.
const COMPOSITES_MAX: i64 = 1 << 22;

/// The numbers of all composite values that a resource may have: from the least to the greatest.
pub(super) fn composites(rid: i64) -> (i64, i64) {
    (-(rid * COMPOSITES_MAX + COMPOSITES_MAX - 1) - 1, -(rid * COMPOSITES_MAX) - 1)
}

/// Tells the numbering: working sets of another one don't fit.
pub(super) fn numbering() -> i64 {
    // Order and spelling of everything that is numbered, folded into 62 bits (FNV-1a).
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for kind in conformance::search::resource_types() {
        for text in std::iter::once(kind).chain(parameters(kind).map(|param| param.code)) {
            for byte in text.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    i64::try_from(hash >> 2).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_parameter_has_a_number_of_its_own() {
        let numbers: BTreeSet<i64> = PARAMS.values().copied().collect();
        assert_eq!(numbers.len(), PARAMS.len());
        assert!(parameters("Patient").count() < 256);
        for name in conformance::search::resource_types() {
            assert_eq!(kind_of(kind(name)), Some(name));
            assert!(parameters(name).count() < 256, "{name}");
        }
        assert_eq!((kind("Nothing"), kind_of(0)), (0, None));
        let most = numbers.last().copied().unwrap_or_default();
        assert!(most < component(0, 0) && component(1, 15) < component(2, 0));
        for name in conformance::search::resource_types() {
            assert!(parameters(name).all(|param| param.components.len() <= 16), "{name}");
        }
        let (first, last) = composites(7);
        assert!(first < last && last < composites(6).0 && composites(8).1 < first && composites(1).1 < 0);
        assert!((first..=last).contains(&composite(7, 0)) && (first..=last).contains(&composite(7, 1 << 30)));
    }
}
