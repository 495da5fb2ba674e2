//! This file is where a record goes for good: its ciphertext and its random part overwritten, each in its own blob,
//! while the manifest and the pack's root stay as they were.

use crate::{manifest::Manifest, record::RecordId};
use primitives::CompartmentId;
use std::ops::Range;

/// What is left of one stored part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it was written.
    Present,
    /// All zeros.
    Erased,
}

/// What is left of a record version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordState {
    /// Its ciphertext.
    pub ciphertext: Part,
    /// Its random part, without which nothing opens the ciphertext.
    pub random: Part,
}

/// The bytes that must go for one record version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Range of the ciphertexts blob.
    pub ciphertext: Range<usize>,
    /// Range of the randoms blob.
    pub random: Range<usize>,
}

impl RecordState {
    /// Whether both parts are gone.
    #[must_use]
    pub fn is_erased(self) -> bool {
        self.ciphertext == Part::Erased && self.random == Part::Erased
    }
}

impl Manifest {
    /// What must go for the record version at `at`.
    #[must_use]
    pub fn erasure(&self, at: usize) -> Option<Erasure> {
        Some(Erasure { ciphertext: self.ciphertext_range(at)?, random: self.random_range(at)? })
    }

    /// What must go for all versions of `record` in this pack.
    #[must_use]
    pub fn erasures_of_record(&self, record: &RecordId) -> Vec<Erasure> {
        let all = self.entries().iter().enumerate();
        all.filter(|(_, entry)| entry.record == *record).filter_map(|(at, _)| self.erasure(at)).collect()
    }

    /// What must go for all records of a compartment in this pack.
    #[must_use]
    pub fn erasures_of_compartment(&self, compartment: &CompartmentId) -> Vec<Erasure> {
        let all = 0..self.entries().len();
        all.filter(|at| self.compartment_of(*at) == Some(compartment))
            .filter_map(|at| self.erasure(at))
            .collect()
    }
}

impl Erasure {
    /// Overwrites the ranges with zeros. False if a blob is too short to hold them, and then nothing was changed.
    #[must_use]
    pub fn apply(&self, ciphertexts: &mut [u8], randoms: &mut [u8]) -> bool {
        let ciphertext = ciphertexts.get_mut(self.ciphertext.clone());
        let random = randoms.get_mut(self.random.clone());
        let (Some(ciphertext), Some(random)) = (ciphertext, random) else { return false };
        ciphertext.fill(0);
        random.fill(0);
        true
    }
}
