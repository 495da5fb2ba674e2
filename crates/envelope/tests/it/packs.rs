//! Packs: what is sealed opens for its key only, what is erased is gone while the root stands.

use crate::world::{ChaCha20Rng, World, compartments, org};
use envelope::{
    Compartment, ManifestError, OpenError, OpenKey, Opener, Pack, Part, PlainRecord, RANDOM_BYTES, RecordId,
    SealError, SealedPack, combine, open_key, seal_pack,
};
use primitives::{ChartId, Hash};
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

fn key_of(opened: &envelope::Opened) -> OpenKey {
    let shares: Vec<_> = opened.shares.iter().collect();
    let body = &opened.compartment.body;
    open_key(&combine(&shares, body.commitments.len()).unwrap(), body).unwrap()
}

struct Written {
    world: World,
    keys: Vec<OpenKey>,
    compartments: Vec<Compartment>,
    bodies: Vec<Vec<u8>>,
    pack: SealedPack,
}

/// Two compartments; records empty, small, compressible, incompressible and of a class boundary, in turn.
fn written() -> Written {
    let mut world = World::new(7, 3, 4);
    let opened = [world.open(), world.open()];
    let compartments = compartments(&opened);
    let mut noise = vec![0; 70_000];
    world.rng.fill_bytes(&mut noise);
    let bodies =
        vec![vec![], b"{\"resourceType\":\"Patient\"}".to_vec(), vec![b'a'; 100_000], noise, vec![7; 503]];
    let pack = world.seal(&compartments, &bodies);
    Written { keys: opened.iter().map(key_of).collect(), world, compartments, bodies, pack }
}

#[test]
fn records_open_with_their_compartments_key_and_no_other() {
    let w = written();
    let pack = Pack::verify(w.pack.manifest.root(), &w.pack.ciphertexts, &w.pack.randoms).unwrap();
    let openers: Vec<Opener<'_>> =
        w.keys.iter().enumerate().map(|(at, key)| pack.manifest().opener(at, key).unwrap()).collect();
    for (at, body) in w.bodies.iter().enumerate() {
        assert_eq!(pack.open(&openers[at % 2], at).unwrap().as_slice(), body);
        assert!(matches!(pack.open(&openers[(at + 1) % 2], at), Err(OpenError::Entry(_))));
        assert_eq!(pack.manifest().find(&RecordId([at as u8; 16]), 1), Some(at));
    }
    assert!(matches!(pack.manifest().opener(0, &w.keys[1]), Err(OpenError::Key(0))));
    assert!(matches!(pack.manifest().opener(2, &w.keys[1]), Err(OpenError::Key(2))));
    assert!(matches!(pack.open(&openers[0], 5), Err(OpenError::Entry(5))));
    // Sizes tell a class only: the empty and the small record look alike.
    assert_eq!(pack.manifest().entries()[0].bytes, pack.manifest().entries()[1].bytes);
    // 100 kB of one letter compress.
    assert_eq!(pack.manifest().entries()[2].bytes, pack.manifest().entries()[0].bytes);
}

#[test]
fn equal_plaintexts_share_nothing() {
    let mut w = written();
    let again = w.world.seal(&w.compartments, &w.bodies);
    for (one, other) in w.pack.manifest.entries().iter().zip(again.manifest.entries()) {
        assert_ne!(one.ciphertext, other.ciphertext);
        assert_ne!(one.commitment, other.commitment);
        assert_ne!(one.random, other.random);
    }
}

