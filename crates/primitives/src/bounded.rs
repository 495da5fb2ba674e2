//! This file is where every length has a bound: text, byte strings and lists that refuse to decode past their limit.

use arbitrary::{Arbitrary, Unstructured};
use borsh::{BorshDeserialize, BorshSerialize};
use std::{
    borrow::Cow,
    fmt,
    io::{Error, ErrorKind, Read, Result as IoResult},
    ops::Deref,
};
use zeroize::Zeroize;

fn too_long(max: usize) -> Error {
    Error::new(ErrorKind::InvalidData, format!("longer than {max}"))
}

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct Text<const MAX: usize>(String);

/// Bytes, at most `MAX` of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct Blob<const MAX: usize>(Vec<u8>);

/// A list of at most `MAX` items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct List<T, const MAX: usize>(Vec<T>);

/// A short name: 1 to 40 of `a`–`z`, `0`–`9` and inner single `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Slug(String);

/// Why a text isn't a [`Slug`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a short name is 1 to 40 of a-z, 0-9 and single inner hyphens")]
pub struct SlugError;

/// Why a value doesn't fit its bounded type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than the bound of {0}")]
pub struct TooLong(pub usize);

impl<const MAX: usize> Text<MAX> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// What is bounded may be a patient's: whoever holds it can wipe it.
impl<const MAX: usize> Zeroize for Text<MAX> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<const MAX: usize> Zeroize for Blob<MAX> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = TooLong;
    fn try_from(text: String) -> Result<Self, TooLong> {
        if text.len() > MAX { Err(TooLong(MAX)) } else { Ok(Self(text)) }
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = TooLong;
    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::try_from(text.to_owned())
    }
}

impl<const MAX: usize> TryFrom<Vec<u8>> for Blob<MAX> {
    type Error = TooLong;
    fn try_from(bytes: Vec<u8>) -> Result<Self, TooLong> {
        if bytes.len() > MAX { Err(TooLong(MAX)) } else { Ok(Self(bytes)) }
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = TooLong;
    fn try_from(items: Vec<T>) -> Result<Self, TooLong> {
        if items.len() > MAX { Err(TooLong(MAX)) } else { Ok(Self(items)) }
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The items, by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl Deref for Slug {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Slug {
    type Err = SlugError;
    fn from_str(text: &str) -> Result<Self, SlugError> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
        if plain && !hyphens && (1..=40).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SlugError)
        }
    }
}

// Borsh writes a length and then the items; only reading needs the bound.

fn read_len<R: Read>(reader: &mut R, max: usize) -> IoResult<usize> {
    let len = u32::deserialize_reader(reader)? as usize;
    if len > max { Err(too_long(max)) } else { Ok(len) }
}

fn read_bytes<R: Read>(reader: &mut R, max: usize) -> IoResult<Vec<u8>> {
    let len = read_len(reader, max)?;
    let mut bytes = Vec::new();
    reader.take(len as u64).read_to_end(&mut bytes)?;
    if bytes.len() == len { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_text<R: Read>(reader: &mut R, max: usize) -> IoResult<String> {
    String::from_utf8(read_bytes(reader, max)?).map_err(|e| Error::new(ErrorKind::InvalidData, e))
}

impl<const MAX: usize> BorshDeserialize for Text<MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        read_text(reader, MAX).map(Self)
    }
}

impl<const MAX: usize> BorshDeserialize for Blob<MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        read_bytes(reader, MAX).map(Self)
    }
}

impl<T: BorshDeserialize, const MAX: usize> BorshDeserialize for List<T, MAX> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let len = read_len(reader, MAX)?;
        // Grows as items are read: a length alone must not allocate.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(T::deserialize_reader(reader)?);
        }
        Ok(Self(items))
    }
}

impl BorshDeserialize for Slug {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        read_text(reader, 40)?.parse().map_err(|e: SlugError| Error::new(ErrorKind::InvalidData, e))
    }
}

// JSON stands at the edges only: text as text, bytes as hex, lists as arrays.

