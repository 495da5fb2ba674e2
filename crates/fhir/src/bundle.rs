//! This file is where a Bundle or a single resource is taken in: checked, cut into entries, every byte kept.

use crate::error::{ReadError, shortened};
use crate::json::{Document, Limits, Value};
use crate::{types, version};
use std::borrow::Cow;

/// What a Bundle is for. Source: FHIR R4 Bundle.type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleType {
    /// All or nothing.
    Transaction,
    /// Each entry on its own.
    Batch,
    /// A set of resources.
    Collection,
    /// A Composition and what it refers to.
    Document,
    /// The answer to a search.
    Searchset,
    /// A MessageHeader and what it refers to.
    Message,
    /// Versions of resources.
    History,
    /// The answer to a transaction.
    TransactionResponse,
    /// The answer to a batch.
    BatchResponse,
    /// Not a Bundle: one resource by itself.
    Alone,
}

impl BundleType {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "transaction" => Self::Transaction,
            "batch" => Self::Batch,
            "collection" => Self::Collection,
            "document" => Self::Document,
            "searchset" => Self::Searchset,
            "message" => Self::Message,
            "history" => Self::History,
            "transaction-response" => Self::TransactionResponse,
            "batch-response" => Self::BatchResponse,
            _ => return None,
        })
    }
}

/// A file of FHIR R4: its bytes, and where in them each entry lies.
#[derive(Clone)]
pub struct Bundle {
    document: Document,
    kind: BundleType,
    size: usize,
}

/// One entry of a Bundle; for a single resource, the one entry that there is.
#[derive(Clone)]
pub struct Entry<'b> {
    /// Its position in the Bundle, from 0.
    pub index: usize,
    /// The identity that references inside the Bundle use.
    pub full_url: Option<Cow<'b, str>>,
    /// The resource; absent where a request or a response has none (a deletion).
    pub resource: Option<Resource<'b>>,
    /// What a server is asked to do with it.
    pub request: Option<Request<'b>>,
}

/// What a transaction or batch asks for. Source: FHIR R4 Bundle.entry.request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// `POST`, `PUT` …
    pub method: Cow<'b, str>,
    /// Relative to the server's base.
    pub url: Cow<'b, str>,
    /// Create only if this search finds nothing.
    pub if_none_exist: Option<Cow<'b, str>>,
    /// Update only this version.
    pub if_match: Option<Cow<'b, str>>,
}

/// A resource in the file.
#[derive(Clone)]
pub struct Resource<'b> {
    /// Its R4 type.
    pub kind: &'static str,
    /// Its logical id, if it has one.
    pub id: Option<Cow<'b, str>>,
    /// Its JSON, for looking inside.
    pub value: Value<'b>,
}

impl<'b> Resource<'b> {
    /// Exactly the submitted bytes, from `{` to `}`.
    #[must_use]
    pub fn bytes(&self) -> &'b [u8] {
        self.value.raw().as_bytes()
    }
}

impl<'b> TryFrom<Value<'b>> for Resource<'b> {
    type Error = ReadError;

    /// Reads what a resource says of itself.
    fn try_from(value: Value<'b>) -> Result<Self, ReadError> {
        if !value.is_object() {
            return Err(wrong_shape(value, "a resource (an object)"));
        }
        let Some(name) = value.get("resourceType") else {
            return Err(ReadError::NoResourceType { path: value.path() });
        };
        let kind = known_type(name)?;
        let id = value.get("id").map(text).transpose()?;
        Ok(Self { kind, id, value })
    }
}

/// Reads a FHIR R4 Bundle of any type, or a single resource.
///
/// # Errors
/// One [`ReadError`] that names the first fault found and its place; nothing is read in part.
///
/// ```
/// let file = br#"{"resourceType":"Patient","id":"p1","multipleBirthInteger":1.10}"#;
/// let bundle = fhir::bundle::read(file, &fhir::Limits::default())?;
/// let resource = bundle.entries().next().and_then(|entry| entry.resource);
/// assert_eq!(resource.map(|resource| resource.bytes()), Some(&file[..]));
/// # Ok::<(), fhir::ReadError>(())
/// ```
pub fn read(bytes: impl Into<Vec<u8>>, limits: &Limits) -> Result<Bundle, ReadError> {
    let document = Document::read(bytes, limits)?;
    let root = document.root();
    if !root.is_object() {
        return Err(wrong_shape(root, "a Bundle or a resource (an object)"));
    }
    let (kind, size) = match Resource::try_from(root)? {
        Resource { kind: "Bundle", .. } => (bundle_type(root)?, check_entries(root, limits)?),
        resource => {
            check_resource(resource.value, limits)?;
            (BundleType::Alone, 1)
        }
    };
    check_types(root)?;
    Ok(Bundle { document, kind, size })
}

