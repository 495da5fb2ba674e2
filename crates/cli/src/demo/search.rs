//! This file is where everything that the nodes have on disk is searched for what must not be there.

use crate::exit::Failure;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is searched for, indexed by its first two bytes.
pub(super) struct Needles {
    all: Vec<Vec<u8>>,
    by_start: Vec<Vec<usize>>,
}

/// What a search came to.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// Files read.
    pub(super) files: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Files in which something was found, and what.
    pub(super) found: Vec<(PathBuf, String)>,
}

impl Needles {
    /// These strings; shorter ones than four bytes turn up by chance and are left out.
    pub(super) fn new(strings: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<Vec<u8>> =
            strings.into_iter().map(String::into_bytes).filter(|needle| needle.len() >= 4).collect();
        all.sort();
        all.dedup();
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (at, needle) in all.iter().enumerate() {
            if let [first, second, ..] = needle.as_slice()
                && let Some(list) = by_start.get_mut(usize::from(u16::from_be_bytes([*first, *second])))
            {
                list.push(at);
            }
        }
        Self { all, by_start }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The first that stands in `bytes`.
    pub(super) fn first_in(&self, bytes: &[u8]) -> Option<String> {
        for (at, pair) in bytes.windows(2).enumerate() {
            let [first, second] = pair else { continue };
            let Some(list) = self.by_start.get(usize::from(u16::from_be_bytes([*first, *second]))) else {
                continue;
            };
            for needle in list.iter().filter_map(|needle| self.all.get(*needle)) {
                if bytes.get(at..).is_some_and(|rest| rest.starts_with(needle)) {
                    return Some(String::from_utf8_lossy(needle).into_owned());
                }
            }
        }
        None
    }

    /// Searches all files under `dir`.
    pub(super) fn search(&self, dir: &Path, searched: &mut Searched) -> Result<(), Failure> {
        let entries = fs::read_dir(dir).map_err(|error| Failure::file(dir, &error))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                self.search(&path, searched)?;
            } else if kind.is_file() {
                // A running node replaces files; one that is gone meanwhile holds nothing.
                let Ok(bytes) = fs::read(&path) else { continue };
                searched.files += 1;
                searched.bytes += bytes.len() as u64;
                if let Some(needle) = self.first_in(&bytes) {
                    searched.found.push((path, needle));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needles_are_found_wherever_they_are() {
        let needles = Needles::new(["O'Dálaigh".to_owned(), "abc".to_owned(), "MRN-44".to_owned()]);
        assert_eq!(needles.len(), 2);
        assert_eq!(needles.first_in(b"xxMRN-4"), None);
        assert_eq!(needles.first_in(b"xxMRN-44"), Some("MRN-44".to_owned()));
        assert_eq!(needles.first_in("…O'Dálaigh…".as_bytes()), Some("O'Dálaigh".to_owned()));
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/file"), b"\0\0MRN-44\0").unwrap();
        let mut searched = Searched::default();
        needles.search(dir.path(), &mut searched).unwrap();
        assert_eq!((searched.files, searched.bytes, searched.found.len()), (1, 9, 1));
    }
}
