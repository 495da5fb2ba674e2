//! This file is where a process with a key that no genesis file names tries to take part in a network.

use crate::{
    nodes::{Member, Network, Running, done, told},
    run::{horkos, run},
};
use std::{fs, path::Path};

/// A network of its own whose genesis file names the members' true keys, but for the last: what a stranger can make who
/// knows all that is public. Its configuration says that it is that member, at that member's address.
fn impostor(network: &Network) -> std::path::PathBuf {
    let home = network.home.path();
    let Member { org, dir, .. } = &network.members[3];
    let own = home.join("own");
    let made = told(home, &format!("network init --dir ~/own --demo --org {org}:provider --port 9000"));
    assert!(made["network"].is_string());
    let read =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut genesis = read(&home.join("net/genesis.json"));
    genesis["members"][3] = read(&own.join("genesis.json"))["members"][0].clone();
    fs::write(own.join("genesis.json"), genesis.to_string()).unwrap();
    let config = fs::read_to_string(dir.join("node.toml")).unwrap();
    fs::write(own.join(org.to_string()).join("node.toml"), config).unwrap();
    own.join(org.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_node_with_an_unknown_key_is_let_in_nowhere() {
    let network = Network::of(4);
    let three: Vec<Running> = (0..3).map(|place| network.start(place)).collect();
    network.at(0, 1).await;

    // With the network's genesis file it doesn't even start.
    let dir = impostor(&network);
    let home = network.home.path();
    let config = fs::read_to_string(dir.join("node.toml")).unwrap();
    let honest = config.replacen("../genesis.json", "../../net/genesis.json", 1);
    assert_ne!(config, honest);
    fs::write(dir.join("honest.toml"), honest).unwrap();
    let refused = run(home, &format!("node start --config {}", dir.join("honest.toml").display()));
    assert_eq!(refused.status, 9, "{}", refused.stderr);
    assert!(refused.stderr.contains("its keys are not those of the genesis file"), "{}", refused.stderr);

    // With one of its own it runs, listens where the fourth is expected, knocks at the others, and stays alone.
    let mut command = horkos(home);
    let stranger =
        Running::start(command.args(["node", "start", "--config"]).arg(dir.join("node.toml")), &dir);
    let height = network.at(0, 1).await.height;
    for place in 0..3 {
        network.at(place, height + 4).await;
    }
    let own = told(home, &format!("node status --config {}", dir.join("node.toml").display()));
    assert_eq!(own["height"], 0, "{own}");
    assert_eq!(own["tip"], 0, "{own}");
    let (status, _) = stranger.terminate();
    assert_eq!(status.code(), Some(0));

    // The fourth itself is let in at the same address.
    let fourth = network.start(3);
    let height = network.at(0, 1).await.height;
    network.at(3, height).await;
    for running in three.into_iter().chain([fourth]) {
        assert_eq!(running.terminate().0.code(), Some(0));
    }
    done(home, &format!("node verify --config {}", network.config(3).display()));
}
