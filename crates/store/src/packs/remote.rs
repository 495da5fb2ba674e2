//! This file is where packs lie in an S3-compatible object store.

use super::error::PackError;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};
use std::{collections::BTreeMap, ops::Range};

pub(super) struct Remote {
    store: AmazonS3,
    prefix: Path,
}

/// `None` for what isn't there.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, PackError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(PackError::Remote(error)),
    }
}

impl Remote {
    pub(super) fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Self, PackError> {
        let wrong = |what: String| PackError::Place { place: url.into(), what };
        let Some(place) = url.strip_prefix("s3://") else {
            return Err(wrong("the scheme is unknown".into()));
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(wrong("the bucket is missing".into()));
        }
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        for (name, value) in options {
            let key: AmazonS3ConfigKey = name.parse().map_err(|error: Error| wrong(error.to_string()))?;
            builder = builder.with_config(key, value);
        }
        let store = builder.build().map_err(|error| wrong(error.to_string()))?;
        let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store, prefix })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(super) async fn write(&self, name: &str, bytes: Bytes) -> Result<(), PackError> {
        self.store.put(&self.path(name), bytes.into()).await.map(drop).map_err(PackError::Remote)
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, PackError> {
        match found(self.store.get(&self.path(name)).await)? {
            None => Ok(None),
            Some(object) => object.bytes().await.map(Some).map_err(PackError::Remote),
        }
    }

    pub(super) async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>, PackError> {
        found(self.store.get_range(&self.path(name), range).await)
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, PackError> {
        Ok(found(self.store.head(&self.path(name)).await)?.map(|object| object.size))
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), PackError> {
        found(self.store.delete(&self.path(name)).await).map(drop)
    }

    pub(super) async fn zero(&self, name: &str, ranges: &[Range<u64>]) -> Result<(), PackError> {
        let Some(old) = self.read(name).await? else { return Ok(()) };
        let mut bytes = BytesMut::from(&*old);
        for range in ranges {
            // The caller has checked the ranges against the object's size.
            let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            if let Some(part) = range.and_then(|(start, end)| bytes.get_mut(start..end)) {
                part.fill(0);
            }
        }
        self.write(name, bytes.freeze()).await
    }

    pub(super) async fn names(&self) -> Result<Vec<String>, PackError> {
        let objects: Vec<_> =
            self.store.list(Some(&self.prefix)).try_collect().await.map_err(PackError::Remote)?;
        let names = objects.iter().filter_map(|object| object.location.filename());
        Ok(names.map(|name| format!("{}/{name}", name.get(..2).unwrap_or_default())).collect())
    }
}
