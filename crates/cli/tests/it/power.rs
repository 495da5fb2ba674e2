//! This file is where the power fails: a node comes up again over what a drive may have kept of what wasn't synced yet.
//!
//! A node is paused twice, a moment apart, and its files are read both times. What differs between the two was in flight
//! around the second moment; each sector of it may have reached the drive or not. That takes away more than a power loss
//! can, as some of the difference was synced meanwhile: then the node may refuse to go on, in plain words, but it may
//! never tell another history than before. Over the files of one instant, which is what kill -9 leaves, it must go on.

use crate::{
    image::Image,
    kill::{agree, below, seeded},
    nodes::{Member, Network, Running, until},
    run::horkos,
    stream::{Account, Streams, assert_knows},
};
use client::wire::Final;
use rand_chacha::ChaCha8Rng;
use std::{fs, path::PathBuf, process::ExitStatus, sync::Arc, thread, time::Duration};

const PATIENTS: [&str; 2] = ["boleslaw-krzyzanowski.json", "sora-nakamura-bright.json"];

/// The parts of a data directory that are written all the time.
const ENGINE: &str = "engine";
const LEDGER: &str = "ledger";

/// What is in flight between two moments of a node.
struct Flight {
    /// Receipts that were out at the first moment.
    receipts: Vec<Final>,
    marker: Vec<u8>,
    synced: Image,
    written: Image,
}

impl Flight {
    fn seen(member: &Member, running: &Running, streams: &Streams, rng: &mut ChaCha8Rng) -> Self {
        let receipts = streams.acknowledged();
        let dir = &member.dir.join("data");
        running.pause();
        let synced = Image::of(dir);
        let marker = fs::read(marker(member)).unwrap();
        running.go_on();
        thread::sleep(Duration::from_millis(5 + below(rng, 60) as u64));
        running.pause();
        let written = Image::of(dir);
        running.go_on();
        Self { receipts, marker, synced, written }
    }

    /// What is left of it, and in words what was taken.
    fn torn(&self, turn: usize, rng: &mut ChaCha8Rng) -> (Image, String) {
        let lost = [5, 50, 95][below(rng, 3)];
        let (parts, image): (&str, Image) = match turn % 3 {
            0 => (ENGINE, self.synced.torn(&self.written, ENGINE, lost, rng)),
            1 => (LEDGER, self.synced.torn(&self.written, LEDGER, lost, rng)),
            _ => ("both", self.synced.torn(&self.written, "", lost, rng)),
        };
        let differing = self.synced.differing(&self.written, "");
        (image, format!("{differing} files in flight, {lost} of 100 sectors lost in {parts}"))
    }
}

/// Where it is noted what the validator has signed; synced each time before it is relied on.
fn marker(member: &Member) -> PathBuf {
    member.dir.join("validator.marker")
}

/// Starts the node over an image and waits until it has executed `height`; if it refuses or stops, its last words.
async fn start_over(
    network: &Network,
    place: usize,
    (image, noted): (&Image, &[u8]),
    height: u64,
) -> Result<Running, String> {
    let member = &network.members[place];
    image.write(&member.dir.join("data"));
    fs::write(marker(member), noted).unwrap();
    let mut command = horkos(network.home.path());
    command.args(["node", "start", "--config"]).arg(network.config(place));
    let mut running = Running::try_start(&mut command, &member.dir).map_err(last_words)?;
    let there = until("the node goes on or ends", async || match network.status(place).await {
        Some(status) if status.height >= height => Some(true),
        Some(_) => None,
        None => running.is_over().then_some(false),
    })
    .await;
    if there { Ok(running) } else { Err(last_words(running.ended())) }
}

/// Why it ended: with a status of its own, and in words.
fn last_words((status, said): (ExitStatus, String)) -> String {
    let last = said.lines().last().unwrap_or_default();
    let known = matches!(status.code(), Some(1 | 7 | 8));
    let named = ["damaged", "journal", "archive", "could vote twice"].iter().any(|word| last.contains(word));
    assert!(known && named && last.starts_with("horkos: "), "{status}: {said}");
    format!("status {}: {last}", status.code().unwrap_or_default())
}

/// What kill -9 left.
fn left(member: &Member) -> (Image, Vec<u8>) {
    (Image::of(&member.dir.join("data")), fs::read(marker(member)).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_node_alone_comes_back_from_a_power_loss_or_says_why_not() {
    let mut rng = seeded();
    let network = Arc::new(Network::of(1));
    let running = network.start(0);
    let mut accounts = Vec::new();
    for patient in network.import(&PATIENTS) {
        accounts.push(Account::open(&network, &patient).await);
    }
    let streams = Streams::start(&network, accounts);
    streams.more(10 + below(&mut rng, 20)).await;
    let flight = Flight::seen(&network.members[0], &running, &streams, &mut rng);
    running.kill();
    let mut accounts = streams.stop().await;
    let (killed, noted) = left(&network.members[0]);
    let newest = flight.receipts.iter().map(|done| done.height).max().unwrap_or(0);
    let (mut resumed, mut refused) = (0, 0);
    for turn in 0..6 {
        let (image, words) = flight.torn(turn, &mut rng);
        match start_over(&network, 0, (&image, &flight.marker), newest).await {
            Ok(node) => {
                resumed += 1;
                println!("{words}: it goes on");
                assert_knows(&network, 0, &flight.receipts).await;
                node.kill();
            }
            Err(why) => {
                refused += 1;
                println!("{words}: {why}");
            }
        }
    }
    println!("{resumed} went on, {refused} refused");

    // Over what kill -9 left it goes on, with every receipt.
    let running = start_over(&network, 0, (&killed, &noted), newest).await.unwrap();
    for account in &mut accounts {
        account.settle(&network).await;
        account.check(&network, 0).await;
    }
    assert!(running.terminate().0.success());
    agree(&network);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_node_among_others_never_diverges_after_a_power_loss() {
    let mut rng = seeded();
    let network = Arc::new(Network::of(4));
    let mut running = network.start_all();
    let mut accounts = Vec::new();
    for patient in network.import(&PATIENTS) {
        accounts.push(Account::open(&network, &patient).await);
    }
    let streams = Streams::start(&network, accounts);
    let victim = below(&mut rng, running.len());
    let other = (victim + 1) % network.members.len();
    let mut node = Some(running.remove(victim));
    for turn in 0..4 {
        streams.more(5 + below(&mut rng, 10)).await;
        let Some(mut alive) = node.take() else { break };
        if alive.is_over() {
            println!("node {victim} stopped later: {}", last_words(alive.ended()));
            break;
        }
        let flight = Flight::seen(&network.members[victim], &alive, &streams, &mut rng);
        alive.kill();
        let (killed, noted) = left(&network.members[victim]);
        let (image, words) = flight.torn(turn, &mut rng);
        let height = network.at(other, 1).await.height;
        node = match start_over(&network, victim, (&image, &flight.marker), height).await {
            Ok(node) => {
                println!("node {victim}, {words}: it goes on");
                Some(node)
            }
            Err(why) => {
                println!("node {victim}, {words}: {why}");
                Some(start_over(&network, victim, (&killed, &noted), height).await.unwrap())
            }
        };
    }
    let mut accounts = streams.stop().await;
    let alive = (0..network.members.len()).filter(|place| *place != victim);
    for account in &mut accounts {
        account.settle(&network).await;
        for place in alive.clone() {
            account.check(&network, place).await;
        }
    }
    for node in running {
        assert!(node.terminate().0.success());
    }
    drop(node);
    agree(&network);
}
