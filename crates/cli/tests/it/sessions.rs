//! This file is where a practitioner's session is over, though her machine believes that it lasts.

use crate::{
    nodes::{ADAMS, Network, Running, done, until},
    run::run,
};
use client::{
    Actor, Client, SystemHost,
    keys::{CachedSession, load_session},
    read_genesis,
};
use ledger::{
    charts::{self, Create},
    reject,
};
use primitives::Millis;
use std::{fs, path::Path, sync::Arc};

/// The kept session, if it looks usable.
fn kept(network: &Network) -> Option<CachedSession> {
    let now = client::Host::now(&SystemHost);
    load_session(network.home.path(), &ADAMS.parse().unwrap(), network.id, now)
}

/// Makes the kept session look as if it lasted an hour more; gives when it ends in truth.
fn stretch(path: &Path) -> Millis {
    let mut session = fs::read(path).unwrap();
    let at = session.len() - 8;
    let until_ms = u64::from_le_bytes(session[at..].try_into().unwrap());
    session[at..].copy_from_slice(&(until_ms + 3_600_000).to_le_bytes());
    fs::write(path, session).unwrap();
    Millis(until_ms)
}

async fn await_end(network: &Network, end: Millis) {
    until("the end of the session", async || network.status(0).await.filter(|status| status.time > end))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_session_that_is_over_is_refused_and_another_opened() {
    let network = Network::of(1);
    let home = network.home.path();
    let path = network.config(0);
    let config = fs::read_to_string(&path).unwrap();
    let short = config.replacen("session = 28800000", "session = 5000", 1);
    assert_ne!(config, short, "{config}");
    fs::write(&path, &short).unwrap();
    let list = format!("--profile {ADAMS} chart list");
    let file = home.join(format!("profiles/{ADAMS}.session"));
    let node = network.start(0);
    done(home, &list);
    let end = stretch(&file);
    let over = kept(&network).unwrap();
    await_end(&network, end).await;

    // Who goes on with it reads nothing and writes nothing.
    let genesis = Arc::new(read_genesis(&home.join("net/genesis.json")).unwrap());
    let client = Client::new(
        network.caller(0, over.key.clone()),
        Actor::Practitioner(Arc::new(over.clone())),
        network.members[0].org.clone(),
        "Ada".to_owned(),
        genesis,
        SystemHost::shared(),
    );
    let chart = primitives::ChartId(over.practitioner.0);
    let refused = client.view(|state| charts::chart(state, &chart)).await.unwrap_err();
    assert!(refused.to_string().contains("its session is over"), "{refused}");
    let refused = client.act(Create { chart, directory: false }).await.unwrap_err();
    assert_eq!(refused.reject(), Some(reject::SIGNER_UNKNOWN), "{refused}");

    // A command opens another one.
    done(home, &list);
    let end = stretch(&file);
    assert_ne!(kept(&network).unwrap().key.public(), over.key.public());

    // Unless its owner isn't on the staff list any more.
    assert!(node.terminate().0.success());
    let (without, _) = short.split_once("[[staff]]").unwrap();
    fs::write(&path, without).unwrap();
    let node: Running = network.start(0);
    await_end(&network, end).await;
    let refused = run(home, &list);
    assert_eq!(refused.status, 10, "{}", refused.stderr);
    assert!(refused.stderr.contains("ask the node's operator"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
    assert!(node.terminate().0.success());
}
