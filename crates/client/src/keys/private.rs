//! This file is where files that hold secrets are written and read: for the owner's eyes only, whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest private file that is read.
const BYTES_MAX: u64 = 1 << 20;

/// Why a file with secrets isn't read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk or the permissions.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others may read or change it.
    #[error("`{}` can be read or changed by others (mode {mode:o}); run `chmod 600` on it, and replace the key if they may have", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is one already.
    #[error("`{}` exists already; a key is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Longer than any such file.
    #[error("`{}` is too long to be a key or session file", .0.display())]
    TooLong(PathBuf),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io { path: path.to_owned(), source }
}

/// Reads a file that only its owner may read.
///
/// # Errors
/// [`FileError`], also if group or others may read or write it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(io_error(path))?;
    // Asked of the open file: the name could be given to another one in between.
    let metadata = file.metadata().map_err(io_error(path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > BYTES_MAX {
        return Err(FileError::TooLong(path.to_owned()));
    }
    // Full capacity at once: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(io_error(path))?;
    Ok(bytes)
}

/// Writes a file that only its owner may read: whole or not at all, durable when this returns.
///
/// # Errors
/// [`FileError`]; [`FileError::Exists`] unless `replace`.
pub fn write_private(path: &Path, bytes: &[u8], replace: bool) -> Result<(), FileError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(dir))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = dir.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .map_err(io_error(&draft))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error(&draft))?;
        if replace {
            fs::rename(&draft, path).map_err(io_error(path))
        } else {
            // A hard link fails if the name is taken, which a rename doesn't.
            fs::hard_link(&draft, path).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
                _ => FileError::Io { path: path.to_owned(), source },
            })
        }
    })();
    if !replace || written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error(dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn for_the_owners_eyes_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/k.key");
        write_private(&path, b"secret", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_private(&path).unwrap().as_slice(), b"secret");
        assert!(matches!(write_private(&path, b"other", false), Err(FileError::Exists(_))));
        assert_eq!(read_private(&path).unwrap().as_slice(), b"secret");
        write_private(&path, b"other", true).unwrap();
        assert_eq!(read_private(&path).unwrap().as_slice(), b"other");
        for mode in [0o640, 0o604, 0o660, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read_private(&path), Err(FileError::Exposed { .. })), "{mode:o}");
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
    }
}
