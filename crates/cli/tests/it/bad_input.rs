//! This file is where every kind of bad input has its words and its exit status.

use crate::run::{horkos, ran, run};
use std::{fs, net::TcpListener, path::Path};

/// Runs each line of a table `command line | status | part of the message`.
fn check(home: &Path, cases: &str) {
    for case in cases.lines().map(str::trim).filter(|case| !case.is_empty()) {
        let mut parts = case.split(" | ");
        let (line, status, words) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let ran = run(home, line);
        assert_eq!(ran.status.to_string(), status.trim(), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(words.trim()), "{line}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{line} wrote data: {}", ran.stdout);
    }
}

#[test]
fn lines_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    check(
        home.path(),
        "
        nonsense | 2 | unrecognized subcommand
        open | 2 | <CHART>
        open abcd --purpose CURIOSITY | 2 | is not a purpose of use
        open abcd --purpose TREAT --break-glass | 2 | --reason
        consent grant abcd --to A_B --purpose TREAT | 2 | names no grantee
        consent grant abcd --to lakeside-clinic | 2 | --purpose
        consent revoke abcd | 2 | <DIRECTIVE>
        erase abcd | 2 | --all
        erase abcd --all --category PSY | 2 | cannot be used with
        erase abcd --record x:1 | 2 | names no records
        demo --validators 0 | 2 | 0 is not in 1..=7
        demo --validators 8 | 2 | 8 is not in 1..=7
        tx consent.grunt | 2 | unrecognized subcommand
        help nothing | 2 | no command
        network init --dir ~/n --org riverside:doctor | 2 | no kind of organisation
        ",
    );
}

#[test]
fn profiles_keys_and_ids() {
    let home = tempfile::tempdir().unwrap();
    check(
        home.path(),
        "
        chart list | 9 | who acts?
        open abcd | 9 | who acts?
        --profile adams chart list | 9 | is no profile name
        --profile riverside/dr-adams chart list | 9 | there are: none
        open abcd --purpose TREAT --category NOPE | 3 | is no category
        consent grant abcd --to lakeside-clinic --purpose TREAT --category all,PSY | 2 | stands alone
        consent grant abcd --to lakeside-clinic --purpose TREAT --until yesterday | 3 | is no time
        tx schema nothing.such | 3 | is no kind of transaction
        tx consent.grant --chart 00 | 3 | consent.grant:
        verify ~/missing.json --genesis ~/missing.json | 3 | genesis file
        node start --config ~/missing.toml | 3 | cannot read
        node verify --config ~/missing.toml | 3 | cannot read
        network show ~/missing.json | 3 | No such file
        network init --dir ~/net --org a:provider --org a:insurer --demo | 3 | is named twice
        network init --dir ~/net --org a:provider | 9 | new keys need a passphrase
        demo --import ~/missing | 3 | No such file
        ",
    );
    assert!(!home.path().join("net").exists(), "nothing is half-written");
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let made = run(
        home,
        "network init --dir ~/net --org riverside:provider --org lakeside:provider --demo --port 7800",
    );
    assert_eq!(made.status, 0, "{}", made.stderr);
    fs::write(home.join("junk.json"), "{}").unwrap();
    fs::write(home.join("bundle.json"), r#"{"resourceType":"Bundle","type":"collection"}"#).unwrap();
    let genesis = fs::read_to_string(home.join("net/genesis.json")).unwrap();
    fs::write(home.join("newer.json"), genesis.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let config = fs::read_to_string(home.join("net/riverside/node.toml")).unwrap();
    fs::write(home.join("net/riverside/extra.toml"), format!("surprise = 1\n{config}")).unwrap();
    fs::write(
        home.join("net/riverside/stranger.toml"),
        config.replacen("org = \"riverside\"", "org = \"stranger\"", 1),
    )
    .unwrap();
    fs::write(
        home.join("net/riverside/swapped.toml"),
        config.replacen("keys = \"keys\"", "keys = \"../lakeside/keys\"", 1),
    )
    .unwrap();
    fs::create_dir_all(home.join("net/riverside/foreign/ledger")).unwrap();
    fs::write(home.join("net/riverside/foreign/ledger/diary.txt"), "dear diary").unwrap();
    fs::write(
        home.join("net/riverside/foreign.toml"),
        config.replacen("data = \"data\"", "data = \"foreign\"", 1),
    )
    .unwrap();
    check(
        home,
        "
        network init --dir ~/net --org a:provider --demo | 8 | is not empty
        network show ~/junk.json | 3 | is no genesis file
        network show ~/newer.json | 3 | format 2
        verify ~/bundle.json --genesis ~/net/genesis.json | 7 | does not verify
        verify ~/junk.json --genesis ~/net/genesis.json | 7 | does not verify
        verify ~/bundle.json --genesis ~/net/genesis.json --checkpoint ~/junk.json | 3 | is no checkpoint
        node init --config ~/net/riverside/extra.toml | 3 | surprise
        node init --config ~/net/riverside/stranger.toml | 3 | is not a member
        node init --config ~/net/riverside/swapped.toml | 9 | are not those that the genesis file names
        node start --config ~/net/riverside/swapped.toml | 9 | keys are not those of the genesis file
        node start --config ~/net/riverside/foreign.toml | 8 | not a data directory
        node status --config ~/net/riverside/node.toml | 6 | can't be reached
        node verify --config ~/net/riverside/node.toml | 8 | has stored nothing yet
        node backup --config ~/net/riverside/node.toml --out ~/backup | 8 | holds nothing yet
        node restore --config ~/net/riverside/node.toml --from ~/nowhere | 3 | No such file
        node staff --config ~/net/riverside/node.toml --key 00 --role nurse | 2 | --key
        ",
    );
}

#[test]
fn a_port_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let made = run(dir.path(), "network init --dir ~/net --org riverside:provider --demo --port 7900");
    assert_eq!(made.status, 0, "{}", made.stderr);
    let path = dir.path().join("net/riverside/node.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("127.0.0.1:7900", &address)).unwrap();
    check(
        dir.path(),
        "
        node init --config ~/net/riverside/node.toml | 8 | is the port taken?
        node start --config ~/net/riverside/node.toml | 8 | is another node running there?
        ",
    );
}

#[test]
fn failures_are_json_where_json_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let ran = ran(horkos(home.path()).args(["--json", "chart", "list"]).output().unwrap());
    assert_eq!(ran.status, 9);
    let failure: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(failure["exit"], 9);
    assert_eq!(failure["status"], "keys");
}
