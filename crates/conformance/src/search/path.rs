//! This file is where the compiled paths are, by which a parameter finds its elements in a resource.

/// From where to which element, and how that is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Whether it starts at the resource rather than at the element of a composite.
    pub(super) from_root: bool,
    pub(super) steps: Vec<Step>,
    pub(super) leaf: Leaf,
}

/// One key down, through arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) key: &'static str,
    pub(super) filter: Filter,
}

/// Which of the items under a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// All.
    All,
    /// `[0]`: the one at this place.
    Item(usize),
    /// `where(key='text')`.
    Where(&'static str, &'static str),
}

/// How the element at the end of a path is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) element: Element,
    /// `where(resolve() is T)`: only references to this type.
    pub(super) only: Option<&'static str>,
    /// The system that an element of type `code` has from its binding.
    pub(super) system: Option<&'static str>,
}

/// The datatypes that parameters are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Address,
    Boolean,
    Canonical,
    Code,
    CodeableConcept,
    Coding,
    ContactPoint,
    Date,
    /// Of `Patient.deceased[x]`: whether there is a death in it.
    Dead,
    HumanName,
    Id,
    Identifier,
    Money,
    Number,
    Period,
    Quantity,
    Range,
    Reference,
    /// A whole resource, meant as a reference to it.
    Resource,
    SampledData,
    /// Nothing is read from it: `Location.near`.
    Special,
    Text,
    Timing,
    Uri,
}

impl Element {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Address" => Self::Address,
            "boolean" => Self::Boolean,
            "canonical" => Self::Canonical,
            "code" => Self::Code,
            "CodeableConcept" => Self::CodeableConcept,
            "Coding" => Self::Coding,
            "ContactPoint" => Self::ContactPoint,
            "date" | "dateTime" | "instant" => Self::Date,
            "dead" => Self::Dead,
            "HumanName" => Self::HumanName,
            "id" => Self::Id,
            "Identifier" => Self::Identifier,
            "Money" => Self::Money,
            "integer" | "positiveInt" | "unsignedInt" | "decimal" => Self::Number,
            "Period" => Self::Period,
            "Quantity" | "Age" | "Duration" | "Count" | "Distance" => Self::Quantity,
            "Range" => Self::Range,
            "Reference" => Self::Reference,
            "Resource" => Self::Resource,
            "SampledData" => Self::SampledData,
            "BackboneElement" => Self::Special,
            "string" | "markdown" => Self::Text,
            "Timing" => Self::Timing,
            "uri" | "url" | "oid" | "uuid" => Self::Uri,
            _ => return None,
        })
    }

    /// Whether a token of this element compares byte for byte.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::Code | Self::Id | Self::Boolean | Self::Dead | Self::Uri | Self::Canonical)
    }
}

impl Source {
    /// Reads `agent.who:Reference@Patient`, `telecom[system=email]:ContactPoint`, `status:code=7`, `%a.b:code`.
    pub(super) fn read(text: &'static str, systems: &[&'static str]) -> Option<Self> {
        let (keys, tail) = text.rsplit_once(':')?;
        let (tail, system) = match tail.split_once('=') {
            Some((tail, at)) => (tail, Some(*systems.get(at.parse::<usize>().ok()?)?)),
            None => (tail, None),
        };
        let (element, only) = match tail.split_once('@') {
            Some((element, only)) => (element, Some(only)),
            None => (tail, None),
        };
        let (keys, from_root) = match keys.strip_prefix('%') {
            Some(keys) => (keys, true),
            None => (keys, false),
        };
        let leaf = Leaf { element: Element::named(element)?, only, system };
        Some(Self { from_root, steps: steps(keys)?, leaf })
    }
}

/// Reads `entry[0].resource`; nothing at all stays at the resource.
pub(super) fn steps(text: &'static str) -> Option<Vec<Step>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split('.').map(step).collect()
}

fn step(text: &'static str) -> Option<Step> {
    let Some((key, filter)) = text.split_once('[') else {
        return Some(Step { key: text, filter: Filter::All });
    };
    let filter = filter.strip_suffix(']')?;
    let filter = match filter.split_once('=') {
        Some((key, wanted)) => Filter::Where(key, wanted),
        None => Filter::Item(filter.parse().ok()?),
    };
    Some(Step { key, filter })
}
