//! This file is where a class of records is erased, and every byte that could open it is looked for afterwards: shares,
//! what they were sealed under, and the keys of the boxes in which they travelled.

use crate::{
    network::{ADAMS, Network, files, until},
    rotating::{Outgoing, box_keys, delivered, outgoing},
};
use base64::{Engine as _, engine::general_purpose};
use client::{
    Contents, Doomed,
    keys::load_signing,
    open::Ask,
    wire::{Fetch, FetchPack},
};
use fhir::category::Category;
use horkos_node::{BoxKeyRules, Vault};
use ledger::{charts::Role, consent::Purpose, governance::Params};
use primitives::{CompartmentId, Span};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
};

const SHARE_BYTES: usize = 64;
/// Long enough to turn up nowhere by chance.
const WINDOW: usize = 16;

/// The shares that a node's vault holds, by compartment: sealed files as they lie, and what is in them.
struct Shares {
    sealed: BTreeMap<String, Vec<u8>>,
    plain: Vec<Vec<u8>>,
}

fn shares(network: &Network, place: usize) -> Shares {
    let config = &network.configs[place];
    let key = load_signing(&config.keys.join("vault.key"), |_| None).unwrap();
    let dir = config.data.join("vault");
    let vault = Vault::open(&dir, &key.to_seed()).unwrap();
    let names = vault.list("shares").unwrap();
    let sealed = names.iter().map(|name| (name.clone(), fs::read(dir.join("shares").join(name)).unwrap()));
    let plain = names.iter().map(|name| vault.get("shares", name).unwrap().unwrap().to_vec());
    Shares { sealed: sealed.collect(), plain: plain.collect() }
}

