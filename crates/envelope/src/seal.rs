//! This file is where a write becomes a pack: one HPKE setup per compartment, every record sealed under keys that
//! come from it and from a random part of its own.

use crate::{
    boxes::ENCAPSULATED_BYTES,
    compartment::Compartment,
    manifest::{self, Entry, Head, Manifest, ManifestError, SealedTo},
    record::{self, Place, RANDOM_BYTES, RecordId, RecordKeys},
    suite::{Aead, Kdf, Kem, Suite},
};
use hpke::{OpModeS, Serializable as _, aead::AeadCtxS, setup_sender_with_rng};
use primitives::{COMPARTMENTS_MAX, ChartId, CompartmentId, List, OrgId, domain};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// One record version to be sealed.
#[derive(Clone, Copy)]
pub struct PlainRecord<'a> {
    /// Position of its compartment in the list given along.
    pub compartment: u16,
    /// The record.
    pub record: RecordId,
    /// Its version.
    pub version: u32,
    /// Its plaintext, opaque here.
    pub plaintext: &'a [u8],
}

/// A sealed pack: two blobs, to be stored as two objects, and what their manifest says.
#[derive(Debug)]
pub struct SealedPack {
    /// What the pack holds, and its root.
    pub manifest: Manifest,
    /// Manifest, then all ciphertexts.
    pub ciphertexts: Vec<u8>,
    /// The records' random parts, 32 bytes each, in the order of the manifest.
    pub randoms: Vec<u8>,
}

/// Why a pack can't be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Too many compartments.
    #[error("{0} compartments in one pack, 1 to {COMPARTMENTS_MAX} may be")]
    Compartments(usize),
    /// A compartment's public key is no key.
    #[error("the key of compartment {0} is malformed")]
    Key(usize),
    /// The record at this position is too long.
    #[error("record {0} is longer than {max} bytes", max = record::RECORD_BYTES_MAX)]
    RecordTooLong(usize),
    /// Nothing to seal, too much, something twice, or a compartment of another chart.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

struct Sender {
    id: CompartmentId,
    context: AeadCtxS<Aead, Kdf, Kem>,
}

/// Seals `records` of one write by `writer` into `compartments` of `chart`.
///
/// A compartment needs not be the writer's own: whoever has its public key can seal into it (so go audit records into
/// the chart's audit compartment).
///
/// # Errors
/// [`SealError`] if the write is out of bounds or names things inconsistently.
pub fn seal_pack(
    rng: &mut impl CryptoRng,
    chart: &ChartId,
    writer: &OrgId,
    compartments: &[Compartment],
    records: &[PlainRecord<'_>],
) -> Result<SealedPack, SealError> {
    let suite = Suite::V1;
    if records.len() > manifest::RECORDS_MAX {
        return Err(ManifestError::Size.into());
    }
    if compartments.len() > COMPARTMENTS_MAX {
        return Err(SealError::Compartments(compartments.len()));
    }
    let mut senders = Vec::new();
    let mut sealed_to = Vec::new();
    for (at, compartment) in compartments.iter().enumerate() {
        let id = compartment.id();
        let key = compartment.key.parse().map_err(|_| SealError::Key(at))?;
        let (encapsulated, context) =
            setup_sender_with_rng::<Aead, Kdf, Kem>(&OpModeS::Base, &key, &info(&id), rng)
                .map_err(|_| SealError::Key(at))?;
        let mut bytes = Box::new([0; ENCAPSULATED_BYTES]);
        encapsulated.write_exact(bytes.as_mut_slice());
        sealed_to.push(SealedTo { compartment: compartment.clone(), encapsulated: bytes });
        senders.push(Sender { id, context });
    }
    let mut entries = Vec::with_capacity(records.len());
    let mut bodies = Vec::new();
    let mut randoms = Vec::with_capacity(records.len() * RANDOM_BYTES);
    for (at, plain) in records.iter().enumerate() {
        let sender = senders
            .get(usize::from(plain.compartment))
            .ok_or(SealError::Manifest(ManifestError::Entry(at)))?;
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        rng.fill_bytes(random.as_mut_slice());
        let (entry, ciphertext) =
            seal_one(suite, chart, writer, sender, plain, &random).ok_or(SealError::RecordTooLong(at))?;
        if bodies.len() + ciphertext.len() > manifest::PACK_BYTES_MAX {
            return Err(ManifestError::Size.into());
        }
        entries.push(entry);
        bodies.extend_from_slice(&ciphertext);
        randoms.extend_from_slice(random.as_slice());
    }
    let head = Head {
        suite: suite.id(),
        chart: *chart,
        writer: writer.clone(),
        compartments: List::try_from(sealed_to).map_err(|_| SealError::Compartments(compartments.len()))?,
    };
    let manifest = Manifest::new(head, entries)?;
    let mut ciphertexts = manifest.to_bytes();
    ciphertexts.extend_from_slice(&bodies);
    primitives::invariant!(ciphertexts.len() == manifest.ciphertexts_bytes());
    Ok(SealedPack { manifest, ciphertexts, randoms })
}

fn seal_one(
    suite: Suite,
    chart: &ChartId,
    writer: &OrgId,
    sender: &Sender,
    plain: &PlainRecord<'_>,
    random: &[u8; RANDOM_BYTES],
) -> Option<(Entry, Vec<u8>)> {
    let PlainRecord { compartment, record, version, plaintext } = plain;
    let export = |context: &[u8], key: &mut [u8]| sender.context.export(context, key);
    let keys = RecordKeys::derive(export, record, *version, random).ok()?;
    let place = Place { suite, chart, compartment: &sender.id, writer, record, version: *version };
    let ciphertext = record::seal_record(&keys, &place, plaintext)?;
    let entry = Entry {
        compartment: *compartment,
        record: *record,
        version: *version,
        bytes: u32::try_from(ciphertext.len()).ok()?,
        random: manifest::random_hash(random),
        ciphertext: manifest::ciphertext_hash(&ciphertext),
        commitment: record::plaintext_commitment(&keys.commit, plaintext),
    };
    Some((entry, ciphertext))
}

/// HPKE info of a compartment's sealing context.
pub(crate) fn info(id: &CompartmentId) -> Vec<u8> {
    let mut info = domain::SEAL.as_str().as_bytes().to_vec();
    info.extend_from_slice(id.as_bytes());
    info
}
