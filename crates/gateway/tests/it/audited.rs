//! This file is where AuditEvents that are rendered from the ledger lie in the working set: who sees them, and when they go.

use gateway::working::{Class, EverythingAsk, Held, Place, Sight, Version, WorkingKey, WorkingSet};
use primitives::{ChartId, Hash, Millis, OrgId, TxId};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

fn chart() -> ChartId {
    ChartId(Hash([1; 32]))
}

fn version(place: Place, class: Class, number: u32, newest: bool) -> Version {
    let bytes = format!(
        r#"{{"resourceType":"{}","id":"{}","outcomeDesc":"version {number}","entity":[{{"what":{{"reference":"Patient/p"}}}}]}}"#,
        place.kind, place.id
    );
    Version {
        own: class.category == "general",
        place,
        class,
        also: Vec::new(),
        version: number,
        updated: Millis(1_767_225_600_000),
        deleted: false,
        newest,
        bytes: bytes.into_bytes(),
        source: Vec::new(),
        full_url: None,
    }
}

#[test]
fn rendered_events_are_seen_by_class_and_go_with_the_visit() {
    let dir = tempfile::tempdir().unwrap();
    let key = WorkingKey::new(Zeroizing::new([1; 32]));
    let set = WorkingSet::open(&dir.path().join("working.db"), &key, "http://127.0.0.1/fhir").unwrap();
    let org: OrgId = "riverside".parse().unwrap();
    let general = Class { chart: chart(), category: "general".to_owned(), writer: org.clone() };
    let (own, others) = (Class::of_ledger(chart(), &org, true), Class::of_ledger(chart(), &org, false));
    let patient = Place { kind: "Patient", id: "p".to_owned() };
    let access = |number| Place::of_access(TxId(Hash([number; 32])));
    assert_eq!(set.audited(&chart()).unwrap(), 0);
    assert_eq!(set.patient_of(&chart()).unwrap(), None);
    set.put(&[version(patient.clone(), general.clone(), 1, true)], &[]).unwrap();
    assert_eq!(set.patient_of(&chart()).unwrap().as_deref(), Some("p"));
    let of_log = [
        version(access(1), own.clone(), 1, true),
        version(access(2), others.clone(), 1, false),
        version(access(2), others.clone(), 2, true),
    ];
    set.put_audited(&chart(), &of_log, 7).unwrap();
    // Twice is once, and nothing goes back.
    set.put_audited(&chart(), &of_log, 5).unwrap();
    assert_eq!(set.audited(&chart()).unwrap(), 7);

    let seen = |classes: &[&Class]| -> Sight { set.sight(classes.iter().copied(), [&chart()]).unwrap() };
    let is_seen = |place: &Place, sight: &Sight| matches!(set.get(place, sight).unwrap(), Held::Current(_));
    let (member, custodian) = (seen(&[&general, &own]), seen(&[&general, &own, &others]));
    for (sight, expected) in
        [(seen(&[&general]), [false, false]), (member, [true, false]), (custodian, [true, true])]
    {
        assert_eq!([1, 2].map(|number| is_seen(&access(number), &sight)), expected);
        // Who looked is no part of the chart.
        let ask = EverythingAsk {
            chart: chart(),
            kinds: vec!["Patient", "AuditEvent"],
            since: None,
            from: None,
            to: None,
            after: None,
            count: 10,
        };
        let everything = set.everything(&ask, &sight).unwrap();
        assert_eq!(everything.len(), 1);
    }
    // What is known of one more line is a new version.
    set.put_audited(&chart(), &[version(access(1), own.clone(), 2, true)], 8).unwrap();
    assert_eq!(set.get_version(&access(1), 1, &seen(&[&own])).unwrap().unwrap().version, 1);
    assert!(matches!(set.get(&access(1), &seen(&[&own])).unwrap(), Held::Current(now) if now.version == 2));

    // Without a visit nothing is kept, and it is rendered anew from the first line.
    set.purge(&chart(), &BTreeSet::from([general.clone(), own.clone()])).unwrap();
    assert_eq!(set.audited(&chart()).unwrap(), 0);
    let sight = seen(&[&general, &own, &others]);
    assert_eq!([1, 2].map(|number| is_seen(&access(number), &sight)), [true, false]);
    set.purge(&chart(), &BTreeSet::new()).unwrap();
    assert!(!is_seen(&access(1), &sight) && is_seen(&patient, &sight), "what the organisation wrote stays");
}

#[test]
fn ids_of_accesses() {
    let id = "0123456789abcdef".repeat(4);
    let place = |kind, id: &str| Place { kind, id: id.to_owned() };
    assert_eq!(Place::of_access(place("AuditEvent", &id).access().unwrap()), place("AuditEvent", &id));
    for (kind, id) in [
        ("AuditEvent", &id[1..]),
        ("AuditEvent", &id.to_uppercase()),
        ("Observation", &id),
        ("AuditEvent", ""),
    ] {
        assert_eq!(place(kind, id).access(), None, "{kind} {id}");
    }
}