impl<const MAX: usize> serde::Serialize for Text<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> serde::Deserialize<'de> for Text<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?
            .try_into()
            .map_err(serde::de::Error::custom)
    }
}

impl<const MAX: usize> serde::Serialize for Blob<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de, const MAX: usize> serde::Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        hex::decode(text).map_err(serde::de::Error::custom)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl<T: serde::Serialize, const MAX: usize> serde::Serialize for List<T, MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: serde::Deserialize<'de>, const MAX: usize> serde::Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Vec<T> as serde::Deserialize>::deserialize(deserializer)?
            .try_into()
            .map_err(|e: TooLong| serde::de::Error::custom(e))
    }
}

impl serde::Serialize for Slug {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<const MAX: usize> schemars::JsonSchema for Text<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "maxLength": MAX })
    }
    fn inline_schema() -> bool {
        true
    }
}

impl<const MAX: usize> schemars::JsonSchema for Blob<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Blob{MAX}").into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^([0-9a-f]{2})*$", "maxLength": MAX.saturating_mul(2) })
    }
    fn inline_schema() -> bool {
        true
    }
}

impl<T: schemars::JsonSchema, const MAX: usize> schemars::JsonSchema for List<T, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("List{MAX}Of{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let items = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "array", "items": items, "maxItems": MAX })
    }
    fn inline_schema() -> bool {
        true
    }
}

impl schemars::JsonSchema for Slug {
    fn schema_name() -> Cow<'static, str> {
        "Slug".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 40 })
    }
}

// Seeded values for goldens and fuzzing stay small, and always within bounds.

impl<'a, const MAX: usize> Arbitrary<'a> for Text<MAX> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(0..=MAX.min(12))?;
        (0..len).map(|_| Ok(char::from(u.int_in_range(b'a'..=b'z')?))).collect::<Result<_, _>>().map(Self)
    }
}

impl<'a, const MAX: usize> Arbitrary<'a> for Blob<MAX> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(0..=MAX.min(24))?;
        (0..len).map(|_| u.arbitrary()).collect::<Result<_, _>>().map(Self)
    }
}

impl<'a, T: Arbitrary<'a>, const MAX: usize> Arbitrary<'a> for List<T, MAX> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(0..=MAX.min(3))?;
        (0..len).map(|_| u.arbitrary()).collect::<Result<_, _>>().map(Self)
    }
}

impl<'a> Arbitrary<'a> for Slug {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(1..=12)?;
        (0..len).map(|_| Ok(char::from(u.int_in_range(b'a'..=b'z')?))).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn bounds_hold_on_every_way_in() {
        assert!(Text::<3>::try_from("four").is_err());
        assert!(decode::<Text<3>>(&encode(&"four".to_owned())).is_err());
        assert!(decode::<Blob<3>>(&encode(&vec![0_u8; 4])).is_err());
        assert!(decode::<List<u16, 3>>(&encode(&vec![0_u16; 4])).is_err());
        assert_eq!(decode::<List<u16, 3>>(&encode(&vec![7_u16; 3])).unwrap().len(), 3);
        assert!(serde_like::<Text<3>>("\"four\"").is_err());
    }

    fn serde_like<T: for<'a> serde::Deserialize<'a>>(text: &str) -> Result<T, serde::de::value::Error> {
        let inner = text.trim_matches('"').to_owned();
        T::deserialize(serde::de::value::StringDeserializer::new(inner))
    }

    #[test]
    fn a_length_alone_allocates_nothing() {
        // A list that claims 2^32 - 1 items but holds none must fail fast.
        assert!(decode::<List<[u8; 32], { usize::MAX }>>(&[0xff; 4]).is_err());
        assert!(decode::<Blob<{ usize::MAX }>>(&[0xff; 4]).is_err());
    }

    #[test]
    fn slugs() {
        for good in ["a", "riverside-hospital", "st-4"] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a b", "ä", &"a".repeat(41)] {
            assert!(bad.parse::<Slug>().is_err(), "{bad}");
        }
    }
}
