//! This file is where JSON text is checked against its grammar and cut into a table of nodes, without recursion.

use super::node::{Kind, Node};
use super::text;
use crate::error::{ReadError, short_path, shortened};
use std::collections::HashSet;

/// How much a reader takes in before it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole input. Nothing over 4 GiB is ever read, whatever stands here.
    pub bytes_max: usize,
    /// Bytes of one resource.
    pub resource_bytes_max: usize,
    /// Entries of a Bundle.
    pub entries_max: usize,
    /// Nested arrays and objects.
    pub depth_max: usize,
}

impl Default for Limits {
    /// 256 MiB, 16 MiB a resource, 200,000 entries, 100 levels.
    fn default() -> Self {
        Self { bytes_max: 256 << 20, resource_bytes_max: 16 << 20, entries_max: 200_000, depth_max: 100 }
    }
}

/// An array or object whose end has not been seen.
struct Open {
    /// Its node.
    node: u32,
    /// Node of the key whose value is due; in an array unused.
    key: u32,
    /// Values finished in it.
    count: usize,
    /// Where its keys begin in [`Scanner::keys`].
    keys_from: usize,
    is_object: bool,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    open: Vec<Open>,
    /// Key nodes of all open objects, the innermost last.
    keys: Vec<u32>,
    depth_max: usize,
}

