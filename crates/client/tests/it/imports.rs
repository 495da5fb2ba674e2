//! This file is where bundles are imported into the network within the process.

use crate::network::Network;
use client::{
    Client, RenewError,
    import::{ImportError, ImportOptions, Imported, NoProgress},
    keys::Lock,
    open::Ask,
};
use futures::executor::block_on;
use ledger::consent::Purpose;
use std::{fs, path::Path, sync::Arc};

/// A bundle with one patient: general content, one psychiatric note, one with two labels, one organisation.
pub(crate) const ITO: &str = r#"{"resourceType":"Bundle","type":"transaction","entry":[
 {"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient","id":"ito",
   "identifier":[{"system":"urn:mrn:riverside","value":"MRN-0001"}],"name":[{"family":"Ito","given":["Hana"]}]},
   "request":{"method":"POST","url":"Patient"}},
 {"fullUrl":"urn:uuid:22222222-2222-4222-8222-222222222222","resource":{"resourceType":"Observation","status":"final",
   "code":{"text":"heart rate"},"subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"},
   "valueQuantity":{"value":72.10}},"request":{"method":"POST","url":"Observation"}},
 {"fullUrl":"urn:uuid:33333333-3333-4333-8333-333333333333","resource":{"resourceType":"Condition",
   "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]},
   "subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"},"code":{"text":"depressive episode"}},
   "request":{"method":"POST","url":"Condition"}},
 {"fullUrl":"urn:uuid:44444444-4444-4444-8444-444444444444","resource":{"resourceType":"Observation","status":"final",
   "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"},
   {"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]},"code":{"text":"both"},
   "subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}},"request":{"method":"POST","url":"Observation"}},
 {"fullUrl":"urn:uuid:55555555-5555-4555-8555-555555555555","resource":{"resourceType":"Organization","name":"Riverside"},
   "request":{"method":"POST","url":"Organization"}}]}"#;

/// A later bundle of the same patient.
pub(crate) const ITO_LATER: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:66666666-6666-4666-8666-666666666666","resource":{"resourceType":"Patient",
   "identifier":[{"system":"urn:mrn:riverside","value":"MRN-0001"}]}},
 {"fullUrl":"urn:uuid:77777777-7777-4777-8777-777777777777","resource":{"resourceType":"Observation","status":"final",
   "code":{"text":"blood pressure"},"subject":{"reference":"urn:uuid:66666666-6666-4666-8666-666666666666"}}}]}"#;

pub(crate) fn import_result(
    client: &Client,
    dir: &Path,
    files: &[(&str, &str)],
) -> Result<Vec<Imported>, ImportError> {
    let paths: Vec<_> = files
        .iter()
        .map(|(name, text)| {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            path
        })
        .collect();
    block_on(client.import(&paths, &ImportOptions::default(), &NoProgress))
}

pub(crate) fn import(client: &Client, dir: &Path, name: &str, text: &str) -> Imported {
    let all = import_result(client, dir, &[(name, text)]).unwrap();
    all.into_iter().find(|imported| !imported.directory).unwrap()
}

/// A network, a home directory, and the hospital's doctor.
pub(crate) fn setting() -> (Arc<Network>, tempfile::TempDir, Client) {
    let network = Network::new();
    let home = tempfile::tempdir().unwrap();
    let adams = network.staff(home.path(), "riverside/dr-adams");
    (network, home, adams)
}

