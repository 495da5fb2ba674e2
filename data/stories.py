"""The stories that generate.py tells: who the invented patients are and what happened to them."""
from generate import ICD10, SNOMED, Chart, patient

PHQ = ["Little interest or pleasure in doing things", "Feeling down, depressed, or hopeless",
       "Trouble falling or staying asleep", "Feeling tired or having little energy", "Poor appetite or overeating"]
AUDIT = ["How often do you have a drink containing alcohol", "How many standard drinks on a typical day",
         "How often do you have six or more drinks on one occasion"]


def diabetes():
    chart = Chart("diabetes", patient("RH-100417", "Ståhlberg", ["Torvald", "Åke"], "male", "1957-03-22",
                  "18 Quarry Lane", "Wexcombe", "05091", "+1-802-555-0143"), "adams")
    chart.visit("2023-02-14", "Yearly check")
    sugar = chart.condition(SNOMED, "44054006", "Diabetes mellitus type 2 (disorder)")
    pressure = chart.condition(SNOMED, "38341003", "Hypertensive disorder, systemic arterial (disorder)")
    chart.vitals("76", "148", "92", "94.50")
    chart.measure("height", "181.0")
    chart.measure("bmi", "28.80")
    chart.report("metabolic", [("glucose", "164"), ("creatinine", "1.10"), ("sodium", "139"), ("potassium", "4.00")],
                 "Fasting glucose raised; renal function as before.")
    chart.measure("hba1c", "7.90")
    chart.prescribe("metformin", "500", "mg", 2, sugar)
    chart.prescribe("lisinopril", "10.0", "mg", 1, pressure)
    chart.allergy("91936005", "Allergy to penicillin (finding)", "Hives on both forearms")
    chart.vaccine("flu")
    chart.claim("184.50", sugar, pressure)
    chart.plan("Diabetes self-management", "HbA1c below 7.0 % within a year", sugar)
    for day, weight, a1c, top, low in (("2023-08-21", "91.00", "7.30", "139", "86"), ("2024-02-19", "88.70", "6.90", "131", "80")):
        chart.visit(day, "Diabetes follow-up")
        seen = chart.vitals("72", top, low, weight)
        value = chart.measure("hba1c", a1c, "Drawn fasting.")
        chart.report("metabolic", [("glucose", "128.0"), ("creatinine", "1.20"), ("sodium", "140"), ("potassium", "4.20")])
        chart.letter(f"Follow-up of {day}", "Torvald walks to the reservoir daily – says the new scales “lie”. ½ tablet missed.")
        chart.claim("96.00", sugar)
        chart.sign(seen, value)
    chart.prescribe("atorvastatin", "20", "mg", 1, sugar)
    return chart


def hiv():
    chart = Chart("hiv", patient("RH-100583", "Mbeki-Solano", ["Thandiwe"], "female", "1988-11-02",
                  "4 Ferry Stairs", "Oldmere", "05153", "+1-802-555-0177"), "okonkwo")
    chart.visit("2022-05-10", "Sprained ankle", doctor="haddad")
    chart.condition(SNOMED, "44465007", "Sprain of ankle (disorder)", "resolved")
    chart.vitals("81", "118", "74", "63.20")
    chart.prescribe("ibuprofen", "400", "mg", 3)
    chart.claim("212.40")
    chart.visit("2022-09-06", "Infectious diseases, first visit", labels=["HIV"], doctor="okonkwo")
    found = chart.condition(SNOMED, "86406008", "Human immunodeficiency virus infection (disorder)")
    chart.report("hiv", [("viral", "48200"), ("cd4", "310")], "HIV-1 infection confirmed by second assay.")
    chart.prescribe("dolutegravir", "50", "mg", 1, found)
    chart.prescribe("emtricitabine", "200", "mg", 1, found)
    chart.letter("First consultation", "Told her the result with her sister present. Wants nobody at her workplace to know.")
    chart.plan("Antiretroviral therapy", "Viral load below 50 copies/mL in six months", found)
    for day, load, cells in (("2023-01-17", "640", "402"), ("2023-06-20", "39.0", "515"), ("2024-01-23", "19.00", "588")):
        chart.visit(day, "Antiretroviral follow-up", labels=["HIV"])
        chart.measure("weight", "64.10")
        chart.report("hiv", [("viral", load), ("cd4", cells)])
        chart.claim("143.10", found)
    chart.visit("2024-03-04", "Yearly check", doctor="adams")
    chart.vitals("70", "116", "72", "65.00")
    chart.report("count", [("haemoglobin", "12.90"), ("leucocytes", "5.40"), ("platelets", "231")])
    chart.vaccine("flu")
    chart.vaccine("td")
    return chart


