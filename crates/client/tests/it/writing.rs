//! This file is where records are written as a gateway writes them: many at once, version after version, and read back by
//! single looks.

use crate::{
    imports::{ITO, import, setting},
    network::Network,
};
use client::{
    Actor, Around, Client, NewChart, NewRecord, Placed, Plain, Record, Remembered, WriteError,
    audit::{GrantTerms, Told, What},
    open::{Ask, Look, Seen},
};
use fhir::category::Category;
use futures::{executor::block_on, future::join_all};
use ledger::{
    Event,
    charts::Role,
    consent::{Action, Effect, Purpose},
};
use primitives::{ChartId, Span};
use std::{collections::BTreeSet, sync::Arc};

/// A version of an observation; no text is a deletion.
pub(crate) fn version(id: &str, version: u32, category: &str, text: &str) -> NewRecord {
    let bytes = if text.is_empty() {
        Vec::new()
    } else {
        format!(r#"{{"resourceType":"Observation","id":"{id}","code":{{"text":"{text}"}}}}"#).into_bytes()
    };
    let mut around = Around::of("Observation".try_into().unwrap(), id.try_into().unwrap(), version);
    around.deleted = text.is_empty();
    NewRecord {
        category: Category::parse(category).unwrap(),
        record: Record { around, bytes: Plain::new(bytes).unwrap() },
    }
}

pub(crate) fn chart(client: &Client, token: &str) -> ChartId {
    let new =
        NewChart { tokens: vec![token.to_owned()], name: Some("Hana Ito".into()), ..NewChart::default() };
    block_on(client.create_chart(&new)).unwrap().chart
}

pub(crate) fn write(client: &Client, chart: ChartId, records: Vec<NewRecord>) -> Vec<Placed> {
    block_on(client.write(chart, records)).unwrap()
}

pub(crate) fn look(client: &Client, chart: ChartId) -> Look {
    block_on(client.look(&Ask::all(chart, Purpose::Treatment))).unwrap()
}

pub(crate) fn told(seen: &Seen) -> (String, u32, bool, bool) {
    let around = &seen.record.around;
    (around.id.to_string(), around.version, around.deleted, seen.newest)
}

#[test]
fn every_version_is_there_and_the_newest_is_known() {
    let (_network, _home, adams) = setting();
    let chart = chart(&adams, "urn:mrn|1");
    let first = write(&adams, chart, vec![version("a", 1, "general", "one"), version("b", 1, "PSY", "x")]);
    let second = write(&adams, chart, vec![version("a", 2, "general", "two")]);
    let third = write(&adams, chart, vec![version("b", 2, "PSY", "")]);
    assert_eq!((first[0].record, first[0].version), (second[0].record, 1), "one id for all versions");
    assert_ne!(first[0].record, first[1].record);
    assert_eq!((first[0].at, first[1].at, second[0].at), (1, 2, 0), "the chart's index comes first");
    assert!(first[0].height < second[0].height && second[0].time < third[0].time);

    let look = look(&adams, chart);
    let seen: BTreeSet<_> = look.records.iter().map(told).collect();
    let expected =
        [("a", 1, false, false), ("a", 2, false, true), ("b", 1, false, false), ("b", 2, true, true)];
    assert_eq!(seen, expected.map(|(id, of, deleted, newest)| (id.to_owned(), of, deleted, newest)).into());
    for (placed, id, of) in [(first[0], "a", 1), (second[0], "a", 2), (first[1], "b", 1), (third[0], "b", 2)]
    {
        let is_it = |seen: &&Seen| told(seen).0 == id && told(seen).1 == of;
        let seen = look.records.iter().find(is_it).unwrap();
        assert_eq!(
            (seen.id, seen.pack, seen.at, seen.height, seen.time),
            (placed.record, placed.pack, placed.at, placed.height, placed.time)
        );
        assert_eq!(seen.category.as_deref(), Some(if id == "a" { "general" } else { "PSY" }));
    }
    assert!(look.permitted && look.expires.is_some_and(|expires| expires > look.as_of.time));
    assert!(look.damaged.is_empty() && look.erased.is_empty());

    let opened = block_on(adams.open(&Ask::all(chart, Purpose::Treatment))).unwrap();
    assert_eq!((opened.records.len(), opened.older, opened.deleted), (1, 2, 1));
    assert_eq!(opened.records[0].record.around.version, 2);
    // Nothing is left out of an export.
    let exported = block_on(adams.export(&Ask::all(chart, Purpose::Treatment))).unwrap();
    let verified = exported.verified;
    assert_eq!((verified.resources, verified.deleted, verified.withheld, verified.own), (3, 1, 0, 1));
}

#[test]
fn writes_that_wait_together_go_together() {
    let (network, _home, adams) = setting();
    let chart = chart(&adams, "urn:mrn|1");
    let writes = (0..24).map(|number| {
        let (adams, id) = (adams.clone(), format!("o{number}"));
        async move { adams.write(chart, vec![version(&id, 1, "general", &id)]).await.unwrap() }
    });
    let placed: Vec<Placed> = block_on(join_all(writes)).into_iter().flatten().collect();
    let packs: BTreeSet<_> = placed.iter().map(|placed| placed.pack).collect();
    assert!(packs.len() < 24, "{} packs for 24 writes", packs.len());
    let look = look(&adams, chart);
    assert_eq!(look.records.len(), 24);
    for (number, placed) in placed.iter().enumerate() {
        let seen = look.records.iter().find(|seen| (seen.pack, seen.at) == (placed.pack, placed.at)).unwrap();
        assert_eq!(told(seen).0, format!("o{number}"), "each was told its own place");
    }
    assert!(network.inner().calls.iter().filter(|call| **call == "stage").count() == packs.len());
}

#[test]
fn hands_are_not_mixed_and_one_refusal_hurts_nobody_else() {
    let (network, home, adams) = setting();
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let chart = chart(&adams, "urn:mrn|1");
    let cases = [
        (vec![version("", 1, "general", "x")], "no resource type or no id"),
        (vec![version("a", 0, "general", "x")], "versions count from 1"),
        (
            vec![NewRecord {
                record: Record { bytes: Plain::default(), ..version("a", 1, "general", "x").record },
                ..version("a", 1, "general", "x")
            }],
            "a deletion has no bytes",
        ),
    ];
    for (records, part) in cases {
        let error = block_on(adams.write(chart, records)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(matches!(
        block_on(adams.write(ChartId::from([7; 32]), vec![version("a", 1, "general", "x")])),
        Err(WriteError::Unknown(_))
    ));
    // Another organisation may not write here: its access to the index is denied.
    let error = block_on(baker.write(chart, vec![version("a", 1, "general", "x")])).unwrap_err();
    assert!(matches!(error, WriteError::Index(_)), "{error}");
    write(&adams, chart, vec![version("a", 1, "general", "x")]);
    // Two who change the same version: one of them is told.
    let both = ["one", "two"].map(|text| adams.write(chart, vec![version("a", 2, "general", text)]));
    let results = block_on(join_all(both));
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(matches!(refused[..], [WriteError::Conflict { at: 0, newest: 2 }]), "{refused:?}");
    let error = block_on(adams.write(chart, vec![version("a", 1, "general", "x")])).unwrap_err();
    assert!(matches!(error, WriteError::Conflict { at: 0, newest: 2 }), "{error}");
    let remembered = block_on(adams.remembered(chart, &[("Observation", "a"), ("Patient", "a")])).unwrap();
    assert_eq!(remembered.iter().map(|one| one.map(|one| one.version)).collect::<Vec<_>>(), [Some(2), None]);
    assert_ne!(Remembered::digest(false, b"{}"), Remembered::digest(true, b""));
}

#[test]
fn another_organisation_writes_where_it_may() {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "ito.json", ITO);
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    let terms = |action, what| GrantTerms {
        chart: imported.chart,
        effect: Effect::Permit,
        grantee: "lakeside-clinic".parse().unwrap(),
        action,
        purposes: vec![Purpose::Treatment],
        what,
        from: None,
        until: None,
    };
    block_on(patient.direct(&terms(Action::Write, What::General))).unwrap();
    let placed = write(&baker, imported.chart, vec![version("lab", 1, "general", "x")]);
    // Same type and id, another writer: another record.
    let own = write(&adams, imported.chart, vec![version("lab", 1, "general", "y")]);
    assert_ne!(placed[0].record, own[0].record);
    block_on(patient.direct(&terms(Action::Read, What::General))).unwrap();
    let look = look(&baker, imported.chart);
    let writers: BTreeSet<_> = look
        .records
        .iter()
        .filter(|seen| told(seen).0 == "lab")
        .map(|seen| (seen.writer.to_string(), seen.newest))
        .collect();
    assert_eq!(
        writers,
        [("lakeside-clinic".to_owned(), true), ("riverside-hospital".to_owned(), true)].into()
    );
}

#[test]
fn what_was_replaced_by_something_hidden_is_not_shown_as_present() {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "ito.json", ITO);
    let (chart, baker) = (imported.chart, network.staff(home.path(), "lakeside/dr-baker"));
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    write(&adams, chart, vec![version("a", 1, "general", "harmless"), version("c", 1, "general", "stays")]);
    write(&adams, chart, vec![version("a", 2, "PSY", "told in confidence")]);
    let general = GrantTerms {
        chart,
        effect: Effect::Permit,
        grantee: "lakeside-clinic".parse().unwrap(),
        action: Action::Read,
        purposes: vec![Purpose::Treatment],
        what: What::General,
        from: None,
        until: None,
    };
    block_on(patient.direct(&general)).unwrap();
    let look = look(&baker, chart);
    let seen: Vec<_> = look.records.iter().map(told).filter(|told| told.0.len() == 1).collect();
    assert_eq!(seen, [("a".to_owned(), 1, false, false), ("c".to_owned(), 1, false, true)]);
    let opened = block_on(baker.open(&Ask::all(chart, Purpose::Treatment))).unwrap();
    assert!(opened.records.iter().all(|record| record.record.around.id.as_str() != "a"));
}

#[test]
fn two_who_make_a_patients_chart_get_the_same() {
    let (network, home, adams) = setting();
    let other = network.staff(home.path(), "riverside/dr-adams");
    let new = |tokens: &[&str]| NewChart {
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        ..NewChart::default()
    };
    let (one, two) = (new(&["urn:mrn|1", "urn:ssn|9"]), new(&["urn:mrn|1"]));
    let made = block_on(async { futures::join!(adams.create_chart(&one), other.create_chart(&two)) });
    let (one, two) = (made.0.unwrap(), made.1.unwrap());
    assert_eq!(one.chart, two.chart);
    assert!(one.created != two.created);
    assert_eq!(block_on(adams.chart_of_token("urn:ssn|9")).unwrap(), Some(one.chart));
    assert_eq!(block_on(adams.chart_of_token("urn:ssn|8")).unwrap(), None);
    let third = chart(&adams, "urn:mrn|3");
    let error = block_on(adams.create_chart(&new(&["urn:mrn|1", "urn:mrn|3"]))).unwrap_err();
    assert!(matches!(error, WriteError::TwoCharts { .. }), "{error}");
    assert_ne!(third, one.chart);
    let directory = block_on(adams.directory_chart()).unwrap();
    assert_eq!(block_on(other.directory_chart()).unwrap(), directory);
    assert!(
        !block_on(adams.create_chart(&NewChart { directory: true, ..NewChart::default() })).unwrap().created
    );
}

#[test]
fn what_happens_in_followed_charts_is_heard_without_gaps() {
    let (_network, home, adams) = setting();
    let chart = import(&adams, home.path(), "ito.json", ITO).chart;
    let look = look(&adams, chart);
    for number in 1..=6 {
        write(&adams, chart, vec![version("a", number, "general", "x")]);
    }
    // Added late, and nothing is missed.
    let mut follower = adams.follow();
    follower.add(chart, look.lines).unwrap();
    let mut packs = 0;
    let mut as_of = look.as_of;
    loop {
        let heard = block_on(follower.next(Span::secs(1))).unwrap();
        assert!(heard.as_of.height > as_of.height && heard.as_of.time > as_of.time);
        as_of = heard.as_of;
        packs += heard.lines.iter().filter(|line| matches!(line.event, Some(Event::Committed(_)))).count();
        if !heard.more {
            break;
        }
    }
    assert_eq!(packs, 6);
    assert_eq!(follower.as_of(), as_of);
    follower.remove(&chart);
    write(&adams, chart, vec![version("b", 1, "general", "x")]);
    assert!(block_on(follower.next(Span::secs(1))).unwrap().lines.is_empty());
}

fn audits(network: &Arc<Network>, patient: &Client, chart: ChartId) -> Vec<(u64, bool)> {
    let lines = block_on(patient.log(chart, 0)).unwrap();
    let of_audit = |line: &client::Line| match &line.event {
        Some(Event::Committed(commit)) => {
            let audit = commit.opened.iter().any(|(_, _, role)| *role == Role::Audit);
            audit.then_some((line.logged.index, commit.by == block_on(patient.principal()).unwrap()))
        }
        Some(_) | None => None,
    };
    assert!(network.inner().state.0.len() > 1);
    lines.iter().filter_map(of_audit).collect()
}

#[test]
fn after_a_claim_readers_leave_their_words_under_a_key_of_the_owners_making() {
    let (network, _home, adams) = setting();
    // In a demonstration the import has the patient claim; here she does it herself, later.
    let chart = chart(&adams, "urn:mrn|1");
    write(&adams, chart, vec![version("a", 1, "general", "x")]);
    look(&adams, chart);
    let patient = network.newcomer("riverside-hospital", "hana");
    let person = block_on(patient.principal()).unwrap().unwrap();
    let until = network.inner().now.plus(Span::hours(1));
    block_on(adams.offer_claim(chart, person, until)).unwrap();
    assert_eq!(audits(&network, &patient, chart).len(), 1);
    block_on(patient.claim(chart)).unwrap();
    let opened = audits(&network, &patient, chart);
    assert_eq!(opened.iter().map(|(_, by_owner)| *by_owner).collect::<Vec<_>>(), [false, true]);
    assert!(block_on(patient.own_audit(chart)).unwrap().is_none(), "once is enough");
    look(&adams, chart);

    let compartments: Vec<_> = {
        let lines = block_on(patient.log(chart, 0)).unwrap();
        let decided = lines.iter().filter_map(|line| match &line.event {
            Some(Event::Decided(decided)) => Some(decided.record),
            Some(_) | None => None,
        });
        let inner = network.inner();
        let record = |hash| {
            let parts = inner.audits[&hash].parts.clone();
            let manifest = envelope::Manifest::read(inner.audits[&hash].pack, &parts.ciphertexts).unwrap();
            manifest.compartment_ids()[0]
        };
        decided.map(record).collect()
    };
    assert_eq!(compartments.len(), 2);
    assert_ne!(compartments[0], compartments[1], "what was left after the claim lies under the fresh key");
    let audit = block_on(patient.audit(chart)).unwrap();
    let who = audit.accesses.iter().map(|access| match &access.told {
        Told::Words(words) => words.who.to_string(),
        other => format!("{other:?}"),
    });
    let who: Vec<String> = who.collect();
    assert_eq!(who, ["Dr. Ada Adams", "Dr. Ada Adams"], "the owner reads both");
    // Neither the custodian nor anybody else can put another in its place.
    assert!(block_on(adams.own_audit(chart)).unwrap().is_none());
    write(&adams, chart, vec![version("a", 2, "general", "y")]);
    assert_eq!(audits(&network, &patient, chart).len(), 2);
}

#[test]
fn one_process_acts_for_many() {
    let (_network, _home, adams) = setting();
    let chart = chart(&adams, "urn:mrn|1");
    let until = adams.host().now().plus(Span::hours(1));
    let practitioner = ledger::testing::principal_id("nurse-clark");
    let session = block_on(adams.certify(practitioner, "nurse".parse().unwrap(), until)).unwrap();
    let clark = adams.acting(Actor::Practitioner(Arc::new(session)), "Cora Clark".to_owned());
    let system = adams.acting(Actor::Staff, "the gateway".to_owned());
    // Three hands at once into one chart: each signs for itself.
    let writes = [(&adams, "a"), (&clark, "b"), (&system, "c"), (&clark, "d")]
        .map(|(client, id)| client.write(chart, vec![version(id, 1, "general", "x")]));
    let placed: Vec<Placed> = block_on(join_all(writes)).into_iter().flat_map(Result::unwrap).collect();
    let lines = block_on(adams.log(chart, 0)).unwrap();
    let by = |placed: &Placed| {
        lines.iter().find_map(|line| match &line.event {
            Some(Event::Committed(commit)) if commit.pack == placed.pack => Some(commit.by),
            Some(_) | None => None,
        })
    };
    let doctor = adams.actor().practitioner();
    let expected = [doctor, Some(practitioner), None, Some(practitioner)];
    assert_eq!(placed.iter().map(|placed| by(placed).unwrap()).collect::<Vec<_>>(), expected);
    assert_eq!(look(&clark, chart).records.len(), 4);
}
