//! This file is where the compiled search parameters of FHIR R4 are found.
//!
//! They lie in `table.txt`, made by `gen/search.py`. A line's fields are parted by tabs:
//!
//! - `S system`: a code system, and `T types`: the targets of a reference (`*` is all); both are referred to by number.
//! - `P types code type targets sources`: a parameter of these types. Sources are parted by commas; those of a composite
//!   are groups parted by `;`, in each of which come a path and the components, parted by `/`.
//! - `E type summary mandatory all`: elements of a type, those of the summary with what lies in backbones, the others at
//!   the top; a choice ends in `[x]` in the last list alone.

use super::path::{Source, Step, steps};
use super::tree::Tree;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEXT: &str = include_str!("table.txt");
static TABLE: LazyLock<BTreeMap<&'static str, Type>> = LazyLock::new(|| match read(TEXT) {
    Ok(table) => table,
    // Part of the program: a test reads it.
    Err(line) => panic!("broken invariant: line {line} of the table of search parameters cannot be read"),
});

/// The type of a search parameter (value set search-param-type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ParamType {
    /// Numbers.
    Number,
    /// Dates and times.
    Date,
    /// Texts.
    String,
    /// Codes, identifiers, flags.
    Token,
    /// References to resources.
    Reference,
    /// Several at once, of the same element.
    Composite,
    /// Numbers with units.
    Quantity,
    /// URIs.
    Uri,
    /// `Location.near` alone; refused.
    Special,
}

impl ParamType {
    const ALL: [Self; 9] = [
        Self::Number,
        Self::Date,
        Self::String,
        Self::Token,
        Self::Reference,
        Self::Composite,
        Self::Quantity,
        Self::Uri,
        Self::Special,
    ];

    /// The code in FHIR.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }

    fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A search parameter as it applies to one type of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in a query, as `value-quantity`.
    pub code: &'static str,
    /// Its type.
    pub kind: ParamType,
    /// For references: the types that it may lead to. Never `Resource`: that is spelled out.
    pub targets: Vec<&'static str>,
    /// For tokens: whether codes compare byte for byte (elements of type `code`, `id`, `boolean`, `uri`) or folded.
    pub exact_case: bool,
    /// For composites: what they are made of.
    pub components: Vec<Component>,
    /// Where its elements lie; of a composite empty.
    pub(super) sources: Vec<Source>,
    /// For composites: the elements that it is about.
    pub(super) groups: Vec<Group>,
}

/// A part of a composite parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// Its type; never composite.
    pub kind: ParamType,
    /// As [`Parameter::exact_case`].
    pub exact_case: bool,
}

/// One of the elements that a composite parameter is about: where it lies, and what is read from it for each component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) steps: Vec<Step>,
    pub(super) components: Vec<Vec<Source>>,
}

/// A type of resource.
#[derive(Debug, Default)]
pub(super) struct Type {
    /// Sorted by code.
    pub(super) params: Vec<Parameter>,
    pub(super) tree: Tree,
    /// Paths of elements in the summary, below backbones too.
    pub(super) summary: Vec<&'static str>,
    /// Keys of mandatory elements.
    pub(super) mandatory: Vec<&'static str>,
    /// All elements; a choice ends in `[x]`.
    pub(super) elements: Vec<&'static str>,
}

/// Every resource type of R4 that can be searched, in alphabetical order.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    TABLE.keys().copied()
}

/// Every search parameter of a type, those of all resources (`_id`, `_lastUpdated` …) included, by code. Nothing for what
/// is not a type of R4. All but [`ParamType::Special`] are supported: that is what a CapabilityStatement lists.
pub fn parameters(kind: &str) -> impl Iterator<Item = &'static Parameter> + use<> {
    of(kind).into_iter().flat_map(|kind| &kind.params)
}

/// A search parameter of a type by its code.
///
/// ```
/// use conformance::search::{ParamType, parameter};
/// let param = parameter("Observation", "value-quantity").unwrap();
/// assert_eq!(param.kind, ParamType::Quantity);
/// assert!(parameter("Observation", "birthdate").is_none());
/// ```
#[must_use]
pub fn parameter(kind: &str, code: &str) -> Option<&'static Parameter> {
    let params = &of(kind)?.params;
    params.get(params.binary_search_by(|param| param.code.cmp(code)).ok()?)
}

pub(super) fn of(kind: &str) -> Option<&'static Type> {
    TABLE.get(kind)
}

