//! This file is where the whole demonstration runs, and what it leaves behind is checked without a network.

use crate::{
    place::Place,
    run::{horkos, ran, run},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A network as `network init` makes it, not as the demonstration does: one node, stopped by a signal.
#[test]
fn heavy_staff_is_added_and_a_node_stops_on_sigterm() {
    let home = tempfile::tempdir().unwrap();
    let Place { host, port } = Place::find(2);
    let rpc = SocketAddr::new(host, port + 1);
    let init = format!("network init --dir ~/net --org alpha:provider --demo --host {host} --port {port}");
    let made = run(home.path(), &init);
    assert_eq!(made.status, 0, "{}", made.stderr);
    let profile = run(
        home.path(),
        &format!(
            "--json --profile alpha/dr-a profile new --display Ada --org alpha --node {rpc} --genesis ~/net/genesis.json"
        ),
    );
    let profile: Value = serde_json::from_str(&profile.stdout).unwrap();
    let key = profile["key"].as_str().unwrap();
    let config = "~/net/alpha/node.toml";
    let added = run(home.path(), &format!("node staff --config {config} --key {key} --role physician"));
    assert_eq!(added.status, 0, "{}", added.stderr);
    let twice = run(home.path(), &format!("node staff --config {config} --key {key} --role physician"));
    assert_eq!(twice.status, 3, "{}", twice.stderr);

    let path = home.path().join("net/alpha/node.toml");
    let mut node = horkos(home.path())
        .args(["node", "start", "--config"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(node.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(&format!("alpha answers on {rpc}")), "{line}");
    let listed = run(home.path(), "--profile alpha/dr-a chart list");
    assert_eq!(listed.status, 0, "{}", listed.stderr);
    let killed = Command::new("kill").args(["-TERM", &node.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(node.wait().unwrap().code(), Some(0));
}

#[test]
fn heavy_demo_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("demo");
    let demo =
        ran(horkos(home.path()).args(["--json", "demo", "--once", "--dir"]).arg(&dir).output().unwrap());
    assert_eq!(demo.status, 0, "{}", demo.stderr);
    let told: Value = serde_json::from_str(&demo.stdout).unwrap();
    assert_eq!(told["held"], true);
    let steps = told["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 17);
    assert!(steps.iter().all(|step| step["ended"] == "held"), "{}", demo.stdout);

    let summary = json(&dir.join("demo.json"));
    let organisations = summary["organisations"].as_array().unwrap();
    let names: Vec<&str> = organisations.iter().map(|one| one["org"].as_str().unwrap()).collect();
    assert_eq!(names, ["riverside-hospital", "lakeside-clinic", "meridian-insurance", "patient-trust"]);
    assert_eq!(summary["patients"].as_array().unwrap().len(), 9);
    let profiles: Vec<&str> = organisations
        .iter()
        .flat_map(|one| one["profiles"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    for profile in ["riverside/dr-adams", "lakeside/dr-baker", "meridian/clerk"] {
        assert!(profiles.contains(&profile), "{profiles:?}");
    }

    // What is left verifies, without any node.
    let verified = run(home.path(), "--json verify ~/demo/history.json --genesis ~/demo/genesis.json");
    assert_eq!(verified.status, 0, "{}", verified.stderr);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(verified["verified"], true);
    assert!(verified["erased"].as_u64().unwrap() > 0);
    for org in names {
        let walked = run(home.path(), &format!("--json node verify --config ~/demo/{org}/node.toml"));
        assert_eq!(walked.status, 0, "{org}: {}", walked.stderr);
    }
    bad_copies(home.path());
    backup(home.path());
}

/// Copies of the exported history that were changed, and another network's genesis file.
fn bad_copies(home: &Path) {
    let history = fs::read_to_string(home.join("demo/history.json")).unwrap();
    fs::write(home.join("name.json"), history.replacen("Fionnuala", "Fionnuals", 1)).unwrap();
    fs::write(home.join("cut.json"), &history[..history.len() / 2]).unwrap();
    let other = run(home, "network init --dir ~/other --org riverside:provider --demo --port 7850");
    assert_eq!(other.status, 0, "{}", other.stderr);
    for (line, words) in [
        ("verify ~/name.json --genesis ~/demo/genesis.json", "isn't the resource that was written"),
        ("verify ~/cut.json --genesis ~/demo/genesis.json", "malformed JSON"),
        ("verify ~/demo/history.json --genesis ~/other/genesis.json", "the export is of network"),
    ] {
        let ran = run(home, line);
        assert_eq!(ran.status, 7, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{line}: {}", ran.stderr);
    }
}

/// A backup comes back and verifies; the validator doesn't start over it.
fn backup(home: &Path) {
    let config = "~/demo/patient-trust/node.toml";
    let ran = run(home, &format!("node backup --config {config} --out ~/backup"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let data = home.join("demo/patient-trust/data");
    fs::rename(&data, home.join("lost")).unwrap();
    let ran = run(home, &format!("node restore --config {config} --from ~/backup"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(run(home, &format!("node verify --config {config}")).status, 0);
    let started = run(home, &format!("node start --config {config}"));
    assert_eq!(started.status, 8, "{}", started.stderr);
    assert!(started.stderr.contains("could vote twice"), "{}", started.stderr);
    let pack = first_file(&data.join("packs"), "ct");
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let walked = run(home, &format!("node verify --config {config}"));
    assert_eq!(walked.status, 7, "{}", walked.stdout);
    assert!(walked.stdout.contains("DAMAGE"), "{}", walked.stdout);
}

fn first_file(dir: &Path, extension: &str) -> std::path::PathBuf {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                return path;
            }
        }
    }
    panic!("there is no pack in {}", dir.display());
}
