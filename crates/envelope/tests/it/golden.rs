//! Frozen formats: what a seeded run makes must stay the same, byte for byte, and an old pack must stay readable.
//! A change here is a change of format: it needs a new suite, or a network that nobody uses yet.

use crate::world::{EPOCH, World, access, compartments, network};
use envelope::{
    Gathering, OpenKey, Pack, PlainRecord, RecordId, ReshareTerms, Secret, SessionKey, TagKey, Threshold,
    Wanted, reshare, reshared_commitments, seal_pack, split,
};
use primitives::{PackRoot, encode, hash};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

fn path(name: &str) -> String {
    format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn bless(name: &str, found: &str) {
    if std::env::var_os("HORKOS_BLESS").is_some() {
        std::fs::write(path(name), found).unwrap();
    }
}

/// A hash of the bytes: short, and as strict as the bytes themselves.
fn line(out: &mut String, name: &str, bytes: &[u8]) {
    let digest = hash(primitives::domain::GOLDEN, &[bytes]);
    writeln!(out, "{name} {} {digest}", bytes.len()).unwrap();
}

#[test]
fn golden_formats() {
    let out = &mut String::new();
    let mut w = World::new(0x0060_1DE4, 3, 4);

    line(out, "trustee-key", w.trustees[0].public().as_bytes());
    let tag_key = TagKey::from_bytes(&[7; 32]);
    w.class.tag = tag_key.tag("PSY");
    line(out, "tag", w.class.tag.as_bytes());

    let secret = Secret::generate(&mut w.rng);
    let sharing = split(&mut w.rng, &secret, w.threshold);
    line(out, "commitments", &encode(&sharing.commitments));
    for share in &sharing.shares {
        line(out, "share", share.to_bytes().as_slice());
    }

    let opened = [w.open(), w.open()];
    let sealed_to = compartments(&opened);
    for compartment in &sealed_to {
        line(out, "compartment", &encode(compartment));
        line(out, "compartment-id", compartment.id().as_bytes());
    }
    // Short bodies don't compress, so that these bytes don't depend on zstd's version.
    let pack = w.seal(&sealed_to, &[b"first".to_vec(), b"second".to_vec(), vec![]]);
    line(out, "pack-root", pack.manifest.root().as_bytes());
    line(out, "pack-ciphertexts", &pack.ciphertexts);
    line(out, "pack-randoms", &pack.randoms);
    line(out, "pack-leaf", &encode(&pack.manifest.prove(1).unwrap()));

    let dealt = w.deal(&opened, pack.manifest.root());
    line(out, "dealing", &encode(&dealt.dealing));
    line(out, "dealing-hash", dealt.dealing.hash().as_bytes());
    line(out, "dealt", &encode(&dealt));
    line(out, "acknowledgement", &encode(&dealt.dealing.acknowledgement(primitives::Millis(1))));

    let shares = w.accept_all(&dealt);
    let session = SessionKey::generate(&mut w.rng);
    line(out, "session-hash", session.hash().as_bytes());
    let ids: Vec<_> = sealed_to.iter().map(|c| c.id()).collect();
    let wanted = sealed_to.iter().map(|c| Wanted::new(c.body.clone()));
    let mut gathering = Gathering::new(network(), access(), EPOCH, &session, wanted);
    for trustee in [1, 3, 4] {
        let release = w.release(&session, &ids, &shares[trustee - 1]);
        line(out, "release", &encode(&release));
        gathering.accept(&mut w.rng, trustee as u16, &release).unwrap();
    }
    let key = gathering.open_key(&ids[0]).unwrap();
    line(out, "compartment-seed", key.to_seed().as_slice());
    let read_pack = Pack::verify(pack.manifest.root(), &pack.ciphertexts, &pack.randoms).unwrap();
    let opener = read_pack.manifest().opener(0, &key).unwrap();
    let (ciphertext, random) = read_pack.parts(0).unwrap();
    let (plaintext, opening) = opener.open_and_prove(0, ciphertext, random).unwrap();
    assert_eq!(plaintext.as_slice(), b"first");
    line(out, "opening", &encode(&opening));

    let keys: Vec<_> = (0..2).map(|_| OpenKey::generate(&mut w.rng).public().clone()).collect();
    let mut parts = Vec::new();
    for dealer in 1..=3_u16 {
        let terms = ReshareTerms { network: network(), from: EPOCH, to: EPOCH + 1, dealer };
        let own: Vec<_> = ids.iter().copied().zip(&shares[usize::from(dealer) - 1]).collect();
        let dealt = reshare(&mut w.rng, terms, Threshold::new(2, 2).unwrap(), &own, &keys).unwrap();
        line(out, "resharing", &encode(&dealt));
        parts.push((dealer, dealt.resharing.compartments[0].1.clone()));
    }
    let parts: Vec<_> = parts.iter().map(|(dealer, c)| (*dealer, &**c)).collect();
    line(out, "reshared-commitments", &encode(&reshared_commitments(3, &parts).unwrap()));

    bless("formats.golden", out);
    assert!(read("formats.golden") == *out, "formats.golden differs; found:\n{out}");
}

/// A pack of suite 1, one record erased, with all that opens it.
#[derive(Serialize, Deserialize)]
struct FrozenPack {
    root: String,
    key: String,
    ciphertexts: String,
    randoms: String,
    plaintexts: Vec<Option<String>>,
}

#[test]
fn golden_pack_stays_readable() {
    let mut w = World::new(1, 1, 1);
    let opened = [w.open()];
    let compartments = compartments(&opened);
    let (chart, writer) = (w.class.chart, w.class.writer.clone());
    let body =
        |n: u32| format!("{{\"resourceType\":\"Observation\",\"note\":\"{}\"}}", "again ".repeat(n as usize));
    let bodies: Vec<_> = [0, 200, 300].into_iter().map(body).collect();
    let records: Vec<_> = bodies
        .iter()
        .enumerate()
        .map(|(at, body)| PlainRecord {
            compartment: 0,
            record: RecordId([at as u8; 16]),
            version: at as u32 + 1,
            plaintext: body.as_bytes(),
        })
        .collect();
    let mut pack = seal_pack(&mut w.rng, &chart, &writer, &compartments, &records).unwrap();
    assert!(pack.manifest.erasure(2).unwrap().apply(&mut pack.ciphertexts, &mut pack.randoms));
    let share: Vec<_> = opened[0].shares.iter().collect();
    let key = envelope::open_key(&envelope::combine(&share, 1).unwrap(), &compartments[0].body).unwrap();
    let fresh = FrozenPack {
        root: pack.manifest.root().to_string(),
        key: hex::encode(key.to_seed()),
        ciphertexts: hex::encode(&pack.ciphertexts),
        randoms: hex::encode(&pack.randoms),
        plaintexts: vec![Some(bodies[0].clone()), Some(bodies[1].clone()), None],
    };
    bless("pack.golden", &(serde_json::to_string_pretty(&fresh).unwrap() + "\n"));

    // Not compared byte for byte: a later zstd may compress otherwise, but must read this.
    let frozen: FrozenPack = serde_json::from_str(&read("pack.golden")).unwrap();
    let root = PackRoot(frozen.root.parse().unwrap());
    let (ciphertexts, randoms) =
        (hex::decode(frozen.ciphertexts).unwrap(), hex::decode(frozen.randoms).unwrap());
    let pack = Pack::verify(root, &ciphertexts, &randoms).unwrap();
    let key = OpenKey::from_seed(&hex::decode(frozen.key).unwrap().try_into().unwrap());
    let opener = pack.manifest().opener(0, &key).unwrap();
    for (at, plaintext) in frozen.plaintexts.iter().enumerate() {
        let opened = pack.open(&opener, at).ok();
        assert_eq!(
            opened.as_ref().map(|bytes| bytes.as_slice()),
            plaintext.as_ref().map(|text| text.as_bytes())
        );
        assert_eq!(pack.state(at).unwrap().is_erased(), plaintext.is_none());
    }
}
