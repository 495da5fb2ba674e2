//! This file is where a scanned JSON text is walked: values know their bytes, their key and their parent.

use super::node::{Kind, Node};
use super::scan::{Limits, scan};
use super::text::decoded;
use crate::error::{ReadError, short_path, shortened};
use std::borrow::Cow;
use std::ops::Range;

/// A JSON text and the places of all its values.
#[derive(Clone)]
pub struct Document {
    text: String,
    nodes: Vec<Node>,
}

impl Document {
    /// Reads one JSON value and nothing after it. A byte order mark is passed over, for files written on Windows.
    ///
    /// # Errors
    /// Too large, not UTF-8, XML, malformed, too deep, or a duplicate key.
    pub fn read(bytes: impl Into<Vec<u8>>, limits: &Limits) -> Result<Self, ReadError> {
        let mut bytes = bytes.into();
        let max = limits.bytes_max.min(u32::MAX as usize - 1);
        if bytes.len() > max {
            return Err(ReadError::TooLarge { bytes: bytes.len(), max });
        }
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
            return Err(ReadError::Xml);
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| ReadError::NotUtf8 { at: error.utf8_error().valid_up_to() })?;
        let nodes = scan(&text, limits.depth_max)?;
        Ok(Self { text, nodes })
    }

    /// The value that the text is.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { document: self, at: 0 }
    }

    fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node::NONE)
    }

    fn value(&self, at: u32) -> Option<Value<'_>> {
        ((at as usize) < self.nodes.len()).then_some(Value { document: self, at })
    }
}

/// A value in a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document,
    at: u32,
}

impl<'d> Value<'d> {
    fn node(self) -> Node {
        self.document.node(self.at)
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// Its place in the document's bytes (after a byte order mark).
    #[must_use]
    pub fn range(self) -> Range<usize> {
        let Node { start, end, .. } = self.node();
        start as usize..end as usize
    }

    /// Exactly as submitted.
    #[must_use]
    pub fn raw(self) -> &'d str {
        self.document.text.get(self.range()).unwrap_or_default()
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// The spelling between the quotes of a string or key.
    pub(crate) fn spelled(self) -> Option<&'d str> {
        let raw = self.raw();
        match self.kind() {
            Kind::String | Kind::EscapedString | Kind::Key | Kind::EscapedKey => raw.get(1..raw.len() - 1),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Array | Kind::Object => None,
        }
    }

    /// The text of a string or key, with its escapes resolved.
    #[must_use]
    pub fn text(self) -> Option<Cow<'d, str>> {
        let spelled = self.spelled()?;
        match self.kind() {
            Kind::EscapedString | Kind::EscapedKey => Some(decoded(spelled)),
            _ => Some(Cow::Borrowed(spelled)),
        }
    }

    /// Whether it is a string of this text.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        self.text().is_some_and(|found| found == text)
    }

    /// The member of an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'d>> {
        self.members().find(|(name, _)| name.is(key)).map(|(_, value)| value)
    }

    /// The members of an object, in order; nothing for other values.
    pub fn members(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        let Node { next: end, kind, .. } = self.node();
        let mut at = if kind == Kind::Object { self.at + 1 } else { end };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let key = self.document.value(at)?;
            let value = self.document.value(at + 1)?;
            at = value.node().next;
            Some((key, value))
        })
    }

    /// The items of an array, in order; nothing for other values.
    pub fn items(self) -> impl Iterator<Item = Value<'d>> {
        let Node { next: end, kind, .. } = self.node();
        let mut at = if kind == Kind::Array { self.at + 1 } else { end };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let value = self.document.value(at)?;
            at = value.node().next;
            Some(value)
        })
    }

    /// The items if it is an array, else the value alone: FHIR elements that may repeat.
    pub fn each(self) -> impl Iterator<Item = Value<'d>> {
        let alone = (self.kind() != Kind::Array).then_some(self);
        alone.into_iter().chain(self.items())
    }

    /// Every key below, at any depth and in document order, with its value.
    pub fn members_deep(self) -> impl Iterator<Item = (Value<'d>, Value<'d>)> {
        (self.at + 1..self.node().next).filter_map(move |at| {
            let key = self.document.value(at)?;
            matches!(key.kind(), Kind::Key | Kind::EscapedKey).then_some((key, self.document.value(at + 1)?))
        })
    }

    /// The array or object that holds it.
    #[must_use]
    pub fn parent(self) -> Option<Value<'d>> {
        self.document.value(self.node().parent)
    }

    /// The key under which it stands, be it directly or as an item of an array.
    #[must_use]
    pub fn key(self) -> Option<Cow<'d, str>> {
        let parent = self.parent()?;
        if parent.is_object() { self.document.value(self.at - 1)?.text() } else { parent.key() }
    }

    /// Calls `found` for every value at a path such as `participant.actor`, through arrays.
    pub fn each_at(self, path: &str, found: &mut impl FnMut(Value<'d>)) {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        for value in self.get(first).into_iter().flat_map(Value::each) {
            match rest {
                Some(rest) => value.each_at(rest, found),
                None => found(value),
            }
        }
    }

    /// Where it stands, as in `entry[17].resource.code`; empty for the root.
    #[must_use]
    pub fn path(self) -> String {
        let mut steps = Vec::new();
        let mut value = self;
        while let Some(parent) = value.parent() {
            if parent.is_object() {
                let key = self.document.value(value.at - 1).and_then(Value::text).unwrap_or_default();
                steps.push(format!(".{}", shortened(&key)));
            } else {
                let index = parent.items().take_while(|item| item.at < value.at).count();
                steps.push(format!("[{index}]"));
            }
            value = parent;
        }
        let path: String = steps.into_iter().rev().collect();
        short_path(path.strip_prefix('.').map(str::to_owned).unwrap_or(path))
    }

    /// Whether both are the same place of the same document.
    #[must_use]
    pub fn same(self, other: Value<'_>) -> bool {
        self.at == other.at && std::ptr::eq(self.document, other.document)
    }
}
