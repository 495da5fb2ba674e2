//! This file is where a chart's log becomes versions of AuditEvents: one resource for each access, a new version where more is
//! known of it.

use super::{
    render::render,
    scene::{Known, Scene},
};
use crate::{
    visit::served,
    working::{Class, Place, Version},
};
use client::Line;
use ledger::{
    Event, Logged,
    access::{Repeated, Reviewed},
};
use primitives::TxId;
use std::collections::BTreeMap;

/// What was known of an access after each line that tells of it.
type Told<'a> = Vec<(Known<'a>, &'a Logged)>;
/// What a line adds to what is known.
type Change<'a> = Box<dyn Fn(&mut Known<'a>) + 'a>;

/// All versions of AuditEvents that these lines of a chart's log tell of, in order: of the organisation's own accesses, and of
/// those of others where it is the custodian. What is told of an access whose own line isn't among them is passed over.
#[must_use]
pub fn events(lines: &[Line], scene: &Scene) -> Vec<Version> {
    let mut known: BTreeMap<TxId, (Known<'_>, Told<'_>)> = BTreeMap::new();
    let mut order = Vec::new();
    for Line { logged, event } in lines {
        let (access, change): (TxId, Change<'_>) = match event {
            Some(Event::Decided(decided)) => {
                if decided.reader.org == scene.own || scene.is_custodian {
                    let first = Known { logged, decided, count: 1, review: None };
                    known.insert(logged.tx, (first.clone(), vec![(first, logged)]));
                    order.push(logged.tx);
                }
                continue;
            }
            Some(Event::Repeated(Repeated { first, count, .. })) => {
                (*first, Box::new(|known| known.count = known.count.max(*count)))
            }
            Some(Event::Reviewed(Reviewed { access, finding, .. })) => {
                (*access, Box::new(|known| known.review = Some(*finding)))
            }
            Some(_) | None => continue,
        };
        if let Some((newest, all)) = known.get_mut(&access) {
            change(newest);
            all.push((newest.clone(), logged));
        }
    }
    let mut versions = Vec::new();
    for access in order {
        let Some((_, all)) = known.remove(&access) else { continue };
        let last = all.len();
        for (number, (known, logged)) in (1_u32..).zip(&all) {
            versions.extend(version(known, logged, number, number as usize == last, scene));
        }
    }
    versions
}

