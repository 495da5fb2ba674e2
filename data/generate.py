#!/usr/bin/env python3
"""Writes the sample bundles beside it: invented people, true codes, the same bytes on every run.

    python3 data/generate.py        (Python 3 standard library only)

Each patient is a short story told in a list of visits; `Chart` turns it into FHIR R4 resources that refer to each other.
"""
import base64
import json
import pathlib
import re
import uuid

HERE = pathlib.Path(__file__).resolve().parent
SPACE = uuid.UUID("6f7a0d5e-4b0c-5c7e-9a51-0c1d2e3f4a5b")

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX, ICD10 = "http://hl7.org/fhir/sid/cvx", "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
TERMS = "http://terminology.hl7.org/CodeSystem/"
PEOPLE_AT = "https://riverside-hospital.example/staff"
PLACES_AT = "https://riverside-hospital.example/units"


def number(digits):
    """A JSON number with exactly these digits."""
    return f"@number({digits})"


def text_of(value, indent=2, plain_ascii=False):
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, ensure_ascii=plain_ascii, separators=separators)
    return re.sub(r'"@number\(([^)]*)\)"', r"\1", text)


def coded(system, code, display):
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def term(name, code):
    return {"coding": [{"system": TERMS + name, "code": code}]}


def quantity(digits, unit, code=None):
    return {"value": number(digits), "unit": unit, "system": UCUM, "code": code or unit}


STAFF = [
    ("adams", "Odalys", "Adams", "female", "Family medicine", "207Q00000X"),
    ("okonkwo", "Chidi", "Okonkwo", "male", "Infectious diseases", "207RI0200X"),
    ("lindqvist", "Maja", "Lindqvist", "female", "Psychiatry", "2084P0800X"),
    ("haddad", "Rami", "Haddad", "male", "Emergency medicine", "207P00000X"),
    ("pereira", "Inês", "Pereira", "female", "Paediatrics", "208000000X"),
]
HOSPITAL = ("riverside-hospital", "Riverside Hospital")
INSURER = ("meridian-insurance", "Meridian Insurance")


def staff(key):
    _, given, family, *_ = next(row for row in STAFF if row[0] == key)
    return {"reference": f"Practitioner?identifier={PEOPLE_AT}|{key}", "display": f"{given} {family}"}


def organisation(key=HOSPITAL):
    return {"reference": f"Organization?identifier={PLACES_AT}|{key[0]}", "display": key[1]}


def panel_of(rows):
    """Observations by name: LOINC code, display, unit, UCUM code."""
    return {row[0]: row[1:] for row in rows}


MEASURES = panel_of([
    ("heart", "8867-4", "Heart rate", "beats/minute", "/min"),
    ("temperature", "8310-5", "Body temperature", "Cel", "Cel"),
    ("weight", "29463-7", "Body weight", "kg", "kg"),
    ("height", "8302-2", "Body height", "cm", "cm"),
    ("bmi", "39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", "kg/m2"),
    ("hba1c", "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", "%"),
    ("glucose", "2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", "mg/dL"),
    ("creatinine", "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL"),
    ("sodium", "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L"),
    ("potassium", "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L"),
    ("haemoglobin", "718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", "g/dL"),
    ("leucocytes", "6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", "10*3/uL"),
    ("platelets", "777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", "10*3/uL"),
    ("alt", "1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", "U/L"),
    ("ggt", "2324-2", "Gamma glutamyl transferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", "U/L"),
    ("cd4", "24467-3", "CD3+CD4+ (T4 helper) cells [#/volume] in Blood", "cells/uL", "{cells}/uL"),
    ("viral", "20447-9", "HIV 1 RNA [#/volume] (viral load) in Serum or Plasma by NAA with probe detection",
     "copies/mL", "{copies}/mL"),
    ("phq9", "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]", "{score}", "{score}"),
    ("auditc", "75626-2", "Total score [AUDIT-C]", "{score}", "{score}"),
])
VITALS = {"heart", "temperature", "weight", "height", "bmi"}
SCORES = {"phq9", "auditc"}
PANELS = {
    "metabolic": ("51990-0", "Basic metabolic panel - Blood"),
    "count": ("58410-2", "CBC panel - Blood by Automated count"),
    "hiv": ("75622-1", "HIV 1 and 2 tests - Meaningful Use set"),
    "liver": ("24325-3", "Hepatic function panel - Serum or Plasma"),
}
DRUGS = {
    "metformin": "6809", "lisinopril": "29046", "amlodipine": "17767", "atorvastatin": "83367",
    "dolutegravir": "1433868", "emtricitabine": "276237", "sertraline": "36437", "naltrexone": "7243",
    "amoxicillin": "723", "albuterol": "435", "ibuprofen": "5640", "acetaminophen": "161", "lithium": "6448",
    "levothyroxine": "10582",
}
VACCINES = {
    "flu": ("140", "Influenza, seasonal, injectable, preservative free"), "hepb": ("08", "Hep B, adolescent or pediatric"),
    "dtap": ("20", "DTaP"), "mmr": ("03", "MMR"), "varicella": ("21", "varicella"), "ipv": ("10", "IPV"),
    "pcv": ("133", "Pneumococcal conjugate PCV 13"), "td": ("113", "Td (adult), 5 Lf tetanus toxoid"),
    "zoster": ("121", "zoster live"),
}


