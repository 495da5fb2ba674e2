//! This file is where the ledger's answers are put into words and JSON for people: decisions, grantees, readers, ids.

use crate::{exit::Failure, time};
use client::{
    AsOf, Client,
    audit::{Access, Outcome, Told},
    open::ClassSaid,
};
use ledger::{
    charts::Target,
    consent::{By, PARTIES},
};
use primitives::ChartId;
use serde_json::{Value, json};
use std::fmt::Display;

/// Fewest digits of an id that name it.
const DIGITS_MIN: usize = 4;

/// The first digits of an id.
pub(crate) fn short(id: impl Display) -> String {
    id.to_string().chars().take(12).collect()
}

/// What a decision rests on.
pub(crate) fn by(by: &By) -> String {
    match by {
        By::Directive(id) => format!("directive {}", short(id)),
        By::Policies(names) => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            format!("policy {}", names.join(", "))
        }
        By::Default => "nothing permits it".to_owned(),
    }
}

/// What decisions rest on, together.
pub(crate) fn by_all(all: &[By]) -> String {
    all.iter().map(by).collect::<Vec<_>>().join("; ")
}

/// An outcome as a word.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Permitted => "permitted",
        Outcome::Partly => "partly",
        Outcome::Denied => "denied",
    }
}

/// Who looked, as far as can be told.
pub(crate) fn who(access: &Access) -> String {
    let reader = &access.reader;
    if reader.owner {
        return "the owner".to_owned();
    }
    match (&access.told, &reader.principal) {
        (Told::Words(words), _) => words.who.to_string(),
        (_, Some(principal)) => format!("practitioner {}", short(principal)),
        (_, None) => "a system".to_owned(),
    }
}

/// A category as somebody without the tag key may have to call it.
pub(crate) fn category(class: &ClassSaid) -> String {
    class.category.clone().unwrap_or_else(|| {
        let kind = if class.special { "sensitive" } else { "category" };
        format!("{kind} {}", short(class.tag))
    })
}

/// What is erased.
pub(crate) fn target(target: &Target) -> String {
    match target {
        Target::Chart => "the whole chart".to_owned(),
        Target::Class { tag, org } => format!("category {} of {org}", short(tag)),
        Target::Compartment(id) => format!("compartment {}", short(id)),
        Target::Records { pack, records } => format!("{} records of pack {}", records.len(), short(pack)),
    }
}

/// A class and its decision as JSON.
pub(crate) fn class_json(class: &ClassSaid) -> Value {
    json!({
        "category": class.category, "tag": class.tag, "writer": class.writer, "special": class.special,
        "permitted": class.decision.permit, "by": by(&class.decision.by),
    })
}

/// An access as JSON.
pub(crate) fn access_json(access: &Access) -> Value {
    let (told, reason, request) = match &access.told {
        Told::Words(words) => (
            Some(words.who.to_string()),
            words.reason.as_ref().map(ToString::to_string),
            words.request.as_ref().map(ToString::to_string),
        ),
        Told::Sealed | Told::Missing | Told::Garbage => (None, None, None),
    };
    let words = match &access.told {
        Told::Sealed => "sealed",
        Told::Words(_) => "told",
        Told::Missing => "missing",
        Told::Garbage => "unreadable",
    };
    json!({
        "access": access.id, "height": access.height, "time": time::text(access.time), "millis": access.time,
        "line": access.line, "who": told, "words": words, "reason": reason, "request": request,
        "principal": access.reader.principal, "organisation": access.reader.org, "role": access.reader.role,
        "owner": access.reader.owner, "purpose": access.purpose.code(), "decision": access.outcome,
        "by": access.by.iter().map(by).collect::<Vec<_>>(), "deciding": access.by,
        "classes": access.classes.iter().map(class_json).collect::<Vec<_>>(),
        "break_glass": access.emergency.as_ref().map(|emergency| json!({ "reason": emergency.reason, "step_up": emergency.step_up })),
        "review": access.review, "count": access.count,
    })
}

/// `height 12 of 2026-…`.
pub(crate) fn as_of(as_of: AsOf) -> String {
    format!("height {}, {}", as_of.height, time::text(as_of.time))
}

/// The chart that the text names: an id, the first digits of one, or `mine` for the chart of the patient's profile.
pub(crate) async fn chart(client: &Client, text: &str) -> Result<ChartId, Failure> {
    if text == "mine" {
        let mine = client.seat().and_then(|seat| seat.profile.chart);
        return mine.ok_or_else(|| Failure::input("the profile has no chart; name one"));
    }
    let text = text.to_ascii_lowercase();
    if text.len() > 64 || text.len() < DIGITS_MIN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::input(format!(
            "`{text}` names no chart; write its id, at least {DIGITS_MIN} first digits of it, or `mine`"
        )));
    }
    if let Ok(chart) = text.parse() {
        return Ok(chart);
    }
    let mut prefix: Vec<u8> = PARTIES.key(&ChartId::default()).into_iter().take(1).collect();
    let even = text.get(..text.len() & !1).unwrap_or_default();
    prefix.extend(hex::decode(even).unwrap_or_default());
    let rows = client.scan(&prefix).await?;
    let ids = rows.iter().filter_map(|(key, _)| primitives::decode::<ChartId>(key.get(1..)?).ok());
    let found: Vec<ChartId> = ids.filter(|id| id.to_string().starts_with(&text)).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::input(format!("there is no chart whose id begins with `{text}`"))),
        many => {
            let ids: Vec<String> = many.iter().take(4).map(short).collect();
            let message = format!(
                "`{text}` begins {} charts' ids ({} …); write more of it",
                many.len(),
                ids.join(", ")
            );
            Err(Failure::input(message))
        }
    }
}
