//! This file is where charts are opened, refused, granted, revoked, audited and erased within the process.

use crate::{
    imports::{ITO, ITO_LATER, import, setting},
    network::Network,
};
use client::{
    Client, Doomed,
    audit::{GrantTerms, Outcome, Told, What},
    open::{Ask, Emergency, OpenError, Opened, WhyDistrusted, WhyNot},
};
use fhir::category::Category;
use futures::executor::block_on;
use ledger::{
    access::{Extent, Reason, Request},
    consent::{Action, Effect, Purpose},
};
use primitives::{ChartId, Span};
use std::sync::Arc;

struct Setting {
    network: Arc<Network>,
    home: tempfile::TempDir,
    adams: Client,
    baker: Client,
    patient: Client,
    chart: ChartId,
}

fn chart() -> Setting {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "ito.json", ITO);
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    Setting { network, home, adams, baker, patient, chart: imported.chart }
}

fn open(client: &Client, chart: ChartId) -> Opened {
    block_on(client.open(&Ask::all(chart, Purpose::Treatment))).unwrap()
}

fn grant(chart: ChartId, what: What) -> GrantTerms {
    GrantTerms {
        chart,
        effect: Effect::Permit,
        grantee: "lakeside-clinic".parse().unwrap(),
        action: Action::Read,
        purposes: vec![Purpose::Treatment],
        what,
        from: None,
        until: None,
    }
}

fn categories(names: &[&str]) -> What {
    What::Categories(names.iter().map(|name| Category::parse(name).unwrap()).collect())
}

fn texts(opened: &Opened) -> Vec<String> {
    opened.records.iter().map(|record| String::from_utf8(record.record.bytes.to_vec()).unwrap()).collect()
}

#[test]
fn the_writer_opens_its_own_bytes_in_order() {
    let Setting { adams, chart, .. } = chart();
    let opened = open(&adams, chart);
    let bundle = fhir::bundle::read(ITO, &fhir::Limits::default()).unwrap();
    let submitted: Vec<String> = bundle
        .entries()
        .filter_map(|entry| entry.resource)
        .filter(|resource| resource.kind != "Organization")
        .map(|resource| String::from_utf8(resource.bytes().to_vec()).unwrap())
        .collect();
    assert_eq!(texts(&opened), submitted);
    assert_eq!(opened.records[3].category.as_deref(), Some("HIV+PSY"));
    let file = String::from_utf8(opened.bundle().unwrap()).unwrap();
    assert!(file.contains("72.10") && file.contains("urn:uuid:44444444-4444-4444-8444-444444444444"));
    assert!(fhir::bundle::read(file, &fhir::Limits::default()).is_ok());
}

#[test]
fn consent_decides_class_by_class() {
    let Setting { adams: _, baker, patient, chart, .. } = chart();
    let denied = open(&baker, chart);
    assert!(!denied.permitted && !denied.is_open());
    assert_eq!(denied.denied().count(), 3);
    assert!(denied.classes.iter().all(|class| class.category.is_none()), "the categories stay opaque");

    block_on(patient.direct(&grant(chart, What::General))).unwrap();
    let opened = open(&baker, chart);
    assert_eq!(opened.records.len(), 2);
    let mut denied: Vec<_> = opened.denied().map(|class| class.category.clone().unwrap()).collect();
    denied.sort();
    assert_eq!(denied, ["HIV+PSY", "PSY"], "with the index come the names");

    block_on(patient.direct(&grant(chart, categories(&["PSY"])))).unwrap();
    assert_eq!(open(&baker, chart).records.len(), 3, "HIV+PSY needs HIV too");
    block_on(patient.direct(&grant(chart, categories(&["PSY", "HIV"])))).unwrap();
    assert_eq!(open(&baker, chart).records.len(), 4);

    block_on(patient.revoke_from(chart, &"lakeside-clinic".parse().unwrap())).unwrap();
    let denied = open(&baker, chart);
    assert!(!denied.permitted && denied.records.is_empty());
    let (consents, _) = block_on(patient.consents(chart)).unwrap();
    assert_eq!(consents.len(), 3);
    assert!(consents.iter().all(|consent| !consent.live && consent.revoked.is_some()));
}

#[test]
fn categories_can_be_asked_for_by_name() {
    let Setting { adams, baker, patient, chart, .. } = chart();
    let ask = |names: &[&str]| Ask {
        categories: names.iter().map(|name| Category::parse(name).unwrap()).collect(),
        ..Ask::all(chart, Purpose::Treatment)
    };
    assert_eq!(block_on(adams.open(&ask(&["PSY"]))).unwrap().records.len(), 1);
    assert_eq!(block_on(adams.open(&ask(&["PSY", "HIV"]))).unwrap().records.len(), 2);
    assert!(matches!(block_on(adams.open(&ask(&["SDV"]))), Err(OpenError::NothingThere)));
    assert!(matches!(block_on(baker.open(&ask(&["PSY"]))), Err(OpenError::NoIndex)));
    block_on(patient.direct(&grant(chart, categories(&["PSY"])))).unwrap();
    let opened = block_on(baker.open(&ask(&["PSY"]))).unwrap();
    assert_eq!((opened.records.len(), opened.classes.len()), (1, 1));
}

