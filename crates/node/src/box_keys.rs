//! This file is where a trustee's box keys lie: the one in force, one on its way to the ledger, and earlier ones to which
//! dealings may still be under way.
//!
//! Each is a file of its own in the folder of keys, locked like the first; nothing is ever renamed or written over, so
//! that a crash leaves every key whole. Which of them is in force only the ledger says.

use crate::disk;
use client::keys::{FileError, KeyFileError, Lock, WORK_DEFAULT, load_box, save_box};
use envelope::OpenKey;
use ledger::governance::Member;
use primitives::Hash;
use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

/// The key that a member makes before it joins; those made later are named after their public half.
const FIRST: &str = "trustee.key";
const LATER: &str = "trustee-";
const ENDING: &str = ".key";

/// One key pair of a trustee.
pub struct BoxKey {
    path: PathBuf,
    id: Hash,
    pair: OpenKey,
}

/// A trustee's key pairs. At least one, when loaded.
pub struct BoxKeys {
    dir: PathBuf,
    lock: Lock,
    // In the order in which they were loaded and made.
    held: Mutex<Vec<Arc<BoxKey>>>,
}

impl BoxKey {
    /// Hash of the public half: how the key is called, here and by `horkos node status`.
    #[must_use]
    pub fn id(&self) -> &Hash {
        &self.id
    }

    /// The pair.
    #[must_use]
    pub fn pair(&self) -> &OpenKey {
        &self.pair
    }
}

/// How the box key of a member's row is called.
#[must_use]
pub fn box_key_id(member: &Member) -> Option<Hash> {
    envelope::SealKey::try_from(&*member.box_key).ok().map(|key| envelope::session_hash(&key))
}

impl BoxKeys {
    /// Reads all box keys in `dir`, and changes nothing there. Keys made later are locked as these are.
    ///
    /// # Errors
    /// [`KeyFileError`], also if there is no key at all.
    pub fn load(
        dir: &Path,
        passphrase: impl Fn(&Path) -> Option<Zeroizing<String>>,
    ) -> Result<Self, KeyFileError> {
        let lock = RefCell::new(Lock::Plain);
        let ask = |path: &Path| {
            let passphrase = passphrase(path)?;
            *lock.borrow_mut() = Lock::Passphrase { passphrase: passphrase.clone(), work: WORK_DEFAULT };
            Some(passphrase)
        };
        let mut held = Vec::new();
        for path in files(dir)?.keys {
            let pair = load_box(&path, ask)?;
            held.push(Arc::new(BoxKey { path, id: envelope::session_hash(pair.public()), pair }));
        }
        if held.is_empty() {
            // Says in the usual words that the file isn't there.
            load_box(&dir.join(FIRST), ask)?;
        }
        Ok(Self { dir: dir.to_owned(), lock: lock.into_inner(), held: Mutex::new(held) })
    }

    /// Takes away what a crash left behind: drafts of keys that no transaction ever named, and keys whose destruction was
    /// under way. Only for the one process that makes and destroys keys here.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn clear_up(&self) -> io::Result<()> {
        let found = files(&self.dir).map_err(io::Error::other)?;
        found.leftovers.iter().try_for_each(|path| disk::erase_file(path))
    }

    /// All that are held.
    #[must_use]
    pub fn held(&self) -> Vec<Arc<BoxKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key of this name, if it is held.
    #[must_use]
    pub fn find(&self, id: &Hash) -> Option<Arc<BoxKey>> {
        self.held().into_iter().find(|key| key.id == *id)
    }

    /// Makes a key, durable on disk and ready to open boxes when this returns. Locking it takes about a second.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn make(&self) -> Result<Arc<BoxKey>, KeyFileError> {
        let pair = OpenKey::generate(&mut crate::rng());
        let id = envelope::session_hash(pair.public());
        let path = self.dir.join(format!("{LATER}{id}{ENDING}"));
        save_box(&path, &pair, &self.lock)?;
        let made = Arc::new(BoxKey { path, id, pair });
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&made));
        Ok(made)
    }

    /// Destroys a key: its bytes are overwritten on the disk before the file goes, and it opens nothing any more.
    ///
    /// # Errors
    /// The disk's; then the key is still held.
    pub fn destroy(&self, id: &Hash) -> io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.iter().find(|key| key.id == *id) {
            disk::erase_file(&key.path)?;
        }
        // Whoever is opening a box with it right now has its own handle; the last one wipes it.
        held.retain(|key| key.id != *id);
        Ok(())
    }
}