class Chart:
    """One patient's bundle in the making."""

    def __init__(self, key, patient, doctor, base=None):
        self.key, self.doctor, self.base = key, doctor, base
        self.entries, self.counts = [], {}
        self.labels, self.day, self.encounter = (), "2024-01-01", None
        self.patient = self.add("Patient", patient)
        member = f"MER-{uuid.uuid5(SPACE, key).hex[:8].upper()}"
        self.coverage = self.add("Coverage", {
            "identifier": [{"system": "https://meridian-insurance.example/members", "value": member}],
            "status": "active", "subscriberId": member, "beneficiary": self.patient,
            "relationship": term("subscriber-relationship", "self"), "period": {"start": "2023-01-01"},
            "payor": [organisation(INSURER)],
        })

    def add(self, kind, body):
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        identity = str(uuid.uuid5(SPACE, f"{self.key}/{kind}/{count}"))
        resource = {"resourceType": kind}
        if self.base:
            resource["id"] = identity
        if self.labels:
            system = TERMS + "v3-ActCode"
            labels = [{"system": system, "code": code} for code in self.labels]
            labels.append({"system": TERMS + "v3-Confidentiality", "code": "R", "display": "restricted"})
            resource["meta"] = {"security": labels}
        resource.update(body)
        full_url = f"{self.base}/{kind}/{identity}" if self.base else f"urn:uuid:{identity}"
        entry = {"fullUrl": full_url, "resource": resource}
        if not self.base:
            entry["request"] = {"method": "POST", "url": kind}
        self.entries.append(entry)
        return {"reference": f"{kind}/{identity}" if self.base else full_url}

    def about(self, **more):
        body = {"subject": self.patient}
        if self.encounter:
            body["encounter"] = self.encounter
        return body | more

    def at(self, time):
        return f"{self.day}T{time}+01:00"

    def visit(self, day, reason, kind="AMB", labels=(), doctor=None):
        self.day, self.labels, self.encounter = day, tuple(labels), None
        self.doctor = doctor or self.doctor
        names = {"AMB": "ambulatory", "EMER": "emergency", "IMP": "inpatient encounter", "VR": "virtual"}
        self.encounter = self.add("Encounter", {
            "status": "finished", "class": {"system": TERMS + "v3-ActCode", "code": kind, "display": names[kind]},
            "type": [coded(SNOMED, "185349003", "Encounter for check up (procedure)") if kind == "AMB"
                     else coded(SNOMED, "50849002", "Emergency room admission (procedure)") if kind == "EMER"
                     else coded(SNOMED, "32485007", "Hospital admission (procedure)") if kind == "IMP"
                     else coded(SNOMED, "448337001", "Telemedicine consultation with patient (procedure)")],
            "subject": self.patient, "participant": [{"individual": staff(self.doctor)}],
            "period": {"start": self.at("09:10:00.000"), "end": self.at("09:55:00.000")},
            "reasonCode": [{"text": reason}], "serviceProvider": organisation(),
        })
        return self

    def condition(self, system, code, display, status="active"):
        return self.add("Condition", self.about(
            clinicalStatus=term("condition-clinical", status), verificationStatus=term("condition-ver-status", "confirmed"),
            category=[term("condition-category", "encounter-diagnosis")], code=coded(system, code, display),
            onsetDateTime=self.day, recordedDate=self.day,
        ))

    def measure(self, name, digits, note=None):
        code, display, unit, ucum = MEASURES[name]
        category = "vital-signs" if name in VITALS else "survey" if name in SCORES else "laboratory"
        body = self.about(
            status="final", category=[term("observation-category", category)], code=coded(LOINC, code, display),
            effectiveDateTime=self.at("09:20:00"), issued=self.at("11:00:00.125"),
            valueQuantity=quantity(digits, unit, ucum),
        )
        if note:
            body["note"] = [{"text": note}]
        return self.add("Observation", body)

    def pressure(self, systolic, diastolic):
        part = lambda code, display, digits: {
            "code": coded(LOINC, code, display), "valueQuantity": quantity(digits, "mmHg", "mm[Hg]")}
        return self.add("Observation", self.about(
            status="final", category=[term("observation-category", "vital-signs")],
            code=coded(LOINC, "85354-9", "Blood pressure panel with all children optional"),
            effectiveDateTime=self.at("09:18:00"),
            component=[part("8480-6", "Systolic blood pressure", systolic),
                       part("8462-4", "Diastolic blood pressure", diastolic)],
        ))

    def vitals(self, heart, systolic, diastolic, weight, temperature="36.70"):
        self.pressure(systolic, diastolic)
        self.measure("heart", heart)
        self.measure("weight", weight)
        return self.measure("temperature", temperature)

    def report(self, panel, values, conclusion=None):
        results = [self.measure(name, digits) for name, digits in values]
        code, display = PANELS[panel]
        body = self.about(
            status="final", category=[term("v2-0074", "LAB")], code=coded(LOINC, code, display),
            effectiveDateTime=self.at("09:20:00"), issued=self.at("11:05:00.250"), performer=[organisation()],
            result=results,
        )
        # A specimen that nothing else needs travels inside the report.
        body["contained"] = [{"resourceType": "Specimen", "id": "blood", "type": {"text": "Venous blood"},
                              "collection": {"collectedDateTime": self.at("09:15:00")}}]
        body["specimen"] = [{"reference": "#blood"}]
        if conclusion:
            body["conclusion"] = conclusion
        return self.add("DiagnosticReport", body)

    def prescribe(self, drug, dose, unit, times, reason=None):
        body = self.about(
            status="active", intent="order", medicationCodeableConcept=coded(RXNORM, DRUGS[drug], drug),
            authoredOn=self.day, requester=staff(self.doctor),
            dosageInstruction=[{"text": f"{dose} {unit}, {times} times a day",
                                "timing": {"repeat": {"frequency": times, "period": number("1.0"), "periodUnit": "d"}},
                                "doseAndRate": [{"doseQuantity": quantity(dose, unit)}]}],
        )
        if reason:
            body["reasonReference"] = [reason]
        return self.add("MedicationRequest", body)

    def vaccine(self, name, dose=None):
        code, display = VACCINES[name]
        return self.add("Immunization", {
            "status": "completed", "vaccineCode": coded(CVX, code, display), "patient": self.patient,
            "encounter": self.encounter, "occurrenceDateTime": self.day, "primarySource": True,
            "lotNumber": f"L{uuid.uuid5(SPACE, self.key + name + self.day).hex[:6].upper()}",
            "doseQuantity": quantity(dose or "0.50", "mL"),
        })

    def procedure(self, code, display, note=None):
        body = self.about(status="completed", code=coded(SNOMED, code, display), performedDateTime=self.at("09:40:00"))
        body["performer"] = [{"actor": staff(self.doctor)}]
        if note:
            body["note"] = [{"text": note}]
        return self.add("Procedure", body)

    def allergy(self, code, display, reaction):
        return self.add("AllergyIntolerance", {
            "clinicalStatus": term("allergyintolerance-clinical", "active"),
            "verificationStatus": term("allergyintolerance-verification", "confirmed"),
            "criticality": "high", "code": coded(SNOMED, code, display), "patient": self.patient,
            "recordedDate": self.day, "reaction": [{"manifestation": [{"text": reaction}], "severity": "moderate"}],
        })

    def letter(self, title, words):
        """A note: the text in a Binary, found through a DocumentReference."""
        data = base64.b64encode(words.encode()).decode()
        binary = self.add("Binary", {"contentType": "text/plain; charset=utf-8", "data": data})
        body = {
            "status": "current", "type": coded(LOINC, "11506-3", "Progress note"), "subject": self.patient,
            "date": self.at("10:05:00.000"), "author": [staff(self.doctor)], "description": title,
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "language": "en",
                                        "url": binary["reference"], "title": title}}],
            "context": {"encounter": [self.encounter]},
        }
        return self.add("DocumentReference", body)

    def plan(self, title, goal, reason):
        aim = self.add("Goal", {"lifecycleStatus": "active", "description": {"text": goal}, "subject": self.patient,
                                "startDate": self.day})
        team = self.add("CareTeam", {"status": "active", "subject": self.patient,
                                     "participant": [{"member": staff(self.doctor)}, {"member": self.patient}]})
        return self.add("CarePlan", self.about(
            status="active", intent="plan", title=title, period={"start": self.day}, careTeam=[team], goal=[aim],
            addresses=[reason], activity=[{"detail": {"status": "in-progress", "description": goal}}],
        ))

    def claim(self, amount, *diagnoses):
        money = {"value": number(amount), "currency": "USD"}
        listed = [{"sequence": at, "diagnosisReference": found} for at, found in enumerate(diagnoses, 1)]
        # FHIR allows no empty array.
        reasons = {"diagnosis": listed} if listed else {}
        return self.add("Claim", {
            "status": "active", "type": term("claim-type", "professional"), "use": "claim", "patient": self.patient,
            "created": self.day, "insurer": organisation(INSURER), "provider": organisation(),
            "priority": term("processpriority", "normal"),
            **reasons,
            "insurance": [{"sequence": 1, "focal": True, "coverage": self.coverage}],
            "item": [{"sequence": 1, "productOrService": coded(SNOMED, "185349003", "Encounter for check up (procedure)"),
                      "net": money, "encounter": [self.encounter]}],
            "total": money,
        })

    def answers(self, title, rows):
        return self.add("QuestionnaireResponse", self.about(
            status="completed", authored=self.at("09:05:00"), author=self.patient, source=self.patient,
            item=[{"linkId": str(at), "text": question, "answer": [{"valueInteger": number(points)}]}
                  for at, (question, points) in enumerate(rows, 1)],
            text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{title} of '
                  f'<a href="{self.patient["reference"]}">this patient</a></p></div>'},
        ))

    def sign(self, *targets):
        return self.add("Provenance", {
            "target": list(targets), "recorded": self.at("12:00:00.000"),
            "agent": [{"type": term("provenance-participant-type", "author"), "who": staff(self.doctor)}],
        })

    def bundle(self):
        kind = "collection" if self.base else "transaction"
        return {"resourceType": "Bundle", "type": kind, "entry": self.entries}


