//! This file is where nodes go away and come back: the chain goes on, and nothing is lost.

use crate::network::{ADAMS, Network, shipped, until};
use client::{
    keys::load_signing,
    open::Ask,
    wire::{Fetch, FetchPack, FindTx, Hold, HoldWrite},
};
use horkos_node::{ServeError, StartError};
use ledger::{consent::Purpose, governance::Params};
use primitives::Span;
use std::fs;

/// Whether a node itself holds a pack.
async fn holds(network: &Network, place: usize, pack: primitives::PackRoot) -> Option<()> {
    let key = network.client(ADAMS).await.actor().key().unwrap().clone();
    let parts =
        network.caller(place, key).call::<FetchPack>(&Fetch { pack, local: true, head: false }).await.ok()?;
    envelope::Pack::verify(pack, &parts.ciphertexts, &parts.randoms).ok().map(drop)
}

async fn stop(network: &mut Network, place: usize) {
    network.nodes[place].take().unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_nodes_come_back_and_nothing_is_lost() {
    let mut network = Network::running(Params::default()).await;
    let (chart, _) = network.import_patient("fionnuala-o-dalaigh.json").await;
    let adams = network.client(ADAMS).await;
    let ask = Ask::all(chart, Purpose::Treatment);
    let records = adams.open(&ask).await.unwrap().records.len();

    // Without one, writes and reads go on.
    stop(&mut network, 3).await;
    let imported = network.import(&[shipped("yusuf-al-masri.json")]).await;
    let missed = imported.iter().find(|one| !one.directory).unwrap();
    assert_eq!(adams.open(&ask).await.unwrap().records.len(), records);
    let height = network.status(0).await.unwrap().height;

    // It comes back, catches up, and fetches what it missed.
    network.start(3).await;
    network.all_at(height).await;
    until("the missed pack", async || holds(&network, 3, missed.pack.unwrap()).await).await;

    // All stop; all come back with the same receipts, logs and records.
    let key = adams.actor().key().unwrap().clone();
    let log = adams.log(chart, 0).await.unwrap();
    let mut receipts = Vec::new();
    for line in &log {
        receipts.push(network.caller(1, key.clone()).call::<FindTx>(&line.logged.tx).await.unwrap().unwrap());
    }
    let height = network.status(0).await.unwrap().height;
    network.stop_all().await;
    network.start_all().await;
    network.all_at(height).await;
    for place in 0..network.nodes.len() {
        let node = network.caller(place, key.clone());
        for receipt in &receipts {
            assert_eq!(node.call::<FindTx>(&receipt.tx).await.unwrap().as_ref(), Some(receipt), "{place}");
        }
    }
    let again = adams.log(chart, 0).await.unwrap();
    assert_eq!(again[..log.len()], log[..]);
    assert_eq!(adams.open(&ask).await.unwrap().records.len(), records);
    assert!(network.status(0).await.unwrap().height > height);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_damaged_pack_is_served_from_another_member() {
    let network = Network::running(Params::default()).await;
    let imported = network.import(&[shipped("fionnuala-o-dalaigh.json")]).await;
    let pack = imported.iter().find(|one| !one.directory).unwrap().pack.unwrap();
    let key = network.client(ADAMS).await.actor().key().unwrap().clone();
    until("the pack everywhere", async || {
        for place in 0..network.nodes.len() {
            holds(&network, place, pack).await?;
        }
        Some(())
    })
    .await;
    let fetch = Fetch { pack, local: false, head: false };
    let good = network.caller(1, key.clone()).call::<FetchPack>(&fetch).await.unwrap();
    let name = pack.to_string();
    let parts: Vec<_> = crate::network::files(&network.data(1).join("packs"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(&name))
        .collect();
    assert!(!parts.is_empty(), "no file is named after the pack");
    for path in parts {
        let bytes = fs::read(&path).unwrap();
        for at in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            let served = network.caller(1, key.clone()).call::<FetchPack>(&fetch).await.unwrap();
            assert_eq!(served, good, "byte {at} of {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_nobody_erased_must_not_be_zeroed() {
    let network = Network::running(Params::default()).await;
    let imported = network.import(&[shipped("fionnuala-o-dalaigh.json")]).await;
    let one = imported.iter().find(|one| !one.directory).unwrap();
    let (chart, pack) = (one.chart, one.pack.unwrap());
    let key = network.client(ADAMS).await.actor().key().unwrap().clone();
    crate::rotating::delivered(&network, 0).await;
    let fetch = |local| Fetch { pack, local, head: false };
    let good = network.caller(0, key.clone()).call::<FetchPack>(&fetch(true)).await.unwrap();
    let erasure = envelope::Manifest::read(pack, &good.ciphertexts).unwrap().erasure(0).unwrap();
    let mut zeroed = good.clone();
    assert!(erasure.apply(&mut zeroed.ciphertexts, &mut zeroed.randoms));
    // As a pack by itself, it is a good one of which a record was erased.
    envelope::Pack::verify(pack, &zeroed.ciphertexts, &zeroed.randoms).unwrap();

    // A holder that zeroed a record without being asked to.
    let held: Vec<_> = crate::network::files(&network.data(1).join("packs"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(&pack.to_string()))
        .collect();
    let part = |whole: &[u8]| {
        held.iter().find(|path| fs::read(path).unwrap().windows(whole.len()).any(|found| found == whole))
    };
    let files = [part(&good.ciphertexts).unwrap().clone(), part(&good.randoms).unwrap().clone()];
    let before: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    for (path, (whole, without)) in
        files.iter().zip([(&good.ciphertexts, &zeroed.ciphertexts), (&good.randoms, &zeroed.randoms)])
    {
        let mut bytes = fs::read(path).unwrap();
        let at = bytes.windows(whole.len()).position(|found| found == whole.as_slice()).unwrap();
        bytes[at..at + whole.len()].copy_from_slice(without);
        fs::write(path, bytes).unwrap();
    }
    // It doesn't pass as what the member holds; asked for the pack, the node serves a whole one, and has mended its own.
    let node = network.caller(1, key.clone());
    let refused = node.call::<FetchPack>(&fetch(true)).await.unwrap_err();
    assert!(refused.to_string().contains("is zeroed"), "{refused}");
    assert_eq!(node.call::<FetchPack>(&fetch(false)).await.unwrap(), good);
    assert_eq!(node.call::<FetchPack>(&fetch(true)).await.unwrap(), good);
    for (path, before) in files.iter().zip(&before) {
        assert_eq!(&fs::read(path).unwrap(), before, "{}", path.display());
    }

    // Nobody signs for holding such a copy.
    let org = load_signing(&network.configs[0].keys.join("organisation.key"), |_| None).unwrap();
    let keep_until = network.status(1).await.unwrap().time.plus(Span::secs(60));
    let writer = network.configs[0].org.clone();
    let hold = Hold { writer, chart, pack, keep_until, parts: good, dealt: None };
    let as_writer = network.caller(1, org);
    as_writer.call::<HoldWrite>(&hold).await.unwrap();
    let refused = as_writer.call::<HoldWrite>(&Hold { parts: zeroed, ..hold }).await.unwrap_err();
    assert!(refused.to_string().contains("is zeroed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_status_counts_packs_that_not_all_members_store() {
    let mut network = Network::running(Params::default()).await;
    stop(&mut network, 3).await;
    let imported = network.import(&[shipped("yusuf-al-masri.json")]).await;
    // Each claim adds a pack: the owner's own audit compartment.
    let claimed = imported.iter().filter(|one| one.profile.is_some()).count();
    let written = (imported.len() + claimed) as u64;
    let below =
        async |network: &Network, place| network.status(place).await.map(|status| status.packs_below_n);
    for place in 0..3 {
        until("the count below n", async || below(&network, place).await.filter(|n| *n == written)).await;
        assert_eq!(network.status(place).await.unwrap().packs_missing, 0);
    }
    // A node that starts anew counts them from its log.
    stop(&mut network, 2).await;
    network.start(2).await;
    until("the count below n", async || below(&network, 2).await.filter(|n| *n == written)).await;
    network.start(3).await;
    for place in 0..4 {
        until("all at n", async || below(&network, place).await.filter(|n| *n == 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_what_a_node_can_not_start_with_is_named() {
    let mut network = Network::running(Params::default()).await;
    stop(&mut network, 2).await;

    let taken = std::net::TcpListener::bind(network.configs[2].rpc).unwrap();
    let error = network.try_start(2).await.err().unwrap();
    assert!(matches!(error, StartError::Serve(ServeError::Listen { .. })), "{error}");
    drop(taken);

    let other = Network::laid_out(Params::default());
    let own = network.configs[2].clone();
    network.configs[2].genesis = other.configs[2].genesis.clone();
    let error = network.try_start(2).await.err().unwrap();
    assert!(matches!(error, StartError::NotAMember(_)), "{error}");
    network.configs[2] = other.configs[2].clone();
    network.configs[2].data = own.data.clone();
    let error = network.try_start(2).await.err().unwrap();
    assert!(matches!(error, StartError::Store(store::OpenError::OtherNetwork { .. })), "{error}");

    // None of these hurt it.
    network.configs[2] = own;
    network.start(2).await;
    let height = network.status(0).await.unwrap().height;
    network.all_at(height).await;
}
