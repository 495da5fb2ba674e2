//! This file is where the sensitive strings of a resource are listed, for tests that search every stored byte for them.

use crate::json::Value;
use std::collections::BTreeSet;

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// Part of a name.
    Name,
    /// Part of an address.
    Address,
    /// Phone, mail, any identifier's value.
    Identifier,
    /// A code.
    Code,
    /// Words: displays, texts, notes, descriptions, the words of a narrative.
    Words,
    /// A date of birth or death.
    Date,
}

/// A sensitive string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive {
    /// What it is.
    pub sort: Sort,
    /// The text, escapes resolved.
    pub text: String,
}

/// Characters from which on a string is worth searching for: shorter ones turn up by chance.
pub const CHARS_MIN: usize = 4;

/// All names, addresses, telecoms, identifiers, codes, displays and free texts of a resource, or of a whole Bundle, with
/// at least [`CHARS_MIN`] characters.
///
/// Words that every FHIR file shares (types, statuses, systems) are left out: finding them betrays nobody.
#[must_use]
pub fn strings(resource: Value<'_>) -> BTreeSet<Sensitive> {
    let mut found = BTreeSet::new();
    for (key, value) in resource.members_deep() {
        let (Some(key), Some(holder)) = (key.spelled(), key.parent()) else { continue };
        for value in value.each() {
            let (Some(sort), Some(text)) = (sort(key, holder), value.text()) else { continue };
            if key == "div" {
                for words in words(&text) {
                    insert(&mut found, Sort::Words, words);
                }
            } else {
                insert(&mut found, sort, &text);
            }
        }
    }
    found
}

fn sort(key: &str, holder: Value<'_>) -> Option<Sort> {
    match key {
        "family" | "given" => Some(Sort::Name),
        "name" => Some(Sort::Name),
        "line" | "city" | "district" | "postalCode" => Some(Sort::Address),
        // Identifier.value and ContactPoint.value; a Quantity's value is a number and so never text.
        "value" => Some(Sort::Identifier),
        "code" => Some(Sort::Code),
        "text" if holder.get("family").is_some() || holder.get("given").is_some() => Some(Sort::Name),
        "text" if holder.get("city").is_some() || holder.get("line").is_some() => Some(Sort::Address),
        "display" | "text" | "div" | "title" | "description" | "comment" | "conclusion" | "valueString" => {
            Some(Sort::Words)
        }
        "birthDate" | "deceasedDateTime" => Some(Sort::Date),
        _ => None,
    }
}

fn insert(found: &mut BTreeSet<Sensitive>, sort: Sort, text: &str) {
    let text = text.trim();
    if text.chars().count() >= CHARS_MIN {
        found.insert(Sensitive { sort, text: text.to_owned() });
    }
}

/// The texts between the tags of a narrative.
fn words(div: &str) -> impl Iterator<Item = &str> {
    div.split('<').filter_map(|piece| piece.split_once('>').map(|(_, text)| text))
}
