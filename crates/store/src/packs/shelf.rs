//! This file is where packs are put, fetched, erased and dropped, whatever holds them.

use super::{error::PackError, local::Local, remote::Remote};
use bytes::Bytes;
use primitives::{Millis, PackRoot};
use std::{collections::BTreeMap, ops::Range, str::FromStr as _, sync::Arc};

/// One of the two objects of a pack. They lie apart, so that one can be erased and the other still be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All records' ciphertexts.
    Ciphertext,
    /// All records' random parts; without its own, nobody opens a record again.
    Random,
}

/// Where this node keeps packs. Clones share it.
#[derive(Clone)]
pub struct Packs(Arc<Shelf>);

enum Shelf {
    Local(Local),
    Remote(Remote),
}

/// Suffix of the note that says until when an uncommitted pack is promised.
const PROMISE: &str = "until";

impl Part {
    const ALL: [Self; 2] = [Self::Ciphertext, Self::Random];

    fn suffix(self) -> &'static str {
        match self {
            Self::Ciphertext => "ct",
            Self::Random => "r",
        }
    }
}

fn name(root: &PackRoot, suffix: &str) -> String {
    let root = root.to_string();
    // 256 folders, so that none grows beyond what file systems like.
    format!("{}/{root}.{suffix}", root.get(..2).unwrap_or_default())
}

/// The pack and suffix that an object's name stands for.
fn parse(name: &str) -> Option<(PackRoot, &str)> {
    let (root, suffix) = name.rsplit('/').next()?.split_once('.')?;
    Some((PackRoot::from_str(root).ok()?, suffix))
}

impl Packs {
    /// Opens `place`: a directory, which is made if missing, or `s3://bucket/prefix`. For S3, credentials, region and
    /// endpoint come from `options` (`endpoint`, `region`, `access_key_id`, `secret_access_key`, `allow_http` …) or else
    /// from the usual `AWS_…` environment variables.
    ///
    /// # Errors
    /// [`PackError::Place`] or [`PackError::File`].
    pub fn open(place: &str, options: &BTreeMap<String, String>) -> Result<Self, PackError> {
        let shelf = match place.split_once("://") {
            Some(("file", path)) => Shelf::Local(Local::open(path)?),
            Some(_) => Shelf::Remote(Remote::open(place, options)?),
            None => Shelf::Local(Local::open(place)?),
        };
        Ok(Self(Arc::new(shelf)))
    }

    /// Stores both parts of a pack, durably when this returns. `keep_until` is what was promised to the writer: until the
    /// pack is [`Self::committed`] or that time has passed, it is kept. Stored once more, it replaces what was there.
    ///
    /// # Errors
    /// [`PackError`]; the pack then counts as not stored.
    pub async fn put(
        &self,
        root: &PackRoot,
        ciphertext: Bytes,
        random: Bytes,
        keep_until: Option<Millis>,
    ) -> Result<(), PackError> {
        // The promise first: a crash must not leave a pack that nobody ever drops.
        if let Some(Millis(until)) = keep_until {
            self.write(&name(root, PROMISE), until.to_string().into()).await?;
        }
        self.write(&name(root, Part::Ciphertext.suffix()), ciphertext).await?;
        self.write(&name(root, Part::Random.suffix()), random).await
    }

    /// Both parts are here.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn has(&self, root: &PackRoot) -> Result<bool, PackError> {
        for part in Part::ALL {
            if self.size(root, part).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Length of a part in bytes; `None` if it isn't here.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn size(&self, root: &PackRoot, part: Part) -> Result<Option<u64>, PackError> {
        let name = name(root, part.suffix());
        match &*self.0 {
            Shelf::Local(local) => local.size(name).await,
            Shelf::Remote(remote) => remote.size(&name).await,
        }
    }

    /// A part, whole; `None` if it isn't here. Unchecked: see [`Self::get_checked`].
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn get(&self, root: &PackRoot, part: Part) -> Result<Option<Bytes>, PackError> {
        self.read(&name(root, part.suffix())).await
    }

    /// A part, if `expected` says that these are its bytes.
    ///
    /// # Errors
    /// [`PackError::Damaged`] if they aren't.
    pub async fn get_checked(
        &self,
        root: &PackRoot,
        part: Part,
        expected: impl FnOnce(&[u8]) -> bool + Send,
    ) -> Result<Option<Bytes>, PackError> {
        match self.get(root, part).await? {
            Some(bytes) if !expected(&bytes) => Err(PackError::Damaged(*root)),
            found => Ok(found),
        }
    }