#[test]
fn a_bundle_becomes_a_chart_a_directory_and_a_patient() {
    let (network, home, adams) = setting();
    let all = import_result(&adams, home.path(), &[("ito.json", ITO)]).unwrap();
    assert_eq!(all.len(), 2);
    let (chart, directory) = (&all[0], &all[1]);
    assert_eq!((chart.records, chart.directory, chart.created, chart.packs.len()), (4, false, true, 1));
    assert_eq!((directory.records, directory.directory, directory.profile.is_some()), (1, true, false));
    assert_eq!(chart.name.as_deref(), Some("Hana Ito"));
    let profile = chart.profile.clone().unwrap();
    assert_eq!(profile.to_string(), format!("patient/{}", &chart.chart.to_string()[..8]));
    let patient = network.patient(home.path(), &profile);
    let mine = block_on(patient.charts()).unwrap();
    assert_eq!(mine.iter().map(|listed| listed.chart).collect::<Vec<_>>(), [chart.chart]);
    let theirs = block_on(adams.charts()).unwrap();
    assert_eq!(theirs.len(), 2);
    assert!(theirs.iter().any(|listed| listed.name.as_deref() == Some("Hana Ito") && listed.owner.is_some()));
    let shown = block_on(adams.chart(chart.chart)).unwrap();
    let mut names: Vec<_> = shown.classes.iter().map(|class| class.category.clone().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["HIV+PSY", "PSY", "general"]);
    // The index record comes with the first pack; the second is the owner's own audit compartment.
    let packs: Vec<_> = shown.packs.iter().map(|pack| (pack.records, pack.safe)).collect();
    assert_eq!(packs, [(5, true), (1, true)]);
}

#[test]
fn a_fresh_key_is_the_same_patient_and_the_old_one_nobody() {
    let (network, home, adams) = setting();
    let made = import(&adams, home.path(), "ito.json", ITO);
    let name = made.profile.unwrap();
    let before = network.patient(home.path(), &name);
    let renewed = block_on(before.renew_key(&Lock::Plain)).unwrap();
    assert_eq!(renewed.profiles, std::slice::from_ref(&name));
    let after = network.patient(home.path(), &name);
    assert_ne!(after.actor().key().unwrap().public(), before.actor().key().unwrap().public());
    let mine = block_on(after.charts()).unwrap();
    assert_eq!(mine.iter().map(|listed| listed.chart).collect::<Vec<_>>(), [made.chart]);
    assert!(block_on(after.principal()).unwrap().is_some());
    assert!(block_on(before.renew_key(&Lock::Plain)).is_err(), "the old key signs nothing any more");
    assert!(matches!(block_on(adams.renew_key(&Lock::Plain)), Err(RenewError::NoPerson)));
}

#[test]
fn the_same_patient_keeps_her_chart_and_what_is_unread_stays_open() {
    let (_network, home, adams) = setting();
    let first = import(&adams, home.path(), "a.json", ITO);
    let second = import(&adams, home.path(), "b.json", ITO_LATER);
    assert_eq!((second.chart, second.created, second.profile), (first.chart, false, None));
    let shown = block_on(adams.chart(first.chart)).unwrap();
    let general = shown.classes.iter().find(|class| class.category.as_deref() == Some("general")).unwrap();
    assert_eq!(general.compartments, 1, "nobody has read it, so it is written into again");
}

#[test]
fn what_was_imported_is_not_written_again_and_what_changed_is_its_next_version() {
    let (_network, home, adams) = setting();
    let first = import_result(&adams, home.path(), &[("a.json", ITO)]).unwrap();
    let again = import_result(&adams, home.path(), &[("b.json", ITO)]).unwrap();
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((again.chart, again.records, again.unchanged), (first.chart, 0, first.records));
        assert_eq!((again.pack, again.height, again.packs.len(), again.created), (None, None, 0, false));
    }
    let json = serde_json::to_value(&again[0]).unwrap();
    assert_eq!((&json["unchanged"], &json["pack"]), (&serde_json::json!(4), &serde_json::Value::Null));
    // One resource changes, one that has no id and no fullUrl of its own stands there twice.
    let nameless = r#"{"resource":{"resourceType":"Condition","subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}}}"#;
    let bundle = ITO.replace("72.10", "73.20");
    let changed = format!("{},{nameless},{nameless}]}}", bundle.strip_suffix("]}").unwrap());
    let third = import(&adams, home.path(), "c.json", &changed);
    assert_eq!((third.records, third.unchanged), (3, 3));
    let fourth = import(&adams, home.path(), "d.json", &changed);
    assert_eq!((fourth.records, fourth.unchanged), (0, 6));
    let opened = block_on(adams.open(&Ask::all(first[0].chart, Purpose::Treatment))).unwrap();
    assert_eq!((opened.records.len(), opened.older), (6, 1));
    let heart = opened.records.iter().find(|one| one.record.bytes.windows(10).any(|at| at == b"heart rate"));
    let heart = &heart.unwrap().record;
    assert_eq!(heart.around.version, 2);
    assert_eq!(heart.around.id.as_str(), "22222222-2222-4222-8222-222222222222");
    assert!(String::from_utf8(heart.bytes.to_vec()).unwrap().contains("73.20"));
}

