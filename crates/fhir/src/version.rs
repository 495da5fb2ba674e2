//! This file is where signs of another FHIR version than R4 are recognised, only those that cannot be honest R4.

use crate::error::{ReadError, shortened};
use crate::json::{Kind, Value};

/// An element that R4 does not have, or has in another JSON type, and the version that does.
struct Sign {
    kind: &'static str,
    element: &'static str,
    version: &'static str,
    /// The JSON type that gives it away; any if none.
    shape: Option<Kind>,
}

const fn sign(kind: &'static str, element: &'static str, version: &'static str, shape: Option<Kind>) -> Sign {
    Sign { kind, element, version, shape }
}

/// Frequent types only, sorted. A full comparison is the validator's work; this is so that a file of another version
/// is named as such and not taken in as if it were R4.
const SIGNS: &[Sign] = &[
    sign("AllergyIntolerance", "clinicalStatus", "STU3", Some(Kind::String)),
    sign("AllergyIntolerance", "verificationStatus", "STU3", Some(Kind::String)),
    sign("CarePlan", "context", "STU3", None),
    sign("Condition", "clinicalStatus", "STU3", Some(Kind::String)),
    sign("Condition", "context", "STU3", None),
    sign("Condition", "participant", "R5", None),
    sign("Condition", "verificationStatus", "STU3", Some(Kind::String)),
    sign("Consent", "provision", "R5", Some(Kind::Array)),
    sign("DiagnosticReport", "context", "STU3", None),
    sign("DocumentReference", "indexed", "STU3", None),
    sign("Encounter", "actualPeriod", "R5", None),
    sign("Encounter", "admission", "R5", None),
    sign("Encounter", "class", "R5", Some(Kind::Array)),
    sign("Immunization", "notGiven", "STU3", None),
    sign("MedicationAdministration", "medication", "R5", None),
    sign("MedicationDispense", "medication", "R5", None),
    sign("MedicationRequest", "context", "STU3", None),
    sign("MedicationRequest", "medication", "R5", None),
    sign("MedicationRequest", "requester", "STU3", Some(Kind::Array)),
    sign("MedicationStatement", "medication", "R5", None),
    sign("MedicationStatement", "taken", "STU3", None),
    sign("Observation", "context", "STU3", None),
    sign("Observation", "related", "STU3", None),
    sign("Patient", "animal", "STU3", None),
    sign("Procedure", "context", "STU3", None),
    sign("Procedure", "notDone", "STU3", None),
];

/// Refuses a resource that shows by its own content that it is not R4.
///
/// What counts: elements of [`SIGNS`]; `fhirVersion` of a conformance resource; a profile of HL7 that names its
/// version, as `http://hl7.org/fhir/5.0/StructureDefinition/…` or `…|5.0.0`.
pub(crate) fn check(resource: Value<'_>) -> Result<(), ReadError> {
    let Some(kind) = resource.get("resourceType").and_then(Value::text) else { return Ok(()) };
    let from = SIGNS.partition_point(|sign| sign.kind < &*kind);
    for sign in SIGNS.iter().skip(from).take_while(|sign| sign.kind == kind) {
        let found = resource.get(sign.element);
        if found.is_some_and(|found| sign.shape.is_none_or(|shape| found.kind() == shape)) {
            return Err(wrong(resource, format!("element `{}` in this form", sign.element), sign.version));
        }
    }
    if matches!(&*kind, "CapabilityStatement" | "StructureDefinition" | "ImplementationGuide") {
        for version in resource.get("fhirVersion").into_iter().flat_map(Value::each).filter_map(Value::text) {
            if !is_r4(&version) {
                return Err(wrong(resource, "`fhirVersion`".to_owned(), &version));
            }
        }
    }
    let profiles = resource.get("meta").and_then(|meta| meta.get("profile"));
    for profile in profiles.into_iter().flat_map(Value::each).filter_map(Value::text) {
        if let Some(version) = profile_version(&profile).filter(|version| !is_r4(version)) {
            return Err(wrong(resource, "a profile in `meta.profile`".to_owned(), version));
        }
    }
    Ok(())
}

fn wrong(resource: Value<'_>, sign: String, version: &str) -> ReadError {
    ReadError::WrongVersion { path: resource.path(), sign, version: shortened(version) }
}

fn is_r4(version: &str) -> bool {
    version == "4.0" || version.starts_with("4.0.")
}

/// The FHIR version that a core profile's canonical names, if it names one.
fn profile_version(profile: &str) -> Option<&str> {
    let rest = profile.strip_prefix("http://hl7.org/fhir/")?;
    match rest.strip_prefix("StructureDefinition/") {
        Some(name) => name.split_once('|').map(|(_, version)| version),
        None => {
            let (version, _) = rest.split_once("/StructureDefinition/")?;
            version.starts_with(|char: char| char.is_ascii_digit()).then_some(version)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_sorted_and_profiles_are_read() {
        assert!(SIGNS.is_sorted_by_key(|sign| (sign.kind, sign.element)));
        for (profile, version) in [
            ("http://hl7.org/fhir/StructureDefinition/vitalsigns", None),
            ("http://hl7.org/fhir/StructureDefinition/Patient|5.0.0", Some("5.0.0")),
            ("http://hl7.org/fhir/3.0/StructureDefinition/Patient", Some("3.0")),
            ("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient", None),
            ("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0", None),
        ] {
            assert_eq!(profile_version(profile), version, "{profile}");
        }
    }
}
