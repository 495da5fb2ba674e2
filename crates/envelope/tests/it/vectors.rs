//! Published vectors for HPKE, X-Wing and ML-KEM, run through the crates that the envelope builds on.

use envelope::{OpenKey, SealKey};
use hpke::{
    Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _,
    aead::{Aead, AesGcm256, ChaCha20Poly1305},
    kdf::HkdfSha256,
    kem::{MlKem768, X25519HkdfSha256, XWing},
    setup_receiver, setup_sender_with_rng,
};
use rand_chacha::rand_core::{TryCryptoRng, TryRng};
use serde::{Deserialize, de::DeserializeOwned};
use std::convert::Infallible;

/// Gives out the randomness that a vector prescribes, and no byte more.
struct Prescribed(Vec<u8>);

impl TryRng for Prescribed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
        self.0.drain(..bytes.len());
        Ok(())
    }
}

impl TryCryptoRng for Prescribed {}

/// Bytes written as hex.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Hex(Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the vectors' own names")]
struct HpkeVector {
    info: Hex,
    ikmE: Hex,
    ikmR: Hex,
    skRm: Hex,
    pkRm: Hex,
    enc: Hex,
    shared_secret: Hex,
    encryptions: Vec<Encryption>,
    exports: Vec<Export>,
}

#[derive(Deserialize)]
struct Encryption {
    aad: Hex,
    ct: Hex,
    pt: Hex,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the vectors' own names")]
struct Export {
    exporter_context: Hex,
    L: usize,
    exported_value: Hex,
}

#[derive(Deserialize)]
struct XWingVector {
    eseed: Hex,
    ss: Hex,
    sk: Hex,
    pk: Hex,
    ct: Hex,
}

#[derive(Deserialize)]
struct MlKemVector {
    d: Hex,
    z: Hex,
    msg: Hex,
    pk: Hex,
    ct: Hex,
    ss: Hex,
    ct_n: Hex,
    ss_n: Hex,
}

fn read<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let vectors: Vec<T> = serde_json::from_str(text).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn check_hpke<A: Aead, K: Kem>(vector: &HpkeVector) {
    // The vectors write an X25519 key as drawn, this crate as clamped: both must lead to the same public key.
    let (private, public) = K::derive_keypair(&vector.ikmR.0);
    assert!(K::sk_to_pk(&K::PrivateKey::from_bytes(&vector.skRm.0).unwrap()) == public);
    assert_eq!(public.to_bytes().as_slice(), vector.pkRm.0);
    let mut rng = Prescribed(vector.ikmE.0.clone());
    let (enc, mut sender) =
        setup_sender_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &public, &vector.info.0, &mut rng).unwrap();
    assert_eq!(enc.to_bytes().as_slice(), vector.enc.0);
    assert_eq!(K::decap(&private, None, &enc).unwrap().0.as_slice(), vector.shared_secret.0);
    let mut receiver =
        setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &private, &enc, &vector.info.0).unwrap();
    for Encryption { aad, ct, pt } in &vector.encryptions {
        assert_eq!(sender.seal(&pt.0, &aad.0).unwrap(), ct.0);
        assert_eq!(receiver.open(&ct.0, &aad.0).unwrap(), pt.0);
    }
    assert!(!vector.exports.is_empty());
    for Export { exporter_context, L, exported_value } in &vector.exports {
        let mut exported = vec![0; *L];
        sender.export(&exporter_context.0, &mut exported).unwrap();
        assert_eq!(exported, exported_value.0);
        receiver.export(&exporter_context.0, &mut exported).unwrap();
        assert_eq!(exported, exported_value.0);
    }
}

#[test]
fn hpke_of_rfc_9180() {
    for vector in read(include_str!("../vectors/hpke-rfc9180.json")) {
        check_hpke::<AesGcm256, X25519HkdfSha256>(&vector);
    }
}

#[test]
fn hpke_with_x_wing() {
    for vector in read(include_str!("../vectors/hpke-x-wing.json")) {
        check_hpke::<ChaCha20Poly1305, XWing>(&vector);
    }
}

#[test]
fn x_wing() {
    for vector in read::<XWingVector>(include_str!("../vectors/x-wing.json")) {
        // Our own key types first: the seed leads to the public key.
        let key = OpenKey::from_seed(&vector.sk.0.clone().try_into().unwrap());
        assert_eq!(key.public().as_bytes().as_slice(), vector.pk.0);
        assert_eq!(&SealKey::try_from(vector.pk.0.as_slice()).unwrap(), key.public());
        let public = <XWing as Kem>::PublicKey::from_bytes(&vector.pk.0).unwrap();
        let private = <XWing as Kem>::PrivateKey::from_bytes(&vector.sk.0).unwrap();
        let (secret, enc) = XWing::encap_with_rng(&public, None, &mut Prescribed(vector.eseed.0)).unwrap();
        assert_eq!(enc.to_bytes().as_slice(), vector.ct.0);
        assert_eq!(secret.0.as_slice(), vector.ss.0);
        assert_eq!(XWing::decap(&private, None, &enc).unwrap().0.as_slice(), vector.ss.0);
    }
}

#[test]
fn ml_kem_768() {
    for vector in read::<MlKemVector>(include_str!("../vectors/ml-kem-768.json")) {
        let seed = [vector.d.0, vector.z.0].concat();
        let private = <MlKem768 as Kem>::PrivateKey::from_bytes(&seed).unwrap();
        let public = MlKem768::sk_to_pk(&private);
        assert_eq!(public.to_bytes().as_slice(), vector.pk.0);
        let (secret, enc) = MlKem768::encap_with_rng(&public, None, &mut Prescribed(vector.msg.0)).unwrap();
        assert_eq!(enc.to_bytes().as_slice(), vector.ct.0);
        assert_eq!(secret.0.as_slice(), vector.ss.0);
        for (ct, ss) in [(vector.ct, vector.ss), (vector.ct_n, vector.ss_n)] {
            let enc = <MlKem768 as Kem>::EncappedKey::from_bytes(&ct.0).unwrap();
            assert_eq!(MlKem768::decap(&private, None, &enc).unwrap().0.as_slice(), ss.0);
        }
    }
}
