//! This file is where exports are verified, and where every way of tampering with one is found.

use crate::imports::{ITO, ITO_LATER, import, setting};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{
    Client, Doomed,
    export::{Checkpoint, CheckpointSaid, VerifyError, encrypt, unlock, verify},
    open::Ask,
};
use fhir::category::Category;
use futures::executor::block_on;
use ledger::{consent::Purpose, governance::Genesis};
use primitives::{BlockHash, ChartId, StateRoot, domain, hash};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

fn exported() -> (Genesis, Vec<u8>, ChartId, Client) {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "ito.json", ITO);
    import(&adams, home.path(), "later.json", ITO_LATER);
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    block_on(baker.open(&Ask::all(imported.chart, Purpose::Treatment))).unwrap();
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    let erased = Doomed::Categories(vec![Category::parse("PSY").unwrap()]);
    block_on(patient.erase(imported.chart, erased)).unwrap();
    let made = block_on(patient.export(&Ask::all(imported.chart, Purpose::PatientRequest))).unwrap();
    (Genesis::clone(&network.genesis), made.file, imported.chart, patient)
}

#[test]
fn an_export_verifies_offline_and_tells_all() {
    let (genesis, file, chart, patient) = exported();
    let verified = verify(&file, &genesis, None).unwrap();
    assert_eq!((verified.chart, verified.network), (chart, genesis.network()));
    assert_eq!((verified.resources, verified.erased, verified.withheld, verified.own), (5, 1, 0, 2));
    // Two imports, and the owner's own audit compartment.
    assert_eq!(verified.packs, 3);
    // The doctor's denied look, the owner's for the tag key, and the one made for the export.
    assert_eq!(verified.accesses.len(), 3);
    assert!(verified.as_of.height > 0 && verified.certified.0 > verified.as_of.height);
    // Any FHIR system reads it.
    let bundle = fhir::bundle::read(file.clone(), &fhir::Limits::default()).unwrap();
    assert_eq!(bundle.len(), 6);
    let sealed = encrypt(&file, "six random words", Some(2)).unwrap();
    assert!(matches!(verify(&sealed, &genesis, None), Err(VerifyError::Encrypted)));
    assert_eq!(unlock(&sealed, "six random words").unwrap().as_slice(), file);

    let checkpoint =
        Checkpoint { network: genesis.network(), height: verified.certified.0, block: verified.certified.1 };
    assert_eq!(verify(&file, &genesis, Some(&checkpoint)).unwrap().checkpoint, CheckpointSaid::Agrees);
    let forked = Checkpoint { block: BlockHash::default(), ..checkpoint };
    assert!(matches!(verify(&file, &genesis, Some(&forked)), Err(VerifyError::Checkpoint { .. })));
    let newer = block_on(patient.checkpoint()).unwrap();
    assert!(newer.height >= checkpoint.height);
}

#[test]
fn what_was_not_permitted_is_still_accounted_for() {
    let (network, home, adams) = setting();
    let imported = import(&adams, home.path(), "ito.json", ITO);
    let patient = network.patient(home.path(), &imported.profile.unwrap());
    let baker = network.staff(home.path(), "lakeside/dr-baker");
    let nothing = block_on(baker.export(&Ask::all(imported.chart, Purpose::Treatment))).unwrap();
    assert_eq!((nothing.verified.resources, nothing.verified.withheld, nothing.verified.own), (0, 4, 2));
    let terms = client::audit::GrantTerms {
        chart: imported.chart,
        effect: ledger::consent::Effect::Permit,
        grantee: "lakeside-clinic".parse().unwrap(),
        action: ledger::consent::Action::Read,
        purposes: vec![Purpose::Treatment],
        what: client::audit::What::General,
        from: None,
        until: None,
    };
    block_on(patient.direct(&terms)).unwrap();
    let general = block_on(baker.export(&Ask::all(imported.chart, Purpose::Treatment))).unwrap();
    assert_eq!((general.verified.resources, general.verified.withheld), (2, 2));
    assert_eq!(general.verified.accesses.len(), 2);
}