def psychiatry():
    chart = Chart("psychiatry", patient("RH-100729", "Ó Dálaigh", ["Fionnuala", "Máire"], "female", "1996-07-30",
                  "77 Tannery Row, Apt 3", "Wexcombe", "05091", "+1-802-555-0119"), "lindqvist")
    chart.visit("2023-03-01", "Fatigue", doctor="adams")
    chart.vitals("68", "112", "70", "58.40")
    chart.report("count", [("haemoglobin", "13.10"), ("leucocytes", "6.20"), ("platelets", "264")], "Normal count.")
    chart.condition(SNOMED, "40930008", "Hypothyroidism (disorder)")
    chart.prescribe("levothyroxine", "0.050", "mg", 1)
    chart.claim("120.00")
    scores = (("2023-04-12", "17.0", "3 3 2 3 2"), ("2023-05-24", "12.0", "2 2 2 2 1"), ("2023-09-13", "6.0", "1 1 1 1 0"))
    for at, (day, score, points) in enumerate(scores):
        chart.visit(day, "Psychiatry", "AMB" if at != 1 else "VR", labels=["PSY"], doctor="lindqvist")
        if at == 0:
            low = chart.condition(SNOMED, "370143000", "Major depressive disorder (disorder)")
            chart.prescribe("sertraline", "50.0", "mg", 1, low)
            chart.plan("Depression care", "PHQ-9 below 5 by winter", low)
        chart.answers("PHQ-9", list(zip(PHQ, points.split())))
        chart.measure("phq9", score)
        chart.procedure("228557008", "Cognitive and behavioral therapy (regime/therapy)", "Session went well; sleeps better.")
        chart.letter(f"Session of {day}", "Speaks of her brother’s death. No thoughts of harming herself. 次回: two weeks.")
        chart.claim("165.00", low)
    chart.visit("2024-02-02", "Throat pain", doctor="adams")
    chart.condition(SNOMED, "43878008", "Streptococcal sore throat (disorder)", "resolved")
    chart.prescribe("amoxicillin", "500", "mg", 3)
    chart.vitals("84", "110", "68", "59.10", "38.40")
    return chart


def violence():
    chart = Chart("violence", patient("RH-100851", "Garðarsdóttir", ["Ylva"], "female", "1991-01-19",
                  "c/o Harbour House", "Oldmere", "05153", "+1-802-555-0102"), "haddad",
                  base="https://riverside-hospital.example/fhir")
    chart.visit("2024-04-07", "Injury of the wrist", "EMER")
    chart.vitals("104", "138", "88", "61.00")
    wrist = chart.condition(ICD10, "S52.501A", "Unspecified fracture of the lower end of right radius, initial encounter")
    chart.procedure("274474001", "Bone immobilization (procedure)", "Below-elbow cast, right.")
    chart.prescribe("acetaminophen", "1000", "mg", 3, wrist)
    chart.claim("1310.75", wrist)
    chart.visit("2024-04-07", "Private talk in the emergency department", "EMER", labels=["SDV"])
    harm = chart.condition(ICD10, "T74.11XA", "Adult physical abuse, confirmed, initial encounter")
    chart.letter("Talk with the patient", "Says her husband twisted her arm. Afraid that he reads the insurer’s letters.")
    chart.answers("Danger assessment", [("Has the violence increased over the past six months", "1"),
                                        ("Does he own a weapon", "0"), ("Do you believe he could kill you", "1")])
    chart.plan("Safety plan", "Safe place to stay; advocate calls on a number he does not know", harm)
    chart.sign(harm)
    for day in ("2024-04-15", "2024-05-13"):
        chart.visit(day, "Cast check")
        chart.vitals("82", "124", "78", "60.80")
        chart.procedure("274474001", "Bone immobilization (procedure)")
        chart.claim("88.20", wrist)
    chart.visit("2024-05-13", "Advocate's visit", labels=["SDV"])
    chart.letter("Second talk", "Lives at the shelter with her daughter. Court date set. Sleeps again.")
    return chart


