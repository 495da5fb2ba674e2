//! This file is where validators run over TCP in this process: agreement, stopping, starting, refusing.

use crate::{
    ledger::{Ledger, agree, check, continues, entries, tx},
    network::{Validator, addresses, config, ledger_path, network_id, secret, wait_for},
};
use bytes::Bytes;
use consensus::{Fault, Refused, StartError, Termination, certificate};
use futures::executor::block_on;
use std::{path::Path, sync::Arc};

fn start(root: &Path, count: usize, addresses: &[std::net::SocketAddr]) -> Vec<Validator> {
    (0..count).map(|index| Validator::start(root, index, addresses).unwrap()).collect()
}

fn all_have(validators: &[Validator], count: usize) -> bool {
    validators.iter().all(|validator| check(&validator.entries()).len() >= count)
}

#[test]
fn one_validator_alone() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(1);
    let one = Validator::start(temp.path(), 0, &addresses).unwrap();
    for n in 0..50 {
        one.handle.submit(tx(1, &format!("first {n}"))).unwrap();
    }
    wait_for("50 transactions", || check(&one.entries()).len() == 50);
    // An idle chain goes on, slowly.
    let height = one.height();
    assert!(block_on(one.handle.executed(height + 2)));
    assert_eq!(one.handle.stop(), Termination::Stopped);
    let before = one.entries();
    drop(one);

    let one = Validator::start(temp.path(), 0, &addresses).unwrap();
    one.handle.submit(tx(1, "second")).unwrap();
    wait_for("one more", || check(&one.entries()).len() == 51);
    assert_eq!(one.entries()[..before.len()], before[..]);
    let chain = block_on(one.handle.chain(1)).unwrap();
    let key = [secret(0).public()];
    certificate::verify(&chain.certificate, chain.headers.last().unwrap(), &key, network_id()).unwrap();
    assert_eq!(one.handle.stop(), Termination::Stopped);
}

#[test]
fn four_agree_and_prove() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(4);
    let four = start(temp.path(), 4, &addresses);
    for n in 0..200 {
        four[n % 4].handle.submit(tx(n as u8 % 3, &format!("tx {n}"))).unwrap();
    }
    wait_for("200 transactions everywhere", || all_have(&four, 200));
    let ledgers: Vec<_> = four.iter().map(Validator::entries).collect();
    agree(&ledgers);

    let keys: Vec<_> = (0..4).map(|index| secret(index).public()).collect();
    for height in 1..=ledgers[0].len() as u64 {
        let chain = block_on(four[1].handle.chain(height)).unwrap();
        assert_eq!(chain.headers[0].hash(), ledgers[0][height as usize - 1].block);
        for pair in chain.headers.windows(2) {
            assert_eq!(pair[1].parent, pair[0].hash());
        }
        let last = chain.headers.last().unwrap();
        certificate::verify(&chain.certificate, last, &keys, network_id()).unwrap();
    }
    // The roots of the last block with transactions become final by themselves.
    let full = ledgers[0].iter().rev().find(|entry| !entry.txs.is_empty()).unwrap().height;
    wait_for("its root", || four.iter().all(|v| v.entries().last().unwrap().executed.height >= full));
    for validator in &four {
        assert_eq!(validator.handle.stop(), Termination::Stopped);
    }
}

#[test]
fn one_stops_and_catches_up_then_all_resume() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(4);
    let mut four = start(temp.path(), 4, &addresses);
    let submit = |validators: &[Validator], range: std::ops::Range<usize>| {
        for n in range {
            validators[n % validators.len()].handle.submit(tx(1, &format!("tx {n}"))).unwrap();
        }
    };
    submit(&four, 0..40);
    wait_for("40 transactions", || all_have(&four, 40));
    let stopped = four.pop().unwrap();
    assert_eq!(stopped.handle.stop(), Termination::Stopped);
    drop(stopped);
    submit(&four, 40..80);
    wait_for("three go on", || all_have(&four, 80));
    four.push(Validator::start(temp.path(), 3, &addresses).unwrap());
    wait_for("the fourth catches up", || all_have(&four, 80));
    submit(&four, 80..120);
    wait_for("all four", || all_have(&four, 120));
    four.iter().for_each(|validator| assert_eq!(validator.handle.stop(), Termination::Stopped));
    let before: Vec<_> = four.iter().map(Validator::entries).collect();
    drop(four);

    let four = start(temp.path(), 4, &addresses);
    submit(&four, 120..160);
    wait_for("after the restart", || all_have(&four, 160));
    for (validator, before) in four.iter().zip(before) {
        assert_eq!(validator.entries()[..before.len()], before[..]);
    }
    agree(&four.iter().map(Validator::entries).collect::<Vec<_>>());
}