def patient(number_, family, given, gender, born, line, city, code, phone, **more):
    body = {
        "identifier": [{"use": "usual", "system": "https://riverside-hospital.example/mrn", "value": number_}],
        "active": True, "name": [{"use": "official", "family": family, "given": given}],
        "telecom": [{"system": "phone", "value": phone, "use": "mobile"}], "gender": gender, "birthDate": born,
        "address": [{"use": "home", "line": [line], "city": city, "state": "VT", "postalCode": code, "country": "US"}],
    }
    return body | more


def directory():
    """What belongs to no patient: the hospital, its people and places, and what it uses."""
    entries = []

    def add(kind, key, body):
        identity = f"urn:uuid:{uuid.uuid5(SPACE, f'directory/{kind}/{key}')}"
        entries.append({"fullUrl": identity, "resource": {"resourceType": kind} | body,
                        "request": {"method": "POST", "url": kind}})
        return {"reference": identity}

    known = {}
    for key, name in (HOSPITAL, INSURER, ("lakeside-clinic", "Lakeside Clinic")):
        known[key] = add("Organization", key, {
            "identifier": [{"system": PLACES_AT, "value": key}], "active": True, "name": name,
            "telecom": [{"system": "phone", "value": "+1-802-555-0100"}],
        })
    for key, name in (("outpatients", "Outpatient clinic"), ("emergency", "Emergency department"), ("ward-3", "Ward 3")):
        add("Location", key, {
            "identifier": [{"system": PLACES_AT, "value": key}], "status": "active", "name": name,
            "position": {"longitude": number("-72.5770"), "latitude": number("44.2600")},
            "managingOrganization": known[HOSPITAL[0]],
        })
    for key, given, family, gender, speciality, code in STAFF:
        person = add("Practitioner", key, {
            "identifier": [{"system": PEOPLE_AT, "value": key}], "active": True,
            "name": [{"family": family, "given": [given], "prefix": ["Dr."]}], "gender": gender,
        })
        add("PractitionerRole", key, {
            "active": True, "practitioner": person, "organization": known[HOSPITAL[0]],
            "specialty": [coded("http://nucc.org/provider-taxonomy", code, speciality)],
        })
    for drug in ("metformin", "sertraline", "dolutegravir"):
        add("Medication", drug, {"code": coded(RXNORM, DRUGS[drug], drug)})
    add("HealthcareService", "outpatients", {
        "active": True, "providedBy": known[HOSPITAL[0]], "name": "Outpatient consultations"})
    add("Device", "cuff", {"status": "active", "deviceName": [{"name": "Blood pressure cuff 7", "type": "user-friendly-name"}],
                           "owner": known[HOSPITAL[0]]})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def spelled(bundle, how):
    if how == "one line":
        return text_of(bundle, indent=None)
    if how == "tabs":
        return text_of(bundle, indent="\t") + "\n"
    if how == "escaped":
        return text_of(bundle, plain_ascii=True).replace("/", "\\/") + "\n"
    return text_of(bundle) + "\n"


