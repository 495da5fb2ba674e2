//! This file is where somebody who isn't in the committee tries to take part.

use crate::{
    ledger::Ledger,
    network::{Validator, addresses, config, ledger_path, secret, wait_for},
};
use std::{io::Write as _, net::TcpStream, sync::Arc};

#[test]
fn an_unknown_key_cannot_connect() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(4);
    let three: Vec<_> = (0..3).map(|i| Validator::start(temp.path(), i, &addresses).unwrap()).collect();
    // It knows everything but a member's key, and believes itself to be the fourth member.
    let mut settings = config(&temp.path().join("stranger"), 3, &addresses);
    settings.secret = secret(77);
    settings.committee[3].key = settings.secret.public();
    let ledger = Arc::new(Ledger::open(&ledger_path(temp.path(), 3).with_extension("stranger")));
    let stranger = consensus::start(settings, ledger).unwrap();
    // Nor does noise on the port do any harm.
    for address in &addresses[..3] {
        let mut noise = TcpStream::connect(address).unwrap();
        let _ = noise.write_all(&[0xa5; 4096]);
    }
    wait_for("three go on", || three.iter().all(|validator| validator.height() >= 12));
    wait_for("they hear each other", || three.iter().all(|v| v.handle.status().peers == 2));
    let status = stranger.status();
    assert_eq!((status.tip, status.executed, status.peers), (0, 0, 0));
    stranger.stop();
    drop(stranger);

    // The fourth member itself, at the same address, is let in.
    let fourth = Validator::start(temp.path(), 3, &addresses).unwrap();
    wait_for("the fourth catches up", || fourth.height() >= 12);
    wait_for("it hears the others", || fourth.handle.status().peers == 3);
}
