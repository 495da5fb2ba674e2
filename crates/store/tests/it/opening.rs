//! Opening: what is refused, and in which words.

use crate::common::{Chain, NETWORK, open, sample, walk};
use primitives::{EMPTY_STATE_ROOT, Hash, NetworkId, State as _};
use std::fs;
use store::{Fault, Identity, OpenError, Store};

#[test]
fn a_fresh_directory_holds_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("made"));
    let view = store.view().unwrap();
    assert_eq!((view.height(), view.root(), view.get(b"key")), (None, EMPTY_STATE_ROOT, None));
    assert!(store.prove(b"key").unwrap().is_none());
    let (value, proof) = view.prove(b"key").unwrap();
    assert_eq!((value, proof.verify(EMPTY_STATE_ROOT, b"key", None)), (None, Ok(())));
    store.check_head().unwrap();
    assert_eq!(walk(&store), store::Walked::default());
}

#[test]
fn directories_of_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |dir, identity| Store::open(dir, identity).map(drop).unwrap_err();

    let store = open(dir.path());
    assert!(matches!(refused(dir.path(), NETWORK), OpenError::Locked { .. }));
    drop(store);

    let other = Identity { network: NetworkId(Hash([8; 32])) };
    let error = refused(dir.path(), other);
    assert!(matches!(error, OpenError::OtherNetwork { .. }));
    assert!(error.to_string().contains("belongs to network 0707"), "{error}");

    let identity = dir.path().join("horkos-store");
    let text = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, text.replace("format 2", "format 3")).unwrap();
    assert!(matches!(refused(dir.path(), NETWORK), OpenError::NewerFormat { found: 3, .. }));
    fs::write(&identity, text.replace("network 07", "network 17")).unwrap();
    assert!(matches!(refused(dir.path(), NETWORK), OpenError::Fault(Fault::Damaged(_))));
    fs::write(&identity, text).unwrap();
    drop(open(dir.path()));

    let full = tempfile::tempdir().unwrap();
    fs::write(full.path().join("thesis.tex"), "mine").unwrap();
    assert!(matches!(refused(full.path(), NETWORK), OpenError::NotAStore { .. }));
    assert_eq!(fs::read_dir(full.path()).unwrap().count(), 1);
}

#[test]
fn a_crash_while_creating_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("horkos-store.new"), "horkos st").unwrap();
    drop(open(dir.path()));
    // Whatever stage the engine's directory had reached.
    fs::rename(dir.path().join("chain"), dir.path().join("chain.new")).unwrap();
    drop(open(dir.path()));
    assert!(!dir.path().join("chain.new").exists());
}

#[test]
fn what_does_not_follow_is_refused_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut chain = Chain::default();
    let genesis = sample(&mut chain);
    let one = sample(&mut chain);

    let push = |commit| store.batch().unwrap().push(commit).map(drop).unwrap_err();
    assert!(matches!(push(one.clone()), Fault::NotNext { expected: 0, got: 1 }));
    let mut altered = genesis.clone();
    altered.txs[0] = b"another".as_slice().into();
    assert!(matches!(push(altered), Fault::Misfit { height: 0, .. }));
    let mut altered = genesis.clone();
    altered.events[0].index = 1;
    assert!(matches!(push(altered), Fault::Misfit { height: 0, .. }));

    let mut altered = genesis.clone();
    altered.writes.insert(primitives::FLAT_KEY.to_vec(), Some(vec![1]));
    assert!(matches!(push(altered), Fault::Misfit { height: 0, .. }));

    let mut batch = store.batch().unwrap();
    let mut overtaken = store.batch().unwrap();
    batch.push(genesis.clone()).unwrap();
    overtaken.push(genesis.clone()).unwrap();
    batch.commit().unwrap();
    assert!(matches!(overtaken.commit(), Err(Fault::Overtaken)));

    assert!(matches!(push(genesis), Fault::NotNext { expected: 1, got: 0 }));
    let mut altered = one;
    altered.header.parent = primitives::BlockHash(Hash([1; 32]));
    assert!(matches!(push(altered), Fault::Misfit { height: 1, .. }));
    assert_eq!(store.view().unwrap().height(), Some(0));
}