def bad():
    """Files that must be refused, each for one reason."""
    person = {"resourceType": "Patient", "name": [{"family": "Nobody"}]}
    wrap = lambda resource: {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    whole = text_of(wrap(person))
    r5 = {"resourceType": "Encounter", "status": "completed", "class": [term("v3-ActCode", "AMB")],
          "actualPeriod": {"start": "2024-01-01"}}
    stu3 = {"resourceType": "Condition", "clinicalStatus": "active", "subject": {"reference": "Patient/1"}}
    deep = '{"resourceType":"Basic","extension":' + '[{"url":"x","extension":' * 120 + "[]" + "}]" * 120 + "}"
    return {
        "duplicate-key.json": whole.replace('"family": "Nobody"', '"family": "Nobody",\n            "family": "Somebody"'),
        "no-resource-type.json": text_of(wrap({"name": [{"family": "Nobody"}]})),
        "unknown-type.json": text_of(wrap({"resourceType": "Pateint"})),
        "r5-type.json": text_of(wrap({"resourceType": "NutritionIntake", "status": "completed"})),
        "r5-encounter.json": text_of(wrap(r5)),
        "stu3-condition.json": text_of(wrap(stu3)),
        "r5-capabilities.json": text_of({"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "5.0.0"}),
        "no-bundle-type.json": text_of({"resourceType": "Bundle", "entry": [{"resource": person}]}),
        "truncated.json": whole[: len(whole) * 2 // 3],
        "trailing-comma.json": whole.replace('"Nobody"', '"Nobody",'),
        "lines.json": text_of(person, None) + "\n" + text_of(person, None) + "\n",
        "list.json": text_of([person]),
        "deep.json": deep,
        "xml.json": '<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>\n',
        "latin1.json": whole.replace("Nobody", "Müller").encode("latin-1"),
        "half-surrogate.json": whole.replace("Nobody", "No\\ud83dbody"),
        "empty.json": "",
    }


def main():
    import stories

    folders = {"bundles": {}, "bad": bad()}
    for name, story, how in stories.STORIES:
        folders["bundles"][f"{name}.json"] = spelled(story().bundle(), how)
    folders["bundles"]["riverside-directory.json"] = spelled(directory(), "indented")
    for folder, files in folders.items():
        (HERE / folder).mkdir(exist_ok=True)
        for old in (HERE / folder).glob("*.json"):
            old.unlink()
        for name, content in files.items():
            (HERE / folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


if __name__ == "__main__":
    main()
