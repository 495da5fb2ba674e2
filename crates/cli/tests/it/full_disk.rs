//! This file is where the disk is full: a node stops in plain words and goes on once there is room; nothing is
//! half-written.

use crate::{
    namespace::{SmallDisk, skip},
    nodes::{ADAMS, Network, Running, done, shipped, told},
    run::{Ran, horkos, words},
};
use std::{fs, process::Stdio};

const FULL: &str = "the disk is full; free some space, then restart";

/// Room for a node and a few charts.
const NODE_KIB: usize = 64 << 10;

fn start(network: &Network, disk: &SmallDisk) -> Running {
    let mut command = disk.horkos(network.home.path());
    Running::start(
        command.args(["node", "start", "--config"]).arg(network.config(0)),
        &network.members[0].dir,
    )
}

fn assert_ran(ran: &Ran, status: i32, words: &str) {
    assert_eq!(ran.status, status, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_node_without_room_stops_and_goes_on_with_room_or_skip() {
    let network = Network::of(1);
    let home = network.home.path();
    let data = network.members[0].dir.join("data");
    fs::create_dir(&data).unwrap();
    let disk = match SmallDisk::on(&data, NODE_KIB) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no small disk: {why}")),
    };
    let config = network.config(0);
    let mut node = start(&network, &disk);
    network.import(&["fionnuala-o-dalaigh.json"]);
    let charts = told(home, &format!("--profile {ADAMS} chart list"));

    // However little is left, what runs into the end of it stops, and says so.
    for (left, bundle) in [(0, "yusuf-al-masri.json"), (100_000, "ylva-gardarsdottir.json")] {
        disk.fill(left);
        let import = format!("--profile {ADAMS} import {}", shipped(bundle).display());
        let mut importing = horkos(home);
        let importing = importing.args(words(home, &import)).stdout(Stdio::null()).stderr(Stdio::null());
        let mut importing = importing.spawn().unwrap();
        let (status, said) = node.ended();
        assert_eq!(status.code(), Some(8), "{said}");
        assert!(said.lines().last().unwrap().starts_with(&format!("horkos: {FULL}")), "{said}");
        // Who imported would ask on until what was sent has run out of time.
        importing.kill().unwrap();
        importing.wait().unwrap();

        // Nor does it start.
        disk.fill(0);
        let refused = disk.run(home, &format!("node start --config {}", config.display()));
        assert_ran(&refused, 8, FULL);

        // With room again all of it is there, and what failed can be done.
        disk.free();
        let walked = disk.run(home, &format!("node verify --config {}", config.display()));
        assert_ran(&walked, 0, "All of it verifies");
        node = start(&network, &disk);
        let after = told(home, &format!("--profile {ADAMS} chart list"));
        let known = |chart: &serde_json::Value| after.as_array().unwrap().contains(chart);
        assert!(charts.as_array().unwrap().iter().all(known), "{charts} {after}");
        done(home, &import);
    }
    assert!(node.terminate().0.success());
    let walked = disk.run(home, &format!("node verify --config {}", config.display()));
    assert_ran(&walked, 0, "All of it verifies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_commands_without_room_write_nothing_or_skip() {
    let network = Network::of(1);
    let home = network.home.path();
    let small = home.join("small");
    fs::create_dir(&small).unwrap();
    let disk = match SmallDisk::on(&small, 1 << 10) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no small disk: {why}")),
    };
    let node = network.start(0);
    let patients = network.import(&["fionnuala-o-dalaigh.json"]);
    // Names are there, room isn't.
    disk.fill(4096);
    let left = || {
        let entries = fs::read_dir(disk.path()).unwrap().flatten();
        let names: Vec<_> = entries.map(|entry| entry.file_name().display().to_string()).collect();
        names.into_iter().filter(|name| name != "ballast").collect::<Vec<String>>()
    };
    let patient = &patients[0].1;
    let export = format!("--profile {patient} export mine --out ~/small/history.json");
    assert_ran(&disk.run(home, &export), 8, "No space left on device");
    assert_eq!(left(), [""; 0]);
    assert_ran(
        &disk.run(home, "network init --dir ~/small/net --org riverside:provider --demo"),
        8,
        "No space left on device",
    );
    assert_eq!(left(), [""; 0]);
    assert!(node.terminate().0.success());
    let backup = format!("node backup --config {} --out ~/small/backup", network.config(0).display());
    assert_ran(&disk.run(home, &backup), 8, "No space left on device");
    assert_eq!(left(), [""; 0]);
    disk.free();
    assert_ran(&disk.run(home, "network init --dir ~/small/net --org riverside:provider --demo"), 0, "");
}
