//! This file is where every domain-separation constant stands, once: two uses of a hash or key can never collide.

use blake3::hazmat::{ContextKey, HasherExt as _};
use std::sync::OnceLock;

/// A domain-separation string: the context of a BLAKE3 key derivation or the prefix of a signed message.
///
/// `cargo xtask tidy` refuses two constants with the same string, and any [`Domain`] made outside this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    text: &'static str,
    place: usize,
}

impl Domain {
    /// The constant's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.text
    }

    /// A hasher of this domain. The text is hashed once per process: for short inputs that is a third of the work.
    pub(crate) fn hasher(self) -> blake3::Hasher {
        let made = || blake3::hazmat::hash_derive_key_context(self.text);
        match CONTEXTS.get(self.place) {
            Some(context) => blake3::Hasher::new_from_context_key(context.get_or_init(made)),
            None => blake3::Hasher::new_derive_key(self.text),
        }
    }
}

/// Every domain's text, hashed.
static CONTEXTS: [OnceLock<ContextKey>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];

macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "they are the constants' names")]
        enum Place { $($name),* }

        $($(#[$doc])* pub const $name: Domain = Domain { text: $text, place: Place::$name as usize };)*

        /// Every constant of this file, for tidy and for tests.
        pub const ALL: &[Domain] = &[$($name),*];
    };
}

domains! {
    /// Id of a network: hash of its genesis file.
    NETWORK = "horkos network v1";
    /// Id of a transaction: hash of the signed bytes without the signature.
    TX_ID = "horkos tx id v1";
    /// What a transaction's signature covers.
    TX_SIGN = "horkos tx sign v1";
    /// Key of the pool's verified-signature cache.
    TX_CACHE = "horkos tx cache v1";
    /// Hash of a block header.
    HEADER = "horkos header v1";
    /// Leaf of a binary Merkle tree.
    MERKLE_LEAF = "horkos merkle leaf v1";
    /// Inner node of a binary Merkle tree.
    MERKLE_NODE = "horkos merkle node v1";
    /// Root of a binary Merkle tree, bound to its length.
    MERKLE_ROOT = "horkos merkle root v1";
    /// Leaf key of the authenticated state.
    STATE_KEY = "horkos state key v1";
    /// Leaf and inner node hashing of the authenticated state.
    STATE_NODE = "horkos state node v1";
    /// Leaf value of the authenticated state.
    STATE_VALUE = "horkos state value v1";
    /// A flat row of the state, as a summand of their digest.
    STATE_FLAT = "horkos state flat v1";
    /// Id of a principal: hash of the first key.
    PRINCIPAL = "horkos principal v1";
    /// One event of a chart's log.
    CHART_EVENT = "horkos chart event v1";
    /// Running hash over a chart's log.
    CHART_LOG = "horkos chart log v1";
    /// Hash of the set of compartments that a pack's records lie in.
    COMPARTMENT_SET = "horkos compartment set v1";
    /// Id of a compartment.
    COMPARTMENT_ID = "horkos compartment id v1";
    /// X-Wing seed from a compartment's secret.
    COMPARTMENT_SEED = "horkos compartment seed v1";
    /// Second generator of the Pedersen commitments.
    PEDERSEN_H = "horkos pedersen h v1";
    /// Hash of a compartment's public key.
    COMPARTMENT_KEY = "horkos compartment key v1";
    /// HPKE info of a dealing box.
    DEAL_BOX = "horkos deal box v1";
    /// Hash over all dealings of one write.
    DEALING = "horkos dealing v1";
    /// What a trustee's acknowledgement signs.
    ACKNOWLEDGEMENT = "horkos acknowledgement v1";
    /// What a storage receipt signs.
    STORAGE_RECEIPT = "horkos storage receipt v1";
    /// HPKE info of a compartment's sealing context.
    SEAL = "horkos seal v1";
    /// Exporter context of a record's data key.
    RECORD_KEY = "horkos record key v1";
    /// Exporter context of a record's commitment key.
    RECORD_COMMIT = "horkos record commit v1";
    /// Key-commitment value of a record.
    KEY_COMMIT = "horkos key commit v1";
    /// Keyed commitment to a record's plaintext.
    PLAINTEXT_COMMIT = "horkos plaintext commit v1";
    /// Leaf of a pack's Merkle tree.
    PACK_LEAF = "horkos pack leaf v1";
    /// Hash of a ciphertext or of a blob.
    BLOB = "horkos blob v1";
    /// Hash of a record's random part.
    RECORD_RANDOM = "horkos record random v1";
    /// HPKE info of a release.
    RELEASE = "horkos release v1";
    /// Hash of a reader's fresh session key.
    SESSION_KEY = "horkos session key v1";
    /// Opaque tag of a category.
    CATEGORY_TAG = "horkos category tag v1";
    /// Id of a record within its chart, across its versions.
    RECORD_ID = "horkos record id v1";
    /// Hash of an audit record, which lies off the ledger.
    AUDIT_RECORD = "horkos audit record v1";
    /// Hash of a policy set's text.
    POLICY = "horkos policy v1";
    /// What makes two denied accesses the same.
    ACCESS_SAME = "horkos access same v1";
    /// HPKE info of a resharing box.
    RESHARE = "horkos reshare v1";
    /// Names and places of files in an organisation's vault.
    VAULT_NAME = "horkos vault name v1";
    /// Proof that a session key is held by whoever asks to have it certified.
    SESSION_PROOF = "horkos session proof v1";
    /// What a signed RPC request covers.
    RPC = "horkos rpc v1";
    /// One-time code by which a patient claims a chart.
    CLAIM_CODE = "horkos claim code v1";
    /// Proof that a fresh key is held by whoever rotates to it.
    KEY_ROTATION = "horkos key rotation v1";
    /// Consent of a person or device that a further organisation carries its traffic.
    CARRIAGE = "horkos carriage v1";
    /// Proof that a claimant holds the named key.
    CLAIM_PROOF = "horkos claim proof v1";
    /// Namespace of the engine's votes and certificates.
    CONSENSUS = "horkos consensus v1";
    /// Seed of the order in which lanes are served.
    LANE_ORDER = "horkos lane order v1";
    /// Running digest over all that a node stored for its blocks.
    STORE_RECORD = "horkos store record v1";
    /// Checksum of a small file of the store.
    STORE_FILE = "horkos store file v1";
    /// Seeded values of the wire goldens.
    GOLDEN = "horkos golden v1";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn a_context_hashed_once_is_the_same_context() {
        for domain in ALL {
            let ours = *domain.hasher().update(b"some bytes").finalize().as_bytes();
            assert_eq!(ours, blake3::derive_key(domain.as_str(), b"some bytes"));
        }
    }

    #[test]
    fn no_two_domains_share_a_text() {
        let texts: BTreeSet<_> = ALL.iter().map(|domain| domain.as_str()).collect();
        assert_eq!(texts.len(), ALL.len());
        assert!(ALL.iter().all(|domain| domain.as_str().starts_with("horkos ")));
    }
}
