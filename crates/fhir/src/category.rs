//! This file is where a record's sensitivity class is read from its security labels.

use crate::definitions::{ACT_CODES, SENSITIVITIES};
use crate::json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// HL7 v3 ActCode, under the names by which it is and was known: R4, STU3, its OID.
const ACT_CODE: &[&str] = &[
    "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "https://terminology.hl7.org/CodeSystem/v3-ActCode",
    "http://hl7.org/fhir/v3/ActCode",
    "urn:oid:2.16.840.1.113883.5.4",
];

/// The text of the class without any label.
pub const GENERAL: &str = "general";

/// The sensitivity class of a record: its labels, sorted; `general` if it has none.
///
/// A record lies in exactly one compartment and one key opens that, so a record with several labels needs one class.
/// It is the *joint* class of them all, written `HIV+PSY`: whoever opens it must be permitted for each of its labels.
/// Neither label is stronger. If the record lay in the class of one of them, a grant for that one would hand out what
/// the other protects; and a ranking would have to be agreed by all members and would still be wrong for some patient.
///
/// ```
/// # use fhir::{category::Category, json::Document, Limits};
/// let resource = br#"{"resourceType":"Condition","meta":{"security":[
///     {"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"},
///     {"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]}}"#;
/// let document = Document::read(resource, &Limits::default())?;
/// let category = Category::of(document.root());
/// assert_eq!(category.to_string(), "HIV+PSY");
/// assert!(category.special());
/// # Ok::<(), fhir::ReadError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(BTreeSet<String>);

impl Category {
    /// The class without any label.
    #[must_use]
    pub fn general() -> Self {
        Self::default()
    }

    /// The class of a resource: the labels of its own `meta.security` and of every resource inside it.
    ///
    /// A label counts if its code is under InformationSensitivityPolicy of v3 ActCode. A label without a system counts
    /// too, and so does a code of that system which R4's edition does not know, if it is spelled like a code: what may
    /// be a protection is taken for one. Codes of ActCode with another meaning (obligations, refrains) do not count.
    #[must_use]
    pub fn of(resource: Value<'_>) -> Self {
        let mut labels = BTreeSet::new();
        for (key, meta) in resource.members_deep() {
            if key.spelled() != Some("meta") {
                continue;
            }
            for coding in meta.get("security").into_iter().flat_map(Value::each) {
                labels.extend(label(coding));
            }
        }
        Self(labels)
    }

    /// The class of these labels: `PSY`, `HIV+PSY`, `general`. `None` if a label is not spelled like a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == GENERAL {
            return Some(Self::general());
        }
        let labels: BTreeSet<String> = text.split('+').map(str::to_ascii_uppercase).collect();
        labels.iter().all(|label| is_code(label)).then_some(Self(labels))
    }

    /// Whether anything protects it beyond what protects every record.
    #[must_use]
    pub fn special(&self) -> bool {
        !self.0.is_empty()
    }

    /// Its labels, sorted; none for `general`.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether somebody who was granted these labels may open it: all of its labels must be among them.
    #[must_use]
    pub fn within(&self, granted: &BTreeSet<String>) -> bool {
        self.0.is_subset(granted)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(GENERAL);
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            f.write_str(label)?;
        }
        Ok(())
    }
}

/// Every sensitivity code that R4's edition of v3 ActCode knows, sorted.
#[must_use]
pub fn known() -> &'static [&'static str] {
    SENSITIVITIES
}

fn label(coding: Value<'_>) -> Option<String> {
    let code = coding.get("code").and_then(Value::text)?.trim().to_ascii_uppercase();
    let system = coding.get("system").and_then(Value::text);
    let known = SENSITIVITIES.binary_search(&code.as_str()).is_ok();
    let counts = match system {
        None => known,
        Some(system) if ACT_CODE.contains(&&*system) => {
            known || (is_code(&code) && ACT_CODES.binary_search(&code.as_str()).is_err())
        }
        Some(_) => false,
    };
    counts.then_some(code)
}

fn is_code(text: &str) -> bool {
    (1..=24).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-')
}