/// Reads the table, or names the line that is wrong.
fn read(text: &'static str) -> Result<BTreeMap<&'static str, Type>, usize> {
    let (mut systems, mut targets, mut types) = (Vec::new(), Vec::new(), BTreeMap::new());
    let lines = || text.lines().enumerate().map(|(at, line)| (at + 1, line));
    for (at, line) in lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["S", system] => systems.push(system),
            ["T", names] => targets.push(names),
            ["E", name, summary, mandatory, elements] => {
                let words = |text: &'static str| text.split(' ').filter(|word| !word.is_empty()).collect();
                let kind = Type {
                    summary: words(summary),
                    mandatory: words(mandatory),
                    elements: words(elements),
                    ..Type::default()
                };
                types.insert(fhir::types::r4(name).ok_or(at)?, kind);
            }
            ["P", ..] => {}
            _ if line.starts_with('#') => {}
            _ => return Err(at),
        }
    }
    let all: Vec<&'static str> = types.keys().copied().collect();
    for (at, line) in lines() {
        let ["P", bases, code, kind, aims, sources] = line.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        let aims = match aims {
            "" => Vec::new(),
            aims => match *aims.parse::<usize>().ok().and_then(|aims| targets.get(aims)).ok_or(at)? {
                "*" => all.clone(),
                names => {
                    names.split(' ').map(|name| fhir::types::r4(name).ok_or(at)).collect::<Result<_, _>>()?
                }
            },
        };
        let kind = ParamType::named(kind).ok_or(at)?;
        for base in bases.split(' ') {
            let bases = match base {
                "Resource" | "DomainResource" => all.as_slice(),
                _ => &[base],
            };
            for base in bases {
                let param = param(code, kind, aims.clone(), sources, &systems).ok_or(at)?;
                types.get_mut(base).ok_or(at)?.params.push(param);
            }
        }
    }
    for kind in types.values_mut() {
        kind.params.sort_by_key(|param| param.code);
        for (at, param) in kind.params.iter().enumerate() {
            for source in &param.sources {
                kind.tree.add(at, source);
            }
            for (number, group) in param.groups.iter().enumerate() {
                kind.tree.add_composite(at, number, &group.steps);
            }
        }
    }
    Ok(types)
}

fn param(
    code: &'static str,
    kind: ParamType,
    targets: Vec<&'static str>,
    text: &'static str,
    systems: &[&'static str],
) -> Option<Parameter> {
    let mut param = Parameter {
        code,
        kind,
        targets,
        exact_case: false,
        components: Vec::new(),
        sources: Vec::new(),
        groups: Vec::new(),
    };
    if kind != ParamType::Composite {
        param.sources = sources(text, systems)?;
        param.exact_case = is_exact(&param.sources);
        return Some(param);
    }
    for group in text.split(';') {
        let mut parts = group.split('/');
        let mut read = Group { steps: steps(parts.next()?)?, components: Vec::new() };
        for (at, part) in parts.enumerate() {
            let (kind, text) = part.split_once(' ')?;
            let sources = sources(text, systems)?;
            let component = Component { kind: ParamType::named(kind)?, exact_case: is_exact(&sources) };
            match param.components.get(at) {
                Some(known) if *known == component => {}
                Some(_) => return None,
                None => param.components.push(component),
            }
            read.components.push(sources);
        }
        param.groups.push(read);
    }
    Some(param)
}

fn sources(text: &'static str, systems: &[&'static str]) -> Option<Vec<Source>> {
    text.split(',').map(|text| Source::read(text, systems)).collect()
}

fn is_exact(sources: &[Source]) -> bool {
    sources.iter().all(|source| source.leaf.element.is_exact())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_published_pair_is_compiled() {
        let table = read(TEXT).unwrap();
        assert_eq!(table.len(), 146);
        // Pairs as published: those of Resource count once.
        let common: BTreeSet<_> =
            parameters("Basic").map(|param| param.code).filter(|code| code.starts_with('_')).collect();
        assert_eq!(
            common.into_iter().collect::<Vec<_>>(),
            ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"]
        );
        let own =
            table.values().flat_map(|kind| &kind.params).filter(|param| !param.code.starts_with('_')).count();
        assert_eq!(own + 6, 1706);
        for (name, kind) in &table {
            assert!(
                kind.params.windows(2).all(|pair| pair[0].code < pair[1].code),
                "{name}: a code stands twice"
            );
            for param in &kind.params {
                let read = !param.sources.is_empty() || !param.groups.is_empty();
                assert!(read, "{name}.{}", param.code);
                assert_eq!(
                    param.kind == ParamType::Reference,
                    !param.targets.is_empty(),
                    "{name}.{}",
                    param.code
                );
                assert_eq!(
                    param.kind == ParamType::Composite,
                    param.components.len() >= 2,
                    "{name}.{}",
                    param.code
                );
            }
        }
    }
}
