//! This file is where a node finds a data directory that it must not go on with: damaged, another network's, or written by
//! a newer version.

use crate::{image::Image, nodes::Network, run::run};
use std::{fs, path::Path};

/// The newest journal of the storage engine, and where its last written byte is.
fn journal(data: &Path) -> (std::path::PathBuf, Vec<u8>, usize) {
    let entries = fs::read_dir(data.join("ledger/chain")).unwrap().flatten().map(|entry| entry.path());
    let journals = entries.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    let newest = journals
        .max_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap())
        .unwrap();
    let bytes = fs::read(&newest).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    (newest, bytes, last)
}

/// Flips a bit of the journal: in its last batch if `last`, else in the middle.
fn flip(data: &Path, last: bool) {
    let (path, mut bytes, end) = journal(data);
    // A batch ends with 13 bytes of its own; before them stands what it wrote last.
    let at = if last { end - 16 } else { end / 2 };
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_node_does_not_start_over_data_that_it_must_not_touch() {
    let network = Network::of(1);
    let home = network.home.path();
    let node = network.start(0);
    network.import(&["fionnuala-o-dalaigh.json"]);
    assert!(node.terminate().0.success());
    let dir = &network.members[0].dir;
    let good = Image::of(&dir.join("data"));
    let other = Network::of(1);

    let variant = |name: &str, change: &dyn Fn(&Path)| {
        let data = dir.join(name);
        good.write(&data);
        change(&data);
        let config = fs::read_to_string(network.config(0)).unwrap();
        let config = config.replacen("data = \"data\"", &format!("data = \"{name}\""), 1);
        fs::write(dir.join(format!("{name}.toml")), config).unwrap();
    };
    variant("head", &|data| flip(data, true));
    variant("recent", &|data| flip(data, false));
    variant("newer", &|data| {
        let path = data.join("ledger/horkos-store");
        let text = fs::read_to_string(&path).unwrap();
        let newer = text.replacen("format 2", "format 3", 1);
        assert_ne!(newer, text, "the store's format has moved");
        fs::write(path, newer).unwrap();
    });
    variant("engine-newer", &|data| {
        let path = data.join("engine/identity");
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] = 2;
        fs::write(path, bytes).unwrap();
    });
    variant("nameless", &|data| fs::write(data.join("ledger/horkos-store"), "?").unwrap());
    variant("no-engine", &|data| fs::remove_dir_all(data.join("engine")).unwrap());
    variant("no-blocks", &|data| fs::remove_dir_all(data.join("engine/engine")).unwrap());
    let config = fs::read_to_string(other.config(0)).unwrap();
    let config = config.replacen("data = \"data\"", &format!("data = \"{}\"", dir.join("data").display()), 1);
    fs::write(other.members[0].dir.join("foreign.toml"), config).unwrap();

    let own = |name: &str| dir.join(format!("{name}.toml"));
    let foreign = other.members[0].dir.join("foreign.toml");
    for (command, config, status, words) in [
        ("start", own("head"), 7, "damaged at the head: block"),
        ("verify", own("head"), 7, "was acknowledged"),
        ("start", own("recent"), 7, "jnl`: offset"),
        (
            "verify",
            own("recent"),
            7,
            "wipe the data directory and let the node fetch it again, or restore a backup",
        ),
        ("start", own("newer"), 8, "has format 3, this version reads up to 2; install the newer version"),
        ("verify", own("newer"), 8, "install the newer version"),
        (
            "start",
            own("engine-newer"),
            8,
            "has format 2, this program reads 1: use the program that wrote it",
        ),
        ("start", own("nameless"), 7, "it does not say whose data this is"),
        ("start", own("no-engine"), 8, "it could vote twice"),
        ("start", own("no-blocks"), 8, "older copy could vote twice"),
        ("start", foreign.clone(), 8, "belongs to network"),
        ("verify", foreign.clone(), 8, "name another directory or another genesis file"),
    ] {
        let refused = run(home, &format!("node {command} --config {}", config.display()));
        let what = format!("{command} {}", config.file_name().unwrap().display());
        assert_eq!(refused.status, status, "{what}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{what}: {}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{what}: {}", refused.stdout);
    }
    // None of that touched what is good.
    assert!(Image::of(&dir.join("data")) == good, "a refusal changed the data");
    let node = network.start(0);
    assert!(node.terminate().0.success());
}
