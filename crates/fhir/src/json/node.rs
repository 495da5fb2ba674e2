//! This file is where the smallest piece of a scanned text is defined: what it is and where it lies.

/// What a node of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, its digits untouched.
    Number,
    /// A string without escapes.
    String,
    /// A string with escapes.
    EscapedString,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A key of an object, without escapes.
    Key,
    /// A key of an object, with escapes.
    EscapedKey,
}

impl Kind {
    /// The word for messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String | Self::EscapedString => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Key | Self::EscapedKey => "a key",
        }
    }
}

/// One key or value: where it lies, and the node after everything that it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) next: u32,
    pub(super) parent: u32,
    pub(super) kind: Kind,
}

impl Node {
    pub(super) const NONE: Self =
        Self { start: 1, end: 1, next: u32::MAX, parent: u32::MAX, kind: Kind::Null };
}
