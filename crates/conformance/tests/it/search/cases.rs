//! What each type of parameter and each modifier finds, after the examples of the search page of FHIR R4.

use super::shelf::Shelf;

#[test]
fn strings() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Patient","id":"a","name":[{"family":"Carreno-Quinones","given":["Evelyn"]}]}
        {"resourceType":"Patient","id":"b","name":[{"family":"Son","given":["Eve","Maria"],"suffix":["Jr."]}]}
        {"resourceType":"Patient","id":"c","name":[{"family":"Sonnenschein","given":["Severine"]}]}
        {"resourceType":"Patient","id":"d","name":[{"text":"Müller, Éve"}],"address":[{"city":"São Paulo","line":["12, Main St."]}]}
        {"resourceType":"Patient","id":"e","name":[{"family":"son"}]}
        {"resourceType":"Patient","id":"f","name":[{"family":"a,b$c|d\\e"}]}
        "#,
    );
    shelf.check(
        "Patient",
        r"
        given=eve → a b
        given:contains=eve → a b c
        given:exact=Eve → b
        given:exact=eve →
        family=son → b c e
        family:exact=Son → b
        family=SON,carreño → a b c e
        family=son&given=maria → b
        name=mul → d
        name=jr → b
        name=éve → a b
        name:contains=eve → a b c d
        name:exact=Müller\, Éve → d
        address=sao → d
        address-city=são paulo → d
        address=12 main → d
        address-city=paulo →
        family:exact=a\,b\$c\|d\\e → f
        family:missing=true → d
        family:missing=false → a b c e f
        ",
    );
}

#[test]
fn tokens() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Patient","id":"a","gender":"male","active":true,"identifier":[{"system":"http://acme.org/patient","value":"2345","type":{"coding":[{"system":"http://v2","code":"MR"}],"text":"Medical record"}}]}
        {"resourceType":"Patient","id":"b","gender":"female","active":false,"identifier":[{"value":"2345"}],"deceasedBoolean":true}
        {"resourceType":"Patient","id":"c","identifier":[{"system":"http://acme.org/patient","value":"AB-9"}],"deceasedDateTime":"2015-02-14T13:42:00+10:00"}
        {"resourceType":"Patient","id":"d","gender":"other","deceasedBoolean":false,"telecom":[{"system":"email","value":"Eve@Acme.org"},{"system":"phone","value":"555"}]}
        {"resourceType":"Condition","id":"h","code":{"coding":[{"system":"http://snomed.info/sct","code":"25064002","display":"Headache disorder"}],"text":"Bad head"}}
        {"resourceType":"Condition","id":"i","code":{"text":"Headáche"}}
        {"resourceType":"Condition","id":"j","code":{"coding":[{"code":"ha125"},{"system":"http://acme.org","code":"HA"}]}}
        "#,
    );
    shelf.check(
        "Patient",
        r"
        identifier=2345 → a b
        identifier=http://acme.org/patient|2345 → a
        identifier=|2345 → b
        identifier=http://acme.org/patient| → a c
        identifier=ab-9 → c
        identifier:of-type=http://v2|MR|2345 → a
        identifier:of-type=http://v2|XX|2345 →
        identifier:text=medical → a
        gender=male,female → a b
        gender=MALE →
        gender=http://hl7.org/fhir/administrative-gender|male → a
        gender=http://elsewhere|male →
        gender:not=male → b c d
        gender:not=male,female → c d
        gender:missing=true → c
        active=true → a
        active:missing=true → c d
        deceased=true → b c
        deceased=false → a d
        deceased:missing=true →
        death-date=2015 → c
        email=eve@acme.org → d
        email=555 →
        phone=555 → d
        telecom=555 → d
        _id=a,d → a d
        _id=A →
        ",
    );
    shelf.check(
        "Condition",
        r"
        code=ha125 → j
        code=http://acme.org|ha → j
        code=|ha125 → j
        code=|HA →
        code=http://snomed.info/sct| → h
        code:text=headache → h i
        code:text=bad → h
        code:text=disorder →
        code:not=25064002 → i j
        ",
    );
}

