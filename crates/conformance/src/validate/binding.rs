//! This file is where codes are held against the value sets that bind them.

use super::table::CodeSet;
use fhir::json::Value;

/// Codes that a message lists at most.
const LISTED_MAX: usize = 16;

impl CodeSet {
    /// What is wrong with a plain code, which has no system of its own.
    pub(super) fn wrong_code(&self, code: &str) -> Option<String> {
        let fits = match &self.codes {
            Some(systems) => systems.iter().any(|(_, codes)| codes.binary_search(&code).is_ok()),
            None => match self.name {
                // ISO 4217, whose codes are not in the definitions.
                "currencies" => code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()),
                "mimetypes" => is_media_type(code),
                _ => true,
            },
        };
        (!fits).then(|| self.words())
    }

    /// What is wrong with a CodeableConcept: one of its codings must be in the set.
    pub(super) fn wrong_concept(&self, concept: Value<'_>) -> Option<String> {
        let systems = self.codes.as_ref()?;
        let fits = concept.get("coding").into_iter().flat_map(Value::each).any(|coding| {
            let text = |key| coding.get(key).and_then(Value::text);
            let (Some(system), Some(code)) = (text("system"), text("code")) else { return false };
            systems.iter().any(|(name, codes)| *name == system && codes.binary_search(&code.as_ref()).is_ok())
        });
        (!fits).then(|| self.words())
    }

    fn words(&self) -> String {
        let codes: Vec<&str> = self
            .codes
            .iter()
            .flatten()
            .flat_map(|(_, codes)| codes.iter().copied())
            .take(LISTED_MAX + 1)
            .collect();
        match (self.name, codes.len()) {
            ("currencies", _) => "is not a currency code of ISO 4217, three capital letters".to_owned(),
            ("mimetypes", _) => "is not a media type such as `text/plain`".to_owned(),
            (name, count) if count > LISTED_MAX => format!("is not in the required value set `{name}`"),
            (name, _) => format!("is not in the required value set `{name}`: {}", codes.join(", ")),
        }
    }
}

// RFC 6838 §4.2, with parameters. Examples of HL7 give short forms such as `json` and `xml` for formats of FHIR.
fn is_media_type(text: &str) -> bool {
    let name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.split_once('/') {
        Some((kind, sub)) => name(kind) && name(sub),
        None => matches!(essence, "json" | "xml" | "ttl" | "html"),
    }
}
