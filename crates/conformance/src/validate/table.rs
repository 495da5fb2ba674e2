//! This file is where the shipped table of FHIR R4's definitions is decoded, once, into types that can be looked up.
//!
//! The table is `r4.tsv`, made by gen/structure.py, whose head describes the lines.

use super::primitive::Primitive;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

const R4: &str = include_str!("r4.tsv");

/// Elements by key. Nothing from outside is ever put in, so that a fast hash is safe.
pub(super) type Keys<T> = HashMap<&'static str, T, BuildHasherDefault<KeyHasher>>;

/// All types, value sets and invariants.
pub(super) struct Table {
    pub(super) types: Vec<Type>,
    by_name: Keys<u16>,
    pub(super) sets: Vec<CodeSet>,
    pub(super) rules: Vec<Rule>,
}

/// A resource type, a complex data type, or the children of an element.
#[derive(Clone)]
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) is_resource: bool,
    /// Indices of the invariants of every value of the type.
    pub(super) rules: Vec<u16>,
    pub(super) elements: Vec<Element>,
    /// JSON key to element.
    pub(super) keys: Keys<Slot>,
    /// Element name (without `[x]`) to index.
    pub(super) names: Keys<u8>,
    /// Bit i: element i must be there.
    pub(super) required: u128,
}

/// What a JSON key of a type stands for.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) element: u8,
    /// Which of the element's kinds; 0 unless it is a choice.
    pub(super) kind: u8,
    /// Whether the key begins with `_` and holds a primitive's id and extensions.
    pub(super) is_sibling: bool,
}

/// An element of a type.
#[derive(Clone)]
pub(super) struct Element {
    /// Without `[x]`.
    pub(super) name: &'static str,
    pub(super) is_choice: bool,
    pub(super) repeats: bool,
    pub(super) kinds: Vec<Kind>,
    /// The kinds' names, as they end the key of a choice.
    pub(super) kind_names: Vec<&'static str>,
    /// Index of the value set that binds it.
    pub(super) set: Option<u16>,
    /// Indices of invariants beyond those of its type.
    pub(super) rules: Vec<u16>,
}

