//! This file is where a decision is told in plain words, to the patient and to whoever was denied.

use super::{
    asked::{Emergency, Extent, Reader, Reason},
    record::Decided,
};
use crate::consent::{By, Decision};

/// The decision in plain words, a line each: who asked and what for, then class by class what was decided and why.
#[must_use]
pub fn explain(decided: &Decided) -> Vec<String> {
    let Decided {
        reader,
        purpose,
        extent,
        emergency,
        classes,
        index,
        expires,
        session_key: _,
        record: _,
        together: _,
    } = decided;
    let mut lines =
        vec![format!("{} asked {} for {} ({purpose}).", who(reader), how_much(extent), purpose.display())];
    if let Some(Emergency { reason, step_up }) = emergency {
        let why = match reason {
            Reason::Life => "the patient's life is in danger",
            Reason::Incapacity => "the patient can't say yes or no",
            Reason::DangerToOthers => "somebody else is in danger",
            Reason::Other => "another reason, told in the audit record",
        };
        let step_up = if *step_up { "had" } else { "had not" };
        lines.push(format!(
            "An emergency was declared: {why}. The practitioner {step_up} signed in once more for it."
        ));
    }
    lines.push(match expires {
        Some(_) => "It was permitted, in part or whole.".to_owned(),
        None => "All of it was denied.".to_owned(),
    });
    for class in classes.iter() {
        let kind = if class.special { "sensitive category" } else { "category" };
        let tag: String = class.tag.to_string().chars().take(8).collect();
        lines.push(format!("What {} wrote in {kind} {tag}: {}.", class.writer, why(&class.decision)));
    }
    if let Some(decision) = index {
        lines.push(format!("The index of categories: {}.", why(decision)));
    }
    lines
}

fn who(reader: &Reader) -> String {
    let Reader { org, principal, role, key: _, owner } = reader;
    match (principal, role) {
        (Some(_), _) if *owner => "The owner, or somebody who acts for the owner,".to_owned(),
        (Some(practitioner), Some(role)) => {
            format!("Practitioner {practitioner} of {org}, in the role `{role}`,")
        }
        (Some(person), None) => format!("Person {person}, for whose traffic {org} answers,"),
        (None, _) => format!("A system of {org}"),
    }
}

fn how_much(extent: &Extent) -> String {
    match extent {
        Extent::All => "for the whole chart".to_owned(),
        Extent::General => "for everything but the sensitive categories".to_owned(),
        Extent::Classes(classes) => format!("for {} classes", classes.len()),
        Extent::Index => "for the index of categories, in order to write,".to_owned(),
    }
}

fn why(decision: &Decision) -> String {
    let Decision { permit, by, residual } = decision;
    let verdict = if *permit { "permitted" } else { "denied" };
    let reason = match by {
        By::Directive(id) => format!("by the owner's directive {id}"),
        By::Policies(names) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            format!("by the network's policy {}", names.join(", "))
        }
        By::Default => "because nothing permits it".to_owned(),
    };
    let finer =
        if residual.is_some() { "; finer rules apply, which the reading organisation enforces" } else { "" };
    format!("{verdict} {reason}{finer}")
}
