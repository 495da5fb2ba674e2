//! Secrets: never shown, wiped when dropped, and all of it may cross threads.

use crate::world::{World, compartments};
use envelope::{
    Gathering, OpenKey, Opened, Opener, Opening, Pack, Secret, SessionKey, Share, Sharing, TagKey, combine,
    open_key, split,
};
use std::fmt::Debug;
use zeroize::{Zeroize as _, ZeroizeOnDrop};

fn wiped<T: ZeroizeOnDrop>() {}
fn crosses_threads<T: Send + Sync>() {}

#[test]
fn secrets_are_wiped_and_cross_threads() {
    wiped::<Secret>();
    wiped::<Share>();
    wiped::<OpenKey>();
    wiped::<SessionKey>();
    wiped::<TagKey>();
    crosses_threads::<(Secret, Share, OpenKey, SessionKey, TagKey)>();
    crosses_threads::<(Opener<'_>, Pack<'_>, Gathering<'_>, Opened, Opening)>();
}

#[test]
fn wiping_a_share_overwrites_its_numbers() {
    let mut share = World::new(2, 2, 3).open().shares.remove(0);
    assert_ne!(*share.to_bytes(), [0; 64]);
    share.zeroize();
    assert_eq!(*share.to_bytes(), [0; 64]);
}

/// No run of four bytes of `secret` may stand in what is shown, in hex of either case, or as a list of numbers.
fn hides(shown: &impl Debug, secret: &[u8]) {
    for text in [format!("{shown:?}"), format!("{shown:#?}").split_whitespace().collect()] {
        for window in secret.windows(4) {
            let numbers: Vec<_> = window.iter().map(u8::to_string).collect();
            for form in
                [hex::encode(window), hex::encode_upper(window), numbers.join(","), numbers.join(", ")]
            {
                assert!(!text.contains(&form), "{form} in {text}");
            }
        }
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut w = World::new(1, 2, 3);
    let opened = w.open();
    for share in &opened.shares {
        hides(&opened, share.to_bytes().as_slice());
        hides(share, share.to_bytes().as_slice());
    }
    let secret = Secret::generate(&mut w.rng);
    let sharing: Sharing = split(&mut w.rng, &secret, w.threshold);
    let shares: Vec<_> = opened.shares.iter().collect();
    let combined = combine(&shares, 2).unwrap();
    for share in &sharing.shares {
        hides(&(&sharing, &secret, &combined), share.to_bytes().as_slice());
    }
    let key = open_key(&combined, &opened.compartment.body).unwrap();
    hides(&key, key.to_seed().as_slice());
    let tag_key = TagKey::generate(&mut w.rng);
    hides(&tag_key, tag_key.as_bytes().as_slice());
    // An opening lets its holder test guesses: its key isn't for logs either.
    let pack = w.seal(&compartments(&[opened]), &[b"plain".to_vec()]);
    let read = Pack::read(pack.manifest.root(), &pack.ciphertexts, &pack.randoms).unwrap();
    let opener = read.manifest().opener(0, &key).unwrap();
    let (ciphertext, random) = read.parts(0).unwrap();
    let (_, opening) = opener.open_and_prove(0, ciphertext, random).unwrap();
    let bytes = primitives::encode(&opening);
    hides(&opening, &bytes[bytes.len() - 32..]);
}