#[test]
fn dates() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Observation","id":"day","effectiveDateTime":"2013-01-14"}
        {"resourceType":"Observation","id":"early","effectiveDateTime":"2013-01-14T00:00:00Z"}
        {"resourceType":"Observation","id":"instant","effectiveInstant":"2013-01-14T10:00:00.123Z"}
        {"resourceType":"Observation","id":"month","effectiveDateTime":"2013-01"}
        {"resourceType":"Observation","id":"next","effectiveDateTime":"2013-01-15T00:00:00Z"}
        {"resourceType":"Observation","id":"open","effectivePeriod":{"start":"2013-01-21"}}
        {"resourceType":"Observation","id":"period","effectivePeriod":{"start":"2013-01-01","end":"2013-01-20"}}
        {"resourceType":"Observation","id":"times","effectiveTiming":{"event":["2012-05-05","2012-07-07"]}}
        {"resourceType":"Observation","id":"until","effectivePeriod":{"end":"2012-12-31"}}
        {"resourceType":"Observation","id":"wrong","effectiveDateTime":"yesterday"}
        "#,
    );
    shelf.check(
        "Observation",
        r"
        date=2013-01-14 → day early instant
        date=eq2013-01-14 → day early instant
        date=2013-01 → day early instant month next period
        date=2013-01-14T10:00Z → instant
        date=2013-01-14T10:00:00.123Z → instant
        date=2013-01-14T12:00:00.123+02:00 → instant
        date=2013-01-14T00:00:00Z → early
        date=ne2013-01-14 → month next open period times until
        date=gt2013-01-14 → month next open period
        date=lt2013-01-14 → month period times until
        date=lt2013-01-14T10:00 → day early month period times until
        date=ge2013-01-14 → day early instant month next open period
        date=le2013-01-14 → day early instant month period times until
        date=ge2013-03-14 → open
        date=sa2013-01-14 → next open
        date=sa2012-12-31 → day early instant month next open period
        date=eb2013-01-14 → times until
        date=eb2012-12-31 → times
        date=2012 → times
        date=ap2013-01-14 → day early instant month next open period times until
        date=ap2019-12 → open
        date=ge2012-05-05&date=le2012-07-07 → times until
        date:missing=true →
        ",
    );
}

#[test]
fn instants_of_the_server() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Basic","id":"a","meta":{"lastUpdated":"2019-06-01T12:00:00.000Z","profile":["http://p/one|2"],"tag":[{"system":"http://t","code":"x"}],"security":[{"code":"R"}],"source":"urn:oid:1"},"code":{}}
        {"resourceType":"Basic","id":"b","meta":{"lastUpdated":"2019-06-02T12:00:00.000Z","profile":["http://p/one"]},"code":{}}
        "#,
    );
    shelf.check(
        "Basic",
        r"
        _lastUpdated=gt2019-06-01 → b
        _lastUpdated=2019-06 → a b
        _profile=http://p/one → a b
        _profile=http://p/one|2 → a
        _profile=http://p/one|3 →
        _tag=http://t|x → a
        _tag:not=x → b
        _security=R → a
        _source=urn:oid:1 → a
        ",
    );
}

#[test]
fn numbers() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"RiskAssessment","id":"a","prediction":[{"probabilityDecimal":0.8}]}
        {"resourceType":"RiskAssessment","id":"b","prediction":[{"probabilityDecimal":0.80000000000000000000000000000000001}]}
        {"resourceType":"RiskAssessment","id":"c","prediction":[{"probabilityDecimal":100}]}
        {"resourceType":"RiskAssessment","id":"d","prediction":[{"probabilityDecimal":100.4}]}
        {"resourceType":"RiskAssessment","id":"e","prediction":[{"probabilityDecimal":100.5}]}
        {"resourceType":"RiskAssessment","id":"f","prediction":[{"probabilityDecimal":99.5}]}
        {"resourceType":"RiskAssessment","id":"g","prediction":[{"probabilityDecimal":94.99}]}
        {"resourceType":"RiskAssessment","id":"n","prediction":[{"probabilityDecimal":-3e-2}]}
        {"resourceType":"RiskAssessment","id":"r","prediction":[{"probabilityRange":{"low":{"value":10},"high":{"value":20}}}]}
        "#,
    );
    shelf.check(
        "RiskAssessment",
        r"
        probability=100 → c d f
        probability=100.00 → c
        probability=1e2 → c d e f
        probability=ne100 → a b e g n r
        probability=gt0.8 → b c d e f g r
        probability=gt0.80000000000000000000000000000000001 → c d e f g r
        probability=ge0.8 → a b c d e f g r
        probability=lt0.8 → n
        probability=le0.8 → a n
        probability=lt100 → a b f g n r
        probability=ap100 → c d e f g
        probability=gt15 → c d e f g r
        probability=sa15 → c d e f g
        probability=eb100 → a b f g n r
        probability=-0.03 → n
        probability=15 →
        probability=ap15 → r
        ",
    );
}

