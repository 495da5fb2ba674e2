//! This file is where a file is taken off the disk so that its bytes go with its name.

use std::{fs, io, io::Write as _, path::Path};

/// Overwrites and removes a file, durably. Fine if there is none.
///
/// # Errors
/// The disk's. Which blocks an overwrite reaches is the file system's affair: one that copies on write keeps the old ones
/// until it needs the space.
pub(crate) fn erase_file(path: &Path) -> io::Result<()> {
    let Some(old) = open_old(path)? else { return Ok(()) };
    overwrite(old)?;
    fs::remove_file(path)?;
    sync_dir(path.parent().unwrap_or_else(|| Path::new(".")))
}

/// Writes zeros over a file that is about to go, and has the disk take them.
pub(crate) fn overwrite(mut file: fs::File) -> io::Result<()> {
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    file.write_all(&vec![0; len])?;
    file.sync_all()
}

/// A file to be overwritten; `None` if there is none.
pub(crate) fn open_old(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