/// The later bundle once more, with other resources in it.
fn later(number: u32) -> String {
    let renamed = ITO_LATER.replace("66666666-6666", &format!("6666666{number}-6666"));
    renamed.replace("77777777-7777", &format!("7777777{number}-7777"))
}

#[test]
fn what_is_written_after_a_read_lies_under_fresh_keys() {
    let Setting { network, home, adams, baker, patient, chart } = chart();
    block_on(patient.direct(&grant(chart, What::General))).unwrap();
    let before = open(&baker, chart);
    import(&adams, home.path(), "later.json", ITO_LATER);
    let shown = block_on(adams.chart(chart)).unwrap();
    let general = shown.classes.iter().find(|class| class.category.as_deref() == Some("general")).unwrap();
    assert_eq!(general.compartments, 2);
    assert_eq!(open(&baker, chart).records.len(), before.records.len() + 2);

    // Somebody is let in between the writer's look at the ledger and its commit.
    let racing = {
        let inner = network.inner();
        let request = Request {
            chart,
            purpose: Purpose::Treatment,
            extent: Extent::General,
            session_key: primitives::Hash([1; 32]),
            record: primitives::Hash::default(),
        };
        network.sign(inner.now, baker.actor().key().unwrap(), request, 99)
    };
    import(&adams, home.path(), "unread.json", &later(1));
    network.inner().before_commit.push(racing);
    import(&adams, home.path(), "raced.json", &later(2));
    let shown = block_on(adams.chart(chart)).unwrap();
    let general = shown.classes.iter().find(|class| class.category.as_deref() == Some("general")).unwrap();
    assert_eq!(general.compartments, 4);
    let opened = open(&baker, chart);
    assert_eq!(opened.records.len(), before.records.len() + 6);
}

#[test]
fn a_lying_trustee_is_named_and_another_asked() {
    let Setting { network, adams, chart, .. } = chart();
    network.inner().liars.insert(1);
    let opened = open(&adams, chart);
    assert_eq!(opened.records.len(), 4);
    assert!(opened.distrust.iter().all(|distrust| {
        distrust.org.as_ref().is_some_and(|org| org.to_string() == "lakeside-clinic")
            && matches!(distrust.why, WhyDistrusted::FalseShare(_))
    }));
    assert!(!opened.distrust.is_empty());
    network.inner().liars.insert(2);
    let error = block_on(adams.open(&Ask::all(chart, Purpose::Treatment))).err().unwrap();
    assert!(matches!(error, OpenError::TooFewShares { .. }), "{error}");
}

#[test]
fn the_owner_sees_everybody_in_plain_words() {
    let Setting { network, adams, baker, patient, chart, .. } = chart();
    open(&adams, chart);
    open(&baker, chart);
    open(&baker, chart);
    let emergency = Ask {
        emergency: Some(Emergency { reason: Reason::Life, step_up: true }),
        reason: Some("found unconscious".to_owned()),
        ..Ask::all(chart, Purpose::Treatment)
    };
    let opened = block_on(baker.open(&emergency)).unwrap();
    assert!(opened.is_open());
    let audit = block_on(patient.audit(chart)).unwrap();
    let seen: Vec<_> = audit
        .accesses
        .iter()
        .map(|access| {
            let who = match &access.told {
                Told::Words(words) => words.who.to_string(),
                other => format!("{other:?}"),
            };
            (who, access.reader.org.to_string(), access.purpose.code(), access.outcome, access.count)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("Dr. Ada Adams".to_owned(), "riverside-hospital".to_owned(), "TREAT", Outcome::Permitted, 1),
            ("Dr. Ben Baker".to_owned(), "lakeside-clinic".to_owned(), "TREAT", Outcome::Denied, 2),
            ("Dr. Ben Baker".to_owned(), "lakeside-clinic".to_owned(), "BTG", Outcome::Permitted, 1),
        ]
    );
    // The doctor sees who, but not the words.
    let audit = block_on(adams.audit(chart)).unwrap();
    assert_eq!(audit.accesses.len(), 4, "the owner's own look is in the log, too");
    assert!(audit.accesses.iter().all(|access| access.told == Told::Sealed));
    // What an organisation doesn't leave, or leaves as garbage, is told.
    let (first, second) = (audit.accesses[0].record, audit.accesses[1].record);
    network.inner().audits.remove(&first);
    let mut bad = network.inner().audits[&second].clone();
    bad.parts.ciphertexts[100] ^= 1;
    network.inner().audits.insert(second, bad);
    let audit = block_on(patient.audit(chart)).unwrap();
    assert_eq!((&audit.accesses[0].told, &audit.accesses[1].told), (&Told::Missing, &Told::Missing));
}

