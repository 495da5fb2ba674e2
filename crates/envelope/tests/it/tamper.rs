//! Tampering: every byte of everything that travels or is stored, flipped; every length, cut; any bytes at all, read.

use crate::world::{EPOCH, World, access, compartments, network};
use envelope::{
    Dealing, Dealt, Gathering, Manifest, ManifestError, OpenError, OpenKey, Pack, Release, Resharing,
    SealedPack, SessionKey, Wanted, accept, combine, open_key,
};
use primitives::{PackRoot, decode, domain, encode, hash};
use proptest::prelude::*;

/// All copies of `bytes` with one byte changed.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|at| {
        let mut bad = bytes.to_vec();
        bad[at] ^= 1 << (at % 8);
        (at, bad)
    })
}

#[test]
fn a_changed_dealing_is_refused() {
    let mut w = World::new(1, 2, 3);
    let opened = [w.open(), w.open()];
    let Dealt { dealing, boxes } = w.deal(&opened, PackRoot::default());
    let mut accepted = |dealing: &Dealing, sealed: &[u8]| {
        accept(&mut w.rng, dealing, w.threshold, 1, &w.trustees[0], sealed).is_ok()
    };
    assert!(accepted(&dealing, &boxes[0]));
    for (at, bad) in flips(&boxes[0]) {
        assert!(!accepted(&dealing, &bad), "byte {at} of the box");
    }
    for len in [0, 1119, 1120, boxes[0].len() - 1] {
        assert!(!accepted(&dealing, &boxes[0][..len]));
    }
    let bytes = encode(&dealing);
    // Last come the hashes of the boxes of trustees 2 and 3, which trustee 1 can't check; they change what it signs.
    let others = bytes.len() - 64;
    for (at, bad) in flips(&bytes) {
        let Ok(bad) = decode::<Dealing>(&bad) else { continue };
        assert_eq!(accepted(&bad, &boxes[0]), at >= others, "byte {at} of the dealing");
        assert_ne!(bad.hash(), dealing.hash());
    }
}

#[test]
fn a_changed_release_is_refused() {
    let mut w = World::new(2, 2, 3);
    let opened = [w.open(), w.open()];
    let dealt = w.deal(&opened, PackRoot::default());
    let shares = w.accept_all(&dealt);
    let session = SessionKey::generate(&mut w.rng);
    let compartments = compartments(&opened);
    let ids: Vec<_> = compartments.iter().map(|c| c.id()).collect();
    let release = w.release(&session, &ids, &shares[0]);
    let mut accepted = |release: &Release| {
        let wanted = compartments.iter().map(|c| Wanted::new(c.body.clone()));
        let mut gathering = Gathering::new(network(), access(), EPOCH, &session, wanted);
        gathering.accept(&mut w.rng, 1, release).is_ok()
    };
    assert!(accepted(&release));
    for (at, bad) in flips(&encode(&release)) {
        assert!(!decode(&bad).is_ok_and(|bad| accepted(&bad)), "byte {at}");
    }
}

fn pack() -> (SealedPack, Vec<OpenKey>) {
    let mut w = World::new(3, 2, 3);
    let opened = [w.open(), w.open()];
    let bodies = [b"one".to_vec(), vec![b'2'; 600], b"three".to_vec()];
    let pack = w.seal(&compartments(&opened), &bodies);
    let keys = opened
        .iter()
        .map(|o| {
            let shares: Vec<_> = o.shares.iter().collect();
            open_key(&combine(&shares, 2).unwrap(), &o.compartment.body).unwrap()
        })
        .collect();
    (pack, keys)
}

#[test]
fn a_changed_pack_is_refused() {
    let (pack, _) = pack();
    let root = pack.manifest.root();
    let verified = |ciphertexts: &[u8], randoms: &[u8]| Pack::verify(root, ciphertexts, randoms).is_ok();
    assert!(verified(&pack.ciphertexts, &pack.randoms));
    for (at, bad) in flips(&pack.ciphertexts) {
        assert!(!verified(&bad, &pack.randoms), "byte {at} of the ciphertexts");
    }
    for (at, bad) in flips(&pack.randoms) {
        assert!(!verified(&pack.ciphertexts, &bad), "byte {at} of the randoms");
    }
    for len in (0..pack.ciphertexts.len()).step_by(7) {
        assert!(!verified(&pack.ciphertexts[..len], &pack.randoms));
    }
    assert!(!verified(&pack.ciphertexts, &pack.randoms[..64]));
    assert!(!verified(&[&pack.ciphertexts[..], &[0]].concat(), &pack.randoms));
    assert!(!verified(&pack.ciphertexts, &[&pack.randoms[..], &[0]].concat()));
    // Partly zeroed is damage, not erasure.
    let range = pack.manifest.ciphertext_range(1).unwrap();
    let mut half = pack.ciphertexts.clone();
    half[range.start..range.end - 1].fill(0);
    let damaged = Pack::verify(root, &half, &pack.randoms).unwrap_err();
    assert!(matches!(damaged, OpenError::Damaged(1)), "{damaged:?}");
}