/// What an element may be.
#[derive(Clone)]
pub(super) enum Kind {
    Primitive(Primitive),
    /// Index of a type.
    Object(u16),
    /// Index of the type `Reference`, and the resource types that may be named; none means any.
    Reference(u16, Vec<&'static str>),
    /// Any resource, or one of a type.
    Resource(Option<&'static str>),
}

/// A value set that binds an element.
pub(super) struct CodeSet {
    pub(super) name: &'static str,
    /// System to sorted codes; none if the codes are not known here.
    pub(super) codes: Option<Vec<(&'static str, Vec<&'static str>)>>,
}

/// An invariant.
pub(super) struct Rule {
    pub(super) key: &'static str,
    pub(super) is_error: bool,
    pub(super) human: &'static str,
    /// `-` where no expression can say it.
    pub(super) expression: &'static str,
}

/// Why a table could not be decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TableError {
    #[error("line {0} has too few fields or stands in a wrong place")]
    Line(usize),
    #[error("line {line}: `{name}` is not defined")]
    Unknown { line: usize, name: String },
    #[error("line {0}: more than 127 elements in a type, or 65535 types")]
    TooMany(usize),
}

impl Table {
    /// The table of R4.
    pub(super) fn r4() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| match Self::decode(R4) {
            Ok(table) => table,
            Err(error) => panic!("r4.tsv is broken, run gen/structure.py: {error}"),
        })
    }

    /// The type of this name, `Patient` or `Patient.contact`.
    pub(super) fn named(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, at: u16) -> Option<&Type> {
        self.types.get(usize::from(at))
    }

    fn decode(text: &'static str) -> Result<Self, TableError> {
        let mut table =
            Self { types: Vec::new(), by_name: Keys::default(), sets: Vec::new(), rules: Vec::new() };
        let mut set_names: Keys<u16> = Keys::default();
        let mut rule_names: Keys<u16> = Keys::default();
        // Elements may be of types further down.
        let mut count = 0;
        for line in text.lines().filter(|line| line.starts_with("T\t")) {
            let name = line.split('\t').nth(1).unwrap_or_default();
            table.by_name.insert(name, count);
            count = count.checked_add(1).ok_or(TableError::TooMany(0))?;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let fields: Vec<&'static str> = line.split('\t').collect();
            match fields.as_slice() {
                [comment] if comment.starts_with('#') => {}
                ["P", _, _] => {}
                ["U", name, _url] => {
                    set_names.insert(name, table.sets.len() as u16);
                    table.sets.push(CodeSet { name, codes: None });
                }
                ["S", name, _url] => {
                    set_names.insert(name, table.sets.len() as u16);
                    table.sets.push(CodeSet { name, codes: Some(Vec::new()) });
                }
                ["s", system, codes @ ..] => {
                    let set = table.sets.last_mut().and_then(|set| set.codes.as_mut());
                    let mut codes = codes.to_vec();
                    codes.sort_unstable();
                    set.ok_or(TableError::Line(number))?.push((system, codes));
                }
                ["I", key, severity, human, expression] => {
                    rule_names.insert(key, table.rules.len() as u16);
                    // A second rule of the same key is `key~2` in the table only.
                    let key = key.split('~').next().unwrap_or(key);
                    table.rules.push(Rule { key, is_error: *severity == "error", human, expression });
                }
                ["T", name, base, kind, rules] => {
                    let mut made = match *base {
                        "-" => Type::bare(),
                        base => table.above(base).ok_or_else(|| unknown(number, base))?,
                    };
                    made.name = name;
                    made.is_resource = *kind == "resource";
                    made.rules.extend(looked_up(rules, &rule_names, number)?);
                    table.types.push(made);
                }
                ["E", name, min, max, kinds, set, rules] => {
                    let kind_names =
                        kinds.split(' ').map(|kind| kind.split('(').next().unwrap_or(kind)).collect();
                    let kinds =
                        kinds.split(' ').map(|kind| table.kind(kind, number)).collect::<Result<_, _>>()?;
                    let set = looked_up(set, &set_names, number)?.first().copied();
                    let element = Element {
                        name: name.trim_end_matches("[x]"),
                        is_choice: name.ends_with("[x]"),
                        repeats: *max == "*",
                        kinds,
                        kind_names,
                        set,
                        rules: looked_up(rules, &rule_names, number)?,
                    };
                    let owner = table.types.last_mut().ok_or(TableError::Line(number))?;
                    owner.put(element, *min != "0").ok_or(TableError::TooMany(number))?;
                }
                _ => return Err(TableError::Line(number)),
            }
        }
        Ok(table)
    }

    fn above(&self, base: &str) -> Option<Type> {
        self.types.get(usize::from(self.named(base)?)).cloned()
    }

    fn kind(&self, text: &'static str, line: usize) -> Result<Kind, TableError> {
        let (name, inner) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, inner)) => (name, Some(inner)),
            None => (text, None),
        };
        if name == "Resource" {
            return Ok(Kind::Resource(inner));
        }
        if let Some(primitive) = Primitive::named(name) {
            return Ok(Kind::Primitive(primitive));
        }
        let at = self.named(name.trim_start_matches('@')).ok_or_else(|| unknown(line, name))?;
        Ok(match name {
            "Reference" => {
                Kind::Reference(at, inner.map(|inner| inner.split('|').collect()).unwrap_or_default())
            }
            _ => Kind::Object(at),
        })
    }

    /// The name of a kind as a type: `Quantity`, `string`; of children without a type of their own `BackboneElement`.
    pub(super) fn kind_name(&self, kind: &Kind) -> &'static str {
        match kind {
            Kind::Primitive(primitive) => primitive.name(),
            Kind::Reference(..) => "Reference",
            Kind::Resource(name) => name.unwrap_or("Resource"),
            Kind::Object(at) => self.get(*at).map_or("Element", |found| {
                if found.name.contains('.') { "BackboneElement" } else { found.name }
            }),
        }
    }
}

impl Type {
    fn bare() -> Self {
        Self {
            name: "",
            is_resource: false,
            rules: Vec::new(),
            elements: Vec::new(),
            keys: Keys::default(),
            names: Keys::default(),
            required: 0,
        }
    }

    /// Adds an element, in the place of an inherited one of the same name if there is one.
    fn put(&mut self, element: Element, required: bool) -> Option<()> {
        let at = self.names.get(element.name).copied().unwrap_or(self.elements.len() as u8);
        if at >= 127 {
            return None;
        }
        self.names.insert(element.name, at);
        for (number, (kind, kind_name)) in element.kinds.iter().zip(&element.kind_names).enumerate() {
            let key = if element.is_choice { choice_key(element.name, kind_name) } else { element.name };
            let slot = Slot { element: at, kind: number as u8, is_sibling: false };
            self.keys.insert(key, slot);
            if matches!(kind, Kind::Primitive(_)) {
                self.keys.insert(leaked(format!("_{key}")), Slot { is_sibling: true, ..slot });
            }
        }
        let bit = 1u128 << at;
        self.required = if required { self.required | bit } else { self.required & !bit };
        match self.elements.get_mut(usize::from(at)) {
            Some(inherited) => *inherited = element,
            None => self.elements.push(element),
        }
        Some(())
    }
}

fn choice_key(name: &str, kind: &str) -> &'static str {
    let mut chars = kind.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase()).unwrap_or_default();
    leaked(format!("{name}{first}{}", chars.as_str()))
}

