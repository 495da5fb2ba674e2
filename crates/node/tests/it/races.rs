//! This file is where revoking, writing and reading go on at once, and the order of blocks alone decides.

use crate::{
    network::{ADAMS, BAKER, Network, compartments},
    trustees::{ask_each, bodies, request, session, to_lakeside},
};
use client::{
    Client,
    open::Ask,
    wire::{Fetch, FetchPack},
};
use envelope::{Gathering, OpenKey, Pack, Wanted};
use ledger::{
    access::{self, Withheld},
    consent::{Purpose, Revocable, Revoke},
    governance::Params,
};
use primitives::{ChartId, CompartmentId};
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
    let pack = contents.packs.iter().find(|pack| Some(pack.root) == written[0].pack).unwrap();
    assert!(pack.compartments.iter().all(|id| !before.contains(id)), "the pack uses an old key");
}

/// All keys that one access gives to a reader who keeps them.
async fn keys_of(
    network: &Network,
    reader: &Client,
    writer: &Client,
    chart: ChartId,
) -> Vec<(CompartmentId, OpenKey)> {
    let wanted = compartments(writer, chart).await;
    let key = session();
    let access = request(reader, chart, Purpose::Treatment, &key).await;
    // Every trustee answers by its own state: it must have executed the access.
    network.all_at(reader.status().await.unwrap().height).await;
    let bodies = bodies(writer, chart).await;
    let bodies = bodies.into_iter().filter(|body| wanted.contains(&body.id())).map(Wanted::new);
    let mut gathering = Gathering::new(network.genesis.network(), access, 0, &key, bodies);
    for (index, answer) in (1..).zip(ask_each(network, reader, access, &key, &wanted).await) {
        let release = answer.unwrap().release.unwrap();
        gathering.accept(&mut rand::rng(), index, &release).unwrap();
    }
    let opened = wanted.iter().map(|id| (*id, gathering.open_key(id).unwrap()));
    opened.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_old_keys_open_nothing_that_was_written_after_them() {
    const FILE: &str = "fionnuala-o-dalaigh.json";
    let network = Network::running(Params::default()).await;
    let (chart, profile) = network.import_patient(FILE).await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    network.client(&profile).await.direct(&to_lakeside(chart)).await.unwrap();
    let kept = keys_of(&network, &baker, &adams, chart).await;
    let before = client::Contents::of(&adams.log(chart, 0).await.unwrap());

    let path = network.home.path().join("later.json");
    fs::write(&path, later(FILE)).unwrap();
    let newer = network.import(&[path]).await.iter().find_map(|one| one.pack).unwrap();

    // Every kept key against every compartment of every pack: each opens its own, in packs written before, and no other.
    let (mut opened, mut refused) = (0, 0);
    let packs = before.packs.iter().map(|pack| pack.root).chain([newer]);
    for root in packs {
        let fetch = Fetch { pack: root, local: false, head: false };
        let parts = adams.node().call::<FetchPack>(&fetch).await.unwrap();
        let pack = Pack::verify(root, &parts.ciphertexts, &parts.randoms).unwrap();
        let manifest = pack.manifest();
        for (position, id) in manifest.compartment_ids().iter().enumerate() {
            for (of, key) in &kept {
                let Ok(opener) = manifest.opener(position, key) else {
                    assert_ne!(of, id);
                    refused += 1;
                    continue;
                };
                assert_eq!(of, id);
                assert_ne!(root, newer, "a kept key opens what was written after it");
                let places = 0..manifest.entries().len();
                let own = places.filter(|at| manifest.compartment_of(*at) == Some(id));
                opened += own.filter(|at| pack.open(&opener, *at).is_ok()).count();
            }
        }
    }
    println!("{} keys opened {opened} records and were refused {refused} times", kept.len());
    assert!(opened > 0 && refused > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_revoking_and_asking_at_once_come_out_in_the_order_of_the_ledger() {
    const ROUNDS: usize = 12;
    let network = Network::running(Params::default()).await;
    let (chart, profile) = network.import_patient("fionnuala-o-dalaigh.json").await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    let patient = network.client(&profile).await;
    let wanted = compartments(&adams, chart).await;
    let (mut together, mut denied) = (0, 0);
    for round in 0..ROUNDS {
        let directive = patient.direct(&to_lakeside(chart)).await.unwrap().tx;
        let key = session();
        let revoke = Revoke { chart, target: Revocable::Directive(directive) };
        // Handed in at once, now the one first, now the other.
        let ((asked, asked_at), revoked) = if round % 2 == 0 {
            futures::join!(asking(&baker, chart, &key), patient.act(revoke))
        } else {
            let (revoked, asked) = futures::join!(patient.act(revoke), asking(&baker, chart, &key));
            (asked, revoked)
        };
        let revoked = revoked.unwrap();
        network.all_at(revoked.height.max(asked_at.0)).await;
        let (row, _) = baker.view(|state| access::access(state, &asked)).await.unwrap();
        let permitted = row.is_some_and(|row| !row.permitted.is_empty());
        let revoked_first = (revoked.height, revoked.index) < asked_at;
        assert_eq!(permitted, !revoked_first, "round {round}: {asked_at:?} and {revoked:?}");
        together += usize::from(revoked.height == asked_at.0);
        denied += usize::from(revoked_first);
        // Whichever came first: after both, nothing is released.
        for answer in ask_each(&network, &baker, asked, &key, &wanted).await {
            let answer = answer.unwrap();
            let why = if permitted { Withheld::Revoked } else { Withheld::AccessUnknown };
            assert!(answer.release.is_none());
            assert!(answer.withheld.iter().all(|(_, code)| *code == why.code()), "{why:?}");
        }
    }
    println!("of {ROUNDS} rounds {together} in one block, {denied} times the revocation came first");
}

/// Asks for an access; its id and place in the order.
async fn asking(
    client: &Client,
    chart: ChartId,
    key: &envelope::SessionKey,
) -> (primitives::TxId, (u64, u32)) {
    let tx = request(client, chart, Purpose::Treatment, key).await;
    let done = client.node().call::<client::wire::FindTx>(&tx).await.unwrap().unwrap();
    (tx, (done.height, done.index))
}
