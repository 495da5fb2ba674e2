//! This file is where every reason stands for which a file is refused, in words that say where and what to do.

/// Why a file could not be read as FHIR R4.
///
/// A message names the place (`entry[17].resource.code`) and never repeats a value of the record, only names of elements,
/// types and versions: it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The whole input exceeds [`Limits::bytes_max`](crate::Limits::bytes_max).
    #[error("{bytes} bytes are more than the {max} allowed; split the bundle")]
    TooLarge {
        /// Size of the input.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// One resource exceeds [`Limits::resource_bytes_max`](crate::Limits::resource_bytes_max).
    #[error("{path} has {bytes} bytes, more than the {max} allowed for one resource")]
    ResourceTooLarge {
        /// Where.
        path: String,
        /// Size of the resource.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More entries than [`Limits::entries_max`](crate::Limits::entries_max).
    #[error("{entries} entries are more than the {max} allowed; split the bundle")]
    TooManyEntries {
        /// Entries found.
        entries: usize,
        /// The limit.
        max: usize,
    },
    /// The input is not UTF-8, the only encoding that FHIR allows.
    #[error("not UTF-8 at byte {at}; FHIR JSON must be UTF-8, convert the file")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The input looks like XML.
    #[error("this looks like XML; only FHIR JSON is read, convert the file")]
    Xml,
    /// The input is not JSON.
    #[error("malformed JSON at line {line}, column {column}{}: {what}", within(path))]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// Innermost element that was being read; empty at the top.
        path: String,
        /// What was wrong.
        what: &'static str,
    },
    /// Nested deeper than [`Limits::depth_max`](crate::Limits::depth_max).
    #[error("nested deeper than {max} levels at line {line}{}", within(path))]
    TooDeep {
        /// Line, from 1.
        line: usize,
        /// Where.
        path: String,
        /// The limit.
        max: usize,
    },
    /// One object holds one key twice, and two readers could see two different records.
    #[error("`{key}` stands twice in one object at line {line}{}; remove one", within(path))]
    DuplicateKey {
        /// Line of the second, from 1.
        line: usize,
        /// The object.
        path: String,
        /// The key.
        key: String,
    },
    /// An element has another JSON type than FHIR gives it.
    #[error("{} must be {expected}, found {found}", place(path))]
    WrongShape {
        /// Where.
        path: String,
        /// What FHIR R4 wants there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A resource does not say what it is.
    #[error("{} has no `resourceType`", place(path))]
    NoResourceType {
        /// Where.
        path: String,
    },
    /// A resource of a type that no FHIR version has.
    #[error("{}: `{name}` is not a FHIR R4 resource type", place(path))]
    UnknownResourceType {
        /// Where.
        path: String,
        /// The type as given, shortened.
        name: String,
    },
    /// A resource of another FHIR version.
    #[error("{}: {sign} belongs to FHIR {version}; only R4 (4.0) is read, convert the file", place(path))]
    WrongVersion {
        /// Where.
        path: String,
        /// What gave it away.
        sign: String,
        /// The version it points to.
        version: String,
    },
    /// A Bundle without `type`.
    #[error("the Bundle has no `type`; use `collection` if it is only a set of resources")]
    NoBundleType,
    /// A Bundle with a `type` that R4 does not have.
    #[error("`{name}` is not a FHIR R4 Bundle type")]
    UnknownBundleType {
        /// The type as given, shortened.
        name: String,
    },
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {path}") }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "the top level" } else { path }
}

/// A path that fits a message: its beginning and its end.
pub(crate) fn short_path(path: String) -> String {
    let count = path.chars().count();
    if count <= 160 {
        return path;
    }
    let (head, tail): (String, String) =
        (path.chars().take(60).collect(), path.chars().skip(count - 90).collect());
    format!("{head}…{tail}")
}

/// A name from the input, cut so that it fits a message.
pub(crate) fn shortened(name: &str) -> String {
    if name.chars().count() <= 64 { name.to_owned() } else { name.chars().take(63).chain(['…']).collect() }
}
