//! This file is where values become bytes and back: borsh, one encoding per value, no trailing bytes.

use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes don't decode.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the caller accepts.
    #[error("{len} bytes are more than the {max} allowed")]
    TooLong {
        /// Length of the input.
        len: usize,
        /// The caller's bound.
        max: usize,
    },
    /// Not the canonical encoding of the type, or followed by more bytes.
    #[error("not a canonical encoding")]
    Malformed(#[source] std::io::Error),
}

/// The one encoding of `value`.
#[must_use]
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec can't fail, and the derived impls fail for lengths over u32::MAX only, which bounds forbid.
    let written = value.serialize(&mut bytes);
    crate::invariant!(written.is_ok());
    bytes
}

/// Decodes `bytes`, all of them.
///
/// # Errors
/// [`DecodeError::Malformed`] if they aren't the encoding of a `T`.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    borsh::from_slice(bytes).map_err(DecodeError::Malformed)
}

/// Decodes `bytes` if there are at most `max` of them.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_bounded<T: BorshDeserialize>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max { Err(DecodeError::TooLong { len: bytes.len(), max }) } else { decode(bytes) }
}
