//! This file is where the text of a reference is taken apart, without asking whether anything is there.

use super::value::Reference;

/// Whether a text may be the id of a resource (FHIR R4 datatype `id`).
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// The parts of `Patient/1`, `Patient/1/_history/2`, `https://a.example/fhir/Patient/1`, `urn:uuid:…` or a canonical.
pub(super) fn read(text: &str) -> Reference {
    if let Some(literal) = literal(text) {
        return literal;
    }
    let Uriversion { uri, version } = canonical(text);
    Reference { url: Some(uri.to_owned()), version: version.map(str::to_owned), ..Reference::default() }
}

/// A canonical URL apart from its version.
pub(super) struct Uriversion<'a> {
    pub(super) uri: &'a str,
    pub(super) version: Option<&'a str>,
}

pub(super) fn canonical(text: &str) -> Uriversion<'_> {
    match text.rsplit_once('|') {
        Some((uri, version)) if !version.is_empty() => Uriversion { uri, version: Some(version) },
        _ => Uriversion { uri: text, version: None },
    }
}

fn literal(text: &str) -> Option<Reference> {
    let (path, version) = match text.split_once("/_history/") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    let (rest, id) = path.rsplit_once('/')?;
    let (base, kind) = match rest.rsplit_once('/') {
        Some((base, kind)) => (Some(base), kind),
        None => (None, rest),
    };
    let kind = fhir::types::r4(kind)?;
    if !is_id(id)
        || version.is_some_and(|version| !is_id(version))
        || base.is_some_and(|base| !base.contains("://"))
    {
        return None;
    }
    Some(Reference {
        kind: Some(kind.to_owned()),
        id: Some(id.to_owned()),
        version: version.map(str::to_owned),
        base: base.map(str::to_owned),
        ..Reference::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        for (text, kind, id, version, base, url) in [
            ("Patient/1", Some("Patient"), Some("1"), None, None, None),
            ("Patient/1/_history/2", Some("Patient"), Some("1"), Some("2"), None, None),
            ("http://a/b/Patient/1", Some("Patient"), Some("1"), None, Some("http://a/b"), None),
            ("urn:uuid:7", None, None, None, None, Some("urn:uuid:7")),
            ("http://a/q|3", None, None, Some("3"), None, Some("http://a/q")),
            ("http://a/ValueSet/x|3", None, None, Some("3"), None, Some("http://a/ValueSet/x")),
            ("Nothing/1", None, None, None, None, Some("Nothing/1")),
            ("Patient?identifier=a|1", None, None, Some("1"), None, Some("Patient?identifier=a")),
            ("Patient/", None, None, None, None, Some("Patient/")),
            ("", None, None, None, None, Some("")),
        ] {
            let read = read(text);
            let found = [&read.kind, &read.id, &read.version, &read.base, &read.url].map(Option::as_deref);
            assert_eq!(found, [kind, id, version, base, url], "{text}");
        }
    }
}
