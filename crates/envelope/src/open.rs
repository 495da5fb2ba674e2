//! This file is where a pack is read: its two parts checked against its root, its records opened with a compartment's
//! key.

use crate::{
    boxes::OpenKey,
    erase::{Part, RecordState},
    manifest::{self, Entry, Manifest, ManifestError, SealedTo},
    record::{self, Place, RANDOM_BYTES, RecordError, RecordKeys},
    seal,
    suite::{Aead, Kdf, Kem},
};
use hpke::{Deserializable as _, OpModeR, aead::AeadCtxR, setup_receiver};
use primitives::{CompartmentId, PackRoot, domain};
use zeroize::Zeroizing;

/// A pack in memory, checked against its root: what is there is what was written, what is gone was erased.
#[derive(Clone, Debug)]
pub struct Pack<'a> {
    manifest: Manifest,
    ciphertexts: &'a [u8],
    randoms: &'a [u8],
}

/// A compartment's key at work on one pack.
pub struct Opener<'a> {
    manifest: &'a Manifest,
    compartment: CompartmentId,
    position: u16,
    context: AeadCtxR<Aead, Kdf, Kem>,
}

/// Why a pack or a record doesn't open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The manifest isn't the pack's.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A part of the pack is too short or too long.
    #[error("a part of the pack has {found} bytes, {expected} were expected")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// No entry at this position, or it lies in another compartment.
    #[error("entry {0} isn't in this compartment of the pack")]
    Entry(usize),
    /// The key is another compartment's.
    #[error("the key isn't the key of compartment {0} of the pack")]
    Key(usize),
    /// The record was erased.
    #[error("record {0} was erased")]
    Erased(usize),
    /// The record's ciphertext or random part was changed.
    #[error("record {0} was changed after it was written")]
    Damaged(usize),
    /// The writer sealed something else than it committed to.
    #[error("record {0} was sealed wrongly by its writer")]
    Inconsistent(usize),
}

impl Manifest {
    /// Sets `key` to work on the compartment at `at` of this pack.
    ///
    /// # Errors
    /// [`OpenError::Key`] if it isn't that compartment's key.
    pub fn opener(&self, at: usize, key: &OpenKey) -> Result<Opener<'_>, OpenError> {
        let SealedTo { compartment, encapsulated: _ } =
            self.compartments().get(at).ok_or(OpenError::Key(at))?;
        if key.public().hash(domain::COMPARTMENT_KEY) != compartment.body.key {
            return Err(OpenError::Key(at));
        }
        self.set_up(at, key)
    }

    /// The same without asking whose key it is: another's sets up as well, but to keys that open nothing.
    fn set_up(&self, at: usize, key: &OpenKey) -> Result<Opener<'_>, OpenError> {
        let (Some(sealed_to), Some(id), Ok(position)) =
            (self.compartments().get(at), self.compartment_ids().get(at), u16::try_from(at))
        else {
            return Err(OpenError::Key(at));
        };
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(sealed_to.encapsulated.as_slice())
            .map_err(|_| OpenError::Key(at))?;
        let context =
            setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Base, key.private(), &encapsulated, &seal::info(id))
                .map_err(|_| OpenError::Key(at))?;
        Ok(Opener { manifest: self, compartment: *id, position, context })
    }

    /// What is left of the record version at `at`, given its stored parts.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] if a part is neither what was written nor erased.
    pub fn state(&self, at: usize, ciphertext: &[u8], random: &[u8]) -> Result<RecordState, OpenError> {
        let entry = self.entries().get(at).ok_or(OpenError::Entry(at))?;
        let part = |bytes: &[u8], len: usize, matches: bool| {
            if matches {
                Ok(Part::Present)
            } else if bytes.len() == len && bytes.iter().all(|byte| *byte == 0) {
                Ok(Part::Erased)
            } else {
                Err(OpenError::Damaged(at))
            }
        };
        let ciphertext_fits = manifest::ciphertext_hash(ciphertext) == entry.ciphertext;
        let random_fits = manifest::random_hash(random) == entry.random;
        Ok(RecordState {
            ciphertext: part(ciphertext, entry.bytes as usize, ciphertext_fits)?,
            random: part(random, RANDOM_BYTES, random_fits)?,
        })
    }
}

impl<'a> Pack<'a> {
    /// Checks both parts of a pack against its root: every record present or erased, nothing damaged, nothing added.
    ///
    /// # Errors
    /// [`OpenError`] naming what is wrong.
    pub fn verify(root: PackRoot, ciphertexts: &'a [u8], randoms: &'a [u8]) -> Result<Self, OpenError> {
        let pack = Self::read(root, ciphertexts, randoms)?;
        for at in 0..pack.manifest.entries().len() {
            pack.state(at)?;
        }
        Ok(pack)
    }

    /// Checks manifest and lengths only; each record is checked when it is opened.
    ///
    /// # Errors
    /// [`OpenError`] if the manifest isn't that of pack `root`, or a part has the wrong length.
    pub fn read(root: PackRoot, ciphertexts: &'a [u8], randoms: &'a [u8]) -> Result<Self, OpenError> {
        let manifest = Manifest::read(root, ciphertexts)?;
        for (expected, found) in
            [(manifest.ciphertexts_bytes(), ciphertexts.len()), (manifest.randoms_bytes(), randoms.len())]
        {
            if expected != found {
                return Err(OpenError::Length { expected, found });
            }
        }
        Ok(Self { manifest, ciphertexts, randoms })
    }