#[test]
fn every_access_can_be_explained() {
    let Setting { baker, patient, adams, chart, .. } = chart();
    let denied = open(&baker, chart);
    let explained = block_on(patient.explain(denied.access)).unwrap();
    assert_eq!((explained.chart, explained.access.outcome), (chart, Outcome::Denied));
    let again = open(&baker, chart);
    assert_ne!(again.access, denied.access);
    assert!(block_on(baker.explain(again.access)).is_ok());
    let granted = block_on(patient.direct(&grant(chart, What::General))).unwrap();
    let opened = open(&baker, chart);
    let explained = block_on(adams.explain(opened.access)).unwrap();
    assert_eq!(explained.directives.len(), 1);
    assert_eq!(explained.directives[0].directive.id, granted.tx);
    assert!(explained.text.iter().any(|line| line.contains(&granted.tx.to_string())), "{:?}", explained.text);
    assert!(block_on(adams.explain(granted.tx)).is_err());
}

#[test]
fn what_is_erased_opens_for_nobody() {
    let Setting { network, home, adams, patient, chart, .. } = chart();
    let doomed = Doomed::Categories(vec![Category::parse("PSY").unwrap()]);
    let done = block_on(patient.erase(chart, doomed)).unwrap();
    assert_eq!(done.len(), 1);
    let opened = open(&adams, chart);
    assert_eq!((opened.records.len(), opened.erased), (3, 1));
    assert!(opened.records.iter().all(|record| record.category.as_deref() != Some("PSY")));
    for org in ["riverside-hospital", "lakeside-clinic", "meridian-insurance", "patient-trust"] {
        network.order(org, ledger::charts::ReceiptErasure { erasure: done[0].tx });
    }
    let row = block_on(patient.await_erasure(done[0].tx, Span::secs(5))).unwrap().unwrap();
    assert!(row.effective && row.complete);
    // One record by its place, then all of it, index and audit included; afterwards there is a fresh start.
    let first = opened.records.iter().find(|record| record.category.as_deref() == Some("general")).unwrap();
    block_on(patient.erase(chart, Doomed::Records { pack: first.pack, places: vec![first.at] })).unwrap();
    let opened = open(&adams, chart);
    assert_eq!((opened.records.len(), opened.erased), (2, 2));
    block_on(patient.erase(chart, Doomed::Chart)).unwrap();
    assert!(!open(&adams, chart).is_open());
    import(&adams, home.path(), "again.json", ITO_LATER);
    assert_eq!(open(&adams, chart).records.len(), 2);
}

#[test]
fn what_names_another_patient_needs_both() {
    let (network, home, adams) = setting();
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
      {"fullUrl":"urn:uuid:a1","resource":{"resourceType":"Patient","id":"a1"}},
      {"fullUrl":"urn:uuid:b1","resource":{"resourceType":"Patient","id":"b1"}},
      {"resource":{"resourceType":"Observation","id":"own","subject":{"reference":"urn:uuid:a1"}}},
      {"resource":{"resourceType":"Observation","id":"shared","subject":{"reference":"urn:uuid:a1"},
        "performer":[{"reference":"urn:uuid:b1"}]}}]}"#;
    let all = crate::imports::import_result(&adams, home.path(), &[("two.json", bundle)]).unwrap();
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let [first, second] = &all[..] else { panic!("two charts") };
    assert_eq!((first.records, second.records), (3, 1));
    let patient = |at: usize| network.patient(home.path(), &all[at].profile.clone().unwrap());
    block_on(patient(0).direct(&grant(first.chart, What::General))).unwrap();
    let opened = open(&baker, first.chart);
    assert_eq!(opened.records.len(), 2);
    assert_eq!(opened.not_shown.len(), 1);
    assert_eq!((opened.not_shown[0].records, &opened.not_shown[0].why), (1, &WhyNot::OtherPatient));
    block_on(patient(1).direct(&grant(second.chart, What::General))).unwrap();
    assert_eq!(open(&baker, first.chart).records.len(), 3);
    assert_eq!(open(&adams, first.chart).records.len(), 3);
}

#[test]
fn what_is_not_there_is_said() {
    let Setting { adams, baker, chart, .. } = chart();
    let nowhere = ChartId::from([9; 32]);
    assert!(matches!(
        block_on(adams.open(&Ask::all(nowhere, Purpose::Treatment))),
        Err(OpenError::Unknown(_))
    ));
    assert!(block_on(adams.audit(nowhere)).is_err());
    assert!(block_on(adams.chart(nowhere)).is_err());
    let silent = Ask {
        emergency: Some(Emergency { reason: Reason::Life, step_up: true }),
        ..Ask::all(chart, Purpose::Treatment)
    };
    assert!(matches!(block_on(baker.open(&silent)), Err(OpenError::NoReason)));
}