/// The pack that a lying writer would commit to: `ciphertexts` under whatever root they have now.
fn root_of(ciphertexts: &[u8]) -> Result<PackRoot, ManifestError> {
    match Manifest::read(PackRoot::default(), ciphertexts) {
        Err(ManifestError::Root { found, .. }) => Ok(found),
        Err(error) => Err(error),
        Ok(_) => unreachable!("no pack has the root of zeros"),
    }
}

#[test]
fn what_a_lying_writer_seals_is_called_so() {
    let (pack, keys) = pack();
    let range = pack.manifest.ciphertext_range(0).unwrap();
    let old = pack.manifest.entries()[0].ciphertext;
    let named = pack.ciphertexts.windows(32).position(|window| window == old.as_bytes()).unwrap();
    // Every byte of key commitment, ciphertext and tag, with the manifest agreeing.
    for at in range.clone() {
        let mut bad = pack.ciphertexts.clone();
        bad[at] ^= 1;
        let new = hash(domain::BLOB, &[&bad[range.clone()]]);
        bad[named..named + 32].copy_from_slice(new.as_bytes());
        let lied = Pack::verify(root_of(&bad).unwrap(), &bad, &pack.randoms).unwrap();
        let opener = lied.manifest().opener(0, &keys[0]).unwrap();
        assert!(matches!(lied.open(&opener, 0), Err(OpenError::Inconsistent(0))), "byte {at}");
    }
    // And a commitment to another plaintext: the reader sees that it wasn't what was sealed.
    let old = pack.manifest.entries()[0].commitment;
    let named = pack.ciphertexts.windows(32).position(|window| window == old.as_bytes()).unwrap();
    let mut bad = pack.ciphertexts.clone();
    bad[named] ^= 1;
    let lied = Pack::verify(root_of(&bad).unwrap(), &bad, &pack.randoms).unwrap();
    let opener = lied.manifest().opener(0, &keys[0]).unwrap();
    assert!(matches!(lied.open(&opener, 0), Err(OpenError::Inconsistent(0))));
}

#[test]
fn records_cant_change_places() {
    // Same compartment, same size: bytes of one entry under the name of another don't open.
    let (pack, keys) = pack();
    let entries = pack.manifest.entries();
    assert_eq!((entries[0].compartment, entries[0].bytes), (entries[2].compartment, entries[2].bytes));
    let opener = pack.manifest.opener(0, &keys[0]).unwrap();
    let read = Pack::read(pack.manifest.root(), &pack.ciphertexts, &pack.randoms).unwrap();
    let (ciphertext, random) = read.parts(2).unwrap();
    assert!(matches!(opener.open(0, ciphertext, random), Err(OpenError::Damaged(0))));
    // With the manifest agreeing on all three values, record id and version still differ.
    let mut bad = pack.ciphertexts.clone();
    for (old, new) in [
        (entries[0].ciphertext, entries[2].ciphertext),
        (entries[0].random, entries[2].random),
        (entries[0].commitment, entries[2].commitment),
    ] {
        let at = bad.windows(32).position(|window| window == old.as_bytes()).unwrap();
        bad[at..at + 32].copy_from_slice(new.as_bytes());
    }
    let manifest = Manifest::read(root_of(&bad).unwrap(), &bad).unwrap();
    let opener = manifest.opener(0, &keys[0]).unwrap();
    assert!(matches!(opener.open(0, ciphertext, random), Err(OpenError::Inconsistent(0))));
    assert!(opener.open(2, ciphertext, random).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Manifest::read(PackRoot::default(), &bytes).is_err());
        prop_assert!(Pack::verify(PackRoot::default(), &bytes, &bytes).is_err());
        prop_assert!(decode::<Dealt>(&bytes).is_err());
        prop_assert!(decode::<Release>(&bytes).is_err());
        prop_assert!(decode::<Resharing>(&bytes).is_err());
        let _ = Manifest::bytes_needed(&bytes);
    }

    #[test]
    fn any_changes_of_a_pack_read_without_harm(changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
        let (pack, keys) = pack();
        let mut bad = pack.ciphertexts;
        for (at, byte) in changes {
            let at = usize::from(at) % bad.len();
            bad[at] = byte;
        }
        if let Ok(root) = root_of(&bad)
            && let Ok(read) = Pack::read(root, &bad, &pack.randoms)
        {
            for (at, key) in keys.iter().enumerate() {
                if let Ok(opener) = read.manifest().opener(at, key) {
                    for entry in 0..=read.manifest().entries().len() {
                        let _ = read.open(&opener, entry);
                    }
                }
            }
        }
    }
}
