//! This file is where one record is sealed: compressed, padded to a size class, encrypted under a key of its own that
//! it commits to, its plaintext committed to under another key.

use crate::{kdf, suite::Suite};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, CompartmentId, Domain, Hash, OrgId, domain, hash};
use rand_core::CryptoRng;
use std::{fmt, io::Read as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes of a record's random part.
pub const RANDOM_BYTES: usize = 32;

/// Most bytes of one record's plaintext.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// How the content is stored, its length, the plaintext's length.
const FRAME_BYTES: usize = 1 + 4 + 4;
const KEY_COMMIT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const RAW: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_LEVEL: i32 = 3;
/// Largest window that a decoder accepts, as a power of two: no ciphertext may make it allocate more.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;

/// A record within its chart, across its versions: 16 bytes, random or keyed, which say nothing about it; see
/// [`crate::TagKey::record_id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct RecordId(pub [u8; 16]);

/// Where a record belongs; sealed at one place, it opens at no other.
pub(crate) struct Place<'a> {
    pub(crate) suite: Suite,
    pub(crate) chart: &'a ChartId,
    pub(crate) compartment: &'a CompartmentId,
    pub(crate) writer: &'a OrgId,
    pub(crate) record: &'a RecordId,
    pub(crate) version: u32,
}

/// The keys of one record.
pub(crate) struct RecordKeys {
    data: Zeroizing<[u8; 32]>,
    pub(crate) commit: Zeroizing<[u8; 32]>,
}

/// Why a record doesn't open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordError {
    KeyCommitment,
    Cipher,
    Frame,
}

impl RecordId {
    /// A fresh id.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

impl std::str::FromStr for RecordId {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Place<'_> {
    fn aad(&self) -> Hash {
        let Self { suite, chart, compartment, writer, record, version } = self;
        hash(
            domain::SEAL,
            &[
                &suite.id().to_le_bytes(),
                chart.as_bytes(),
                compartment.as_bytes(),
                writer.0.as_bytes(),
                &record.0,
                &version.to_le_bytes(),
            ],
        )
    }
}

impl RecordKeys {
    /// Derives both keys by the exporter of the compartment's HPKE context (RFC 9180 §5.3).
    ///
    /// `random` in both: with it gone, not even the compartment's key opens the record or tests a guess.
    pub(crate) fn derive<E>(
        export: impl Fn(&[u8], &mut [u8]) -> Result<(), E>,
        record: &RecordId,
        version: u32,
        random: &[u8; RANDOM_BYTES],
    ) -> Result<Self, E> {
        let key = |domain: Domain| {
            let mut context = Zeroizing::new(Vec::with_capacity(128));
            context.extend_from_slice(domain.as_str().as_bytes());
            context.extend_from_slice(&record.0);
            context.extend_from_slice(&version.to_le_bytes());
            context.extend_from_slice(random);
            let mut key = Zeroizing::new([0; 32]);
            export(&context, key.as_mut_slice()).map(|()| key)
        };
        Ok(Self { data: key(domain::RECORD_KEY)?, commit: key(domain::RECORD_COMMIT)? })
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, self.data.as_slice()).ok().map(LessSafeKey::new)
    }

    /// AES-GCM alone would open one ciphertext under two keys to two plaintexts.
    fn commitment(&self, aad: &Hash) -> Zeroizing<[u8; KEY_COMMIT_BYTES]> {
        kdf::derive(domain::KEY_COMMIT, &[self.data.as_slice(), aad.as_bytes()])
    }
}

/// The commitment to `plaintext` under a record's commit key: without the key nobody can test a guess.
pub(crate) fn plaintext_commitment(commit: &[u8; 32], plaintext: &[u8]) -> Hash {
    Hash(*kdf::derive(domain::PLAINTEXT_COMMIT, &[commit, plaintext]))
}

/// The size that content of `len` bytes is padded to: a power of two from 512 up to 64 KiB, above that a sixteenth of
/// the next power of two.
#[must_use]
pub const fn size_class(len: usize) -> usize {
    let power = if len <= 512 { 512 } else { len.next_power_of_two() };
    if power <= 64 << 10 { power } else { len.next_multiple_of(power / 16) }
}

/// Whether `bytes` is the size of some record's ciphertext.
pub(crate) const fn is_ciphertext_size(bytes: usize) -> bool {
    match bytes.checked_sub(KEY_COMMIT_BYTES + TAG_BYTES) {
        Some(class) => {
            class > 0 && class <= size_class(RECORD_BYTES_MAX + FRAME_BYTES) && size_class(class) == class
        }
        None => false,
    }
}

