//! This file is where packs lie in a directory: written whole and synced before they count, erased in place.

use super::error::PackError;
use crate::identity::sync_dir;
use bytes::Bytes;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Suffix of a file that is being written.
const FRESH: &str = "new";

#[derive(Clone)]
pub(super) struct Local {
    dir: PathBuf,
    /// One change at a time: an erasure must not meet a file that is just being replaced.
    changing: Arc<Mutex<()>>,
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    move |source| PackError::File { path: path.into(), source }
}

/// `None` for what isn't there.
fn found<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, PackError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path)(error)),
    }
}

impl Local {
    pub(super) fn open(dir: impl Into<PathBuf>) -> Result<Self, PackError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(file_error(&dir))?;
        let local = Self { dir, changing: Arc::default() };
        // What a crash left half written may hold bytes that are erased elsewhere.
        for path in local.files()? {
            if path.extension().is_some_and(|extension| extension == FRESH) {
                fs::remove_file(&path).map_err(file_error(&path))?;
            }
        }
        Ok(local)
    }

    pub(super) async fn write(&self, name: String, bytes: Bytes) -> Result<(), PackError> {
        self.change(name, move |path| {
            let folder = path.parent().unwrap_or(path);
            if !folder.exists() {
                fs::create_dir_all(folder)?;
                folder.parent().map_or(Ok(()), sync_dir)?;
            }
            let mut fresh = path.as_os_str().to_owned();
            fresh.push(format!(".{FRESH}"));
            let mut file = File::create(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            sync_dir(folder)
        })
        .await
    }

    pub(super) async fn remove(&self, name: String) -> Result<(), PackError> {
        self.change(name, |path| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.and_then(|()| path.parent().map_or(Ok(()), sync_dir)),
        })
        .await
    }

    pub(super) async fn zero(&self, name: String, ranges: Vec<Range<u64>>) -> Result<(), PackError> {
        self.change(name, move |path| {
            let mut file = OpenOptions::new().write(true).open(path)?;
            for range in ranges {
                file.seek(SeekFrom::Start(range.start))?;
                io::copy(&mut io::repeat(0).take(range.end.saturating_sub(range.start)), &mut file)?;
            }
            file.sync_all()
        })
        .await
    }

    pub(super) async fn read(&self, name: String) -> Result<Option<Bytes>, PackError> {
        self.off_thread(name, |path| Ok(found(path, fs::read(path))?.map(Bytes::from))).await
    }

    pub(super) async fn read_range(
        &self,
        name: String,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, PackError> {
        self.off_thread(name, move |path| {
            let Some(mut file) = found(path, File::open(path))? else { return Ok(None) };
            let mut bytes = Vec::new();
            let read = file
                .seek(SeekFrom::Start(range.start))
                .and_then(|_| file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes));
            read.map_err(file_error(path))?;
            Ok(Some(bytes.into()))
        })
        .await
    }

    pub(super) async fn size(&self, name: String) -> Result<Option<u64>, PackError> {
        self.off_thread(name, |path| Ok(found(path, fs::metadata(path))?.map(|found| found.len()))).await
    }

    pub(super) async fn names(&self) -> Result<Vec<String>, PackError> {
        let local = self.clone();
        self.off_thread(String::new(), move |_| {
            let files = local.files()?;
            let names = files.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
            // A full name again, so that it can be read and removed by it.
            Ok(names.map(|name| format!("{}/{name}", name.get(..2).unwrap_or_default())).collect())
        })
        .await
    }

    fn files(&self) -> Result<Vec<PathBuf>, PackError> {
        let mut files = Vec::new();
        for folder in fs::read_dir(&self.dir).map_err(file_error(&self.dir))? {
            let folder = folder.map_err(file_error(&self.dir))?.path();
            if folder.is_dir() {
                for file in fs::read_dir(&folder).map_err(file_error(&folder))? {
                    files.push(file.map_err(file_error(&folder))?.path());
                }
            }
        }
        Ok(files)
    }

    async fn change(
        &self,
        name: String,
        work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static,
    ) -> Result<(), PackError> {
        let changing = Arc::clone(&self.changing);
        self.off_thread(name, move |path| {
            let _changing = changing.lock().unwrap_or_else(PoisonError::into_inner);
            work(path).map_err(file_error(path))
        })
        .await
    }

    /// Files block; the runtime's threads must not.
    async fn off_thread<T: Send + 'static>(
        &self,
        name: String,
        work: impl FnOnce(&Path) -> Result<T, PackError> + Send + 'static,
    ) -> Result<T, PackError> {
        let path = self.dir.join(name);
        let shown = path.clone();
        match tokio::task::spawn_blocking(move || work(&path)).await {
            Ok(result) => result,
            Err(error) => Err(file_error(&shown)(io::Error::other(error))),
        }
    }
}