#[test]
fn what_is_remembered_of_many_resources_is_divided() {
    let (_network, home, adams) = setting();
    let bundle = |from: u32, to: u32, status: &str| {
        let mut entries =
            vec![r#"{"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"p"}}"#.to_owned()];
        for number in from..to {
            entries.push(format!(
                r#"{{"resource":{{"resourceType":"Observation","id":"o{number}","status":"{status}","subject":{{"reference":"urn:uuid:p"}}}}}}"#
            ));
        }
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","))
    };
    let first = import(&adams, home.path(), "a.json", &bundle(0, 4_500, "final"));
    assert_eq!((first.records, first.unchanged), (4_501, 0));
    assert_eq!(block_on(adams.chart_note(&first.chart)).unwrap().unwrap().depth, 1, "divided once");
    let again = import(&adams, home.path(), "a.json", &bundle(0, 4_500, "final"));
    assert_eq!((again.records, again.unchanged), (0, 4_501));
    let more = import(&adams, home.path(), "b.json", &bundle(4_400, 4_600, "amended"));
    assert_eq!((more.records, more.unchanged), (200, 1));
    let names: Vec<String> = (0..4_600).map(|number| format!("o{number}")).collect();
    let asked: Vec<_> = names.iter().map(|name| ("Observation", name.as_str())).collect();
    let known = block_on(adams.remembered(first.chart, &asked)).unwrap();
    for (number, known) in known.into_iter().enumerate() {
        let expected = if (4_400..4_500).contains(&number) { 2 } else { 1 };
        assert_eq!(known.map(|known| known.version), Some(expected), "o{number}");
    }
}

#[test]
fn many_resources_go_into_several_packs_in_order() {
    let (_network, home, adams) = setting();
    let mut entries =
        vec![r#"{"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"p"}}"#.to_owned()];
    for number in 0..4_100 {
        entries.push(format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"o{number}","subject":{{"reference":"urn:uuid:p"}}}}}}"#
        ));
    }
    let bundle =
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","));
    let imported = import(&adams, home.path(), "many.json", &bundle);
    assert_eq!((imported.records, imported.packs.len()), (4_101, 2));
    assert_eq!(imported.packs.last(), imported.pack.as_ref());
    let ask = Ask::all(imported.chart, Purpose::Treatment);
    let opened = block_on(adams.open(&ask)).unwrap();
    let ids: Vec<String> = opened.records.iter().map(|record| record.record.around.id.to_string()).collect();
    let expected: Vec<String> =
        std::iter::once("p".to_owned()).chain((0..4_100).map(|number| format!("o{number}"))).collect();
    assert_eq!(ids, expected);
}

#[test]
fn bad_input_writes_nothing() {
    let (network, home, adams) = setting();
    let before = network.inner().state.clone();
    let error = import_result(&adams, home.path(), &[("good.json", ITO), ("bad.json", "{")]).unwrap_err();
    assert!(error.to_string().contains("bad.json"), "{error}");
    assert_eq!(network.inner().state, before);
    assert!(network.inner().packs.is_empty());
}

#[test]
fn a_patient_can_not_import() {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "a.json", ITO);
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    assert!(matches!(import_result(&patient, home.path(), &[("b.json", ITO)]), Err(ImportError::NotAWriter)));
}