/// Seals one record: key commitment, ciphertext, tag. `None` if it is too long.
pub(crate) fn seal_record(keys: &RecordKeys, place: &Place<'_>, plaintext: &[u8]) -> Option<Vec<u8>> {
    if plaintext.len() > RECORD_BYTES_MAX {
        return None;
    }
    let packed = zstd::bulk::compress(plaintext, ZSTD_LEVEL).ok().map(Zeroizing::new);
    let (how, content) = match &packed {
        Some(packed) if packed.len() < plaintext.len() => (ZSTD, packed.as_slice()),
        Some(_) | None => (RAW, plaintext),
    };
    let aad = place.aad();
    let class = size_class(FRAME_BYTES + content.len());
    let mut bytes = Vec::with_capacity(KEY_COMMIT_BYTES + class + TAG_BYTES);
    bytes.extend_from_slice(keys.commitment(&aad).as_slice());
    bytes.push(how);
    bytes.extend_from_slice(&u32::try_from(content.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(plaintext.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(KEY_COMMIT_BYTES + class, 0);
    // One key seals one message only, so the nonce may be constant.
    let tag = keys
        .cipher()?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(aad.as_bytes()),
            bytes.get_mut(KEY_COMMIT_BYTES..)?,
        )
        .ok()?;
    bytes.extend_from_slice(tag.as_ref());
    Some(bytes)
}

/// Opens what [`seal_record`] made.
pub(crate) fn open_record(
    keys: &RecordKeys,
    place: &Place<'_>,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let aad = place.aad();
    let (commitment, sealed) = ciphertext.split_at_checked(KEY_COMMIT_BYTES).ok_or(RecordError::Frame)?;
    if !bool::from(keys.commitment(&aad).as_slice().ct_eq(commitment)) {
        return Err(RecordError::KeyCommitment);
    }
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let content = keys
        .cipher()
        .ok_or(RecordError::Cipher)?
        .open_in_place(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from(aad.as_bytes()),
            buffer.as_mut_slice(),
        )
        .map_err(|_| RecordError::Cipher)?;
    unframe(content).ok_or(RecordError::Frame)
}

fn unframe(frame: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (how, rest) = frame.split_first()?;
    let (content_len, rest) = rest.split_first_chunk()?;
    let (plain_len, rest) = rest.split_first_chunk()?;
    let (content, padding) = rest.split_at_checked(u32::from_le_bytes(*content_len) as usize)?;
    let plain_len = u32::from_le_bytes(*plain_len) as usize;
    if plain_len > RECORD_BYTES_MAX || padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    // Full capacity and one byte more first: a growing list would leave copies behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(plain_len + 1));
    match *how {
        RAW => plaintext.extend_from_slice(content),
        ZSTD => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(content).ok()?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).ok()?;
            decoder.take(plain_len as u64 + 1).read_to_end(&mut plaintext).ok()?;
        }
        _ => return None,
    }
    (plaintext.len() == plain_len).then_some(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_tell_little_and_cost_at_most_double() {
        for (len, class) in [(0, 512), (512, 512), (513, 1024), (65_536, 65_536), (65_537, 73_728)] {
            assert_eq!(size_class(len), class);
        }
        let mut classes = std::collections::BTreeSet::new();
        for len in (0..RECORD_BYTES_MAX).step_by(997) {
            let class = size_class(len);
            assert!(class >= len && class <= (2 * len).max(512) && size_class(class) == class);
            assert!(len <= 64 << 10 || class - len <= len / 8);
            classes.insert(class);
        }
        assert!(classes.len() < 80, "{}", classes.len());
    }

    #[test]
    fn a_frame_must_be_whole() {
        let frame = |how: u8, content: &[u8], plain: u32, padding: &[u8]| {
            let mut bytes = vec![how];
            bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&plain.to_le_bytes());
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(padding);
            unframe(&bytes)
        };
        let packed = zstd::bulk::compress(&[7; 1000], 3).unwrap();
        assert_eq!(frame(RAW, b"abc", 3, &[0; 5]).unwrap().as_slice(), b"abc");
        assert_eq!(frame(ZSTD, &packed, 1000, &[0]).unwrap().as_slice(), [7; 1000]);
        assert!(frame(RAW, b"abc", 4, &[0]).is_none());
        assert!(frame(RAW, b"abc", 3, &[0, 1]).is_none());
        assert!(frame(ZSTD, &packed, 999, &[0]).is_none());
        assert!(frame(ZSTD, &packed, 1001, &[0]).is_none());
        assert!(frame(ZSTD, b"junk", 4, &[0]).is_none());
        assert!(frame(2, b"abc", 3, &[]).is_none());
        assert!(frame(RAW, &[], u32::MAX, &[]).is_none());
        assert!(unframe(&[0; 8]).is_none());
    }
}