#[test]
fn an_erased_record_leaves_its_leaf_and_nothing_else() {
    let mut w = written();
    let root = w.pack.manifest.root();
    let random = w.pack.randoms[RANDOM_BYTES..2 * RANDOM_BYTES].to_vec();
    let range = w.pack.manifest.ciphertext_range(1).unwrap();
    let ciphertext = w.pack.ciphertexts[range].to_vec();
    let erasures = w.pack.manifest.erasures_of_record(&RecordId([1; 16]));
    assert_eq!(erasures.len(), 1);
    assert!(erasures[0].apply(&mut w.pack.ciphertexts, &mut w.pack.randoms));
    // No byte of either part is left in either blob.
    for part in [&random, &ciphertext] {
        for blob in [&w.pack.ciphertexts, &w.pack.randoms] {
            assert!(!blob.windows(16).any(|window| part.windows(16).any(|w| w == window && w != [0; 16])));
        }
    }
    let pack = Pack::verify(root, &w.pack.ciphertexts, &w.pack.randoms).unwrap();
    assert!(pack.state(1).unwrap().is_erased());
    assert!(!pack.state(3).unwrap().is_erased());
    assert!(pack.manifest().prove(1).unwrap().verify(root).is_ok());
    let opener = pack.manifest().opener(1, &w.keys[1]).unwrap();
    assert!(matches!(pack.open(&opener, 1), Err(OpenError::Erased(1))));
    assert_eq!(pack.open(&opener, 3).unwrap().as_slice(), w.bodies[3]);
    // The ciphertext back without its random part, or the other way round, opens nothing.
    let entry_state = pack.manifest().state(1, &ciphertext, &[0; 32]).unwrap();
    assert_eq!((entry_state.ciphertext, entry_state.random), (Part::Present, Part::Erased));
    assert!(matches!(opener.open(1, &ciphertext, &[0; 32]), Err(OpenError::Erased(1))));
    assert!(matches!(opener.open(1, &vec![0; ciphertext.len()], &random), Err(OpenError::Erased(1))));
    // Only an archive that broke the protocol and kept both could still open it.
    assert_eq!(opener.open(1, &ciphertext, &random).unwrap().as_slice(), w.bodies[1]);
}

#[test]
fn a_whole_compartment_can_be_erased() {
    let mut w = written();
    let root = w.pack.manifest.root();
    let erasures = w.pack.manifest.erasures_of_compartment(&w.compartments[0].id());
    assert_eq!(erasures.len(), 3);
    for erasure in &erasures {
        assert!(erasure.apply(&mut w.pack.ciphertexts, &mut w.pack.randoms));
        assert!(!erasure.apply(&mut [], &mut w.pack.randoms));
    }
    let pack = Pack::verify(root, &w.pack.ciphertexts, &w.pack.randoms).unwrap();
    let erased: Vec<_> = (0..5).map(|at| pack.state(at).unwrap().is_erased()).collect();
    assert_eq!(erased, [true, false, true, false, true]);
}