#[test]
fn the_pool_refuses_what_it_must() {
    let temp = tempfile::tempdir().unwrap();
    let one = Validator::start(temp.path(), 0, &addresses(1)).unwrap();
    let refused = |tx: Bytes| one.handle.submit(tx).unwrap_err().code;
    assert_eq!(refused(Bytes::new()), Refused::TOO_LONG);
    assert_eq!(refused(Bytes::from(vec![0; 1 << 17])), Refused::TOO_LONG);
    assert_eq!(refused(Bytes::from_static(&[1])), 1);
    assert_eq!(refused(tx(1, "now!")), 2);
    one.handle.submit(tx(1, "once")).unwrap();
    wait_for("it is final", || check(&one.entries()).len() == 1);
    assert_eq!(refused(tx(1, "once")), Refused::KNOWN);
    one.handle.stop();
    assert_eq!(refused(tx(1, "late")), Refused::STOPPING);
}

#[test]
fn wrong_execution_is_a_fault() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(4);
    let right: Vec<_> = (0..3).map(|i| Validator::start(temp.path(), i, &addresses).unwrap()).collect();
    let mut ledger = Ledger::open(&ledger_path(temp.path(), 3));
    ledger.wrong_from = Some(4);
    let wrong = consensus::start(config(temp.path(), 3, &addresses), Arc::new(ledger)).unwrap();
    for n in 0..20 {
        right[n % 3].handle.submit(tx(1, &format!("tx {n}"))).unwrap();
    }
    let Termination::Fault(Fault(message)) = block_on(wrong.terminated()) else { panic!("no fault") };
    assert!(message.contains("state root"), "{message}");
    assert!(matches!(wrong.stop(), Termination::Fault(_)));
    wait_for("the others go on", || all_have(&right, 20));
}

#[test]
fn starting_is_refused_in_words() {
    let temp = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = [held.local_addr().unwrap()];
    let start = |config| {
        consensus::start(config, Arc::new(Ledger::open(&ledger_path(temp.path(), 0))))
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(start(config(temp.path(), 0, &taken)), StartError::Listen { .. }));
    drop(held);
    let mut stranger = config(temp.path(), 0, &taken);
    stranger.secret = secret(9);
    assert!(matches!(start(stranger), StartError::NotAMember(_)));
    let mut slow = config(temp.path(), 0, &taken);
    slow.timeouts.idle = slow.timeouts.leader;
    assert!(matches!(start(slow), StartError::Settings(_)));

    let one = Validator::start(temp.path(), 0, &taken).unwrap();
    wait_for("two blocks", || one.height() >= 2);
    one.handle.stop();
    drop(one);
    // The engine's directory is lost, the state isn't.
    let dir = config(temp.path(), 0, &taken).dir;
    std::fs::rename(&dir, dir.with_extension("away")).unwrap();
    assert!(matches!(start(config(temp.path(), 0, &taken)), StartError::DataLost { .. }));
    // An older copy of it is as bad.
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(dir.with_extension("away").join("identity"), dir.join("identity")).unwrap();
    assert!(matches!(start(config(temp.path(), 0, &taken)), StartError::DataRestored { .. }));
}

#[test]
fn a_failing_disk_is_a_fault_and_what_was_missed_is_replayed() {
    let temp = tempfile::tempdir().unwrap();
    let addresses = addresses(1);
    let path = ledger_path(temp.path(), 0);
    let mut ledger = Ledger::open(&path);
    ledger.failing_from = Some(3);
    let one = consensus::start(config(temp.path(), 0, &addresses), Arc::new(ledger)).unwrap();
    one.submit(tx(1, "a")).unwrap();
    assert_eq!(block_on(one.terminated()), Termination::Fault(Fault("the disk is full".into())));
    assert!(!block_on(one.executed(3)));
    assert!(matches!(one.stop(), Termination::Fault(_)));
    drop(one);
    assert_eq!(entries(&path).len(), 2);

    let one = Validator::start(temp.path(), 0, &addresses).unwrap();
    wait_for("five more blocks", || one.height() >= 8);
    one.handle.stop();
    let before = one.entries();
    drop(one);
    // The state loses what the engine has counted as done: it is replayed from the archive, not skipped.
    std::fs::write(&path, b"").unwrap();
    let one = Validator::start(temp.path(), 0, &addresses).unwrap();
    wait_for("the replay", || one.entries().len() >= before.len());
    continues(&one.entries(), &before);
    let taken = consensus::start(config(temp.path(), 0, &self::addresses(1)), one.ledger.clone());
    assert!(matches!(taken.map(|_| ()), Err(StartError::NotAMember(_) | StartError::Running(_))));
}
