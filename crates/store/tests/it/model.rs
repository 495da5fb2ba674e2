//! The store against a plain map: every read, at every height, with proofs of what is there and what isn't.

use crate::common::{Chain, Logs, chart, open, root_of, walk};
use primitives::{FLAT_KEY, State as _, TxId, domain, hash, is_flat};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{Fault, Meaning as _};

type Writes = Vec<(u8, Option<Vec<u8>>)>;

/// Blocks in batches: writes per block, and charts with an event.
fn batches() -> impl Strategy<Value = Vec<Vec<(Writes, Vec<u8>)>>> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let writes = prop::collection::vec((0_u8..24, value), 0..12);
    let block = (writes, prop::collection::vec(0_u8..3, 0..3));
    prop::collection::vec(prop::collection::vec(block, 1..4), 1..8)
}

/// The last third is flat.
fn key(n: u8) -> Vec<u8> {
    let name = format!("entry/{n}").into_bytes();
    if n < 16 { name } else { [&[0x90], name.as_slice()].concat() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_store_is_a_map_with_proofs(batches in batches(), reopen in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let mut chain = Chain::default();
        let mut map = BTreeMap::new();
        let mut maps = Vec::new();
        for blocks in batches {
            let mut batch = store.batch().unwrap();
            for (writes, of) in blocks {
                let writes = writes.into_iter().map(|(n, value)| (key(n), value)).collect();
                let tx = format!("tx of {}", chain.height).into_bytes();
                let commit = chain.block(writes, vec![tx], &of);
                for (key, value) in commit.writes.clone() {
                    match value {
                        Some(value) => map.insert(key, value),
                        None => map.remove(&key),
                    };
                }
                let root = batch.push(commit).unwrap();
                prop_assert_eq!(root, root_of(&map));
                prop_assert_eq!(batch.view().root(), root);
                for n in 0..24 {
                    prop_assert_eq!(batch.view().get(&key(n)), map.get(&key(n)).cloned());
                }
                chain.executed(root);
                maps.push(map.clone());
            }
            batch.commit().unwrap();
            if reopen {
                drop(store);
                store = open(dir.path());
            }
        }
        store.check_head().unwrap();
        let walked = walk(&store);
        prop_assert_eq!(&walked.damages, &[]);
        let flat = map.keys().filter(|key| is_flat(key)).count();
        prop_assert_eq!(walked.flat, flat as u64);
        prop_assert_eq!(walked.entries, (map.len() - flat) as u64 + u64::from(flat > 0));
        prop_assert_eq!(store.view().unwrap().get(FLAT_KEY).is_some(), flat > 0);
        prop_assert_eq!(walked.logs, chain.logs.len() as u64);

        let view = store.view().unwrap();
        prop_assert_eq!(view.height(), Some(maps.len() as u64 - 1));
        let scanned = view.scan(b"entry/1", None, 5).unwrap();
        let mut held: Vec<_> = map.clone().into_iter().filter(|(key, _)| key.starts_with(b"entry/1")).collect();
        let rest = held.split_off(5.min(held.len()));
        prop_assert_eq!(&scanned, &held);
        let after = scanned.last().map(|(key, _)| key.as_slice());
        prop_assert_eq!(view.scan(b"entry/1", after, usize::MAX).unwrap(), rest);
        for (height, map) in (0_u64..).zip(&maps) {
            let past = view.at(height).unwrap().unwrap();
            prop_assert_eq!(past.root(), root_of(map));
            prop_assert_eq!(view.state_root(height).unwrap(), Some(past.root()));
            for n in 16..26 {
                prop_assert!(matches!(past.prove(&key(n)), Err(Fault::Flat)));
                match past.value(&key(n)) {
                    Ok(value) => prop_assert_eq!(value.as_ref(), map.get(&key(n))),
                    Err(fault) => prop_assert!(matches!(fault, Fault::Flat) && past.height() != view.height()),
                }
            }
            for n in 0..16 {
                let (value, proof) = past.prove(&key(n)).unwrap();
                prop_assert_eq!(value.as_ref(), map.get(&key(n)));
                prop_assert_eq!(proof.verify(past.root(), &key(n), value.as_deref()), Ok(()));
                prop_assert!(proof.verify(past.root(), &key(n), Some(b"not there")).is_err());
            }
            let tx = TxId(hash(domain::TX_ID, &[format!("tx of {height}").as_bytes()]));
            let (at, index, receipt) = view.receipt(&tx).unwrap().unwrap();
            prop_assert_eq!((at, index), (height, 0));
            prop_assert_eq!(receipt, format!("receipt of tx of {height}").into_bytes());
            prop_assert_eq!(view.header(height).unwrap().unwrap().height, height);
            prop_assert_eq!(view.txs(height).unwrap().unwrap().len(), 1);
        }
        prop_assert!(view.at(maps.len() as u64).unwrap().is_none());
        for (chart, log) in &chain.logs {
            let events = view.events(chart, 0, usize::MAX).unwrap();
            let digest = events.iter().fold(primitives::Hash::default(), |running, event| {
                Logs.next(chart, &running, &event.bytes)
            });
            prop_assert_eq!((events.len() as u64, digest), (log.count, log.digest));
        }
        let all = view.events_since(0, 0, usize::MAX).unwrap();
        prop_assert_eq!(all.len() as u64, walked.events);
        prop_assert!(all.windows(2).all(|pair| (pair[0].0, pair[0].1) < (pair[1].0, pair[1].1)));
        prop_assert!(view.events(&chart(99), 0, 9).unwrap().is_empty());
    }
}
