//! This file is where the entries of a file are dealt out to charts and to the directory.

use super::group::{Assigned, Assignment};
use super::people::People;
use super::ties::{Ties, ties};
use crate::bundle::{Bundle, Entry};
use crate::types;
use std::collections::{BTreeSet, VecDeque};

/// Says of every entry whose it is.
///
/// 1. What the R4 patient compartment or any Patient reference ties to a patient goes to that patient; with several,
///    to the first subject, and the others stand in [`Assigned::also`].
/// 2. What is tied to nobody, but belongs together with something that is (a Binary with the text of a
///    DocumentReference, a Provenance of an Observation), follows it.
/// 3. What is left and describes the organisation, a product or a definition lies in the directory.
/// 4. What is still left is clinical and nobody's: one stub group without a key.
///
/// ```
/// let file = br#"{"resourceType":"Bundle","type":"collection","entry":[
///     {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"family":"Ito"}]}},
///     {"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}}},
///     {"resource":{"resourceType":"Organization","name":"Riverside"}}]}"#;
/// let bundle = fhir::bundle::read(file, &fhir::Limits::default())?;
/// let assignment = fhir::assign::assign(&bundle);
/// assert_eq!(assignment.groups[0].name.as_deref(), Some("Ito"));
/// assert_eq!(assignment.groups[0].entries.len(), 2);
/// assert_eq!(assignment.directory, [2]);
/// # Ok::<(), fhir::ReadError>(())
/// ```
#[must_use]
pub fn assign(bundle: &Bundle) -> Assignment {
    let entries: Vec<Entry<'_>> = bundle.entries().collect();
    let mut people = People::index(&entries);
    let ties: Vec<Ties> = entries.iter().map(|entry| ties(&mut people, &entries, entry)).collect();
    let patients = spread(&entries, &ties);

    let mut assignment = Assignment::default();
    let mut unknown = Vec::new();
    for ((entry, ties), patients) in entries.iter().zip(&ties).zip(patients) {
        let Some(resource) = &entry.resource else {
            assignment.empty.push(entry.index);
            continue;
        };
        match patients.split_first() {
            Some((first, also)) => {
                if let Some(group) = people.groups.get_mut(*first) {
                    if resource.kind == "Patient" {
                        group.patients.push(entry.index);
                    }
                    group.entries.push(Assigned { entry: entry.index, also: also.to_vec() });
                }
            }
            None if types::is_directory(resource.kind) && !ties.nameless => {
                assignment.directory.push(entry.index);
            }
            None => unknown.push(Assigned { entry: entry.index, also: Vec::new() }),
        }
    }
    if !unknown.is_empty() {
        let group = people.of_key(String::new());
        if let Some(group) = people.groups.get_mut(group) {
            // It may be there already: a reference without text leads to nobody too.
            group.entries.extend(unknown);
            group.entries.sort_by_key(|assigned| assigned.entry);
        }
    }
    assignment.groups = people.groups;
    assignment
}

/// The patients of every entry, after what belongs together was brought together.
fn spread(entries: &[Entry<'_>], ties: &[Ties]) -> Vec<Vec<usize>> {
    let mut patients: Vec<Vec<usize>> = ties.iter().map(|ties| ties.patients.clone()).collect();
    // Only clinical content follows its neighbours: an Organization is not a patient's because an Encounter names it.
    let follows: Vec<bool> = entries
        .iter()
        .zip(ties)
        .map(|(entry, ties)| {
            let kind = entry.resource.as_ref().map(|resource| resource.kind);
            ties.patients.is_empty() && kind.is_some_and(|kind| !types::is_directory(kind))
        })
        .collect();
    if !follows.contains(&true) {
        return patients;
    }
    let mut neighbours = vec![Vec::new(); entries.len()];
    for (from, ties) in ties.iter().enumerate() {
        for to in ties.entries.iter().copied() {
            for (one, other) in [(from, to), (to, from)] {
                if follows.get(one) == Some(&true)
                    && let Some(list) = neighbours.get_mut(other)
                {
                    list.push(one);
                }
            }
        }
    }
    let mut queue: VecDeque<usize> =
        (0..entries.len()).filter(|entry| !ties[*entry].patients.is_empty()).collect();
    let mut reached: BTreeSet<usize> = queue.iter().copied().collect();
    while let Some(entry) = queue.pop_front() {
        let from = patients.get(entry).cloned().unwrap_or_default();
        for to in neighbours.get(entry).into_iter().flatten() {
            if let Some(list) = patients.get_mut(*to) {
                let new: Vec<usize> = from.iter().copied().filter(|group| !list.contains(group)).collect();
                list.extend(new);
            }
            if reached.insert(*to) {
                queue.push_back(*to);
            }
        }
    }
    patients
}
