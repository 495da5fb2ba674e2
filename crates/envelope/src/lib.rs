//! Keys and what they protect: compartments and their sharing among trustees, sealing of records into packs, release
//! to a reader's session key, resharing and erasure. Pure: no I/O and no clock; randomness is an argument.
//!
//! From a write to a read, with two of three trustees:
//!
//! ```
//! # use horkos_envelope as envelope;
//! # use primitives::{BlockHash, ChartId, Hash, NetworkId, OrgId, TxId};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use envelope::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let rng = &mut ChaCha20Rng::seed_from_u64(1);
//! # let (network, access, epoch, header) = (NetworkId::default(), TxId::default(), 1, BlockHash::default());
//! # let trustees: Vec<OpenKey> = (0..3).map(|_| OpenKey::generate(rng)).collect();
//! # let box_keys: Vec<SealKey> = trustees.iter().map(|key| key.public().clone()).collect();
//! # let record = RecordId::generate(rng);
//! // The writer opens a compartment, seals into it, and deals its key to the trustees.
//! let (chart, writer): (ChartId, OrgId) = (ChartId(Hash([7; 32])), "riverside-hospital".parse()?);
//! let class = Class { chart, tag: TagKey::generate(rng).tag("PSY"), writer: writer.clone() };
//! let threshold = Threshold::new(2, 3)?;
//! let opened = Compartment::open(rng, &class, threshold);
//! let plain = PlainRecord { compartment: 0, record, version: 1, plaintext: b"{}" };
//! let sealed = seal_pack(rng, &chart, &writer, &[opened.compartment.clone()], &[plain])?;
//! let root = sealed.manifest.root();
//! let terms = DealTerms { network, epoch, writer, chart, pack: root };
//! let dealt = deal(rng, terms, std::slice::from_ref(&opened), &box_keys)?;
//!
//! // For a permitted access, trustees 1 and 3 release to the session key that it names.
//! let session = SessionKey::generate(rng);
//! let wanted = [Wanted::new(opened.compartment.body.clone())];
//! let mut gathering = Gathering::new(network, access, epoch, &session, wanted);
//! for trustee in [1_u16, 3] {
//!     let at = usize::from(trustee) - 1;
//!     let shares = accept(rng, &dealt.dealing, threshold, trustee, &trustees[at], &dealt.boxes[at])?;
//!     let terms = ReleaseTerms { network, access, session: session.hash(), epoch, trustee, header };
//!     let release = release(rng, terms, session.public(), &[(opened.compartment.id(), &shares[0])])?;
//!     assert!(gathering.accept(rng, trustee, &release)?.false_shares.is_empty());
//! }
//!
//! // The reader opens the record, and can prove it to others.
//! let key = gathering.open_key(&opened.compartment.id())?;
//! let pack = Pack::verify(root, &sealed.ciphertexts, &sealed.randoms)?;
//! let opener = pack.manifest().opener(0, &key)?;
//! let (ciphertext, random) = pack.parts(0)?;
//! let (plaintext, opening) = opener.open_and_prove(0, ciphertext, random)?;
//! assert_eq!(plaintext.as_slice(), b"{}");
//! opening.verify(root, &plaintext)?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod boxes;
mod compartment;
mod deal;
mod erase;
mod gather;
mod kdf;
mod manifest;
mod open;
mod proof;
mod record;
mod release;
mod reshare;
mod seal;
mod session;
mod sharing;
mod suite;
mod tag;

pub use boxes::{ENCAPSULATED_BYTES, OpenBoxError, OpenKey, SEAL_KEY_BYTES, SealKey, SealKeyError};
pub use compartment::{Class, Compartment, KeyMismatch, Opened, open_key};
pub use deal::{AcceptError, DealError, DealTerms, Dealing, Dealt, accept, deal};
pub use erase::{Erasure, Part, RecordState};
pub use gather::{FalseShare, GatherError, Gathered, Gathering, Wanted};
pub use manifest::{
    Entry, MANIFEST_BYTES_MAX, Manifest, ManifestError, PACK_BYTES_MAX, RECORDS_MAX, SealedTo,
};
pub use open::{OpenError, Opener, Pack};
pub use proof::{LeafProof, Opening, OpeningError};
pub use record::{RANDOM_BYTES, RECORD_BYTES_MAX, RecordId, size_class};
pub use release::{RELEASE_SHARES_MAX, Release, ReleaseError, ReleaseTerms, release};
pub use reshare::{
    ReshareError, ReshareTerms, Resharing, ResharingDealt, accept_resharing, combine_resharings, reshare,
    reshared_commitments,
};
pub use seal::{PlainRecord, SealError, SealedPack, seal_pack};
pub use session::{SessionKey, session_hash};
pub use sharing::{
    CombineError, Secret, Share, ShareError, Sharing, Threshold, ThresholdError, combine, split, verify_batch,
};
pub use suite::{Suite, UnknownSuite};
pub use tag::TagKey;