def alcohol():
    chart = Chart("alcohol", patient("RH-100934", "Krzyżanowski", ["Bolesław"], "male", "1974-09-09",
                  "230 Mill Brook Road", "Tarn Hollow", "05060", "+1-802-555-0160"), "adams")
    chart.visit("2022-11-15", "Stomach pain")
    chart.vitals("88", "144", "90", "79.90")
    belly = chart.condition(SNOMED, "4556007", "Gastritis (disorder)")
    chart.report("liver", [("alt", "71.0"), ("ggt", "188")], "GGT clearly raised.")
    chart.claim("131.30", belly)
    chart.visit("2022-11-22", "Substance use counselling", labels=["ETH"], doctor="lindqvist")
    drink = chart.condition(SNOMED, "66590003", "Alcohol dependence (disorder)")
    chart.answers("AUDIT-C", list(zip(AUDIT, ("4", "3", "4"))))
    chart.measure("auditc", "11.0")
    chart.prescribe("naltrexone", "50", "mg", 1, drink)
    chart.plan("Recovery", "Ninety days without a drink", drink)
    for day, score, days in (("2022-12-20", "7.0", "21"), ("2023-03-14", "2.0", "96"), ("2023-09-19", "0.0", "280")):
        chart.visit(day, "Substance use counselling", labels=["ETH"], doctor="lindqvist")
        chart.measure("auditc", score)
        chart.letter(f"Counselling of {day}", f"Counts {days} days. The foreman at the sawmill does not know and must not.")
        chart.claim("110.00", drink)
    chart.visit("2023-11-06", "Yearly check", doctor="adams")
    chart.vitals("74", "128", "80", "76.50")
    chart.report("liver", [("alt", "28.0"), ("ggt", "44.0")])
    chart.vaccine("hepb", "1.0")
    chart.vaccine("flu")
    chart.allergy("300913006", "Allergy to shellfish (finding)", "Swelling of the lips")
    return chart


def child():
    chart = Chart("child", patient("RH-101066", "Nakamura-Bright", ["Sora"], "other", "2019-06-11",
                  "9 Orchard Steps", "Wexcombe", "05091", "+1-802-555-0188", multipleBirthInteger=2), "pereira")
    chart.add("RelatedPerson", {
        "active": True, "patient": chart.patient, "relationship": [term_of("v3-RoleCode", "MTH")],
        "name": [{"use": "official", "family": "Nakamura", "given": ["Haruko"], "text": "中村 春子"}],
        "telecom": [{"system": "email", "value": "haruko.nakamura@post.example"}],
    })
    visits = (
        ("2019-08-13", "5.20", "57.5", ("dtap", "ipv", "pcv", "hepb")), ("2019-10-15", "6.90", "63.0", ("dtap", "ipv", "pcv")),
        ("2020-06-16", "9.80", "75.10", ("mmr", "varicella", "pcv")), ("2021-06-15", "12.30", "87.0", ("flu",)),
        ("2023-06-20", "16.60", "102.0", ("dtap", "ipv", "mmr", "varicella")),
    )
    for day, weight, height, vaccines in visits:
        chart.visit(day, "Well child visit")
        chart.measure("weight", weight)
        chart.measure("height", height)
        for vaccine in vaccines:
            chart.vaccine(vaccine)
    chart.visit("2023-10-04", "Wheezing")
    lungs = chart.condition(SNOMED, "195967001", "Asthma (disorder)")
    chart.vitals("112", "96", "58", "17.10", "37.20")
    chart.prescribe("albuterol", "0.090", "mg", 4, lungs)
    chart.procedure("127783003", "Spirometry (procedure)", "Could not blow long enough; to be tried again at six.")
    chart.plan("Asthma action plan", "No night with cough for a month", lungs)
    chart.claim("142.00", lungs)
    return chart


