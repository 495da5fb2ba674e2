//! This file is where a resource is cut down to what `_summary` or `_elements` asks for, by splicing its text.

use super::query::Summary;
use super::table::{Type, of};
use fhir::json::{Kind, Value};

/// Marks a resource that isn't whole (FHIR R4 search, `_summary`).
const TAG: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;
/// Kept whatever is asked for: without them the rest could be misread.
const ALWAYS: [&str; 5] = ["resourceType", "id", "meta", "implicitRules", "modifierExtension"];

/// The text of a resource with only the elements asked for, digits and spelling untouched, marked as SUBSETTED; as it
/// stands if all of it is asked for. Mandatory elements always stay, as do those that change the meaning of others.
///
/// None if it is not a resource of R4, or for [`Summary::Count`], which asks for no resource.
///
/// ```
/// use conformance::search::{Summary, project};
/// let text = r#"{"resourceType":"Patient","id":"1","photo":[{}],"birthDate":"1970-01-01"}"#;
/// let document = fhir::json::Document::read(text, &fhir::Limits::default()).unwrap();
/// let summary = project(document.root(), Some(Summary::True), &[]).unwrap();
/// assert!(summary.contains("birthDate") && !summary.contains("photo"));
/// ```
#[must_use]
pub fn project(resource: Value<'_>, summary: Option<Summary>, elements: &[String]) -> Option<String> {
    let kind = of(&resource.get("resourceType")?.text()?)?;
    if summary.is_none() && elements.is_empty() {
        return Some(resource.raw().to_owned());
    }
    let mut parts = Vec::new();
    // Behind what identifies it, unless it has a meta.
    let (mut tagged, mut place) = (false, 0);
    for (key, value) in resource.members() {
        let name = key.text()?;
        // A primitive's extensions stay with it.
        let name = name.strip_prefix('_').unwrap_or(&name);
        if name == "meta" {
            parts.push(format!("\"meta\":{}", with_tag(value)));
            tagged = true;
            continue;
        }
        let kept = match summary {
            _ if ALWAYS.contains(&name) => Some(value.raw().to_owned()),
            Some(Summary::Count) => return None,
            Some(Summary::True) => summarised(kind, name, value),
            Some(Summary::Text) => {
                (name == "text" || kind.mandatory.contains(&name)).then(|| value.raw().to_owned())
            }
            Some(Summary::Data) => (name != "text").then(|| value.raw().to_owned()),
            None => {
                let wanted = kind.mandatory.contains(&name)
                    || elements.iter().any(|element| names(kind, element, name));
                wanted.then(|| value.raw().to_owned())
            }
        };
        parts.extend(kept.map(|kept| format!("{}:{kept}", key.raw())));
        if matches!(name, "resourceType" | "id") {
            place = parts.len();
        }
    }
    if !tagged {
        parts.insert(place, format!("\"meta\":{{\"tag\":[{TAG}]}}"));
    }
    Some(format!("{{{}}}", parts.join(",")))
}

/// Whether a key is the element, be it a choice with its type behind.
fn names(kind: &Type, element: &str, key: &str) -> bool {
    key == element
        || key.strip_prefix(element).is_some_and(|rest| {
            rest.starts_with(|char: char| char.is_ascii_uppercase())
                && kind.elements.iter().any(|known| known.strip_suffix("[x]") == Some(element))
        })
}

/// An element of the summary; of a backbone only what belongs there.
fn summarised(kind: &Type, path: &str, value: Value<'_>) -> Option<String> {
    if !kind.summary.contains(&path) {
        return None;
    }
    let below = format!("{path}.");
    if !kind.summary.iter().any(|known| known.starts_with(&below)) {
        return Some(value.raw().to_owned());
    }
    match value.kind() {
        Kind::Array => {
            let items: Vec<_> = value.items().filter_map(|item| summarised(kind, path, item)).collect();
            (!items.is_empty()).then(|| format!("[{}]", items.join(",")))
        }
        Kind::Object => {
            let mut parts = Vec::new();
            for (key, value) in value.members() {
                let name = key.text()?;
                let name = name.strip_prefix('_').unwrap_or(&name);
                let kept = match name {
                    "id" | "modifierExtension" => Some(value.raw().to_owned()),
                    name => summarised(kind, &format!("{below}{name}"), value),
                };
                parts.extend(kept.map(|kept| format!("{}:{kept}", key.raw())));
            }
            (!parts.is_empty()).then(|| format!("{{{}}}", parts.join(",")))
        }
        _ => Some(value.raw().to_owned()),
    }
}

/// The meta with the mark among its tags.
fn with_tag(meta: Value<'_>) -> String {
    let tags: Vec<_> = meta.get("tag").into_iter().flat_map(Value::each).collect();
    if tags.iter().any(|tag| tag.get("code").is_some_and(|code| code.is("SUBSETTED"))) {
        return meta.raw().to_owned();
    }
    let tags: Vec<_> = tags.into_iter().map(Value::raw).chain([TAG]).collect();
    let others = meta.members().filter(|(key, _)| !key.is("tag"));
    let mut parts: Vec<_> = others.map(|(key, value)| format!("{}:{}", key.raw(), value.raw())).collect();
    parts.push(format!("\"tag\":[{}]", tags.join(",")));
    format!("{{{}}}", parts.join(","))
}
