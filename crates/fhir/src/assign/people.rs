//! This file is where a reference's text is resolved: to an entry of the file, to a patient of it, or to a stub.

use super::group::{Group, Identifier, identifiers, name};
use crate::bundle::{Entry, Resource};
use crate::json::Value;
use crate::types::{named, unversioned};
use std::collections::HashMap;

/// Whom or what a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A patient: an index into the groups.
    Patient(usize),
    /// Another entry of the file.
    Entry(usize),
    /// Something that is neither here nor a patient.
    Elsewhere,
}

/// The entries by what they can be called, and the patients seen so far.
#[derive(Default)]
pub(super) struct People {
    by_url: HashMap<String, usize>,
    by_id: HashMap<(&'static str, String), usize>,
    /// Patient entries by identifier.
    by_identifier: HashMap<Identifier, usize>,
    /// Groups by entry of their Patient and by key.
    group_of_entry: HashMap<usize, usize>,
    group_of_key: HashMap<String, usize>,
    is_patient: Vec<bool>,
    pub(super) groups: Vec<Group>,
}

impl People {
    pub(super) fn index(entries: &[Entry<'_>]) -> Self {
        let mut people = Self { is_patient: vec![false; entries.len()], ..Self::default() };
        for entry in entries {
            let Some(resource) = &entry.resource else { continue };
            if let Some(full_url) = &entry.full_url {
                people.by_url.entry(full_url.to_string()).or_insert(entry.index);
            }
            if let Some(id) = &resource.id {
                people.by_id.entry((resource.kind, id.to_string())).or_insert(entry.index);
            }
            if resource.kind == "Patient" {
                if let Some(is_patient) = people.is_patient.get_mut(entry.index) {
                    *is_patient = true;
                }
                for identifier in identifiers(resource.value) {
                    people.by_identifier.entry(identifier).or_insert(entry.index);
                }
            }
        }
        people
    }

    /// The group of a Patient entry. Versions of one patient share it: the first with the same fullUrl, or without one
    /// the first with the same id.
    pub(super) fn of_entry(&mut self, entries: &[Entry<'_>], entry: usize) -> usize {
        if let Some(group) = self.group_of_entry.get(&entry) {
            return *group;
        }
        let Some((full_url, resource)) =
            entries.get(entry).and_then(|entry| Some((entry.full_url.as_deref(), entry.resource.as_ref()?)))
        else {
            return self.of_key(String::new());
        };
        let first = match (full_url, &resource.id) {
            (Some(full_url), _) => self.by_url.get(full_url),
            (None, Some(id)) => self.by_id.get(&("Patient", id.to_string())),
            (None, None) => None,
        };
        if let Some(first) = first.copied().filter(|first| *first != entry && self.is_patient(*first)) {
            let group = self.of_entry(entries, first);
            self.group_of_entry.insert(entry, group);
            return group;
        }
        let reference = resource.id.as_ref().map(|id| format!("Patient/{id}"));
        let key = full_url.map(str::to_owned).or(reference.clone()).unwrap_or(format!("entry[{entry}]"));
        let group = self.of_key(key);
        self.group_of_entry.insert(entry, group);
        if let Some(found) = self.groups.get_mut(group) {
            found.full_url = full_url.map(str::to_owned);
            found.reference = reference;
            describe(found, resource.value);
        }
        group
    }

    /// The group known by this key, made if it is new.
    pub(super) fn of_key(&mut self, key: String) -> usize {
        let Self { group_of_key, groups, .. } = self;
        *group_of_key.entry(key).or_insert_with_key(|key| {
            groups.push(Group { key: key.clone(), ..Group::default() });
            groups.len() - 1
        })
    }

    /// The group of a Patient that lies inside another resource: the entry's with one of its identifiers or its name in
    /// the file, else a stub.
    pub(super) fn of_embedded(
        &mut self,
        entries: &[Entry<'_>],
        patient: Value<'_>,
        names: &[String],
        key: String,
    ) -> usize {
        let by_name = names.iter().find_map(|name| self.find(name, None));
        let by_identifier =
            || identifiers(patient).iter().find_map(|found| self.by_identifier.get(found).copied());
        if let Some(entry) = by_name.filter(|entry| self.is_patient(*entry)).or_else(by_identifier) {
            return self.of_entry(entries, entry);
        }
        let group = self.of_key(names.first().cloned().unwrap_or(key));
        if let Some(found) = self.groups.get_mut(group)
            && found.name.is_none()
            && found.identifiers.is_empty()
        {
            describe(found, patient);
        }
        for name in names {
            self.group_of_key.entry(name.clone()).or_insert(group);
        }
        group
    }

    /// The group of whoever has this identifier.
    pub(super) fn of_identifier(&mut self, entries: &[Entry<'_>], identifier: Identifier) -> usize {
        if let Some(entry) = self.by_identifier.get(&identifier).copied() {
            return self.of_entry(entries, entry);
        }
        let group = self.of_key(format!("Patient?identifier={}", identifier.token()));
        if let Some(found) = self.groups.get_mut(group)
            && found.identifiers.is_empty()
        {
            found.identifiers.push(identifier);
        }
        group
    }

    /// What a reference means that stands in `from`. `says_patient` if the element that holds it can only, or by its
    /// `type` does, mean a patient.
    pub(super) fn resolve(
        &mut self,
        entries: &[Entry<'_>],
        from: &Entry<'_>,
        text: &str,
        says_patient: bool,
    ) -> Target {
        // A fullUrl that contradicts its resource is not believed: it could lead a patient's record astray.
        let named = named(text);
        let found = self.find(text, from.full_url.as_deref());
        if let Some(entry) =
            found.filter(|entry| named.is_none_or(|kind| (kind == "Patient") == self.is_patient(*entry)))
        {
            return if self.is_patient(entry) {
                Target::Patient(self.of_entry(entries, entry))
            } else {
                Target::Entry(entry)
            };
        }
        let plain = unversioned(text);
        if let Some(group) = self.group_of_key.get(plain).copied().filter(|_| !plain.is_empty()) {
            return Target::Patient(group);
        }
        match named {
            Some("Patient") => match text.split_once('?') {
                Some((_, query)) => Target::Patient(self.of_query(entries, text, query)),
                None => Target::Patient(self.of_key(plain.to_owned())),
            },
            Some(_) => Target::Elsewhere,
            None if says_patient => Target::Patient(self.of_key(plain.to_owned())),
            None => Target::Elsewhere,
        }
    }

    /// A conditional reference, `Patient?identifier=system|value`.
    fn of_query(&mut self, entries: &[Entry<'_>], text: &str, query: &str) -> usize {
        let token = query.split('&').find_map(|parameter| parameter.strip_prefix("identifier="));
        match token.map(unescaped) {
            Some(token) => {
                let (system, value) = token.split_once('|').unwrap_or(("", &token));
                self.of_identifier(entries, Identifier { system: system.to_owned(), value: value.to_owned() })
            }
            None => self.of_key(text.to_owned()),
        }
    }

    /// The entry that a reference means, if it is in the file.
    ///
    /// Source: FHIR R4 bundle.html#references: by fullUrl; a relative one against the base of the entry it stands in;
    /// and, since senders leave fullUrls out or mix `urn:uuid:` with relative references, by type and id.
    fn find(&self, text: &str, from: Option<&str>) -> Option<usize> {
        let text = unversioned(text);
        if let Some(entry) = self.by_url.get(text) {
            return Some(*entry);
        }
        let (rest, id) = text.rsplit_once('/')?;
        let kind = rest.rsplit('/').next().and_then(crate::types::r4)?;
        if rest.len() == kind.len() {
            let base = from.and_then(|from| from.rsplit_once('/')?.0.rsplit_once('/')).map(|(base, _)| base);
            if let Some(entry) = base.and_then(|base| self.by_url.get(&format!("{base}/{text}"))) {
                return Some(*entry);
            }
            return self.by_id.get(&(kind, id.to_owned())).copied();
        }
        None
    }

    fn is_patient(&self, entry: usize) -> bool {
        self.is_patient.get(entry).copied().unwrap_or(false)
    }
}

fn describe(group: &mut Group, patient: Value<'_>) {
    group.identifiers = identifiers(patient);
    group.name = name(patient);
}

/// Percent-decoding; what is not well-formed stays as it is.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = (*first == b'%')
            .then(|| {
                tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())
            })
            .flatten();
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// A Patient inside another resource: contained, or in a Bundle or Parameters that is itself an entry.
pub(super) struct Embedded<'d> {
    pub(super) patient: Value<'d>,
    /// By what references near it call it: `#id`, fullUrl, `Patient/id`.
    pub(super) names: Vec<String>,
    pub(super) contained: bool,
}

/// Every Patient that lies inside the resource.
pub(super) fn embedded<'d>(resource: &Resource<'d>) -> Vec<Embedded<'d>> {
    let mut found = Vec::new();
    for (key, value) in resource.value.members_deep() {
        if key.spelled() != Some("resourceType") || !value.is("Patient") {
            continue;
        }
        let Some(patient) = value.parent().filter(|patient| !patient.same(resource.value)) else { continue };
        let id = patient.get("id").and_then(Value::text);
        let contained = patient.key().is_some_and(|key| key == "contained");
        let names = if contained {
            id.map(|id| format!("#{id}")).into_iter().collect()
        } else {
            let holder = patient.parent();
            let full_url = holder.and_then(|holder| holder.get("fullUrl")).and_then(Value::text);
            let reference = id.map(|id| format!("Patient/{id}"));
            full_url.map(|url| url.into_owned()).into_iter().chain(reference).collect()
        };
        found.push(Embedded { patient, names, contained });
    }
    found
}
