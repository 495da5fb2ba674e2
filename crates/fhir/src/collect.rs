//! This file is where records become a Bundle again, each with exactly the bytes that were submitted.

use crate::bundle::Resource;
use crate::error::ReadError;
use crate::json::{Document, Limits, escape};

/// Which Bundle is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A set of resources, as `open` and `export` give it.
    Collection,
    /// The answer to a search, with its total and each entry a match.
    Searchset,
}

/// One entry to be written.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The fullUrl with which it was submitted.
    pub full_url: Option<&'a str>,
    /// The submitted bytes.
    pub resource: &'a [u8],
}

/// Why a record cannot be written into a Bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} is not a FHIR R4 resource")]
pub struct CollectError {
    /// Which record.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub source: ReadError,
}

/// Writes a Bundle of the records in the order given.
///
/// Every record is read first: bytes that come from another organisation could otherwise close the entry early and
/// smuggle in entries that nobody signed.
///
/// # Errors
/// If a record is not one R4 resource.
pub fn collect<'a>(
    form: Form,
    records: impl IntoIterator<Item = Record<'a>>,
    limits: &Limits,
) -> Result<Vec<u8>, CollectError> {
    let mut entries = Vec::new();
    let mut total = 0;
    for (index, Record { full_url, resource }) in records.into_iter().enumerate() {
        let source = match Document::read(resource, limits) {
            // A byte order mark may stand before a file, not inside one.
            Ok(_) if resource.starts_with(b"\xef\xbb\xbf") => Some(ReadError::NotUtf8 { at: 0 }),
            Ok(document) => Resource::try_from(document.root()).err(),
            Err(error) => Some(error),
        };
        if let Some(source) = source {
            return Err(CollectError { index, source });
        }
        entries.extend_from_slice(if index == 0 { b"\n{" } else { b",\n{" });
        if let Some(full_url) = full_url {
            entries.extend_from_slice(b"\"fullUrl\":\"");
            escape(full_url, &mut entries);
            entries.extend_from_slice(b"\",");
        }
        entries.extend_from_slice(b"\"resource\":");
        entries.extend_from_slice(resource);
        if form == Form::Searchset {
            entries.extend_from_slice(b",\"search\":{\"mode\":\"match\"}");
        }
        entries.push(b'}');
        total += 1;
    }
    let mut bundle = match form {
        Form::Collection => b"{\"resourceType\":\"Bundle\",\"type\":\"collection\"".to_vec(),
        Form::Searchset => {
            format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{total}").into_bytes()
        }
    };
    // FHIR forbids empty arrays.
    if total > 0 {
        bundle.extend_from_slice(b",\"entry\":[");
        bundle.append(&mut entries);
        bundle.extend_from_slice(b"\n]");
    }
    bundle.extend_from_slice(b"}\n");
    Ok(bundle)
}