#[test]
fn any_flipped_bit_is_found() {
    let (genesis, file, _, _) = exported();
    let check = |at: usize, mask: u8| {
        let mut bad = file.clone();
        bad[at] ^= mask;
        if let Ok(verified) = verify(&bad, &genesis, None) {
            panic!(
                "bit {mask:#x} of byte {at} of {} was flipped, and it verified as {verified:?}",
                file.len()
            );
        }
    };
    let proof = file.windows(8).position(|window| window == b"\"data\":\"").unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for at in (0..proof).step_by(7) {
        check(at, 1 << (rng.next_u32() % 8));
    }
    for _ in 0..400 {
        let at = proof + rng.next_u32() as usize % (file.len() - proof);
        check(at, 1 << (rng.next_u32() % 8));
    }
}

#[test]
fn any_flipped_bit_of_the_proof_itself_is_found() {
    let (genesis, file, _, _) = exported();
    let text = String::from_utf8(file).unwrap();
    let (before, rest) = text.split_once("\"data\":\"").unwrap();
    let (data, after) = rest.split_once('"').unwrap();
    let proof = STANDARD.decode(data).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for _ in 0..600 {
        let mut bad = proof.clone();
        let (at, bit) = (rng.next_u32() as usize % bad.len(), rng.next_u32() % 8);
        bad[at] ^= 1 << bit;
        let bad = format!("{before}\"data\":\"{}\"{after}", STANDARD.encode(&bad));
        assert!(verify(bad.as_bytes(), &genesis, None).is_err(), "bit {bit} of byte {at} of the proof");
    }
    for len in [0, 1, 40, proof.len() - 1] {
        let bad = format!("{before}\"data\":\"{}\"{after}", STANDARD.encode(&proof[..len]));
        assert!(matches!(verify(bad.as_bytes(), &genesis, None), Err(VerifyError::Malformed(_))));
    }
}

#[test]
fn tampering_is_named() {
    let (genesis, file, _, _) = exported();
    let text = String::from_utf8(file).unwrap();
    let check = |bad: String, part: &str| {
        assert_ne!(bad, text, "something was changed");
        let message = verify(bad.as_bytes(), &genesis, None).unwrap_err().to_string();
        assert!(message.contains(part), "{message} lacks {part}");
    };
    check(text.replace("72.10", "72.1"), "entry[1] isn't the resource that was written");
    check(text.replace("heart rate", "heart race"), "entry[1] isn't");
    check(text.replacen("urn:uuid:11111111", "urn:uuid:12111111", 1), "entry[0] isn't");
    check(text.replacen("\"type\":\"collection\"", "\"type\": \"collection\"", 1), "changed at byte");
    check(text.replace("Binary", "Basic"), "no export");
    check(text.replace("version=1", "version=2"), "version 2");
    // One entry left out, doubled, added.
    let entries: Vec<&str> = text.split(",\n{").collect();
    let without = [&entries[..1], &entries[2..]].concat().join(",\n{");
    check(without, "isn't");
    let doubled = [&entries[..2], &entries[1..]].concat().join(",\n{");
    check(doubled, "isn't");
    let mut added = entries.clone();
    added.insert(entries.len() - 1, "\"resource\":{\"resourceType\":\"Basic\"}}");
    check(added.join(",\n{"), "isn't a record of this chart");
    let mut other = genesis.clone();
    other.demo = false;
    assert!(matches!(verify(text.as_bytes(), &other, None), Err(VerifyError::OtherNetwork { .. })));
    assert!(matches!(verify(ITO.as_bytes(), &genesis, None), Err(VerifyError::NoProof { .. })));
    assert!(matches!(verify(b"{", &genesis, None), Err(VerifyError::Fhir(_))));
    assert_ne!(StateRoot(hash(domain::BLOB, &[b"nothing"])), primitives::EMPTY_STATE_ROOT);
}
