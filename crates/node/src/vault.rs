//! This file is where what an organisation keeps for itself is sealed at rest: shares, notes, staff, claim codes.

use crate::disk;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use primitives::{domain, hash};
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Seals and opens small files under one key.
///
/// AES-256-GCM with random nonces: one key may seal 2^32 times (NIST SP 800-38D §8.3), far above what a node writes.
pub struct Vault {
    key: LessSafeKey,
    name_key: Zeroizing<[u8; 32]>,
    dir: PathBuf,
}

/// Why something can't be read from or written to the vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk.
    #[error("the vault's file `{path}` can't be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file was changed, or sealed under another key.
    #[error("the vault's file `{0}` does not open with this node's key")]
    Tampered(PathBuf),
    /// The key is unusable, or there is no randomness.
    #[error("the vault's key or the system's randomness can't be used")]
    Crypto,
}

impl Vault {
    /// A vault in `dir` under `key`.
    ///
    /// # Errors
    /// [`VaultError`] if the directory can't be made.
    pub fn open(dir: &Path, key: &[u8; 32]) -> Result<Self, VaultError> {
        fs::create_dir_all(dir).map_err(|source| VaultError::Io { path: dir.to_owned(), source })?;
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Crypto)?;
        let name_key = Zeroizing::new(hash(domain::VAULT_NAME, &[key]).0);
        Ok(Self { key: LessSafeKey::new(unbound), name_key, dir: dir.to_owned() })
    }

    /// A file name for `name` that says nothing about it to whoever lacks the key.
    #[must_use]
    pub fn file_name(&self, room: &str, name: &[u8]) -> String {
        hash(domain::VAULT_NAME, &[self.name_key.as_slice(), room.as_bytes(), name]).to_string()
    }

    fn path(&self, room: &str, file: &str) -> PathBuf {
        self.dir.join(room).join(file)
    }

    /// Seals `content` into a file, durably: a reader sees the old content or the new, never a mixture.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn put(&self, room: &str, file: &str, content: &[u8]) -> Result<(), VaultError> {
        let path = self.path(room, file);
        let sealed = self.seal(room, file, content)?;
        let io = |source| VaultError::Io { path: path.clone(), source };
        let dir = self.dir.join(room);
        if !dir.is_dir() {
            fs::create_dir_all(&dir).map_err(io)?;
            disk::sync_dir(&self.dir).map_err(io)?;
        }
        let fresh = dir.join(format!("{file}.new"));
        let mut writer = fs::File::create(&fresh).map_err(io)?;
        writer.write_all(&sealed).map_err(io)?;
        writer.sync_all().map_err(io)?;
        // What stood there is overwritten too, as unlinking alone leaves its bytes on the disk; but only once the new
        // content has its name, so that a crash in between loses neither.
        let old = disk::open_old(&path).map_err(io)?;
        fs::rename(&fresh, &path).map_err(io)?;
        disk::sync_dir(&dir).map_err(io)?;
        old.map_or(Ok(()), disk::overwrite).map_err(io)
    }

    /// The content of a file; `None` if there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn get(&self, room: &str, file: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let path = self.path(room, file);
        match fs::read(&path) {
            Ok(sealed) => self.unseal(room, file, sealed).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(VaultError::Io { path, source }),
        }
    }

    /// Overwrites and removes a file, durably. Fine if there is none.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn remove(&self, room: &str, file: &str) -> Result<(), VaultError> {
        let path = self.path(room, file);
        let io = |source| VaultError::Io { path: path.clone(), source };
        disk::erase_file(&path).map_err(io)
    }

    /// The files of a room.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn list(&self, room: &str) -> Result<Vec<String>, VaultError> {
        let dir = self.dir.join(room);
        let io = |source| VaultError::Io { path: dir.clone(), source };
        match fs::read_dir(&dir) {
            Ok(entries) => {
                let names =
                    entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
                let names: Vec<String> = names.collect::<Result<_, _>>().map_err(io)?;
                Ok(names.into_iter().filter(|name| !name.ends_with(".new")).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(io(source)),
        }
    }

    fn seal(&self, room: &str, file: &str, content: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::Crypto)?;
        let mut sealed = content.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(room, file), &mut sealed)
            .map_err(|_| VaultError::Crypto)?;
        sealed.extend_from_slice(&nonce);
        Ok(sealed)
    }

    fn unseal(&self, room: &str, file: &str, mut sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let tampered = || VaultError::Tampered(self.path(room, file));
        let at = sealed.len().checked_sub(NONCE_LEN).ok_or_else(tampered)?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed.split_off(at)).map_err(|_| tampered())?;
        let len = self.key.open_in_place(nonce, aad(room, file), &mut sealed).map_err(|_| tampered())?.len();
        sealed.truncate(len);
        Ok(Zeroizing::new(sealed))
    }
}

/// A file is bound to its place: it can't be moved under another name.
fn aad(room: &str, file: &str) -> Aad<Place> {
    Aad::from(Place(hash(domain::VAULT_NAME, &[b"place", room.as_bytes(), file.as_bytes()]).0))
}

/// Owned associated data.
struct Place([u8; 32]);

impl AsRef<[u8]> for Place {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_here_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path(), &[1; 32]).unwrap();
        vault.put("notes", "a", b"plain words").unwrap();
        assert_eq!(vault.get("notes", "a").unwrap().unwrap().as_slice(), b"plain words");
        assert!(vault.get("notes", "b").unwrap().is_none());
        let other = Vault::open(dir.path(), &[2; 32]).unwrap();
        assert!(matches!(other.get("notes", "a"), Err(VaultError::Tampered(_))));
        // Moved under another name it doesn't open either.
        fs::rename(dir.path().join("notes/a"), dir.path().join("notes/b")).unwrap();
        assert!(matches!(vault.get("notes", "b"), Err(VaultError::Tampered(_))));
    }

    #[test]
    fn every_flipped_byte_is_found_and_nothing_is_left_after_removal() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path(), &[1; 32]).unwrap();
        vault.put("notes", "a", b"plain words").unwrap();
        let path = dir.path().join("notes/a");
        let good = fs::read(&path).unwrap();
        assert!(!good.windows(5).any(|window| window == b"plain"));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(vault.get("notes", "a").is_err());
        }
        fs::write(&path, good).unwrap();
        vault.remove("notes", "a").unwrap();
        vault.remove("notes", "a").unwrap();
        assert!(vault.get("notes", "a").unwrap().is_none());
        assert!(vault.list("notes").unwrap().is_empty());
    }
}