#[test]
fn an_opening_proves_one_plaintext_without_the_compartments_key() {
    let w = written();
    let root = w.pack.manifest.root();
    let pack = Pack::read(root, &w.pack.ciphertexts, &w.pack.randoms).unwrap();
    let opener = pack.manifest().opener(1, &w.keys[1]).unwrap();
    let (ciphertext, random) = pack.parts(1).unwrap();
    let (plaintext, opening) = opener.open_and_prove(1, ciphertext, random).unwrap();
    assert_eq!(plaintext.as_slice(), w.bodies[1]);
    opening.verify(root, &plaintext).unwrap();
    assert!(opening.verify(root, b"{\"resourceType\":\"Group\"}").is_err());
    assert!(opening.verify(Default::default(), &plaintext).is_err());
    // Any changed bit of the opening proves nothing.
    let bytes = primitives::encode(&opening);
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(bad) = primitives::decode::<envelope::Opening>(&bad) {
            assert!(bad.verify(root, &plaintext).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn anybody_with_the_public_key_can_seal_an_audit_record() {
    let mut w = written();
    let audit = &w.compartments[..1];
    let record =
        [PlainRecord { compartment: 0, record: RecordId([9; 16]), version: 1, plaintext: b"who and why" }];
    let other = org("lakeside-clinic");
    let sealed = seal_pack(&mut w.world.rng, &w.world.class.chart, &other, audit, &record).unwrap();
    let pack = Pack::verify(sealed.manifest.root(), &sealed.ciphertexts, &sealed.randoms).unwrap();
    let opener = pack.manifest().opener(0, &w.keys[0]).unwrap();
    assert_eq!(pack.open(&opener, 0).unwrap().as_slice(), b"who and why");
    assert_eq!(pack.manifest().writer(), &other);
}

#[test]
fn bounds_of_a_write() {
    let mut w = written();
    let rng = &mut w.world.rng;
    let (chart, writer) = (w.world.class.chart, w.world.class.writer.clone());
    let record = |compartment, record, plaintext| PlainRecord {
        compartment,
        record: RecordId([record; 16]),
        version: 1,
        plaintext,
    };
    let mut seal = |compartments: &[Compartment], records: &[PlainRecord<'_>]| {
        seal_pack(rng, &chart, &writer, compartments, records).unwrap_err()
    };
    use ManifestError as M;
    let one = &w.compartments[..1];
    assert!(matches!(seal(one, &[]), SealError::Manifest(M::Size)));
    assert!(matches!(seal(&[], &[record(0, 0, b"")]), SealError::Manifest(M::Entry(0))));
    assert!(matches!(seal(one, &[record(1, 0, b"")]), SealError::Manifest(M::Entry(0))));
    assert!(matches!(seal(one, &[record(0, 0, b""), record(0, 0, b"")]), SealError::Manifest(M::Entry(1))));
    let twice = [one[0].clone(), one[0].clone()];
    assert!(matches!(seal(&twice, &[record(0, 0, b"")]), SealError::Manifest(M::Compartment(1))));
    let mut foreign = one[0].clone();
    foreign.body.chart = ChartId(Hash([1; 32]));
    assert!(matches!(seal(&[foreign], &[record(0, 0, b"")]), SealError::Manifest(M::Compartment(0))));
    let mut swapped = one[0].clone();
    swapped.key = w.compartments[1].key.clone();
    assert!(matches!(seal(&[swapped], &[record(0, 0, b"")]), SealError::Manifest(M::Compartment(0))));
    let many = vec![one[0].clone(); 65];
    assert!(matches!(seal(&many, &[record(0, 0, b"")]), SealError::Compartments(65)));
    let long = vec![0; envelope::RECORD_BYTES_MAX + 1];
    assert!(matches!(seal(one, &[record(0, 0, &long)]), SealError::RecordTooLong(0)));
    let many = vec![record(0, 0, b""); envelope::RECORDS_MAX + 1];
    assert!(matches!(seal(one, &many), SealError::Manifest(M::Size)));
}

#[test]
fn the_longest_record_and_the_fullest_manifest_fit() {
    let mut w = World::new(8, 1, 1);
    let opened = [w.open()];
    let mut noise = vec![0; envelope::RECORD_BYTES_MAX];
    ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut noise);
    let pack = w.seal(&compartments(&opened), std::slice::from_ref(&noise));
    let pack = Pack::verify(pack.manifest.root(), &pack.ciphertexts, &pack.randoms).map(|pack| {
        let key = key_of(&opened[0]);
        let opener = pack.manifest().opener(0, &key).unwrap();
        pack.open(&opener, 0).unwrap().as_slice() == noise
    });
    assert!(pack.unwrap());

    let opened: Vec<_> = (0..64).map(|_| w.open()).collect();
    let records: Vec<_> = (0..envelope::RECORDS_MAX as u32)
        .map(|at| PlainRecord {
            compartment: (at % 64) as u16,
            record: RecordId([3; 16]),
            version: at,
            plaintext: b"",
        })
        .collect();
    let (chart, writer) = (w.class.chart, w.class.writer.clone());
    let pack = seal_pack(&mut w.rng, &chart, &writer, &compartments(&opened), &records).unwrap();
    assert!(Pack::verify(pack.manifest.root(), &pack.ciphertexts, &pack.randoms).is_ok());
}
