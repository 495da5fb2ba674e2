//! This file is where revoking, writing and reading go on at once, and the order of blocks alone decides.

use crate::{
    network::{ADAMS, BAKER, Network, compartments},
    trustees::to_lakeside,
};
use client::open::Ask;
use ledger::{consent::Purpose, governance::Params};
use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

/// Another finding of the same patient.
fn later(file: &str) -> Vec<u8> {
    let bundle =
        fhir::bundle::read(fs::read(crate::network::shipped(file)).unwrap(), &fhir::Limits::default())
            .unwrap();
    let patient = bundle
        .entries()
        .find(|entry| entry.resource.as_ref().is_some_and(|resource| resource.kind == "Patient"))
        .unwrap();
    let full_url = patient.full_url.as_deref().unwrap();
    let finding = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"Body weight"}},"subject":{{"reference":"{full_url}"}},"valueQuantity":{{"value":61.50,"unit":"kg"}}}}"#
    );
    let records = [
        fhir::collect::Record {
            full_url: Some(full_url),
            resource: patient.resource.as_ref().unwrap().bytes(),
        },
        fhir::collect::Record {
            full_url: Some("urn:uuid:7d0c6f5e-1f54-4c62-9a43-0d7a4a5f1c11"),
            resource: finding.as_bytes(),
        },
    ];
    fhir::collect::collect(fhir::collect::Form::Collection, records, &fhir::Limits::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_after_a_revocation_nothing_opens_and_what_comes_later_has_other_keys() {
    const FILE: &str = "fionnuala-o-dalaigh.json";
    let network = Network::running(Params::default()).await;
    let (chart, profile) = network.import_patient(FILE).await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    let patient = network.client(&profile).await;
    let granted = patient.direct(&to_lakeside(chart)).await.unwrap();
    let ask = Ask::all(chart, Purpose::Treatment);
    let before = compartments(&adams, chart).await;

    // Readers never pause; the patient revokes once two of them have got in.
    let (opened, revoked) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let read = || async {
        let mut seen = Vec::new();
        loop {
            let over = revoked.load(Ordering::SeqCst) != u64::MAX;
            let visit = baker.open(&ask).await;
            if visit.as_ref().is_ok_and(client::open::Opened::is_open) {
                opened.fetch_add(1, Ordering::SeqCst);
            }
            seen.push(visit);
            // One more round after the revocation was final.
            if over {
                return seen;
            }
        }
    };
    let revoke = async {
        while opened.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        let done = patient.revoke_from(chart, &"lakeside-clinic".parse().unwrap()).await.unwrap();
        revoked.store(done.height, Ordering::SeqCst);
    };
    let (one, two, three, ()) = futures::join!(read(), read(), read(), revoke);
    let revoked = revoked.into_inner();
    let (mut permitted, mut denied) = (0, 0);
    for visit in one.into_iter().chain(two).chain(three) {
        // A key withheld in the middle of a visit is no lie: then too few shares are left.
        let Ok(visit) = visit else { continue };
        assert!(visit.distrust.is_empty());
        if visit.as_of.height > revoked {
            assert!(!visit.permitted && !visit.is_open(), "permitted after the revocation");
        }
        if visit.as_of.height > granted.height && visit.as_of.height < revoked {
            assert!(visit.permitted, "denied before the revocation");
        }
        if visit.permitted { permitted += 1 } else { denied += 1 }
    }
    println!("{permitted} permitted, {denied} denied, revoked at {revoked}");
    assert!(permitted >= 2 && denied >= 3);

    // What is written after a read goes into compartments whose keys no reader ever got.
    let path = network.home.path().join("later.json");
    fs::write(&path, later(FILE)).unwrap();
    let written = network.import(&[path]).await;
    assert!(!written[0].created && written[0].chart == chart);
    let after: BTreeSet<_> = compartments(&adams, chart).await.into_iter().collect();
    let fresh = after.iter().filter(|id| !before.contains(id)).count();
    assert!(fresh > 0);
    let contents = client::Contents::of(&adams.log(chart, 0).await.unwrap());
    let pack = contents.packs.iter().find(|pack| pack.root == written[0].pack).unwrap();
    assert!(pack.compartments.iter().all(|id| !before.contains(id)), "the pack uses an old key");
}