    /// What the pack holds.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is left of the record version at `at`.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] if a part is neither what was written nor erased.
    pub fn state(&self, at: usize) -> Result<RecordState, OpenError> {
        let (ciphertext, random) = self.parts(at)?;
        self.manifest.state(at, ciphertext, random)
    }

    /// The stored ciphertext and random part of the record version at `at`.
    ///
    /// # Errors
    /// [`OpenError::Entry`] if there is none.
    pub fn parts(&self, at: usize) -> Result<(&'a [u8], &'a [u8]), OpenError> {
        let ciphertext = self.manifest.ciphertext_range(at).and_then(|range| self.ciphertexts.get(range));
        let random = self.manifest.random_range(at).and_then(|range| self.randoms.get(range));
        ciphertext.zip(random).ok_or(OpenError::Entry(at))
    }

    /// Opens the record version at `at`.
    ///
    /// # Errors
    /// [`OpenError`] if it was erased or damaged, or lies in another compartment than the opener's.
    pub fn open(&self, opener: &Opener<'_>, at: usize) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (ciphertext, random) = self.parts(at)?;
        opener.open(at, ciphertext, random)
    }
}

impl Opener<'_> {
    /// The compartment.
    #[must_use]
    pub const fn compartment(&self) -> &CompartmentId {
        &self.compartment
    }

    pub(crate) const fn manifest(&self) -> &Manifest {
        self.manifest
    }

    /// Opens the record version at `at` of the manifest from its two stored parts.
    ///
    /// # Errors
    /// [`OpenError`] if it was erased or damaged, or lies in another compartment.
    pub fn open(&self, at: usize, ciphertext: &[u8], random: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.open_with_keys(at, ciphertext, random).map(|(plaintext, _)| plaintext)
    }

    pub(crate) fn open_with_keys(
        &self,
        at: usize,
        ciphertext: &[u8],
        random: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, RecordKeys), OpenError> {
        let entry = self.manifest.entries().get(at).filter(|entry| entry.compartment == self.position);
        let entry = entry.ok_or(OpenError::Entry(at))?;
        let state = self.manifest.state(at, ciphertext, random)?;
        if state.ciphertext == Part::Erased || state.random == Part::Erased {
            return Err(OpenError::Erased(at));
        }
        let random: &[u8; RANDOM_BYTES] = random.try_into().map_err(|_| OpenError::Damaged(at))?;
        let Entry { record, version, commitment, .. } = entry;
        let export = |context: &[u8], key: &mut [u8]| self.context.export(context, key);
        let keys =
            RecordKeys::derive(export, record, *version, random).map_err(|_| OpenError::Inconsistent(at))?;
        let place = Place {
            suite: self.manifest.suite(),
            chart: self.manifest.chart(),
            compartment: &self.compartment,
            writer: self.manifest.writer(),
            record,
            version: *version,
        };
        let plaintext = record::open_record(&keys, &place, ciphertext).map_err(|error| match error {
            // The bytes are those that were written, so whatever fails now was wrong from the start.
            RecordError::KeyCommitment | RecordError::Cipher | RecordError::Frame => {
                OpenError::Inconsistent(at)
            }
        })?;
        if record::plaintext_commitment(&keys.commit, &plaintext) != *commitment {
            return Err(OpenError::Inconsistent(at));
        }
        Ok((plaintext, keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Compartment, PlainRecord, RecordId, Threshold, combine, open_key, seal_pack};
    use primitives::{ChartId, OrgId, Tag};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    #[test]
    fn another_compartments_key_opens_nothing_even_past_the_check() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let threshold = Threshold::new(2, 3).unwrap();
        let (chart, writer) = (ChartId::default(), "riverside".parse::<OrgId>().unwrap());
        let class = Class { chart, tag: Tag::default(), writer: writer.clone() };
        let opened = [(); 2].map(|()| Compartment::open(&mut rng, &class, threshold));
        let compartments: Vec<_> = opened.iter().map(|one| one.compartment.clone()).collect();
        let keys = opened.each_ref().map(|one| {
            let shares: Vec<_> = one.shares.iter().collect();
            open_key(&combine(&shares, 2).unwrap(), &one.compartment.body).unwrap()
        });
        let plain = |compartment, plaintext| PlainRecord {
            compartment,
            record: RecordId([7; 16]),
            version: u32::from(compartment) + 1,
            plaintext,
        };
        let sealed =
            seal_pack(&mut rng, &chart, &writer, &compartments, &[plain(0, b"old"), plain(1, b"new")])
                .unwrap();
        let pack = Pack::verify(sealed.manifest.root(), &sealed.ciphertexts, &sealed.randoms).unwrap();
        let manifest = pack.manifest();
        for (at, of) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let opener = manifest.opener(at, &keys[of]);
            assert_eq!(opener.is_ok(), at == of);
            let forced = manifest.set_up(at, &keys[of]).unwrap();
            assert_eq!(pack.open(&forced, at).is_ok(), at == of, "key {of} at compartment {at}");
        }
    }
}
