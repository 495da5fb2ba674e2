//! This file is where what trustees and storing organisations sign has its one form, and what names a compartment.
//!
//! The ledger checks these without ever encrypting; `envelope` makes them.

use crate::{
    ChartId, CompartmentId, Hash, List, Millis, NetworkId, OrgId, PackRoot, PublicKey, SecretKey, Signature,
    SignatureError, Tag, domain, encode, hash_borsh,
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most trustees of one committee; also the most commitments of one compartment.
pub const TRUSTEES_MAX: usize = 100;

/// Most compartments that one write opens or writes into.
pub const COMPARTMENTS_MAX: usize = 64;

/// A Pedersen commitment to one coefficient of a sharing: a compressed ristretto255 point (RFC 9496 §4.3.2).
///
/// Whether the bytes are a point at all is checked by trustees and readers, never on the ledger.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Arbitrary,
)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// The point's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

crate::text_form::text_form!(Commitment);

/// All that makes a compartment what it is, and nothing that opens it. Its hash is the compartment's id.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct CompartmentBody {
    /// Cryptographic suite, see `envelope::Suite`.
    pub suite: u16,
    /// The chart whose records it holds.
    pub chart: ChartId,
    /// Its category in that chart, opaque.
    pub tag: Tag,
    /// The organisation that opened it and dealt its key.
    pub writer: OrgId,
    /// Hash of its public X-Wing key under the `COMPARTMENT_KEY` domain.
    pub key: Hash,
    /// Commitments to its sharing: as many as trustees are needed to open it.
    pub commitments: List<Commitment, TRUSTEES_MAX>,
}

impl CompartmentBody {
    /// The compartment's id.
    #[must_use]
    pub fn id(&self) -> CompartmentId {
        CompartmentId(hash_borsh(domain::COMPARTMENT_ID, self))
    }
}

/// What a trustee signs once per write: its shares are there, fit their commitments and will be kept.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Acknowledgement {
    /// The network.
    pub network: NetworkId,
    /// The committee's epoch.
    pub epoch: u64,
    /// The organisation that dealt.
    pub writer: OrgId,
    /// The chart written into.
    pub chart: ChartId,
    /// The write's pack.
    pub pack: PackRoot,
    /// Hash over all dealings of the write.
    pub dealing: Hash,
    /// The trustee may forget the shares from then on, if the write never became final.
    pub keep_until: Millis,
}

/// What a storing organisation signs: it holds a pack and will keep it.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct StorageReceipt {
    /// The network.
    pub network: NetworkId,
    /// The pack held.
    pub pack: PackRoot,
    /// The chart written into.
    pub chart: ChartId,
    /// The organisation that wrote the pack.
    pub writer: OrgId,
    /// The organisation that holds it.
    pub storer: OrgId,
    /// Bytes of all of the pack's parts.
    pub bytes: u64,
    /// How many records it has, as the storer counted.
    pub records: u32,
    /// The compartments that its records lie in, as the storer read them in the pack; see [`compartments_hash`].
    pub compartments: Hash,
    /// The storer may drop the pack from then on, if the write never became final.
    pub keep_until: Millis,
}

/// Hash over a set of compartments, whatever their order.
///
/// The ledger compares what a commit names with what storing organisations read in the pack: else a writer could seal
/// into a compartment that was read before, and only say that it didn't.
#[must_use]
pub fn compartments_hash(compartments: impl IntoIterator<Item = CompartmentId>) -> Hash {
    let set: BTreeSet<CompartmentId> = compartments.into_iter().collect();
    hash_borsh(domain::COMPARTMENT_SET, &set)
}

macro_rules! signed {
    ($name:ident, $domain:ident) => {
        impl $name {
            /// Signs it.
            #[must_use]
            pub fn sign(&self, key: &SecretKey) -> Signature {
                key.sign(domain::$domain, &encode(self))
            }

            /// Checks `signature` by `key` over it.
            ///
            /// # Errors
            /// [`SignatureError`] if it doesn't verify.
            pub fn verify(&self, key: &PublicKey, signature: &Signature) -> Result<(), SignatureError> {
                key.verify(domain::$domain, &encode(self), signature)
            }
        }
    };
}

signed!(Acknowledgement, ACKNOWLEDGEMENT);
signed!(StorageReceipt, STORAGE_RECEIPT);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use arbitrary::Unstructured;

    fn seeded<T: for<'a> Arbitrary<'a>>() -> T {
        let bytes: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        T::arbitrary(&mut Unstructured::new(&bytes)).unwrap()
    }

    /// Flips every bit of the encoding: what still decodes must not verify.
    fn every_flip_is_refused<T: BorshSerialize + BorshDeserialize>(
        value: &T,
        verify: impl Fn(&T) -> Result<(), SignatureError>,
    ) {
        assert!(verify(value).is_ok());
        let bytes = encode(value);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(bad) = decode::<T>(&bad) {
                assert!(verify(&bad).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_changed_acknowledgement_or_receipt_is_refused() {
        let key = SecretKey::from_seed(&[7; 32]);
        let acknowledgement: Acknowledgement = seeded();
        let signature = acknowledgement.sign(&key);
        every_flip_is_refused(&acknowledgement, |a| a.verify(&key.public(), &signature));
        let receipt: StorageReceipt = seeded();
        let signature = receipt.sign(&key);
        every_flip_is_refused(&receipt, |r| r.verify(&key.public(), &signature));
    }

    #[test]
    fn one_kind_of_signature_is_not_another() {
        let key = SecretKey::from_seed(&[7; 32]);
        let receipt: StorageReceipt = seeded();
        let signature = key.sign(domain::ACKNOWLEDGEMENT, &encode(&receipt));
        assert!(receipt.verify(&key.public(), &signature).is_err());
    }

    #[test]
    fn every_field_is_in_the_compartments_id() {
        let body: CompartmentBody = seeded();
        let bytes = encode(&body);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            if let Ok(bad) = decode::<CompartmentBody>(&bad) {
                assert_ne!(bad.id(), body.id(), "byte {at}");
            }
        }
    }
}
