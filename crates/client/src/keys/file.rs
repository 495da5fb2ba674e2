//! This file is where a secret key becomes a file and comes back: encrypted with a passphrase by `age`, in a
//! demonstration network plain.

use super::{FileError, read_private, write_private};
use age::secrecy::SecretString;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use envelope::OpenKey;
use primitives::SecretKey;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize as _, Zeroizing};

/// Logarithm of the scrypt work that guessing a passphrase costs per try: about a second and 256 MiB.
pub const WORK_DEFAULT: u8 = 18;

/// Most work that reading a file may cost: no file may keep a reader busy for hours.
const WORK_MAX: u8 = 22;

const FORMAT: u32 = 1;

/// How a key file is locked.
#[derive(Clone)]
pub enum Lock {
    /// Not at all: only where the network's genesis says that it is a demonstration.
    Plain,
    /// By a passphrase.
    Passphrase {
        /// The passphrase.
        passphrase: Zeroizing<String>,
        /// Logarithm of the work, see [`WORK_DEFAULT`].
        work: u8,
    },
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// Signs: Ed25519.
    Signing,
    /// Opens boxes: X-Wing.
    Box,
    /// Encrypts a program's own files: 32 random bytes.
    Storage,
}

/// Why a key file isn't read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a key file, or a damaged one.
    #[error("`{}` is no key file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("`{}` is of format {format}; this version knows {FORMAT}, update it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It needs a passphrase and there is none.
    #[error("`{}` needs its passphrase", .0.display())]
    NoPassphrase(PathBuf),
    /// The passphrase is wrong.
    #[error("the passphrase of `{}` is wrong", .0.display())]
    WrongPassphrase(PathBuf),
    /// It couldn't be encrypted.
    #[error("the key can't be encrypted: {0}")]
    Encrypt(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    kind: KeyKind,
    /// Hash or key by which the key is known, for people.
    public: String,
    /// Whether `secret` is an age file, or the seed itself.
    encrypted: bool,
    secret: String,
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Writes a signing key to a new file.
///
/// # Errors
/// [`KeyFileError`], also if the file exists.
pub fn save_signing(path: &Path, key: &SecretKey, lock: &Lock) -> Result<(), KeyFileError> {
    save(path, KeyKind::Signing, key.public().to_string(), &key.to_seed(), lock)
}

/// Writes a box key to a new file.
///
/// # Errors
/// [`KeyFileError`], also if the file exists.
pub fn save_box(path: &Path, key: &OpenKey, lock: &Lock) -> Result<(), KeyFileError> {
    save(path, KeyKind::Box, envelope::session_hash(key.public()).to_string(), &key.to_seed(), lock)
}

/// Reads a signing key; `passphrase` is asked only if the file is encrypted.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_signing(
    path: &Path,
    passphrase: impl FnOnce(&Path) -> Option<Zeroizing<String>>,
) -> Result<SecretKey, KeyFileError> {
    let (seed, public) = load(path, KeyKind::Signing, passphrase)?;
    let key = SecretKey::from_seed(&seed);
    check(path, &key.public().to_string(), &public)?;
    Ok(key)
}

/// Reads a box key; `passphrase` is asked only if the file is encrypted.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_box(
    path: &Path,
    passphrase: impl FnOnce(&Path) -> Option<Zeroizing<String>>,
) -> Result<OpenKey, KeyFileError> {
    let (seed, public) = load(path, KeyKind::Box, passphrase)?;
    let key = OpenKey::from_seed(&seed);
    check(path, &envelope::session_hash(key.public()).to_string(), &public)?;
    Ok(key)
}

/// Writes the key to a program's own files to a new file.
///
/// # Errors
/// [`KeyFileError`], also if the file exists.
pub fn save_storage(path: &Path, key: &Zeroizing<[u8; 32]>, lock: &Lock) -> Result<(), KeyFileError> {
    save(path, KeyKind::Storage, storage_name(key), key, lock)
}

/// Reads the key to a program's own files; `passphrase` is asked only if the file is encrypted.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_storage(
    path: &Path,
    passphrase: impl FnOnce(&Path) -> Option<Zeroizing<String>>,
) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let (key, public) = load(path, KeyKind::Storage, passphrase)?;
    check(path, &storage_name(&key), &public)?;
    Ok(key)
}

fn storage_name(key: &[u8; 32]) -> String {
    primitives::hash(primitives::domain::BLOB, &[b"storage key", key]).to_string()
}

fn save(
    path: &Path,
    kind: KeyKind,
    public: String,
    seed: &[u8; 32],
    lock: &Lock,
) -> Result<(), KeyFileError> {
    let (encrypted, secret) = match lock {
        Lock::Plain => (false, hex::encode(seed)),
        Lock::Passphrase { passphrase, work } => (true, STANDARD.encode(encrypt(seed, passphrase, *work)?)),
    };
    let file = KeyFile { format: FORMAT, kind, public, encrypted, secret };
    let text = toml::to_string(&file)
        .map(Zeroizing::new)
        .map_err(|error| KeyFileError::Encrypt(error.to_string()))?;
    Ok(write_private(path, text.as_bytes(), false)?)
}