/// The nodes of a JSON text in document order: keys and values, each container before what it holds.
pub(super) fn scan(text: &str, depth_max: usize) -> Result<Vec<Node>, ReadError> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
        // Pretty-printed FHIR has a token about every twenty bytes.
        nodes: Vec::with_capacity(text.len() / 20 + 8),
        open: Vec::new(),
        keys: Vec::new(),
        depth_max,
    };
    scanner.run()?;
    Ok(scanner.nodes)
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), ReadError> {
        self.blanks();
        loop {
            let opened = self.value()?;
            if opened {
                continue;
            }
            // A value has ended: close what ends with it, then step to the next one.
            loop {
                self.blanks();
                let Some(open) = self.open.last_mut() else {
                    return if self.at == self.text.len() {
                        Ok(())
                    } else if self.peek() == Some(b'{') {
                        Err(self.malformed("a second value follows; give one Bundle, not lines of resources"))
                    } else {
                        Err(self.malformed("something follows the end of the document"))
                    };
                };
                open.count += 1;
                let is_object = open.is_object;
                match (self.peek(), is_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.blanks();
                        if is_object {
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                    (None, _) => return Err(self.ended()),
                    (Some(_), true) => return Err(self.malformed("expected `,` or `}`")),
                    (Some(_), false) => return Err(self.malformed("expected `,` or `]`")),
                }
            }
        }
    }

    /// Reads the value that is due; true if it opened a container whose first value is due next.
    fn value(&mut self) -> Result<bool, ReadError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {
                let kind = self.string()?;
                self.leaf(start, kind);
            }
            Some(b'{') => return self.container(true),
            Some(b'[') => return self.container(false),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.leaf(start, Kind::Number);
            }
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            Some(_) => return Err(self.malformed("expected a value")),
            None => return Err(self.ended()),
        }
        Ok(false)
    }

    fn container(&mut self, is_object: bool) -> Result<bool, ReadError> {
        if self.open.len() >= self.depth_max {
            return Err(ReadError::TooDeep { line: self.line(), path: self.path(), max: self.depth_max });
        }
        let node = self.leaf(self.at, if is_object { Kind::Object } else { Kind::Array });
        self.open.push(Open { node, key: 0, count: 0, keys_from: self.keys.len(), is_object });
        self.at += 1;
        self.blanks();
        match (self.peek(), is_object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close()?;
                Ok(false)
            }
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    fn key(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err(self.malformed("expected a key in double quotes")),
            None => return Err(self.ended()),
        }
        let escaped = self.string()? == Kind::EscapedString;
        let node = self.leaf(start, if escaped { Kind::EscapedKey } else { Kind::Key });
        self.keys.push(node);
        if let Some(open) = self.open.last_mut() {
            open.key = node;
        }
        self.blanks();
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.malformed("expected `:`")),
            None => return Err(self.ended()),
        }
        self.blanks();
        Ok(())
    }

    fn close(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        let Some(open) = self.open.pop() else { return Ok(()) };
        if open.is_object {
            self.refuse_duplicates(open.keys_from)?;
            self.keys.truncate(open.keys_from);
        }
        let (end, next) = (self.at as u32, self.nodes.len() as u32);
        if let Some(node) = self.nodes.get_mut(open.node as usize) {
            node.end = end;
            node.next = next;
        }
        Ok(())
    }

    fn refuse_duplicates(&self, keys_from: usize) -> Result<(), ReadError> {
        let keys = self.keys.get(keys_from..).unwrap_or_default();
        let duplicate = if keys.len() <= 12 {
            // Objects of FHIR are small: comparing raw spellings pairwise beats hashing. An escaped spelling is rare.
            let escaped = keys.iter().any(|key| self.node(*key).kind == Kind::EscapedKey);
            if escaped {
                self.duplicate_by_hash(keys)
            } else {
                keys.iter().enumerate().find_map(|(at, key)| {
                    let spelled = self.spelled_bytes(*key);
                    let same = keys.iter().take(at).any(|other| self.spelled_bytes(*other) == spelled);
                    same.then_some(*key)
                })
            }
        } else {
            self.duplicate_by_hash(keys)
        };
        match duplicate {
            None => Ok(()),
            Some(key) => Err(ReadError::DuplicateKey {
                line: self.line_of(self.node(key).start as usize),
                path: self.path(),
                key: shortened(&text::decoded(self.spelled(key))),
            }),
        }
    }

    fn duplicate_by_hash(&self, keys: &[u32]) -> Option<u32> {
        let mut seen = HashSet::with_capacity(keys.len());
        keys.iter().copied().find(|key| !seen.insert(text::decoded(self.spelled(*key))))
    }

    /// Reads a string from its opening quote to past its closing one.
    fn string(&mut self) -> Result<Kind, ReadError> {
        self.at += 1;
        let mut kind = Kind::String;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(kind);
                }
                Some(b'\\') => {
                    kind = Kind::EscapedString;
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..0x20) => {
                    return Err(self.malformed("a control character must be escaped in a string"));
                }
                Some(_) => self.at += 1,
                None => return Err(self.ended()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ReadError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                let unit = self.hex4()?;
                match unit {
                    0xd800..0xdc00 => {
                        if self.text.get(self.at..self.at + 2) != Some(b"\\u") {
                            return Err(self.malformed("half of a surrogate pair in a string"));
                        }
                        self.at += 2;
                        if !(0xdc00..0xe000).contains(&self.hex4()?) {
                            return Err(self.malformed("half of a surrogate pair in a string"));
                        }
                    }
                    0xdc00..0xe000 => return Err(self.malformed("half of a surrogate pair in a string")),
                    _ => {}
                }
            }
            Some(_) => return Err(self.malformed("unknown escape in a string")),
            None => return Err(self.ended()),
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, ReadError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else { return Err(self.ended()) };
            let Some(digit) = (byte as char).to_digit(16) else {
                return Err(self.malformed("`\\u` needs four hexadecimal digits"));
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    // RFC 8259 §6.
    fn number(&mut self) -> Result<(), ReadError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.malformed("a number must not start with 0"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        Err(if self.peek().is_none() { self.ended() } else { self.malformed("expected a digit") })
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<(), ReadError> {
        let start = self.at;
        for byte in word {
            match self.peek() {
                Some(found) if found == *byte => self.at += 1,
                Some(_) => return Err(self.malformed("expected a value")),
                None => return Err(self.ended()),
            }
        }
        self.leaf(start, kind);
        Ok(())
    }

    /// Adds a node that ends here; a container's end is set when it is closed.
    fn leaf(&mut self, start: usize, kind: Kind) -> u32 {
        let node = self.nodes.len() as u32;
        let parent = self.open.last().map_or(u32::MAX, |open| open.node);
        self.nodes.push(Node { start: start as u32, end: self.at as u32, next: node + 1, parent, kind });
        node
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node::NONE)
    }

    /// A key as it is spelled between its quotes.
    fn spelled(&self, key: u32) -> &str {
        std::str::from_utf8(self.spelled_bytes(key)).unwrap_or_default()
    }

    fn spelled_bytes(&self, key: u32) -> &[u8] {
        let Node { start, end, .. } = self.node(key);
        self.text.get(start as usize + 1..(end as usize).saturating_sub(1)).unwrap_or_default()
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            if !open.is_object {
                path.push_str(&format!("[{}]", open.count));
            } else if open.key != 0 {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&shortened(&text::decoded(self.spelled(open.key))));
            }
        }
        short_path(path)
    }

    fn line(&self) -> usize {
        self.line_of(self.at)
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.text.iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    fn malformed(&self, what: &'static str) -> ReadError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        ReadError::Malformed { line: self.line(), column, path: self.path(), what }
    }

    fn ended(&self) -> ReadError {
        self.malformed("the text ends too early; was the file cut off?")
    }
}
