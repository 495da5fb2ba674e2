//! This file is where the answer to "whose is it" has its shape.

use crate::json::Value;

/// What of a file goes where. Every entry with a resource is in exactly one group or in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// One per patient, in the order in which the file first speaks of them.
    pub groups: Vec<Group>,
    /// Entries of the organisation's directory chart; none of them names a patient.
    pub directory: Vec<usize>,
    /// Entries without a resource, such as deletions.
    pub empty: Vec<usize>,
}

/// What belongs to one patient, and what helps to find the chart.
///
/// A group without a Patient entry is a stub: the file refers to a patient whom it does not hold. It is known by its
/// reference, by an identifier, or by nothing ([`Group::is_unknown`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// By what the file knows the patient, stable for a file: fullUrl, reference, identifier, or empty for the unknown.
    pub key: String,
    /// Entries that are this patient's Patient resource; several in a history, none for a stub.
    pub patients: Vec<usize>,
    /// Its fullUrl.
    pub full_url: Option<String>,
    /// `Patient/id`, if it has a logical id.
    pub reference: Option<String>,
    /// Business identifiers, for matching with a chart that is there already.
    pub identifiers: Vec<Identifier>,
    /// For display to the organisation that wrote it, never for the ledger.
    pub name: Option<String>,
    /// The entries that go into this chart, in the file's order.
    pub entries: Vec<Assigned>,
}

impl Group {
    /// Whether the file does not hold this patient's Patient resource.
    #[must_use]
    pub fn is_stub(&self) -> bool {
        self.patients.is_empty()
    }

    /// Whether nothing at all says who it is: clinical content without any subject. It must not lie in the directory, so
    /// it goes to a stub chart of its own.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.key.is_empty()
    }
}

/// An entry of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Its index in the Bundle.
    pub entry: usize,
    /// Other patients whom it names, as indices into [`Assignment::groups`]: readable only if permitted for each.
    pub also: Vec<usize>,
}

/// A business identifier. Source: FHIR R4 Identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier {
    /// Its namespace; empty if not given.
    pub system: String,
    /// The identifier itself.
    pub value: String,
}

impl Identifier {
    /// The identifier in an Identifier element, if it has a value.
    pub(super) fn of(element: Value<'_>) -> Option<Self> {
        let text = |key| element.get(key).and_then(Value::text);
        let value = text("value").filter(|value| !value.is_empty())?.into_owned();
        Some(Self { system: text("system").unwrap_or_default().into_owned(), value })
    }

    /// As a search token: `system|value`.
    #[must_use]
    pub fn token(&self) -> String {
        format!("{}|{}", self.system, self.value)
    }
}

/// All identifiers of a Patient, in order.
pub(super) fn identifiers(patient: Value<'_>) -> Vec<Identifier> {
    patient.get("identifier").into_iter().flat_map(Value::each).filter_map(Identifier::of).collect()
}

/// The name to show: the official one, else the first; its text, else given names and family name.
pub(super) fn name(patient: Value<'_>) -> Option<String> {
    let names = || patient.get("name").into_iter().flat_map(Value::each);
    let official = names().find(|name| name.get("use").is_some_and(|usage| usage.is("official")));
    let name = official.or_else(|| names().next())?;
    if let Some(text) = name.get("text").and_then(Value::text) {
        return Some(text.into_owned());
    }
    let given = name.get("given").into_iter().flat_map(Value::each);
    let parts: Vec<_> = given.chain(name.get("family")).filter_map(Value::text).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