/// The share of a compartment within the opened files: it stands right after the compartment's id.
fn share_of(shares: &Shares, id: &CompartmentId) -> Option<Vec<u8>> {
    let id = primitives::encode(id);
    shares.plain.iter().find_map(|plain| {
        let at = plain.windows(id.len()).position(|window| window == id)?;
        plain.get(at + id.len()..at + id.len() + SHARE_BYTES).map(<[u8]>::to_vec)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_is_erased_is_nowhere() {
    let mut network = Network::laid_out(Params::default());
    for config in &mut network.configs {
        config.box_keys = BoxKeyRules { every: Span(0), grace: Span::secs(1), keep_max: Span::days(1) };
    }
    network.start_all().await;
    let of = network.nodes.len();
    let before_keys: Vec<_> = (0..of).map(|place| box_keys(&network, place).held().remove(0)).collect();

    // Somebody records the boxes on their way: they lie with the writer as long as one trustee is away.
    network.nodes[3].take().unwrap().stop().await;
    let (chart, profile) = network.import_patient("fionnuala-o-dalaigh.json").await;
    let recorded = outgoing(&network, 0);
    for (place, key) in before_keys.iter().enumerate() {
        assert!(recorded.iter().all(|boxes| boxes.opens(place, of, key.pair())), "{place}");
    }
    network.start(3).await;
    delivered(&network, 0).await;
    let adams = network.client(ADAMS).await;
    let patient = network.client(&profile).await;
    let psy = vec![Category::parse("PSY").unwrap()];
    let everything = Ask::all(chart, Purpose::PatientRequest);
    let before = patient.open(&everything).await.unwrap();
    let contents = Contents::of(&adams.log(chart, 0).await.unwrap());

    let held: Vec<Shares> = (0..of).map(|place| shares(&network, place)).collect();
    let mut parts = BTreeMap::new();
    for pack in &contents.packs {
        let fetch = Fetch { pack: pack.root, local: true, head: false };
        parts.insert(pack.root, adams.node().call::<FetchPack>(&fetch).await.unwrap());
    }

    for ordered in patient.erase(chart, Doomed::Categories(psy.clone())).await.unwrap() {
        let row = patient.await_erasure(ordered.tx, Span::secs(90)).await.unwrap().unwrap();
        assert!(row.effective && row.complete, "{} receipts", row.receipted.count());
    }
    let now = Contents::of(&adams.log(chart, 0).await.unwrap());
    let is_gone = |id: &CompartmentId| now.compartments[id].erased;
    let gone: BTreeSet<CompartmentId> = contents.compartments.keys().copied().filter(is_gone).collect();
    assert!(!gone.is_empty() && gone.iter().all(|id| contents.compartments[id].role == Role::Records));

    // Every trustee replaces its box key, and destroys the one to which the boxes were sealed.
    for place in 0..of {
        until("a new box key alone", async || {
            let status = network.status(place).await?;
            let gone = !network.configs[place].keys.join("trustee.key").exists();
            (gone && status.box_key_held && status.box_keys_other == 0).then_some(())
        })
        .await;
    }
    let dealt = |boxes: &&Outgoing| {
        boxes.dealt.as_ref().unwrap().0.compartments.iter().any(|body| gone.contains(&body.id()))
    };
    let recorded: Vec<&Outgoing> = recorded.iter().filter(dealt).collect();
    assert!(!recorded.is_empty());

    // Nobody opens it, and the rest still opens; writing goes on with the new keys.
    let after = patient.open(&everything).await.unwrap();
    assert!(after.is_open() && after.records.len() < before.records.len());
    assert_eq!((before.erased, after.erased > 0), (0, true));
    let again = patient.open(&Ask { categories: psy, ..everything.clone() }).await;
    assert!(!again.is_ok_and(|opened| opened.is_open()));
    network.import(&[crate::network::shipped("yusuf-al-masri.json")]).await;
    delivered(&network, 0).await;
    network.stop_all().await;

    // With all keys that are left on all disks, no recorded box opens.
    for left in (0..of).flat_map(|place| box_keys(&network, place).held()) {
        for boxes in &recorded {
            assert!((0..of).all(|place| !boxes.opens(place, of, left.pair())), "{} opens a box", left.id());
        }
    }

    // What must be nowhere: shares, as they are and as they lay sealed; box keys; ciphertexts and random parts.
    let mut needles: HashSet<Vec<u8>> = HashSet::new();
    for key in &before_keys {
        let seed = key.pair().to_seed();
        let forms = [
            seed.to_vec(),
            hex::encode(*seed).into_bytes(),
            hex::encode_upper(*seed).into_bytes(),
            general_purpose::STANDARD_NO_PAD.encode(*seed).into_bytes(),
        ];
        needles.extend(forms.iter().flat_map(|form| form.chunks_exact(WINDOW)).map(<[u8]>::to_vec));
    }
    for (place, held) in held.iter().enumerate() {
        let left = shares(&network, place);
        for id in &gone {
            let share = share_of(held, id).unwrap();
            assert!(share_of(&left, id).is_none(), "{place} still holds a share");
            needles.extend(share.chunks(WINDOW).map(<[u8]>::to_vec));
        }
        for (name, sealed) in &held.sealed {
            if left.sealed.get(name) != Some(sealed) {
                needles.insert(sealed[..WINDOW].to_vec());
            }
        }
    }
    let mut records = 0;
    for (root, parts) in &parts {
        let manifest = envelope::Manifest::read(*root, &parts.ciphertexts).unwrap();
        for at in 0..manifest.entries().len() {
            if !manifest.compartment_of(at).is_some_and(|id| gone.contains(id)) {
                continue;
            }
            records += 1;
            let ciphertext = &parts.ciphertexts[manifest.ciphertext_range(at).unwrap()];
            let random = &parts.randoms[manifest.random_range(at).unwrap()];
            for bytes in [ciphertext, random] {
                needles.extend(bytes.chunks_exact(WINDOW).map(<[u8]>::to_vec));
            }
        }
    }
    assert!(records > 0 && records == before.records.len() - after.records.len());
    let starts: Vec<bool> = needles.iter().fold(vec![false; 1 << 16], |mut starts, needle| {
        starts[usize::from(u16::from_be_bytes([needle[0], needle[1]]))] = true;
        starts
    });
    let (mut searched, mut found) = (0, BTreeSet::new());
    for place in 0..of {
        // Keys and all.
        for path in files(network.data(place).parent().unwrap()) {
            searched += 1;
            let bytes = fs::read(&path).unwrap();
            let hit = bytes.windows(WINDOW).any(|window| {
                starts[usize::from(u16::from_be_bytes([window[0], window[1]]))] && needles.contains(window)
            });
            if hit {
                found.insert(path);
            }
        }
    }
    println!("{records} records, {} compartments, {} needles, {searched} files", gone.len(), needles.len());
    assert_eq!(found, BTreeSet::new());

    // The nodes start again with what is left.
    network.start_all().await;
    assert_eq!(patient.open(&everything).await.unwrap().records.len(), after.records.len());
}
