//! Keys and what they protect: compartments and their sharing among trustees, sealing of records into packs, release
//! to a reader's session key, resharing and erasure. Pure: no I/O and no clock; randomness is an argument.
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