#[test]
fn quantities() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Observation","id":"g","valueQuantity":{"value":0.0054,"unit":"grams","system":"http://unitsofmeasure.org","code":"g"}}
        {"resourceType":"Observation","id":"less","valueQuantity":{"value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"mg"}}
        {"resourceType":"Observation","id":"mg","valueQuantity":{"value":5.40,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}
        {"resourceType":"Observation","id":"plain","valueQuantity":{"value":5.4,"unit":"mg"}}
        {"resourceType":"Observation","id":"tab","valueQuantity":{"value":5.4,"system":"http://snomed.info/sct","code":"385055001"}}
        {"resourceType":"Observation","id":"wave","valueSampledData":{"origin":{"value":0,"system":"http://unitsofmeasure.org","code":"mV"},"period":1,"dimensions":1,"factor":0.5,"data":"2 4 E 8"}}
        {"resourceType":"Observation","id":"warm","valueQuantity":{"value":37.0,"system":"http://unitsofmeasure.org","code":"Cel"}}
        {"resourceType":"ChargeItem","id":"money","priceOverride":{"value":19.99,"currency":"EUR"},"status":"billable","code":{},"subject":{}}
        {"resourceType":"Condition","id":"age","onsetRange":{"low":{"value":3,"system":"http://unitsofmeasure.org","code":"a"},"high":{"value":5,"system":"http://unitsofmeasure.org","code":"a"}}}
        "#,
    );
    shelf.check(
        "Observation",
        r"
        value-quantity=5.4 → mg plain tab
        value-quantity=5.4|http://unitsofmeasure.org|mg → g mg
        value-quantity=5400|http://unitsofmeasure.org|ug → g mg
        value-quantity=5.40e0|http://unitsofmeasure.org|mg → g mg
        value-quantity=5.4||mg → mg plain
        value-quantity=5.4|http://snomed.info/sct|385055001 → tab
        value-quantity=0.0054||grams → g
        value-quantity=lt5|http://unitsofmeasure.org|mg → less
        value-quantity=ge5|http://unitsofmeasure.org|mg → g mg
        value-quantity=le5|http://unitsofmeasure.org|mg → less
        value-quantity=gt4|http://unitsofmeasure.org|mg → g less mg
        value-quantity=gt5.3|http://unitsofmeasure.org|mg → g mg
        value-quantity=ap5|http://unitsofmeasure.org|mg → g less mg
        value-quantity=98.6|http://unitsofmeasure.org|[degF] → warm
        value-quantity=310.15|http://unitsofmeasure.org|K → warm
        value-quantity=5.4|http://unitsofmeasure.org|mL →
        value-quantity=gt3.9|http://unitsofmeasure.org|mV → wave
        value-quantity=gt4|http://unitsofmeasure.org|mV →
        value-quantity=sa0.9|http://unitsofmeasure.org|mV → wave
        ",
    );
    shelf.check(
        "ChargeItem",
        "price-override=19.99|urn:iso:std:iso:4217|EUR → money\nprice-override=lt20||EUR → money",
    );
    shelf.check(
        "Condition",
        "onset-age=gt4|http://unitsofmeasure.org|a → age\nonset-age=sa36|http://unitsofmeasure.org|mo →\nonset-age=sa35|http://unitsofmeasure.org|mo_j → age",
    );
}

#[test]
fn uris() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"ValueSet","id":"a","url":"http://acme.org/fhir/ValueSet/123"}
        {"resourceType":"ValueSet","id":"b","url":"http://acme.org/fhir/ValueSet/123/history/5"}
        {"resourceType":"ValueSet","id":"c","url":"http://acme.org/fhir"}
        {"resourceType":"ValueSet","id":"d","url":"http://acme.org/fhirx"}
        {"resourceType":"ValueSet","id":"e","url":"urn:oid:1.2.3.4.5"}
        {"resourceType":"ValueSet","id":"f","url":"http://odd.org/a|b"}
        "#,
    );
    shelf.check(
        "ValueSet",
        r"
        url=http://acme.org/fhir/ValueSet/123 → a
        url=http://ACME.org/fhir/ValueSet/123 →
        url:below=http://acme.org/fhir/ → a b c
        url:below=http://acme.org/fhir → a b c
        url:above=http://acme.org/fhir/ValueSet/123/history/5 → a b c
        url:above=http://acme.org/fhir/ValueSet/ → c
        url=urn:oid:1.2.3.4.5 → e
        url=http://odd.org/a\|b → f
        ",
    );
}