/// What lies in a folder of keys.
#[derive(Default)]
struct Files {
    /// Box keys, in the order of their names.
    keys: Vec<PathBuf>,
    /// What is none any more, or never became one.
    leftovers: Vec<PathBuf>,
}

fn files(dir: &Path) -> Result<Files, FileError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FileError::Io { path, source }
    };
    let mut found = Files::default();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let entry = entry.map_err(io(dir))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with(&format!(".{LATER}")) {
            found.leftovers.push(path);
        } else if name == FIRST || (name.starts_with(LATER) && name.ends_with(ENDING)) {
            let bytes = Zeroizing::new(fs::read(&path).map_err(io(&path))?);
            let zeroed = !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
            if zeroed { found.leftovers.push(path) } else { found.keys.push(path) }
        }
    }
    found.keys.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(keys: &BoxKeys) -> Vec<Hash> {
        let mut ids: Vec<Hash> = keys.held().iter().map(|key| *key.id()).collect();
        ids.sort();
        ids
    }

    #[test]
    fn keys_come_back_and_destroyed_ones_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(BoxKeys::load(dir.path(), |_| None), Err(KeyFileError::File(_))));
        let first = OpenKey::generate(&mut crate::rng());
        let lock = Lock::Passphrase { passphrase: Zeroizing::new("correct horse".to_owned()), work: 2 };
        save_box(&dir.path().join(FIRST), &first, &lock).unwrap();
        assert!(matches!(BoxKeys::load(dir.path(), |_| None), Err(KeyFileError::NoPassphrase(_))));
        let passphrase = |_: &Path| Some(Zeroizing::new("correct horse".to_owned()));
        let mut keys = BoxKeys::load(dir.path(), passphrase).unwrap();
        assert!(matches!(keys.lock, Lock::Passphrase { .. }));
        // Guessing is meant to be slow; here nobody guesses.
        keys.lock = lock;
        let made = keys.make().unwrap();
        let text = fs::read_to_string(&made.path).unwrap();
        assert!(!text.contains(&hex::encode(*made.pair().to_seed())), "locked like the first");
        let again = BoxKeys::load(dir.path(), passphrase).unwrap();
        assert_eq!(ids(&again), ids(&keys));
        assert!(keys.find(made.id()).is_some() && keys.find(&Hash::default()).is_none());

        // A second name shows whether the bytes themselves are gone, and not just the first name.
        let other_name = dir.path().join("copy");
        fs::hard_link(dir.path().join(FIRST), &other_name).unwrap();
        keys.destroy(&envelope::session_hash(first.public())).unwrap();
        assert_eq!(ids(&keys), vec![*made.id()]);
        assert!(!dir.path().join(FIRST).exists());
        assert!(fs::read(&other_name).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(ids(&BoxKeys::load(dir.path(), passphrase).unwrap()), vec![*made.id()]);
    }

    #[test]
    fn what_a_crash_left_behind_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let first = OpenKey::generate(&mut crate::rng());
        save_box(&dir.path().join(FIRST), &first, &Lock::Plain).unwrap();
        let (half, draft) = (dir.path().join("trustee-aa.key"), dir.path().join(".trustee-bb.key.7.new"));
        fs::write(&half, [0; 99]).unwrap();
        fs::write(&draft, "secret").unwrap();
        let keys = BoxKeys::load(dir.path(), |_| None).unwrap();
        assert!(keys.held().len() == 1 && half.exists() && draft.exists(), "loading changes nothing");
        keys.clear_up().unwrap();
        assert!(!half.exists() && !draft.exists());
        assert_eq!(BoxKeys::load(dir.path(), |_| None).unwrap().held().len(), 1);
    }
}
