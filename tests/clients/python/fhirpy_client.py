"""fhirpy does what an app does. HORKOS_FHIR is the base, HORKOS_TOKEN a token of SMART Backend Services."""

import os
import uuid

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

BASE = os.environ["HORKOS_FHIR"]
SYSTEM = "urn:example:clients:numbers"

client = SyncFHIRClient(BASE, authorization=f"Bearer {os.environ['HORKOS_TOKEN']}")


def refused(kind, act, code):
    """The refusal that something must meet."""
    try:
        answer = act()
    except kind as error:
        resource = getattr(error, "resource", None)
        if resource is not None:
            assert resource["resourceType"] == "OperationOutcome", resource
            assert resource["issue"][0]["code"] == code, resource
        return
    raise AssertionError(f"not refused: {answer}")


def patient(family, number):
    return client.resource(
        "Patient",
        identifier=[{"system": SYSTEM, "value": number}],
        name=[{"family": family, "given": ["Ada"]}],
        gender="female",
        birthDate="1984-02-29",
    )


statement = client.execute("metadata", method="get")
assert statement["fhirVersion"] == "4.0.1"

# Create, read, update, patch.
number = str(uuid.uuid4())
one = patient("Pye", number)
one.save()
assert one.id and one["meta"]["versionId"] == "1"
again = client.reference("Patient", one.id).to_resource()
assert again.serialize() == one.serialize()
again["name"][0]["family"] = "Pyefinch"
again.save()
assert again["meta"]["versionId"] == "2"
# Its patches are merge patches and its conditional creates have the condition in the URL: FHIR R4 has neither.
first = client.execute(f"Patient/{one.id}/_history/1", method="get")
assert first["name"][0]["family"] == "Pye"
found = client.resources("Patient").search(identifier=f"{SYSTEM}|{number}").get()
assert found.id == one.id

# A transaction, pages, includes.
mother = f"urn:uuid:{uuid.uuid4()}"
entries = [
    {
        "fullUrl": mother,
        "resource": patient("Pye", str(uuid.uuid4())).serialize(),
        "request": {"method": "POST", "url": "Patient"},
    }
]
for at in range(1, 6):
    entries.append(
        {
            "fullUrl": f"urn:uuid:{uuid.uuid4()}",
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"reference": mother},
                "effectiveDateTime": f"2026-03-0{at}",
                "valueQuantity": {"value": 60 + at, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
            },
            "request": {"method": "POST", "url": "Observation"},
        }
    )
answer = client.execute("", method="post", data={"resourceType": "Bundle", "type": "transaction", "entry": entries})
places = ["/".join(entry["response"]["location"].split("/_history/")[0].split("/")[-2:]) for entry in answer["entry"]]
subject, findings = places[0], places[1:]
pages = client.resources("Observation").search(patient=subject).sort("date").limit(2)
assert [f"Observation/{one.id}" for one in pages.fetch_all()] == findings
heavy = client.resources("Observation").search(**{"patient": subject, "value-quantity": "gt63||kg"})
assert [f"Observation/{one.id}" for one in heavy.sort("date").fetch()] == findings[3:]
included = client.resources("Observation").search(patient=subject).include("Observation", "subject").limit(1).fetch_raw()
assert [entry["search"]["mode"] for entry in included["entry"]] == ["match", "include"]
assert client.resources("Observation").search(patient=subject, code="29463-7").first()["subject"]["reference"] == subject
refused(MultipleResourcesFound, lambda: client.resources("Observation").search(patient=subject).get(), None)

# Refusals, delete, history.
refused(OperationOutcome, lambda: client.resource("Patient", gender="none").save(), "code-invalid")
refused(ResourceNotFound, lambda: client.reference("Patient", "no-such").to_resource(), "not-found")
assert not client.resource("Patient", gender="none").is_valid()
assert client.resource("Patient", gender="female").is_valid()
again.delete()
try:
    client.reference("Patient", one.id).to_resource()
    raise AssertionError("what is deleted is read")
except (ResourceNotFound, OperationOutcome):
    pass
history = client.execute(f"Patient/{one.id}/_history", method="get")
assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "POST"], history
print("fhirpy: all held")
