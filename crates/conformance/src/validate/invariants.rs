//! This file is where invariants are evaluated: compiled once, counted, and never fatal.

use super::fhirpath::{Expr, Node, Scene, Stop, holds, parse};
use super::table::Table;
use std::sync::OnceLock;

/// The invariants of R4 whose expression is not evaluated, and why.
///
/// All but `ctm-1` are checked nevertheless, by code.
pub const NOT_EVALUATED: &[(&str, &str)] = &[
    ("ctm-1", "evaluated, but it follows references, and only those to contained resources can be followed"),
    ("dom-2", "checked while walking: contained resources are known there"),
    (
        "dom-3",
        "checked while walking: as published it takes every `uri`, `url` and `canonical` of the resource for each",
    ),
    ("ele-1", "checked while walking, on every element"),
    ("ext-1", "checked while walking, on every extension"),
    ("ref-1", "checked while walking: contained resources are known there"),
    ("txt-1", "checked by a parser of XHTML: the expression only says `htmlChecks()`"),
    ("txt-2", "checked by a parser of XHTML: the expression only says `htmlChecks()`"),
];

/// What an invariant says of an element.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    Broken,
    /// It could not be evaluated.
    Unknown(Stop),
}

/// Evaluates the invariant at an index of the table.
pub(super) fn judge(rule: u16, node: Node<'_>, scene: Scene<'_>, steps: &mut usize) -> Verdict {
    let Some(Some(expr)) = compiled(scene.table).get(usize::from(rule)) else { return Verdict::Holds };
    let is_error = scene.table.rules.get(usize::from(rule)).is_some_and(|rule| rule.is_error);
    match holds(expr, node, scene, steps) {
        Ok(Some(true)) => Verdict::Holds,
        Ok(Some(false)) => Verdict::Broken,
        // It must be true, so nothing is not enough; advice such as `name.matches(…)` is for those who have a name.
        Ok(None) if is_error => Verdict::Broken,
        Ok(None) => Verdict::Holds,
        Err(stop) => Verdict::Unknown(stop),
    }
}

/// The expressions of R4's table, none where [`NOT_EVALUATED`] says so.
fn compiled(table: &'static Table) -> &'static [Option<Expr>] {
    static COMPILED: OnceLock<Vec<Option<Expr>>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let by_hand = |key| key != "ctm-1" && NOT_EVALUATED.iter().any(|(name, _)| *name == key);
        let evaluated = table.rules.iter().map(|rule| (!by_hand(rule.key)).then_some(rule));
        // A test compiles them all, so that none is lost here.
        evaluated.map(|rule| rule.and_then(|rule| parse(rule.expression).ok())).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_compiles_or_is_listed() {
        let table = Table::r4();
        let compiled = compiled(table);
        let mut count = 0;
        for (rule, expr) in table.rules.iter().zip(compiled) {
            let listed = NOT_EVALUATED.iter().any(|(key, _)| *key == rule.key) && rule.key != "ctm-1";
            if !listed {
                let again = parse(rule.expression);
                assert!(expr.is_some(), "{}: {:?} in {}", rule.key, again.err(), rule.expression);
                count += 1;
            }
        }
        assert_eq!((table.rules.len(), count), (239, 234));
    }
}
