//! This file is where the nodes of a network are killed under load, one and all, and end cleanly when they are told to.

use crate::{
    nodes::{Network, Running, done},
    stream::{Account, Streams},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use std::{sync::Arc, time::Duration};
use store::{Identity, Store};

const ROUNDS: usize = 2;

/// What an operator's service manager allows is a minute; a node must need far less.
const END_WITHIN: Duration = Duration::from_secs(20);

const PATIENTS: [&str; 4] = [
    "boleslaw-krzyzanowski.json",
    "sora-nakamura-bright.json",
    "torvald-stahlberg.json",
    "winifred-featherstonehaugh.json",
];

/// A seed that a failure names, and that `HORKOS_SEED` replays as far as the machine allows.
pub(crate) fn seeded() -> ChaCha8Rng {
    let seed = std::env::var("HORKOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("HORKOS_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// A number below `bound`.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    rng.next_u32() as usize % bound
}

/// Nodes that have stopped: all of what each stores verifies, and no two differ in any block or state.
pub(crate) fn agree(network: &Network) {
    let mut chains = Vec::new();
    for place in 0..network.members.len() {
        done(network.home.path(), &format!("node verify --config {}", network.config(place).display()));
        let dir = network.members[place].dir.join("data/ledger");
        let view = Store::open(&dir, Identity { network: network.id }).unwrap().view().unwrap();
        let height = view.height().unwrap();
        let blocks: Vec<_> =
            (1..=height).map(|height| (view.header(height).unwrap(), view.txs(height).unwrap())).collect();
        chains.push((view, blocks));
    }
    let common = chains.iter().map(|(_, blocks)| blocks.len()).min().unwrap();
    for (view, blocks) in &chains {
        assert!(blocks[..common] == chains[0].1[..common], "two nodes have different blocks");
        let root = view.state_root(common as u64).unwrap();
        assert!(root.is_some() && root == chains[0].0.state_root(common as u64).unwrap());
    }
    println!("{} nodes agree on {common} blocks", chains.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_killed_nodes_lose_nothing_and_apply_nothing_twice() {
    let mut rng = seeded();
    let network = Arc::new(Network::of(4));
    let mut running: Vec<Option<Running>> = network.start_all().into_iter().map(Some).collect();
    let mut accounts = Vec::new();
    for patient in network.import(&PATIENTS) {
        accounts.push(Account::open(&network, &patient).await);
    }
    assert_eq!(accounts.len(), PATIENTS.len());
    let mut streams = Streams::start(&network, accounts);
    streams.more(20).await;

    for round in 0..ROUNDS {
        // One: the others go on, it comes back and catches up.
        let victim = below(&mut rng, running.len());
        running[victim].take().unwrap().kill();
        streams.more(20).await;
        let height = network.at((victim + 1) % running.len(), 1).await.height;
        running[victim] = Some(network.start(victim));
        network.at(victim, height).await;
        streams.more(10).await;

        // All, at any moment.
        tokio::time::sleep(Duration::from_millis(below(&mut rng, 400) as u64)).await;
        let first = below(&mut rng, running.len());
        for turn in 0..running.len() {
            let victim = (first + turn) % running.len();
            running[victim].take().unwrap().kill();
        }
        // What has a receipt by now must be there afterwards, and what is open must be there once or not at all.
        let accounts = streams.stop().await;
        let held: usize = accounts.iter().map(Account::count).sum();
        println!("round {round}: node {victim} killed, then all with {held} receipts out");
        running = network.start_all().into_iter().map(Some).collect();
        streams = Streams::start(&network, accounts);
        streams.more(10).await;
    }

    let mut accounts = streams.stop().await;
    for account in &mut accounts {
        account.settle(&network).await;
    }
    for account in &accounts {
        for place in 0..running.len() {
            account.check(&network, place).await;
        }
    }

    // Told to end while transactions keep coming, they do.
    let streams = Streams::start(&network, accounts);
    streams.more(5).await;
    for running in running.into_iter().flatten() {
        let (status, took) = running.terminate();
        assert_eq!(status.code(), Some(0));
        assert!(took < END_WITHIN, "{took:?}");
    }
    streams.stop().await;
    agree(&network);
}