    /// The bytes of a part in `range`; `None` if the part isn't here.
    ///
    /// # Errors
    /// [`PackError::Range`] if it ends before.
    pub async fn get_range(
        &self,
        root: &PackRoot,
        part: Part,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, PackError> {
        let Some(size) = self.size(root, part).await? else { return Ok(None) };
        inside(root, &range, size)?;
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        let name = name(root, part.suffix());
        match &*self.0 {
            Shelf::Local(local) => local.read_range(name, range).await,
            Shelf::Remote(remote) => remote.read_range(&name, range).await,
        }
    }

    /// Overwrites `ranges` of a part with zeros, durably; everything else stays where it is. In a directory the old bytes
    /// are overwritten in place. An object store replaces the object: its bucket must not keep versions.
    ///
    /// Returns whether the part is here. May be called again after a crash.
    ///
    /// # Errors
    /// [`PackError`]; the erasure then has to be repeated.
    pub async fn erase(&self, root: &PackRoot, part: Part, ranges: &[Range<u64>]) -> Result<bool, PackError> {
        let Some(size) = self.size(root, part).await? else { return Ok(false) };
        for range in ranges {
            inside(root, range, size)?;
        }
        let name = name(root, part.suffix());
        match &*self.0 {
            Shelf::Local(local) => local.zero(name, ranges.to_vec()).await?,
            Shelf::Remote(remote) => remote.zero(&name, ranges).await?,
        }
        Ok(true)
    }

    /// Removes a pack and its promise, durably. Nothing happens if it isn't here.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn delete(&self, root: &PackRoot) -> Result<(), PackError> {
        // The promise last: if a crash comes between, the rest is dropped when it runs out.
        for suffix in [Part::Random.suffix(), Part::Ciphertext.suffix(), PROMISE] {
            self.remove(&name(root, suffix)).await?;
        }
        Ok(())
    }

    /// The pack is named by the ledger: it is kept from now on until it is deleted.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn committed(&self, root: &PackRoot) -> Result<(), PackError> {
        self.remove(&name(root, PROMISE)).await
    }

    /// Drops uncommitted packs whose promise ended before `now`, and names them. `now` is the time of the caller's own
    /// final state, in which a later commit would already be rejected.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn drop_expired(&self, now: Millis) -> Result<Vec<PackRoot>, PackError> {
        let mut dropped = Vec::new();
        for found in self.names().await? {
            let Some((root, PROMISE)) = parse(&found) else { continue };
            let Some(text) = self.read(&found).await? else { continue };
            let until = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            // A garbled promise can't be honoured to the day; the pack may be committed, so it stays.
            if until.is_some_and(|until| Millis(until) < now) {
                self.delete(&root).await?;
                dropped.push(root);
            }
        }
        Ok(dropped)
    }

    /// All packs with both parts here, in order.
    ///
    /// # Errors
    /// [`PackError`].
    pub async fn list(&self) -> Result<Vec<PackRoot>, PackError> {
        let names = self.names().await?;
        let mut parts: Vec<_> = names
            .iter()
            .filter_map(|name| parse(name))
            .filter(|(_, suffix)| Part::ALL.iter().any(|part| part.suffix() == *suffix))
            .collect();
        parts.sort();
        let pairs = parts.windows(2).filter_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(*one),
            _ => None,
        });
        Ok(pairs.collect())
    }

    async fn write(&self, name: &str, bytes: Bytes) -> Result<(), PackError> {
        match &*self.0 {
            Shelf::Local(local) => local.write(name.to_owned(), bytes).await,
            Shelf::Remote(remote) => remote.write(name, bytes).await,
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, PackError> {
        match &*self.0 {
            Shelf::Local(local) => local.read(name.to_owned()).await,
            Shelf::Remote(remote) => remote.read(name).await,
        }
    }

    async fn remove(&self, name: &str) -> Result<(), PackError> {
        match &*self.0 {
            Shelf::Local(local) => local.remove(name.to_owned()).await,
            Shelf::Remote(remote) => remote.remove(name).await,
        }
    }

    async fn names(&self) -> Result<Vec<String>, PackError> {
        match &*self.0 {
            Shelf::Local(local) => local.names().await,
            Shelf::Remote(remote) => remote.names().await,
        }
    }
}

fn inside(root: &PackRoot, range: &Range<u64>, size: u64) -> Result<(), PackError> {
    if range.start <= range.end && range.end <= size {
        Ok(())
    } else {
        Err(PackError::Range { root: *root, range: range.clone(), size })
    }
}