impl Bundle {
    /// What the Bundle is for.
    #[must_use]
    pub fn kind(&self) -> BundleType {
        self.kind
    }

    /// Entries in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The Bundle's own JSON.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        self.document.root()
    }

    /// The entries in the file's order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let root = self.document.root();
        let alone = (self.kind == BundleType::Alone).then(|| Entry {
            index: 0,
            full_url: None,
            resource: Resource::try_from(root).ok(),
            request: None,
        });
        let entries = root.get("entry").filter(|_| self.kind != BundleType::Alone);
        let entries = entries.into_iter().flat_map(Value::items).enumerate().map(|(index, value)| Entry {
            index,
            full_url: value.get("fullUrl").and_then(Value::text),
            resource: value.get("resource").and_then(|resource| Resource::try_from(resource).ok()),
            request: value.get("request").and_then(request),
        });
        alone.into_iter().chain(entries)
    }
}

fn request(value: Value<'_>) -> Option<Request<'_>> {
    let text = |key| value.get(key).and_then(Value::text);
    Some(Request {
        method: text("method")?,
        url: text("url")?,
        if_none_exist: text("ifNoneExist"),
        if_match: text("ifMatch"),
    })
}

fn bundle_type(root: Value<'_>) -> Result<BundleType, ReadError> {
    let name = text(root.get("type").ok_or(ReadError::NoBundleType)?)?;
    BundleType::of(&name).ok_or_else(|| ReadError::UnknownBundleType { name: shortened(&name) })
}

/// Checks every entry and says how many there are.
fn check_entries(root: Value<'_>, limits: &Limits) -> Result<usize, ReadError> {
    let Some(entries) = root.get("entry") else { return Ok(0) };
    let size = entries.items().count();
    if entries.kind() != crate::json::Kind::Array {
        return Err(wrong_shape(entries, "an array"));
    }
    if size > limits.entries_max {
        return Err(ReadError::TooManyEntries { entries: size, max: limits.entries_max });
    }
    for entry in entries.items() {
        if !entry.is_object() {
            return Err(wrong_shape(entry, "an object"));
        }
        if let Some(full_url) = entry.get("fullUrl") {
            text(full_url)?;
        }
        if let Some(request) = entry.get("request") {
            for key in ["method", "url"] {
                text(
                    request
                        .get(key)
                        .ok_or_else(|| wrong_shape(request, "an object with `method` and `url`"))?,
                )?;
            }
        }
        if let Some(resource) = entry.get("resource") {
            check_resource(Resource::try_from(resource)?.value, limits)?;
        }
    }
    Ok(size)
}

fn check_resource(value: Value<'_>, limits: &Limits) -> Result<(), ReadError> {
    let bytes = value.range().len();
    if bytes > limits.resource_bytes_max {
        return Err(ReadError::ResourceTooLarge {
            path: value.path(),
            bytes,
            max: limits.resource_bytes_max,
        });
    }
    Ok(())
}

/// Checks what lies deeper: contained resources, Bundles in Bundles, parameters; and looks for other FHIR versions.
fn check_types(root: Value<'_>) -> Result<(), ReadError> {
    version::check(root)?;
    for (key, value) in root.members_deep() {
        match key.spelled() {
            Some("resourceType") => {
                known_type(value)?;
                if let Some(resource) = value.parent() {
                    version::check(resource)?;
                }
            }
            Some("contained") => {
                for contained in value.each() {
                    Resource::try_from(contained)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn known_type(value: Value<'_>) -> Result<&'static str, ReadError> {
    let name = text(value)?;
    if let Some(known) = types::r4(&name) {
        return Ok(known);
    }
    let path = value.parent().map(Value::path).unwrap_or_default();
    Err(match types::foreign_version(&name) {
        Some(version) => {
            let sign = format!("resource type `{name}`");
            ReadError::WrongVersion { path, sign, version: version.to_owned() }
        }
        None => ReadError::UnknownResourceType { path, name: shortened(&name) },
    })
}

fn text(value: Value<'_>) -> Result<Cow<'_, str>, ReadError> {
    value.text().ok_or_else(|| wrong_shape(value, "a string"))
}

fn wrong_shape(value: Value<'_>, expected: &'static str) -> ReadError {
    ReadError::WrongShape { path: value.path(), expected, found: value.kind().word() }
}
