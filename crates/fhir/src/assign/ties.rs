//! This file is where a resource is searched for everything that ties it to a patient.

use super::group::Identifier;
use super::people::{People, Target, embedded};
use crate::bundle::{Entry, Resource};
use crate::json::Value;
use crate::references::links;
use crate::types;

/// Elements that name a patient wherever they stand, even if their reference does not say so.
const PATIENT_ELEMENTS: &[&str] = &["patient", "subject", "beneficiary", "candidate"];

/// What one entry is tied to.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Groups of patients, the first subject first.
    pub(super) patients: Vec<usize>,
    /// Other entries that it refers to.
    pub(super) entries: Vec<usize>,
    /// It speaks of a patient and does not say whom.
    pub(super) nameless: bool,
}

impl Ties {
    fn patient(&mut self, group: usize) {
        if !self.patients.contains(&group) {
            self.patients.push(group);
        }
    }
}

/// Everything that an entry is tied to: itself if it is a Patient, then what its compartment elements say, then any
/// other reference, then Patients inside it.
pub(super) fn ties(people: &mut People, entries: &[Entry<'_>], entry: &Entry<'_>) -> Ties {
    let mut ties = Ties::default();
    let Some(resource) = &entry.resource else { return ties };
    if resource.kind == "Patient" {
        let group = people.of_entry(entries, entry.index);
        ties.patient(group);
    }
    // Patients inside first, so that references find them; they come last in the order of subjects.
    let mut inside = Vec::new();
    let mut contained = Vec::new();
    for (number, found) in embedded(resource).into_iter().enumerate() {
        let key = format!("entry[{}]#{number}", entry.index);
        let names = if found.contained { &[][..] } else { &found.names[..] };
        let group = people.of_embedded(entries, found.patient, names, key);
        inside.push(group);
        contained.extend(found.names.into_iter().filter(|_| found.contained).map(|name| (name, group)));
    }
    let mut meet = |ties: &mut Ties, holder: Value<'_>, text: &str, of_subject: bool| {
        if let Some((_, group)) = contained.iter().find(|(name, _)| name == text) {
            return ties.patient(*group);
        }
        let means_patient = means_patient(holder, text);
        // Within the resource nothing else can be a patient.
        let target = if text.starts_with('#') {
            Target::Elsewhere
        } else {
            people.resolve(entries, entry, text, of_subject || means_patient)
        };
        match target {
            Target::Patient(group) => return ties.patient(group),
            Target::Entry(target) if target != entry.index => ties.entries.push(target),
            Target::Entry(_) | Target::Elsewhere => {}
        }
        ties.nameless |= means_patient;
    };
    for path in types::compartment(resource.kind) {
        let last = path.rsplit('.').next().unwrap_or(path);
        let of_subject = matches!(last, "individual" | "for");
        resource.value.each_at(path, &mut |holder| {
            if let Some(text) = holder.get("reference").and_then(Value::text) {
                meet(&mut ties, holder, &text, of_subject);
            }
        });
    }
    for link in links(resource.value) {
        meet(&mut ties, link.holder, &link.text, false);
    }
    for holder in described(resource) {
        match holder.get("identifier").and_then(Identifier::of) {
            Some(identifier) => {
                let group = people.of_identifier(entries, identifier);
                ties.patient(group);
            }
            None => ties.nameless = true,
        }
    }
    for group in inside {
        ties.patient(group);
    }
    ties
}

/// References that describe a patient by identifier or in words instead of pointing: the objects themselves.
fn described<'d>(resource: &Resource<'d>) -> impl Iterator<Item = Value<'d>> {
    let compartment = types::compartment(resource.kind);
    resource.value.members_deep().flat_map(move |(key, value)| {
        let name = key.spelled().unwrap_or_default();
        let of_element = PATIENT_ELEMENTS.contains(&name)
            || matches!(name, "individual" | "for") && compartment.contains(&name);
        let by_element = value.each().filter(move |_| of_element);
        let by_type = (name == "type" && value.is("Patient")).then(|| value.parent()).flatten();
        // With an element's name and a type the object comes twice, which does no harm.
        by_element.chain(by_type).filter(|holder| {
            holder.get("reference").is_none()
                && holder.get("resourceType").is_none()
                && (holder.get("identifier").is_some() || holder.get("display").is_some())
        })
    })
}

/// Whether a resource names a patient, in itself, without knowing the file it came with: what must never lie in the
/// directory. A `urn:uuid:` names nobody by itself, unless it stands where only a patient can.
#[must_use]
pub fn names_patient(resource: &Resource<'_>) -> bool {
    resource.kind == "Patient"
        || !embedded(resource).is_empty()
        || described(resource).next().is_some()
        || links(resource.value).iter().any(|link| means_patient(link.holder, &link.text))
}

/// Whether a reference must mean a patient: by the type that its text names, by the type that stands beside it, or by
/// the element that it is.
fn means_patient(holder: Value<'_>, text: &str) -> bool {
    match types::named(text) {
        Some(kind) => kind == "Patient",
        None => {
            holder.get("type").is_some_and(|kind| kind.is("Patient"))
                || holder.key().is_some_and(|key| PATIENT_ELEMENTS.contains(&&*key))
        }
    }
}