/// The table is decoded once and stays until the program ends.
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn looked_up(names: &'static str, known: &Keys<u16>, line: usize) -> Result<Vec<u16>, TableError> {
    names
        .split(',')
        .filter(|name| *name != "-")
        .map(|name| known.get(name).copied().ok_or_else(|| unknown(line, name)))
        .collect()
}

fn unknown(line: usize, name: &str) -> TableError {
    TableError::Unknown { line, name: name.to_owned() }
}

/// Multiply and rotate: good enough for a few hundred short names that are known beforehand.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        // The map takes the low bits for the place and the high ones for its tags.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_decoded() {
        let table = Table::r4();
        let resources: Vec<&str> =
            table.types.iter().filter(|found| found.is_resource).map(|found| found.name).collect();
        // 146 types, Resource and DomainResource.
        assert_eq!(resources.len(), 148);
        assert_eq!(resources.iter().filter(|name| fhir::types::r4(name).is_some()).count(), 146);
        assert_eq!((table.types.len(), table.sets.len(), table.rules.len()), (662, 224, 239));
        assert!(table.types.iter().all(|found| found.elements.len() < 127));

        let of = |name: &str| table.get(table.named(name).unwrap()).unwrap();
        let element = |owner: &str, name: &str| {
            let owner = of(owner);
            &owner.elements[usize::from(owner.names[name])]
        };
        // Inherited from Resource, DomainResource and BackboneElement.
        for key in
            ["id", "_id", "text", "contained", "extension", "birthDate", "_birthDate", "deceasedDateTime"]
        {
            assert!(of("Patient").keys.contains_key(key), "{key}");
        }
        for key in ["name", "_name", "deceased", "_deceased", "_text", "resourceType"] {
            assert_eq!(of("Patient").keys.contains_key(key), key == "name", "{key}");
        }
        assert!(of("Patient.contact").keys.contains_key("modifierExtension"));
        assert!(element("Patient", "name").repeats && !element("Patient", "birthDate").repeats);
        assert_eq!(element("Extension", "value").kinds.len(), 50);
        assert!(matches!(element("Patient", "id").kinds[..], [Kind::Primitive(Primitive::Id)]));
        assert!(matches!(element("HumanName", "id").kinds[..], [Kind::Primitive(Primitive::String)]));
        // A content reference.
        assert!(matches!(element("Questionnaire.item", "item").kinds[..], [Kind::Object(at)]
            if table.get(at).unwrap().name == "Questionnaire.item"));
        assert!(
            matches!(&element("Patient", "managingOrganization").kinds[..], [Kind::Reference(_, targets)]
            if targets[..] == ["Organization"])
        );
        let gender = &table.sets[usize::from(element("Patient", "gender").set.unwrap())];
        let codes = gender.codes.as_ref().unwrap();
        assert_eq!(
            codes[..],
            [("http://hl7.org/fhir/administrative-gender", vec!["female", "male", "other", "unknown"])]
        );
        let required = |owner: &str, name: &str| of(owner).required >> of(owner).names[name] & 1 == 1;
        assert!(required("Observation", "status") && !required("Observation", "value"));
    }

    #[test]
    fn what_is_no_r4_is_not_in_the_table() {
        let table = Table::r4();
        assert!(table.named("SubscriptionStatus").is_none());
        for (owner, name) in [
            ("Meta", "project"),
            ("Meta", "compartment"),
            ("Binary", "url"),
            ("ResearchStudy", "recruitment"),
            ("DeviceDefinition", "classification"),
            ("EvidenceVariable.characteristic", "linkId"),
        ] {
            let owner = table.get(table.named(owner).unwrap()).unwrap();
            assert!(!owner.names.contains_key(name), "{name}");
        }
    }

    #[test]
    fn broken_tables_are_refused() {
        let error = |text| Table::decode(text).err();
        assert_eq!(error("T\ta\t-\ttype"), Some(TableError::Line(1)));
        assert_eq!(error("E\ta\t0\t1\tstring\t-\t-"), Some(TableError::Line(1)));
        assert_eq!(error("s\ta\tb"), Some(TableError::Line(1)));
        let unknown = |name: &str| Some(TableError::Unknown { line: 2, name: name.to_owned() });
        assert_eq!(error("# a\nT\ta\tb\ttype\t-"), unknown("b"));
        assert_eq!(error("T\ta\t-\ttype\t-\nE\tb\t0\t1\tc\t-\t-"), unknown("c"));
        assert_eq!(error("T\ta\t-\ttype\t-\nE\tb\t0\t1\tstring\td\t-"), unknown("d"));
        assert_eq!(error("T\ta\t-\ttype\t-\nE\tb\t0\t1\tstring\t-\te"), unknown("e"));
    }
}