fn load(
    path: &Path,
    expected: KeyKind,
    passphrase: impl FnOnce(&Path) -> Option<Zeroizing<String>>,
) -> Result<(Zeroizing<[u8; 32]>, String), KeyFileError> {
    let malformed =
        |reason: &str| KeyFileError::Malformed { path: path.to_owned(), reason: reason.to_owned() };
    let bytes = read_private(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("it isn't text"))?;
    // The parser's own message would show the line, and with it the secret.
    let file: KeyFile =
        toml::from_str(text).map_err(|_| malformed("its fields aren't those of a key file"))?;
    if file.format != FORMAT {
        return Err(KeyFileError::Format { path: path.to_owned(), format: file.format });
    }
    if file.kind != expected {
        return Err(malformed("it holds another kind of key"));
    }
    let secret = if file.encrypted {
        let sealed = STANDARD.decode(&file.secret).map_err(|_| malformed("its secret isn't base64"))?;
        let passphrase = passphrase(path).ok_or_else(|| KeyFileError::NoPassphrase(path.to_owned()))?;
        decrypt(&sealed, &passphrase).ok_or_else(|| KeyFileError::WrongPassphrase(path.to_owned()))?
    } else {
        Zeroizing::new(hex::decode(&file.secret).map_err(|_| malformed("its secret isn't hex"))?)
    };
    let seed: &[u8; 32] =
        secret.as_slice().try_into().map_err(|_| malformed("its secret hasn't 32 bytes"))?;
    Ok((Zeroizing::new(*seed), file.public.clone()))
}

fn check(path: &Path, found: &str, expected: &str) -> Result<(), KeyFileError> {
    if found == expected {
        return Ok(());
    }
    let reason = "its secret doesn't belong to its public key".to_owned();
    Err(KeyFileError::Malformed { path: path.to_owned(), reason })
}

/// Encrypts with a passphrase (age, scrypt).
pub(crate) fn encrypt(plaintext: &[u8], passphrase: &str, work: u8) -> Result<Vec<u8>, KeyFileError> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(work.clamp(1, WORK_MAX));
    age::encrypt(&recipient, plaintext).map_err(|error| KeyFileError::Encrypt(error.to_string()))
}

/// Decrypts what [`encrypt`] made; `None` if the passphrase is wrong or the bytes were changed.
pub(crate) fn decrypt(sealed: &[u8], passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(WORK_MAX);
    age::decrypt(&identity, sealed).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    fn locked() -> Lock {
        Lock::Passphrase { passphrase: Zeroizing::new("correct horse".to_owned()), work: 2 }
    }

    #[test]
    fn keys_come_back_with_the_passphrase_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let key = SecretKey::from_seed(&[7; 32]);
        save_signing(&path, &key, &locked()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&hex::encode([7; 32])), "the seed isn't in the file");
        let with = |passphrase: &'static str| move |_: &Path| Some(Zeroizing::new(passphrase.to_owned()));
        assert_eq!(load_signing(&path, with("correct horse")).unwrap().public(), key.public());
        assert!(matches!(load_signing(&path, with("wrong")), Err(KeyFileError::WrongPassphrase(_))));
        assert!(matches!(load_signing(&path, |_| None), Err(KeyFileError::NoPassphrase(_))));
        assert!(matches!(load_box(&path, with("correct horse")), Err(KeyFileError::Malformed { .. })));
        assert!(matches!(
            save_signing(&path, &key, &locked()),
            Err(KeyFileError::File(FileError::Exists(_)))
        ));
    }

    #[test]
    fn plain_keys_ask_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.key");
        let key = OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(1));
        save_box(&path, &key, &Lock::Plain).unwrap();
        let loaded = load_box(&path, |_| panic!("a plain key needs no passphrase")).unwrap();
        assert_eq!(loaded.public(), key.public());
    }

    #[test]
    fn a_damaged_file_says_so_and_shows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.key");
        save_signing(&path, &SecretKey::from_seed(&[7; 32]), &Lock::Plain).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let check = |text: &str, part: &str| {
            write_private(&path, text.as_bytes(), true).unwrap();
            let error = load_signing(&path, |_| None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("0707"), "{error}");
        };
        check(&text.replace("format = 1", "format = 9"), "format 9");
        check(&text.replacen("07", "08", 1), "doesn't belong");
        check(&text.replace("0707", "07zz"), "isn't hex");
        check("", "aren't those");
        check(&text.replace("secret", "sekret"), "aren't those");
    }
}
