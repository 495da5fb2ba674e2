//! What is forgotten on purpose: old states and old bodies, and nothing besides.

use crate::common::{Chain, chart, open, sample, walk};
use std::collections::BTreeMap;
use store::RETAINED_STATES;

#[test]
fn old_states_go_and_the_retained_ones_stay_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut chain = Chain::default();
    let last = RETAINED_STATES + 80;
    while chain.height <= last {
        let mut batch = store.batch().unwrap();
        for _ in 0..50.min(last + 1 - chain.height) {
            let root = batch.push(sample(&mut chain)).unwrap();
            chain.executed(root);
        }
        batch.commit().unwrap();
    }
    let view = store.view().unwrap();
    assert_eq!((view.height(), view.states_from()), (Some(last), last + 1 - RETAINED_STATES));
    assert!(view.at(last - RETAINED_STATES).unwrap().is_none());
    // Every root stays known; the retained ones still prove.
    assert!((0..=last).all(|height| view.state_root(height).unwrap().is_some()));
    for height in [last + 1 - RETAINED_STATES, last - 100, last] {
        let past = view.at(height).unwrap().unwrap();
        for n in 0..97 {
            let key = format!("key {n}").into_bytes();
            let (value, proof) = past.prove(&key).unwrap();
            assert_eq!(proof.verify(past.root(), &key, value.as_deref()), Ok(()));
        }
    }
    store.check_head().unwrap();
    assert_eq!(walk(&store).damages, []);
}

#[test]
fn one_batch_may_be_longer_than_what_is_retained() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut chain = Chain::default();
    let mut batch = store.batch().unwrap();
    while chain.height < RETAINED_STATES + 40 {
        let of = [(chain.height % 2) as u8];
        let writes = BTreeMap::from([(b"counter".to_vec(), Some(chain.height.to_le_bytes().to_vec()))]);
        let commit = chain.block(writes, vec![], &of);
        batch.push(commit).unwrap();
    }
    assert!(batch.weight() > 0);
    batch.commit().unwrap();
    store.check_head().unwrap();
    assert_eq!(walk(&store).damages, []);
}

#[test]
fn bodies_go_and_headers_receipts_and_events_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut chain = Chain::default();
    for _ in 0..30 {
        let mut batch = store.batch().unwrap();
        batch.push(sample(&mut chain)).unwrap();
        batch.commit().unwrap();
    }
    let (events, receipts) = {
        let view = store.view().unwrap();
        (view.events(&chart(0), 0, 99).unwrap(), view.receipts(3).unwrap())
    };
    for _ in 0..2 {
        store.prune_bodies(20).unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.bodies_from().unwrap(), 20);
        assert!(view.txs(19).unwrap().is_none() && view.txs(20).unwrap().is_some());
        assert!(view.header(3).unwrap().is_some());
        assert_eq!(view.events(&chart(0), 0, 99).unwrap(), events);
        assert_eq!(view.receipts(3).unwrap(), receipts);
        assert_eq!(walk(&store).damages, []);
    }
    // The newest block's transactions stay, whatever is asked.
    store.prune_bodies(u64::MAX).unwrap();
    assert!(store.view().unwrap().txs(29).unwrap().is_some());
    store.check_head().unwrap();
}
