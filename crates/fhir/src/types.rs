//! This file is where a resource type's name is looked up: is it R4's, and if not, whose is it.

use crate::definitions::{COMPARTMENT, FOREIGN_TYPES, RESOURCE_TYPES};

/// The R4 resource type of this name, as the static text of the table.
///
/// ```
/// assert_eq!(fhir::types::r4("Patient"), Some("Patient"));
/// assert_eq!(fhir::types::r4("Transport"), None);
/// ```
#[must_use]
pub fn r4(name: &str) -> Option<&'static str> {
    let at = RESOURCE_TYPES.binary_search(&name).ok()?;
    RESOURCE_TYPES.get(at).copied()
}

/// The FHIR version that has a resource type of this name, if R4 does not.
#[must_use]
pub fn foreign_version(name: &str) -> Option<&'static str> {
    let at = FOREIGN_TYPES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    FOREIGN_TYPES.get(at).map(|(_, version)| *version)
}

/// The element paths by which a resource of this type is tied to a patient, the subject's own first; empty where the
/// R4 patient compartment does not list the type.
///
/// Source: FHIR R4 CompartmentDefinition `patient`.
#[must_use]
pub fn compartment(name: &str) -> &'static [&'static str] {
    COMPARTMENT
        .binary_search_by_key(&name, |(name, _)| name)
        .ok()
        .and_then(|at| COMPARTMENT.get(at))
        .map_or(&[], |(_, paths)| paths)
}

/// Whether resources of this type describe the organisation, a product or a definition, so that they may lie in the
/// directory which every member can read, unless they name a patient.
///
/// A closed list: a type that is missing here is never taken for public. What ties such a resource to nobody (a Binary
/// without a DocumentReference, an Observation without a subject) goes to the chart of the unknown patient.
#[must_use]
pub fn is_directory(name: &str) -> bool {
    DIRECTORY.binary_search(&name).is_ok()
}

/// The resource type that a literal reference names: `Type/id`, `https://base/Type/id`, `Type?query`; the version and the
/// fragment do not matter.
///
/// ```
/// assert_eq!(fhir::types::named("https://a.example/fhir/Patient/7/_history/2"), Some("Patient"));
/// assert_eq!(fhir::types::named("Patient?identifier=x|7"), Some("Patient"));
/// assert_eq!(fhir::types::named("urn:uuid:7"), None);
/// ```
#[must_use]
pub fn named(reference: &str) -> Option<&'static str> {
    let reference = unversioned(reference);
    let path = match reference.split_once('?') {
        Some((kind, _)) => kind,
        None => reference.rsplit_once('/')?.0,
    };
    path.rsplit('/').next().and_then(r4)
}

/// A reference without its version and fragment.
pub(crate) fn unversioned(reference: &str) -> &str {
    let reference = reference.split('#').next().unwrap_or(reference);
    reference.split_once("/_history/").map_or(reference, |(plain, _)| plain)
}

#[rustfmt::skip]
const DIRECTORY: &[&str] = &[
    "ActivityDefinition", "CapabilityStatement", "CatalogEntry", "ChargeItemDefinition", "CodeSystem",
    "CompartmentDefinition", "ConceptMap", "Device", "DeviceDefinition", "DeviceMetric",
    "EffectEvidenceSynthesis", "Endpoint", "EventDefinition", "Evidence", "EvidenceVariable", "ExampleScenario",
    "GraphDefinition", "HealthcareService", "ImplementationGuide", "InsurancePlan", "Library", "Location",
    "Measure", "Medication", "MedicationKnowledge", "MedicinalProduct", "MedicinalProductAuthorization",
    "MedicinalProductContraindication", "MedicinalProductIndication", "MedicinalProductIngredient",
    "MedicinalProductInteraction", "MedicinalProductManufactured", "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect", "MessageDefinition", "NamingSystem",
    "ObservationDefinition", "OperationDefinition", "Organization", "OrganizationAffiliation", "PlanDefinition",
    "Practitioner", "PractitionerRole", "Questionnaire", "ResearchDefinition", "ResearchElementDefinition",
    "ResearchStudy", "RiskEvidenceSynthesis", "Schedule", "SearchParameter", "Slot", "SpecimenDefinition",
    "StructureDefinition", "StructureMap", "Substance", "SubstanceNucleicAcid", "SubstancePolymer",
    "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
    "TerminologyCapabilities", "TestScript", "ValueSet",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_agree() {
        assert_eq!(RESOURCE_TYPES.len(), 146);
        // 66 types, and Patient itself through `link.other`.
        assert_eq!(COMPARTMENT.len(), 67);
        assert!(RESOURCE_TYPES.is_sorted() && DIRECTORY.is_sorted());
        assert!(COMPARTMENT.is_sorted_by_key(|(name, _)| name));
        assert!(FOREIGN_TYPES.is_sorted_by_key(|(name, _)| name));
        for name in DIRECTORY.iter().chain(COMPARTMENT.iter().map(|(name, _)| name)) {
            assert!(r4(name).is_some(), "`{name}` is not an R4 type");
        }
        for (name, _) in FOREIGN_TYPES {
            assert!(r4(name).is_none(), "`{name}` is an R4 type");
        }
    }
}
