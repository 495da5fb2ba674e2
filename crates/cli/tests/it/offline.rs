//! This file is where an exported history is verified by a process that has no network, and no copy passes that was
//! tampered with.

use crate::{
    kill::{below, seeded},
    namespace::{offline, skip},
    nodes::{Network, done},
    run::{horkos_by, ran, words},
};
use client::{export::verify, read_genesis};
use serde_json::Value;
use std::fs;

/// Copies that are tried, each with one byte changed.
const CHANGES: usize = 200;

/// Another byte that may stand in the same place of a JSON text, so that no parser's complaint hides what a proof would say.
fn other(byte: u8) -> u8 {
    match byte {
        b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => byte + 1,
        b'9' => b'8',
        b'z' => b'y',
        b'Z' => b'Y',
        byte => byte ^ 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_an_export_verifies_without_a_network_and_no_changed_copy_does_or_skip() {
    let by = match offline() {
        Ok(by) => by,
        Err(why) => return skip(&format!("no network namespace: {why}")),
    };
    let network = Network::of(1);
    let home = network.home.path();
    let node = network.start(0);
    let patients = network.import(&["fionnuala-o-dalaigh.json"]);
    let patient = &patients[0].1;
    done(home, &format!("--profile {patient} export mine --out ~/history.json"));
    done(home, &format!("--profile {patient} checkpoint --out ~/checkpoint.json"));
    assert_eq!(node.terminate().0.code(), Some(0));

    let alone = |line: &str| ran(horkos_by(home, &by).args(words(home, line)).output().unwrap());
    let status = alone(&format!("node status --config {}", network.config(0).display()));
    assert_eq!(status.status, 6, "there is a network: {}", status.stderr);
    // Neither profiles nor keys are needed: an auditor has none.
    fs::rename(home.join("profiles"), home.join("elsewhere")).unwrap();
    let good =
        alone("--json verify ~/history.json --genesis ~/net/genesis.json --checkpoint ~/checkpoint.json");
    assert_eq!(good.status, 0, "{}", good.stderr);
    let good: Value = serde_json::from_str(&good.stdout).unwrap();
    assert_eq!(good["verified"], true, "{good}");
    assert!(good["resources"].as_u64().unwrap() > 10, "{good}");

    let mut rng = seeded();
    let history = fs::read(home.join("history.json")).unwrap();
    let genesis = read_genesis(&home.join("net/genesis.json")).unwrap();
    let mut passed = Vec::new();
    for turn in 0..CHANGES {
        let at = below(&mut rng, history.len());
        let mut copy = history.clone();
        copy[at] = other(copy[at]);
        if verify(&copy, &genesis, None).is_ok() {
            passed.push((at, String::from_utf8_lossy(&history[at.saturating_sub(40)..=at]).into_owned()));
        }
        if turn < 3 {
            fs::write(home.join("copy.json"), copy).unwrap();
            let refused = alone("verify ~/copy.json --genesis ~/net/genesis.json");
            assert_eq!(refused.status, 7, "byte {at}: {}", refused.stderr);
            assert!(refused.stderr.contains("does not verify"), "byte {at}: {}", refused.stderr);
        }
    }
    assert!(passed.is_empty(), "changed unnoticed: {passed:#?}");
    println!("{CHANGES} of {} bytes changed, none unnoticed", history.len());
}
