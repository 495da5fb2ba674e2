//! This file is where a resource becomes the plaintext of a record and comes back: the submitted bytes, and sealed with
//! them what the bundle said around them.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result as IoResult, Write},
};
use primitives::{ChartId, List, PrincipalId, Text, decode};
use std::ops::Deref;
use zeroize::{Zeroize as _, Zeroizing};

/// Most bytes of a resource.
pub const RESOURCE_BYTES_MAX: usize = (16 << 20) - (64 << 10);

/// Most other charts whose patients one resource names.
pub(crate) const ALSO_MAX: usize = 64;

/// One version of a resource, as it is sealed.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    /// What stands around the resource.
    pub around: Around,
    /// Exactly the submitted bytes, from `{` to `}`; none of a deletion.
    pub bytes: Plain,
}

/// Bytes of a resource, at most [`RESOURCE_BYTES_MAX`]. Wiped when dropped, never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Plain(Zeroizing<Vec<u8>>);

/// Most references of one resource that its writer resolved.
pub const LINKS_MAX: usize = 1 << 16;

/// What is said around a version of a resource: which it is, what its bundle said, and who brought it. Its ids and URLs are
/// wiped when dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Random; the same for all resources that came in with one bundle.
    pub batch: [u8; 16],
    /// The resource's place in that bundle.
    pub ordinal: u32,
    /// The resource's type, for example `Observation`.
    pub kind: Text<64>,
    /// The id under which it is served.
    pub id: Text<64>,
    /// The version, from 1.
    pub version: u32,
    /// Whether this version is a deletion: then there are no bytes.
    pub deleted: bool,
    /// The entry's fullUrl.
    pub full_url: Option<Text<4096>>,
    /// The entry's request: method and url.
    pub request: Option<(Text<16>, Text<4096>)>,
    /// The practitioner who brought it.
    pub author: Option<PrincipalId>,
    /// Charts of other patients whom it names: readable only if permitted in each.
    pub also: List<ChartId, ALSO_MAX>,
    /// What references of the resource lead to, where their text doesn't say it itself (`urn:uuid:…`, a search): text by text
    /// the relative reference that the writer resolved it to, as `Patient/7`.
    pub links: List<(Text<4096>, Text<200>), LINKS_MAX>,
}

impl Around {
    /// What is said of a version that came in with no bundle.
    #[must_use]
    pub fn of(kind: Text<64>, id: Text<64>, version: u32) -> Self {
        let mut around = Self::default();
        around.kind = kind;
        around.id = id;
        around.version = version;
        around
    }
}

/// Bit of the flags: a deletion.
const DELETED: u8 = 1;
/// Bit of the flags: resolved references follow.
const LINKED: u8 = 2;

// The flags stand where records once had only `deleted`: without links both are the same bytes.
impl BorshSerialize for Around {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        let Self { batch, ordinal, kind, id, version, deleted, full_url, request, author, also, links } =
            self;
        let flags = (u8::from(*deleted) * DELETED) | (u8::from(!links.is_empty()) * LINKED);
        (batch, ordinal, kind, id, version, flags).serialize(writer)?;
        (full_url, request, author, also).serialize(writer)?;
        if links.is_empty() { Ok(()) } else { links.serialize(writer) }
    }
}

impl BorshDeserialize for Around {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let bad = |words: &str| Error::new(ErrorKind::InvalidData, words.to_owned());
        let mut around = Self::default();
        around.batch = BorshDeserialize::deserialize_reader(reader)?;
        around.ordinal = BorshDeserialize::deserialize_reader(reader)?;
        around.kind = BorshDeserialize::deserialize_reader(reader)?;
        around.id = BorshDeserialize::deserialize_reader(reader)?;
        around.version = BorshDeserialize::deserialize_reader(reader)?;
        let flags = u8::deserialize_reader(reader)?;
        if flags & !(DELETED | LINKED) != 0 {
            return Err(bad("unknown flags"));
        }
        around.deleted = flags & DELETED != 0;
        around.full_url = BorshDeserialize::deserialize_reader(reader)?;
        around.request = BorshDeserialize::deserialize_reader(reader)?;
        around.author = BorshDeserialize::deserialize_reader(reader)?;
        around.also = BorshDeserialize::deserialize_reader(reader)?;
        if flags & LINKED != 0 {
            around.links = BorshDeserialize::deserialize_reader(reader)?;
            // One value has one encoding.
            if around.links.is_empty() {
                return Err(bad("no links where some are announced"));
            }
        }
        Ok(around)
    }
}