#[test]
fn references() {
    let shelf = Shelf::of(
        r##"
        {"resourceType":"Observation","id":"a","subject":{"reference":"Patient/23"}}
        {"resourceType":"Observation","id":"b","subject":{"reference":"https://here.example/fhir/Patient/23"}}
        {"resourceType":"Observation","id":"c","subject":{"reference":"https://there.example/fhir/Patient/23"}}
        {"resourceType":"Observation","id":"d","subject":{"reference":"Group/23"}}
        {"resourceType":"Observation","id":"e","subject":{"reference":"Patient/23/_history/4"}}
        {"resourceType":"Observation","id":"f","subject":{"reference":"urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}}
        {"resourceType":"Observation","id":"g","subject":{"type":"Patient","identifier":{"system":"http://acme.org/mrn","value":"X1"}}}
        {"resourceType":"Observation","id":"h","subject":{"display":"somebody"}}
        {"resourceType":"Observation","id":"i","subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p"}]}
        {"resourceType":"PlanDefinition","id":"p","library":["http://a.example/Library/one|1.0","http://a.example/two"]}
        "##,
    );
    shelf.check(
        "Observation",
        r"
        subject=23 → a b d e
        subject=Patient/23 → a b e
        subject:Patient=23 → a b e
        subject:Group=23 → d
        subject=https://here.example/fhir/Patient/23 → a b e
        subject=https://there.example/fhir/Patient/23 → c
        subject=Patient/23/_history/4 → e
        subject=urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7 → f
        subject:identifier=http://acme.org/mrn|x1 → g
        subject:identifier=|x1 →
        subject:identifier=http://acme.org/mrn| → g
        subject:missing=false → a b c d e f g h i
        patient=23 → a b e
        patient:missing=true → d f h
        patient=Patient/23,Patient/24 → a b e
        ",
    );
    shelf.check("PlanDefinition", "definition=http://a.example/Library/one →\ndefinition:missing=true → p\n");
}

#[test]
fn canonicals() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"PlanDefinition","id":"p","relatedArtifact":[{"type":"depends-on","resource":"http://a.example/Library/one|1.0"},{"type":"predecessor","resource":"http://a.example/two"}]}
        "#,
    );
    shelf.check(
        "PlanDefinition",
        r"
        depends-on=http://a.example/Library/one → p
        depends-on=http://a.example/Library/one|1.0 → p
        depends-on=http://a.example/Library/one|2.0 →
        depends-on=http://a.example/two →
        predecessor=http://a.example/two → p
        ",
    );
}