def joint():
    chart = Chart("joint", patient("RH-101190", "al-Masri", ["Yūsuf"], "male", "1983-12-05", "61 Beacon Street",
                  "Oldmere", "05153", "+1-802-555-0135"), "okonkwo")
    # Two patients in one file: a record of his names his wife, who has a chart of her own.
    wife = chart.add("Patient", patient("RH-101191", "al-Masri", ["Noor"], "female", "1985-02-27", "61 Beacon Street",
                     "Oldmere", "05153", "+1-802-555-0136"))
    chart.visit("2023-01-09", "Yearly check", doctor="adams")
    chart.vitals("79", "134", "84", "82.00")
    chart.report("metabolic", [("glucose", "97.0"), ("creatinine", "0.90"), ("sodium", "141"), ("potassium", "4.10")])
    chart.visit("2023-02-06", "Infectious diseases", labels=["HIV"], doctor="okonkwo")
    found = chart.condition(SNOMED, "86406008", "Human immunodeficiency virus infection (disorder)")
    chart.report("hiv", [("viral", "9100"), ("cd4", "455")])
    chart.prescribe("dolutegravir", "50", "mg", 1, found)
    chart.visit("2023-02-20", "Psychiatry", labels=["PSY"], doctor="lindqvist")
    chart.measure("phq9", "19.0")
    mood = chart.condition(SNOMED, "35489007", "Depressive disorder (disorder)")
    chart.prescribe("sertraline", "25.0", "mg", 1, mood)
    chart.visit("2023-03-13", "Psychiatry, on living with HIV", labels=["PSY", "HIV"])
    chart.letter("Both illnesses", "Cannot speak of the infection at home. Came back to it three times in the hour.")
    chart.measure("phq9", "15.0")
    chart.plan("Shared care", "One conversation with Noor before summer", mood)
    chart.visit("2023-06-12", "Couple's talk", labels=["PSY", "HIV"])
    chart.add("Communication", {
        "status": "completed", "subject": chart.patient, "encounter": chart.encounter, "sent": chart.at("09:45:00"),
        "recipient": [wife], "sender": chart.patient,
        "payload": [{"contentString": "He told her. She had guessed, and asked to be tested."}],
    })
    chart.visit("2023-06-13", "Blood pressure", labels=[])
    chart.encounter = None
    chart.add("Observation", {
        "status": "final", "code": {"text": "Blood pressure taken at home by Noor"}, "subject": wife,
        "effectiveDateTime": "2023-06-13T07:30:00+02:00", "valueString": "121/79, left arm, sitting",
    })
    return chart


def elder():
    chart = Chart("elder", patient("RH-101244", "Featherstonehaugh", ["Winifred", "Maud"], "female", "1938-05-16",
                  "Rose Cottage, Upper Green", "Tarn Hollow", "05060", "+1-802-555-0151",
                  deceasedDateTime="2024-06-02T04:15:00+01:00"), "adams")
    chart.visit("2023-10-10", "Yearly check")
    heart = chart.condition(SNOMED, "49436004", "Atrial fibrillation (disorder)")
    kidney = chart.condition(SNOMED, "433144002", "Chronic kidney disease stage 3 (disorder)")
    chart.vitals("91", "152", "78", "54.30")
    chart.report("metabolic", [("glucose", "101"), ("creatinine", "1.70"), ("sodium", "136"), ("potassium", "5.00")],
                 "eGFR lower than last year.")
    chart.prescribe("amlodipine", "5.0", "mg", 1, heart)
    chart.vaccine("zoster", "0.65")
    chart.vaccine("flu", "0.70")
    chart.claim("203.15", heart, kidney)
    chart.plan("Living at home", "Neighbour looks in twice a day", kidney)
    chart.visit("2024-05-27", "Shortness of breath", "IMP", doctor="haddad")
    failing = chart.condition(SNOMED, "42343007", "Congestive heart failure (disorder)")
    for at, weight in enumerate(("57.90", "57.10", "56.40", "56.00")):
        chart.day = f"2024-05-{27 + at}"
        chart.vitals(str(110 - 3 * at), str(108 - 2 * at), "62", weight, "36.10")
    chart.report("count", [("haemoglobin", "10.20"), ("leucocytes", "9.10"), ("platelets", "178")])
    chart.procedure("399208008", "Plain chest X-ray (procedure)", "Fluid on both sides.")
    chart.letter("Wishes", "Wants to go home and see the roses. Does not want to be resuscitated; her niece was told.")
    chart.claim("8420.00", failing, heart)
    return chart


def term_of(name, code):
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{name}", "code": code}]}


# File name, story, how it is spelled: most senders indent, some write one line, some escape all but ASCII and slashes.
STORIES = [
    ("torvald-stahlberg", diabetes, "indented"), ("thandiwe-mbeki-solano", hiv, "indented"),
    ("fionnuala-o-dalaigh", psychiatry, "indented"), ("ylva-gardarsdottir", violence, "indented"),
    ("boleslaw-krzyzanowski", alcohol, "one line"), ("sora-nakamura-bright", child, "escaped"),
    ("yusuf-al-masri", joint, "indented"), ("winifred-featherstonehaugh", elder, "tabs"),
]