// An id or a URL may be a patient's number.
impl Drop for Around {
    fn drop(&mut self) {
        let Self { batch, id, full_url, request, links, .. } = self;
        batch.zeroize();
        id.zeroize();
        full_url.zeroize();
        if let Some((_, url)) = request {
            url.zeroize();
        }
        for (text, target) in &mut std::mem::take(links).into_vec() {
            text.zeroize();
            target.zeroize();
        }
    }
}

/// The plaintext isn't a record of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is of a format that this version doesn't know; update it")]
pub struct RecordFormatError;

/// First byte of a plaintext: a resource.
const RESOURCE: u8 = 1;
/// First byte of a plaintext: a chart's tag key.
const TAG_KEY: u8 = 2;
/// First byte of a plaintext: who opened a chart, in plain words.
const WORDS: u8 = 3;
/// First byte of a plaintext: the same, and the request's name before it.
const WORDS_OF_REQUEST: u8 = 4;

/// The name that a program gave to a request, as in `X-Request-Id`.
pub type RequestName = Text<64>;

/// Who opens a chart and why, in plain words.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Words {
    /// The user's name.
    pub who: Text<200>,
    /// The organisation's name.
    pub org: Text<200>,
    /// The certified role; none for a patient.
    pub role: Option<Text<40>>,
    /// What for, as a code.
    pub purpose: Text<16>,
    /// The reason given; a must for break-glass.
    pub reason: Option<Text<2000>>,
    /// The name of the program's request, by which its own logs can be asked.
    #[borsh(skip)]
    pub request: Option<RequestName>,
}

impl Plain {
    /// The bytes, and nothing left of them elsewhere.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooLarge> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > RESOURCE_BYTES_MAX { Err(TooLarge(bytes.len())) } else { Ok(Self(bytes)) }
    }
}

/// A resource is larger than a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resource has {0} bytes, more than the {RESOURCE_BYTES_MAX} that a record may have")]
pub struct TooLarge(pub usize);

impl Deref for Plain {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plain({} bytes)", self.0.len())
    }
}

impl BorshSerialize for Plain {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        self.0.as_slice().serialize(writer)
    }
}

impl BorshDeserialize for Plain {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let len = u32::deserialize_reader(reader)? as usize;
        if len > RESOURCE_BYTES_MAX {
            return Err(Error::new(ErrorKind::InvalidData, "larger than a record may be"));
        }
        // At once in full: growing would leave copies behind.
        let mut bytes = Zeroizing::new(vec![0; len]);
        reader.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }
}

fn tagged<T: BorshSerialize>(tag: u8, value: &T) -> Zeroizing<Vec<u8>> {
    // At once in full: growing would leave copies behind.
    let len = borsh::object_length(&(tag, value)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    let written = (tag, value).serialize(&mut *bytes);
    // Only a length above 32 bits could fail here, and every field is bounded far below.
    primitives::invariant!(written.is_ok());
    bytes
}

fn untagged<T: BorshDeserialize>(tag: u8, plaintext: &[u8]) -> Result<T, RecordFormatError> {
    match plaintext.split_first() {
        Some((first, rest)) if *first == tag => decode(rest).map_err(|_| RecordFormatError),
        Some(_) | None => Err(RecordFormatError),
    }
}

impl Record {
    /// The plaintext to be sealed.
    #[must_use]
    pub fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        tagged(RESOURCE, self)
    }

    /// The record of a plaintext.
    ///
    /// # Errors
    /// [`RecordFormatError`].
    pub fn of_plaintext(plaintext: &[u8]) -> Result<Self, RecordFormatError> {
        untagged(RESOURCE, plaintext)
    }
}

impl Words {
    /// The plaintext to be sealed.
    #[must_use]
    pub fn to_plaintext(&self) -> Zeroizing<Vec<u8>> {
        match &self.request {
            None => tagged(WORDS, self),
            Some(request) => tagged(WORDS_OF_REQUEST, &(request, self)),
        }
    }

    /// The words of a plaintext.
    ///
    /// # Errors
    /// [`RecordFormatError`].
    pub fn of_plaintext(plaintext: &[u8]) -> Result<Self, RecordFormatError> {
        if plaintext.first() != Some(&WORDS_OF_REQUEST) {
            return untagged(WORDS, plaintext);
        }
        let (request, words): (RequestName, Self) = untagged(WORDS_OF_REQUEST, plaintext)?;
        Ok(Self { request: Some(request), ..words })
    }
}