#[test]
fn composites() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Observation","id":"a","code":{"coding":[{"system":"http://loinc.org","code":"2823-3"}]},"valueQuantity":{"value":5.4,"system":"http://unitsofmeasure.org","code":"mmol/L"}}
        {"resourceType":"Observation","id":"b","code":{"coding":[{"code":"bp"}]},"component":[{"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":120}},{"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":80}}]}
        {"resourceType":"Group","id":"c","characteristic":[{"code":{"coding":[{"code":"gender"}]},"valueCodeableConcept":{"coding":[{"code":"mixed"}]}},{"code":{"coding":[{"code":"owner"}]},"valueBoolean":true}]}
        {"resourceType":"DocumentReference","id":"d","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},{"code":"appends","target":{"reference":"DocumentReference/2"}}]}
        {"resourceType":"MolecularSequence","id":"e","referenceSeq":{"chromosome":{"coding":[{"code":"1"}]}},"variant":[{"start":128,"end":129},{"start":200,"end":201}]}
        "#,
    );
    shelf.check(
        "Observation",
        r"
        code-value-quantity=http://loinc.org|2823-3$gt5.4|http://unitsofmeasure.org|mmol/L →
        code-value-quantity=http://loinc.org|2823-3$ge5.4|http://unitsofmeasure.org|mmol/L → a
        code-value-quantity=2823-3$5400|http://unitsofmeasure.org|umol/L → a
        component-code-value-quantity=sys$120 → b
        component-code-value-quantity=sys$80 →
        component-code-value-quantity=sys$80,dia$80 → b
        combo-code-value-quantity=dia$lt90 → b
        combo-code-value-quantity=2823-3$lt90 → a
        code-value-quantity:missing=true → b
        ",
    );
    shelf.check("Group", "characteristic-value=gender$mixed → c\ncharacteristic-value=owner$mixed →\ncharacteristic-value=owner$true → c");
    shelf.check(
        "DocumentReference",
        "relationship=replaces$DocumentReference/1 → d\nrelationship=replaces$DocumentReference/2 →",
    );
    shelf.check(
        "MolecularSequence",
        "chromosome-variant-coordinate=1$lt130$gt128 → e\nchromosome-variant-coordinate=1$gt199$lt200 →",
    );
}

#[test]
fn chains() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Patient","id":"p1","name":[{"family":"Peters"}],"generalPractitioner":[{"reference":"Practitioner/d1"}]}
        {"resourceType":"Patient","id":"p2","name":[{"family":"Smith"}],"generalPractitioner":[{"reference":"Organization/o1"}]}
        {"resourceType":"Practitioner","id":"d1","name":[{"family":"House"}]}
        {"resourceType":"Organization","id":"o1","name":"Housing"}
        {"resourceType":"Group","id":"p1","type":"person","actual":true}
        {"resourceType":"Observation","id":"a","code":{"coding":[{"code":"x"}]},"subject":{"reference":"Patient/p1"}}
        {"resourceType":"Observation","id":"b","code":{"coding":[{"code":"y"}]},"subject":{"reference":"https://here.example/fhir/Patient/p2"}}
        {"resourceType":"Observation","id":"c","code":{"coding":[{"code":"y"}]},"subject":{"reference":"Group/p1"}}
        {"resourceType":"Observation","id":"d","code":{"coding":[{"code":"y"}]},"subject":{"reference":"https://there.example/fhir/Patient/p2"}}
        {"resourceType":"AuditEvent","id":"e","agent":[{"who":{"reference":"Practitioner/d1"}}],"entity":[{"what":{"reference":"Observation/a"}}]}
        "#,
    );
    shelf.check(
        "Observation",
        r"
        subject.name=pet → a
        subject:Patient.name=pet → a
        patient.name=pet,smi → a b
        subject:Group.type=person → c
        subject.type=person → c
        patient.general-practitioner.name=hous → a b
        patient.general-practitioner:Practitioner.name=hous → a
        subject.name:exact=Peters → a
        subject.name:missing=false → a b
        patient._has:AuditEvent:entity:agent=Practitioner/d1 →
        _has:AuditEvent:entity:agent=Practitioner/d1 → a
        _has:AuditEvent:entity:agent.name=house → a
        code=y&patient.name=smith → b
        ",
    );
    shelf.check(
        "Patient",
        r"
        _has:Observation:patient:code=x → p1
        _has:Observation:patient:code=y → p2
        _has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/d1 → p1
        _has:Observation:subject:code:not=x → p2
        ",
    );
}

#[test]
fn who_a_reference_is_about_is_known_from_its_text() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/1"}}]}
        {"resourceType":"Bundle","id":"b","type":"document","entry":[{"resource":{"resourceType":"Composition","id":"c1"}},{"resource":{"resourceType":"Patient","id":"p1"}}]}
        "#,
    );
    shelf.check("Appointment", "patient=1 → a\npatient=Location/1 →\nlocation=1 → a\npractitioner:missing=true → a\nactor=Location/1 → a");
    shelf.check("Bundle", "composition=Composition/c1 → b\ncomposition=Patient/p1 →\ntype=document → b");
}
