//! This file is where a transaction is bytes: what is signed, what its id is, and how long it may be.

use crate::{Act, Reject, reject};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    Blob, Millis, NetworkId, PublicKey, SecretKey, Signature, TxId, decode_bounded, domain, encode, hash,
};

/// Longest body of a transaction, in bytes.
pub const BODY_BYTES_MAX: usize = 128 << 10;

/// Longest signed transaction, in bytes: the body, its length, the fixed fields and the signature.
pub const TX_BYTES_MAX: usize = BODY_BYTES_MAX + 4 + 32 + 32 + 2 + 8 + 8 + 64;

/// What a signer asks of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Transaction {
    /// The network that it is for.
    pub network: NetworkId,
    /// The key that signs it.
    pub signer: PublicKey,
    /// The kind's tag.
    pub kind: u16,
    /// The kind's fields, encoded.
    pub body: Blob<BODY_BYTES_MAX>,
    /// After this block time it has no effect. At most the replay window ahead.
    pub valid_until: Millis,
    /// Makes two otherwise equal transactions differ. Random.
    pub nonce: u64,
}

/// A transaction and its signature: what travels and stands in blocks.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Signed {
    /// What is signed.
    pub tx: Transaction,
    /// Ed25519 under [`domain::TX_SIGN`], over the encoding of `tx`.
    pub signature: Signature,
}

impl Transaction {
    /// Hash of the signed bytes without the signature.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(hash(domain::TX_ID, &[&encode(self)]))
    }

    /// Signs with the key of `signer`.
    #[must_use]
    pub fn sign(self, key: &SecretKey) -> Signed {
        let signature = key.sign(domain::TX_SIGN, &encode(&self));
        Signed { tx: self, signature }
    }
}

impl Signed {
    /// Decodes what came in, bounded.
    ///
    /// # Errors
    /// [`reject::MALFORMED`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Reject> {
        decode_bounded(bytes, TX_BYTES_MAX).map_err(|_| reject::MALFORMED)
    }

    /// Checks the signature, strictly and alone.
    ///
    /// # Errors
    /// [`reject::BAD_SIGNATURE`].
    pub fn verify(&self) -> Result<(), Reject> {
        self.tx
            .signer
            .verify(domain::TX_SIGN, &encode(&self.tx), &self.signature)
            .map_err(|_| reject::BAD_SIGNATURE)
    }

    /// The kind and its fields.
    ///
    /// # Errors
    /// [`reject::MALFORMED`].
    pub fn act(&self) -> Result<Act, Reject> {
        Act::decode(self.tx.kind, &self.tx.body).ok_or(reject::MALFORMED)
    }
}