/// The plaintext of a chart's tag key, for its index compartment.
pub(crate) fn tag_key_plaintext(key: &envelope::TagKey) -> Zeroizing<Vec<u8>> {
    tagged(TAG_KEY, &**key.as_bytes())
}

/// The tag key of such a plaintext.
pub(crate) fn tag_key_of_plaintext(plaintext: &[u8]) -> Result<envelope::TagKey, RecordFormatError> {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(untagged(TAG_KEY, plaintext)?);
    Ok(envelope::TagKey::from_bytes(&bytes))
}

/// Text cut to what fits, at a character.
pub(crate) fn cut<const MAX: usize>(text: &str) -> Text<MAX> {
    let mut end = text.len().min(MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Text::try_from(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::encode;

    #[test]
    fn one_kind_of_plaintext_is_not_another() {
        let words = Words { who: cut("A"), org: cut("B"), purpose: cut("TREAT"), ..Words::default() };
        let of_request = Words { request: Some(cut("req-1")), ..words.clone() };
        let plaintext = of_request.to_plaintext();
        assert_eq!(Words::of_plaintext(&plaintext), Ok(of_request));
        assert!(Words::of_plaintext(&plaintext[..plaintext.len() - 1]).is_err());
        let plaintext = words.to_plaintext();
        assert_eq!(Words::of_plaintext(&plaintext), Ok(words));
        assert!(Record::of_plaintext(&plaintext).is_err());
        assert!(tag_key_of_plaintext(&plaintext).is_err());
        assert!(Words::of_plaintext(&plaintext[..plaintext.len() - 1]).is_err());
        assert!(Words::of_plaintext(&[]).is_err());
        let key = envelope::TagKey::from_bytes(&[9; 32]);
        assert_eq!(tag_key_of_plaintext(&tag_key_plaintext(&key)).unwrap().tag("PSY"), key.tag("PSY"));
    }

    #[test]
    fn a_record_comes_back_and_is_bounded() {
        let around = Around::of(cut("Patient"), cut("1"), 2);
        let record = Record { around, bytes: Plain::new(b"{}".to_vec()).unwrap() };
        let plaintext = record.to_plaintext();
        assert!(Record::of_plaintext(&plaintext).is_ok_and(|back| back == record));
        assert!(Record::of_plaintext(&plaintext[..plaintext.len() - 1]).is_err());
        assert_eq!(format!("{:?}", record.bytes), "Plain(2 bytes)");
        assert_eq!(Plain::new(vec![0; RESOURCE_BYTES_MAX + 1]), Err(TooLarge(RESOURCE_BYTES_MAX + 1)));
        let mut long = encode(&(RESOURCE_BYTES_MAX as u32 + 1));
        long.extend_from_slice(b"{}");
        assert!(decode::<Plain>(&long).is_err());
    }

    #[test]
    fn resolved_references_are_sealed_along_and_records_without_any_are_as_they_were() {
        let plain = Around::of(cut("Observation"), cut("1"), 3);
        let mut linked = plain.clone();
        linked.links = List::try_from(vec![(cut("urn:uuid:1"), cut("Patient/7"))]).unwrap();
        let mut deleted = linked.clone();
        deleted.deleted = true;
        for around in [&plain, &linked, &deleted] {
            assert!(decode::<Around>(&encode(around)).is_ok_and(|back| back == *around));
        }
        let (bytes, longer) = (encode(&plain), encode(&linked));
        // The flags: after batch, ordinal, type, id and version.
        let at = 16 + 4 + (4 + 11) + (4 + 1) + 4;
        assert_eq!((bytes[at], longer[at], encode(&deleted)[at]), (0, 2, 3));
        let with = |flags: u8, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[at] = flags;
            bytes
        };
        assert!(decode::<Around>(&with(4, &bytes)).is_err());
        assert!(decode::<Around>(&with(0, &longer)).is_err());
        let mut empty = with(2, &bytes);
        empty.extend_from_slice(&[0; 4]);
        assert!(decode::<Around>(&empty).is_err(), "an empty list has no encoding");
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(cut::<4>("aää").as_str(), "aä");
        assert_eq!(cut::<9>("aää").as_str(), "aää");
    }
}
