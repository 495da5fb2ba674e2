//! This file is where an export is encrypted with a passphrase, as a file that every `age` program opens.

use crate::keys::{KeyFileError, WORK_DEFAULT, decrypt_bytes, encrypt_bytes};
use zeroize::Zeroizing;

/// What every age file begins with.
const AGE: &[u8] = b"age-encryption.org/v1";

/// Why an export can't be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It can't be encrypted.
    #[error(transparent)]
    Encrypt(#[from] KeyFileError),
    /// The passphrase is wrong, or the file was changed.
    #[error("the passphrase is wrong, or the file was changed")]
    Wrong,
}

/// Whether the file is encrypted.
#[must_use]
pub fn is_encrypted(file: &[u8]) -> bool {
    file.starts_with(AGE)
}

/// Encrypts an export. `work` is the logarithm of what a guess at the passphrase costs; none for about a second.
///
/// # Errors
/// [`LockError`].
pub fn encrypt(file: &[u8], passphrase: &str, work: Option<u8>) -> Result<Vec<u8>, LockError> {
    Ok(encrypt_bytes(file, passphrase, work.unwrap_or(WORK_DEFAULT))?)
}

/// Decrypts an export.
///
/// # Errors
/// [`LockError::Wrong`].
pub fn unlock(file: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, LockError> {
    decrypt_bytes(file, passphrase).ok_or(LockError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_passphrase_opens() {
        let file = b"{\"resourceType\":\"Bundle\"}";
        let sealed = encrypt(file, "six random words", Some(2)).unwrap();
        assert!(is_encrypted(&sealed) && !is_encrypted(file));
        assert_eq!(unlock(&sealed, "six random words").unwrap().as_slice(), file);
        assert!(unlock(&sealed, "six random word").is_err());
        let mut bad = sealed.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(unlock(&bad, "six random words").is_err());
    }
}
