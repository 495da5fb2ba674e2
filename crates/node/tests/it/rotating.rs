//! This file is where a trustee's box key is replaced while the network runs: what was dealt to the earlier one still
//! arrives, and a node that lost the key says so.

use crate::network::{ADAMS, BAKER, Network, shipped, until};
use borsh::BorshDeserialize;
use client::{
    keys::{Lock, load_signing, save_box},
    wire::{BoxKeyRotated, Code, RotateBoxKey},
};
use envelope::{Dealing, OpenKey, Threshold};
use horkos_node::{BoxKeys, StartError, Vault};
use ledger::governance::{self, Params};
use primitives::{ChartId, Hash, Millis, PackRoot, Span};
use std::{fs, path::PathBuf, sync::Arc};

/// A write on its way out, as the writer's node keeps it: what somebody who listens on the network gets to see.
#[derive(BorshDeserialize)]
pub(crate) struct Outgoing {
    _chart: ChartId,
    _pack: PackRoot,
    _keep_until: Millis,
    pub(crate) dealt: Option<(Dealing, Vec<Vec<u8>>)>,
}

impl Outgoing {
    /// Whether `key` opens the box of the trustee at `place`.
    pub(crate) fn opens(&self, place: usize, of: usize, key: &OpenKey) -> bool {
        let (dealing, boxes) = self.dealt.as_ref().unwrap();
        let number = |n: usize| u16::try_from(n).unwrap();
        let threshold = Threshold::new(number(of - (of - 1) / 3), number(of)).unwrap();
        let index = number(place + 1);
        envelope::accept(&mut rand::rng(), dealing, threshold, index, key, &boxes[place]).is_ok()
    }
}

/// All dealings that the node at `place` still has to deliver.
pub(crate) fn outgoing(network: &Network, place: usize) -> Vec<Outgoing> {
    let config = &network.configs[place];
    let key = load_signing(&config.keys.join("vault.key"), |_| None).unwrap();
    let vault = Vault::open(&config.data.join("vault"), &key.to_seed()).unwrap();
    let files = vault.list("outbox").unwrap();
    let opened = files.iter().map(|file| vault.get("outbox", file).unwrap().unwrap());
    let all = opened.map(|bytes| primitives::decode::<Outgoing>(&bytes).unwrap());
    all.filter(|outgoing| outgoing.dealt.is_some()).collect()
}

/// Waits until all that the node at `place` wrote is held by all.
pub(crate) async fn delivered(network: &Network, place: usize) {
    until("delivery", async || network.status(place).await.filter(|status| status.writes_pending == 0)).await;
}

pub(crate) fn box_keys(network: &Network, place: usize) -> BoxKeys {
    BoxKeys::load(&network.configs[place].keys, |_| None).unwrap()
}

async fn rotate(network: &Network, place: usize) -> BoxKeyRotated {
    let key = load_signing(&network.configs[place].keys.join("organisation.key"), |_| None).unwrap();
    let node = network.caller(place, key);
    // A node that was just started may still be catching up.
    until("the rotation", async || node.call_within::<RotateBoxKey>(&(), Span::secs(60)).await.ok()).await
}

fn box_files(network: &Network, place: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(&network.configs[place].keys).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("trustee")).collect()
}

async fn stop(network: &mut Network, place: usize) {
    network.nodes[place].take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_box_key_is_replaced_and_what_is_under_way_arrives() {
    let mut network = Network::running(Params::default()).await;
    let of = network.nodes.len();
    let first: Arc<_> = box_keys(&network, 3).held().remove(0);

    // Dealt to the first key, while its trustee is away.
    stop(&mut network, 3).await;
    network.import(&[shipped("yusuf-al-masri.json")]).await;
    let under_way = outgoing(&network, 0);
    assert!(!under_way.is_empty() && under_way.iter().all(|one| one.opens(3, of, first.pair())));
    stop(&mut network, 0).await;

    // It comes back and gets a second key before the writer comes back and delivers.
    network.start(3).await;
    let BoxKeyRotated { key: second, done } = rotate(&network, 3).await;
    assert_ne!(second, *first.id());
    let status = network.status(3).await.unwrap();
    assert!(status.height >= done.height && status.box_key_held && status.box_keys_other == 1);
    network.start(0).await;
    delivered(&network, 0).await;

    // Writers deal to the key in force, with which the trustee also starts again.
    stop(&mut network, 3).await;
    network.import(&[shipped("sora-nakamura-bright.json")]).await;
    let second = box_keys(&network, 3).find(&second).unwrap();
    let under_way = outgoing(&network, 0);
    assert!(!under_way.is_empty());
    for one in &under_way {
        assert!(one.opens(3, of, second.pair()) && !one.opens(3, of, first.pair()));
    }
    network.start(3).await;
    delivered(&network, 0).await;

    // Nobody else may ask for it, and nobody may name a key that the node doesn't hold.
    let foreign = load_signing(&network.configs[0].keys.join("organisation.key"), |_| None).unwrap();
    for stranger in [foreign, network.client(BAKER).await.actor().key().unwrap().clone()] {
        let refused = network.caller(3, stranger).call::<RotateBoxKey>(&()).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::Forbidden), "{refused}");
    }
    let unheld = OpenKey::generate(&mut rand::rng()).public().as_bytes().to_vec();
    let act = governance::RotateBoxKey { box_key: unheld.try_into().unwrap() };
    let refused = network.client(ADAMS).await.order(act).await.unwrap_err();
    assert!(refused.to_string().contains("rotate-box-key"), "{refused}");

    // Without the key in force it doesn't start, and says which key is missing and what to do.
    stop(&mut network, 3).await;
    let aside = network.home.path().join("aside");
    fs::create_dir(&aside).unwrap();
    for path in box_files(&network, 3) {
        fs::rename(&path, aside.join(path.file_name().unwrap())).unwrap();
    }
    let wrong = OpenKey::generate(&mut rand::rng());
    save_box(&network.configs[3].keys.join("trustee.key"), &wrong, &Lock::Plain).unwrap();
    let error = network.try_start(3).await.err().unwrap();
    let StartError::BoxKey { in_force, held, .. } = &error else { panic!("{error}") };
    assert_eq!((in_force, held.len()), (second.id(), 1));
    let said = error.to_string();
    for part in [second.id().to_string().as_str(), &held[0].to_string(), "--without-box-key"] {
        assert!(said.contains(part), "{said}");
    }

    // Lost for good: what comes meanwhile waits, a third key takes its place, and the second still helps when it is found.
    network.start_without_box_key(3).await;
    assert!(!network.status(3).await.unwrap().box_key_held);
    network.import(&[shipped("ylva-gardarsdottir.json")]).await;
    let BoxKeyRotated { key: third, .. } = rotate(&network, 3).await;
    let ids: [&Hash; 3] = [first.id(), second.id(), &held[0]];
    assert!(!ids.contains(&&third));
    assert!(network.status(3).await.unwrap().box_key_held);
    assert!(network.status(0).await.unwrap().writes_pending > 0);
    stop(&mut network, 3).await;
    let found = format!("trustee-{}.key", second.id());
    fs::rename(aside.join(&found), network.configs[3].keys.join(&found)).unwrap();
    network.start(3).await;
    delivered(&network, 0).await;
}
