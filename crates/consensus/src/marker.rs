//! This file is where a validator remembers, outside its data directory, that its key has voted: a lost or restored
//! directory is noticed before the key votes again.

use crate::{Fault, StartError};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Millis, NetworkId, PublicKey, Span};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The version of the engine's files that this program writes and reads.
const FORMAT: u16 = 1;
/// The file in the data directory that says whose it is.
const IDENTITY: &str = "identity";
/// The file in the data directory that the running process holds.
const LOCK: &str = "lock";
/// The marker follows the chain in steps of at least this.
const STEP: Span = Span(1_000);

/// Whose directory or marker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Identity {
    format: u16,
    network: NetworkId,
    key: PublicKey,
}

/// The marker: identity and a height that was durable in the data directory when it was written.
#[derive(Debug)]
pub(crate) struct Marker {
    path: PathBuf,
    identity: Identity,
    height: u64,
    written: Millis,
}

/// Keeps a data directory for one process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Takes the data directory for this process: two that run on copies of one key would vote twice.
pub(crate) fn lock(dir: &Path) -> Result<Lock, StartError> {
    let path = dir.join(LOCK);
    let io = |source| StartError::Io { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StartError::Running(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Holds marker and directory against each other; makes both if both are new.
///
/// The height in the marker must be checked against the block archive once that is open, see [`Marker::check`].
pub(crate) fn open(
    dir: &Path,
    path: &Path,
    network: NetworkId,
    key: PublicKey,
) -> Result<Marker, StartError> {
    if path.starts_with(dir) {
        return Err(StartError::Settings("the marker file must lie outside the data directory".into()));
    }
    let identity = Identity { format: FORMAT, network, key };
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Io { path, source }
    };
    let inside = dir.join(IDENTITY);
    let held: Option<Identity> = read(&inside).map_err(io(&inside))?;
    let marked: Option<(Identity, u64)> = read(path).map_err(io(path))?;
    for (found, at) in [(held, &inside), (marked.map(|(identity, _)| identity), &path.to_owned())] {
        let Some(found) = found else { continue };
        if found.format != FORMAT {
            return Err(StartError::Format { path: at.clone(), found: found.format, expected: FORMAT });
        }
        if found.network != network {
            return Err(StartError::OtherNetwork { path: at.clone(), found: found.network });
        }
        if found.key != key {
            return Err(StartError::OtherKey { path: at.clone(), found: found.key });
        }
    }
    match (held, marked) {
        (None, None) => {
            fs::create_dir_all(dir).map_err(io(dir))?;
            if fs::read_dir(dir).map_err(io(dir))?.next().is_some() {
                return Err(StartError::NotEmpty(dir.to_owned()));
            }
            // The marker first: should we die in between, the next start refuses where it need not, but never votes
            // where it must not.
            write(path, &(identity, 0_u64)).map_err(io(path))?;
            write(&inside, &identity).map_err(io(&inside))?;
            Ok(Marker { path: path.to_owned(), identity, height: 0, written: Millis::default() })
        }
        (Some(_), Some((_, height))) => {
            Ok(Marker { path: path.to_owned(), identity, height, written: Millis::default() })
        }
        (None, Some((_, height))) => Err(StartError::DataLost { dir: dir.to_owned(), height }),
        (Some(_), None) => Err(StartError::MarkerLost(path.to_owned())),
    }
}

impl Marker {
    /// Refuses to go on if the archive ends below what was durable before.
    pub(crate) fn check(&self, archived: u64) -> Result<(), StartError> {
        let Self { height, .. } = *self;
        if archived < height { Err(StartError::DataRestored { height, archived }) } else { Ok(()) }
    }

    /// Remembers that `height`, of block time `time`, is durable.
    pub(crate) fn note(&mut self, height: u64, time: Millis) -> Result<(), Fault> {
        if time.since(self.written) < STEP {
            return Ok(());
        }
        write(&self.path, &(self.identity, height)).map_err(|error| {
            Fault(format!("the marker file {} can't be written: {error}", self.path.display()))
        })?;
        (self.height, self.written) = (height, time);
        Ok(())
    }
}

fn read<T: BorshDeserialize>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => primitives::decode(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file at `path` durably: after a crash it holds the old or the new value.
fn write<T: BorshSerialize>(path: &Path, value: &T) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = File::create(&fresh)?;
    file.write_all(&primitives::encode(value))?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{Hash, SecretKey};

    fn key(n: u8) -> PublicKey {
        SecretKey::from_seed(&[n; 32]).public()
    }

    #[test]
    fn lost_restored_and_foreign_data_are_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, path) = (temp.path().join("data"), temp.path().join("marks/one"));
        let (network, other) = (NetworkId(Hash([1; 32])), NetworkId(Hash([2; 32])));
        let open = |network, n| super::open(&dir, &path, network, key(n));

        assert!(matches!(super::open(&dir, &dir.join("m"), network, key(1)), Err(StartError::Settings(_))));
        let mut marker = open(network, 1).unwrap();
        marker.note(7, Millis(5_000)).unwrap();
        marker.note(9, Millis(5_100)).unwrap();
        let marker = open(network, 1).unwrap();
        assert_eq!(marker.height, 7);
        let held = lock(&dir).unwrap();
        assert!(matches!(lock(&dir), Err(StartError::Running(_))));
        drop(held);
        lock(&dir).unwrap();
        marker.check(7).unwrap();
        assert!(matches!(marker.check(6), Err(StartError::DataRestored { height: 7, archived: 6 })));
        assert!(matches!(open(other, 1), Err(StartError::OtherNetwork { .. })));
        assert!(matches!(open(network, 2), Err(StartError::OtherKey { .. })));

        fs::rename(&dir, temp.path().join("elsewhere")).unwrap();
        assert!(matches!(open(network, 1), Err(StartError::DataLost { height: 7, .. })));
        fs::rename(temp.path().join("elsewhere"), &dir).unwrap();
        let newer = Identity { format: FORMAT + 1, network, key: key(1) };
        write(&dir.join(IDENTITY), &newer).unwrap();
        assert!(matches!(open(network, 1), Err(StartError::Format { .. })));
        fs::remove_file(dir.join(IDENTITY)).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(dir.join("stray"), b"?").unwrap();
        assert!(matches!(open(network, 1), Err(StartError::NotEmpty(_))));
    }
}