fn version(known: &Known<'_>, logged: &Logged, number: u32, newest: bool, scene: &Scene) -> Option<Version> {
    let access = known.access(scene);
    let place = Place::of_access(access);
    let bytes = render(known, scene).to_string();
    Some(Version {
        class: Class::of_ledger(scene.chart, &scene.own, known.decided.reader.org == scene.own),
        own: false,
        also: Vec::new(),
        version: number,
        updated: logged.time,
        deleted: false,
        newest,
        bytes: served(bytes.as_bytes(), &place, number, logged.time, |_| None)?,
        source: access.0.as_bytes().to_vec(),
        full_url: None,
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::{search, validate};
    use fhir::{Limits, json::Document};
    use ledger::{
        access::{ClassDecision, Decided, Emergency, Extent, Finding, Reader, Reason},
        consent::{By, Decision, Purpose},
    };
    use primitives::{ChartId, Hash, List, Millis, NetworkId, PrincipalId, SecretKey, Tag};
    use serde_json::Value;

    fn tx(number: u8) -> TxId {
        TxId(Hash([number; 32]))
    }

    fn reader(org: &str, role: Option<&str>, owner: bool) -> Reader {
        Reader {
            org: org.parse().unwrap(),
            principal: (role.is_some() || owner).then_some(PrincipalId(Hash([7; 32]))),
            role: role.map(|role| role.parse().unwrap()),
            key: SecretKey::from_seed(&[1; 32]).public(),
            owner,
        }
    }

    fn decided(reader: Reader, purpose: Purpose, extent: Extent, permit: bool, by: By) -> Decided {
        let class = ClassDecision {
            tag: Tag(Hash([9; 32])),
            writer: "riverside".parse().unwrap(),
            special: true,
            decision: Decision { permit, by, residual: None },
        };
        Decided {
            reader,
            purpose,
            extent,
            emergency: None,
            classes: List::try_from(vec![class]).unwrap(),
            index: None,
            expires: permit.then_some(Millis(1_767_225_900_000)),
            session_key: Hash::default(),
            record: Hash::default(),
            together: false,
        }
    }

    fn log(events: Vec<(u8, Event)>) -> Vec<Line> {
        let line = |(index, (number, event)): (u64, (u8, Event))| {
            let (tag, body) = event.encode();
            let logged = Logged {
                chart: ChartId(Hash([5; 32])),
                index,
                height: 40 + index,
                time: Millis(1_767_225_600_000 + index),
                tx: tx(number),
                tag,
                body,
            };
            Line { logged, event: Some(event) }
        };
        (0..).zip(events).map(line).collect()
    }

    fn scene(own: &str, is_custodian: bool) -> Scene {
        Scene {
            network: NetworkId(Hash([3; 32])),
            network_name: "a network".to_owned(),
            members: [("lakeside".parse().unwrap(), "Lakeside Clinic".to_owned())].into(),
            own: own.parse().unwrap(),
            is_custodian,
            chart: ChartId(Hash([5; 32])),
            patient: Some("p1".to_owned()),
            requests: [(tx(1), "ward-7".try_into().unwrap())].into(),
        }
    }

    fn everything() -> Vec<Line> {
        let directive = || By::Directive(tx(99));
        let policies = By::Policies(List::try_from(vec!["own-writing".parse().unwrap()]).unwrap());
        let lakeside = || reader("lakeside", Some("physician"), false);
        let classes = Extent::Classes(
            List::try_from(vec![(Tag(Hash([9; 32])), "riverside".parse().unwrap())]).unwrap(),
        );
        let mut broken = decided(lakeside(), Purpose::BreakGlass, Extent::All, true, directive());
        broken.emergency = Some(Emergency { reason: Reason::Life, step_up: true });
        let riverside = reader("riverside", None, false);
        log(vec![
            (1, Event::Decided(decided(riverside.clone(), Purpose::Operations, Extent::All, true, policies))),
            (2, Event::Decided(decided(lakeside(), Purpose::Treatment, classes, true, directive()))),
            (3, Event::Decided(decided(lakeside(), Purpose::Treatment, Extent::All, false, By::Default))),
            (4, Event::Repeated(Repeated { reader: lakeside(), first: tx(3), count: 2 })),
            (5, Event::Decided(broken)),
            (6, Event::Decided(decided(lakeside(), Purpose::Treatment, Extent::General, false, directive()))),
            (7, Event::Repeated(Repeated { reader: lakeside(), first: tx(3), count: 4 })),
            (
                8,
                Event::Reviewed(Reviewed {
                    access: tx(5),
                    org: "lakeside".parse().unwrap(),
                    by: None,
                    finding: Finding::Justified,
                }),
            ),
            (
                9,
                Event::Decided(decided(
                    reader("lakeside", None, true),
                    Purpose::PatientRequest,
                    Extent::Index,
                    true,
                    directive(),
                )),
            ),
            (10, Event::Decided(decided(riverside, Purpose::Treatment, Extent::All, false, directive()))),
        ])
    }

    fn json(version: &Version) -> Value {
        serde_json::from_slice(&version.bytes).unwrap()
    }

    #[test]
    fn every_rendered_event_is_valid_and_found_by_what_it_says() {
        let lines = everything();
        let mut profiles = Vec::new();
        for scene in [scene("riverside", true), Scene { patient: None, ..scene("lakeside", false) }] {
            let versions = events(&lines, &scene);
            for version in &versions {
                let document = Document::read(&version.bytes[..], &Limits::default()).unwrap();
                let issues = validate::check(document.root(), &validate::Options::default());
                let bad: Vec<_> = issues.iter().filter(|issue| issue.refuses()).collect();
                assert!(bad.is_empty(), "{bad:?} {:#}", json(version));
                assert!(crate::working::is_marked(document.root()));
                let index = search::index(document.root()).unwrap();
                for code in
                    ["date", "agent", "action", "outcome", "type", "subtype", "entity-type", "site", "source"]
                {
                    let query = search::parse(
                        Some("AuditEvent"),
                        &[(format!("{code}:missing"), "false".to_owned())],
                        &Default::default(),
                    );
                    // References by identifier alone are present, too.
                    assert!(search::matches_all(&query.unwrap(), &index, &search::Nowhere), "{code}");
                }
                assert_eq!(version.place.access(), Some(TxId(Hash(version.source[..].try_into().unwrap()))));
                profiles.extend(json(version)["meta"]["profile"][0].as_str().map(str::to_owned));
            }
        }
        for profile in ["PatientQuery", "PatientRead", "AuthZconsent"] {
            assert!(profiles.iter().any(|found| found.ends_with(profile)), "{profile}");
        }
    }

    #[test]
    fn the_custodian_sees_all_and_others_their_own_without_reasons() {
        let lines = everything();
        let said = |scene: &Scene| -> Vec<String> {
            let text = |version: &Version| {
                let event = json(version);
                let words = event["outcomeDesc"].as_str().unwrap_or("permitted").to_owned();
                let newest = if version.newest { "" } else { " (older)" };
                format!("{} v{} {words}{newest}", version.source[0], version.version)
            };
            events(&lines, scene).iter().map(text).collect()
        };
        assert_eq!(
            said(&scene("riverside", true)),
            [
                "1 v1 permitted",
                "2 v1 permitted",
                "3 v1 nothing permits it (older)",
                "3 v2 nothing permits it; denied 2 times in a row (older)",
                "3 v3 nothing permits it; denied 4 times in a row",
                "5 v1 permitted (older)",
                "5 v2 permitted",
                "6 v1 a directive of the patient denies it",
                "9 v1 permitted",
                "10 v1 a directive of the patient denies it",
            ]
        );
        let own = scene("riverside", false);
        assert_eq!(said(&own), ["1 v1 permitted", "10 v1 not permitted"]);
        let denied = events(&lines, &own).pop().unwrap();
        assert!(!denied.bytes.windows(20).any(|window| window == b"urn:horkos:directive"));
        assert!(said(&scene("meridian", false)).is_empty());
        let all = events(&lines, &scene("riverside", true));
        let others =
            |version: &&Version| version.class == Class::of_ledger(ChartId(Hash([5; 32])), &own.own, false);
        assert_eq!(all.iter().filter(others).count(), 8);
    }

    #[test]
    fn what_is_rendered_from_a_later_line_on_is_the_same() {
        let lines = everything();
        let scene = scene("riverside", true);
        let all = events(&lines, &scene);
        // What only counts on is passed over where the first isn't there.
        let later = events(&lines[6..], &scene);
        let ids: Vec<&Vec<u8>> = later.iter().map(|version| &version.source).collect();
        assert_eq!(ids, [&tx(9).0.0.to_vec(), &tx(10).0.0.to_vec()]);
        for version in &later {
            let same = all.iter().find(|one| one.source == version.source).unwrap();
            assert_eq!(same.bytes, version.bytes);
        }
    }
}
