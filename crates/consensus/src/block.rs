//! This file is where a block gets the engine's form: its digest is the header's hash, and decoding refuses a body that
//! the header doesn't bind.

use bytes::{BufMut, Bytes, BytesMut};
use commonware_codec::{
    Buf, BufsMut, Copying, DecodeExt as _, EncodeSize, Error, FixedSize as _, RangeCfg, Read, ReadExt as _,
    Write,
};
use commonware_consensus::{
    BoundedBlock, CertifiableBlock, Heightable,
    simplex::{scheme::ed25519, types},
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible, ed25519 as keys, sha256};
use primitives::{BlockHash, HEADER_BYTES, Hash, Header, PublicKey, merkle_root};

/// 32 bytes in a type the engine knows; here it always holds a header's hash.
pub(crate) type Digest = sha256::Digest;
/// The engine's signatures.
pub(crate) type Scheme = ed25519::Scheme;
/// Where in the engine's course a block was proposed.
pub(crate) type Context = types::Context<Digest, keys::PublicKey>;

/// Bytes before each transaction of a body: its length.
pub(crate) const TX_PREFIX: usize = 4;

/// A block as the engine moves it.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// What the digest covers.
    pub header: Header,
    /// `header.leader` once more, in the engine's type.
    leader: keys::PublicKey,
    /// The transactions, each with its length before it.
    body: Bytes,
    /// The transactions, as slices of `body`.
    pub txs: Vec<Bytes>,
}

/// How long a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockBounds {
    /// Including lengths.
    pub body_bytes_max: usize,
}

/// The engine's form of a hash.
pub(crate) fn digest(hash: Hash) -> Digest {
    Digest::from(hash.0)
}

/// The engine's form of a public key; `None` if it is no point of the curve.
pub(crate) fn engine_key(key: &PublicKey) -> Option<keys::PublicKey> {
    keys::PublicKey::decode(Copying(&key.0)).ok()
}

/// Our form of a digest.
pub(crate) fn hash_of(digest: &Digest) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    Hash(bytes)
}

/// Our form of a public key.
pub(crate) fn key_of(key: &keys::PublicKey) -> PublicKey {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(key.as_ref());
    PublicKey(bytes)
}

/// Writes transactions into a body.
pub(crate) fn body_of(txs: &[Bytes]) -> Bytes {
    let mut body = BytesMut::with_capacity(txs.iter().map(|tx| TX_PREFIX + tx.len()).sum());
    for tx in txs {
        body.put_u32(tx.len() as u32);
        body.put_slice(tx);
    }
    body.freeze()
}

/// Takes a body apart. `None` unless all of it is transactions of at least one byte.
pub(crate) fn txs_of(body: &Bytes) -> Option<Vec<Bytes>> {
    let mut txs = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let prefix = body.get(at..at + TX_PREFIX)?;
        let len = u32::from_be_bytes(prefix.try_into().ok()?) as usize;
        at += TX_PREFIX;
        let end = at.checked_add(len)?;
        if len == 0 || end > body.len() {
            return None;
        }
        txs.push(body.slice(at..end));
        at = end;
    }
    Some(txs)
}

impl Block {
    /// A block of `txs` under `header`, whose `txs_root` is set here. `None` if the leader is no point of the curve.
    pub(crate) fn new(header: Header, txs: Vec<Bytes>) -> Option<Self> {
        let header = Header { txs_root: merkle_root(&txs), ..header };
        Some(Self { header, leader: engine_key(&header.leader)?, body: body_of(&txs), txs })
    }

    pub(crate) fn hash(&self) -> BlockHash {
        self.header.hash()
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        digest(self.hash().0)
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(&primitives::encode(&self.header));
        self.body.write(buf);
    }

    fn write_bufs(&self, buf: &mut impl BufsMut) {
        buf.put_slice(&primitives::encode(&self.header));
        self.body.write_bufs(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        HEADER_BYTES + self.body.encode_size()
    }

    fn encode_inline_size(&self) -> usize {
        HEADER_BYTES + self.body.encode_inline_size()
    }
}

impl Read for Block {
    type Cfg = BlockBounds;

    fn read_cfg(buf: &mut impl Buf, bounds: &BlockBounds) -> Result<Self, Error> {
        let bytes = <[u8; HEADER_BYTES]>::read(buf)?;
        let header: Header =
            primitives::decode(&bytes).map_err(|_| Error::Invalid("block", "header doesn't decode"))?;
        let leader = engine_key(&header.leader).ok_or(Error::Invalid("block", "leader is no key"))?;
        let body = Bytes::read_cfg(buf, &RangeCfg::from(..=bounds.body_bytes_max))?;
        let txs = txs_of(&body).ok_or(Error::Invalid("block", "body isn't a list of transactions"))?;
        // The digest covers the header only. Blocks are cached, backfilled and finalised by digest, so a body that the
        // header doesn't bind must never get past here.
        if merkle_root(&txs) != header.txs_root {
            return Err(Error::Invalid("block", "body differs from the header's root"));
        }
        Ok(Self { header, leader, body, txs })
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.header.height)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> Digest {
        digest(self.header.parent.0)
    }
}

impl CertifiableBlock for Block {
    type Context = Context;

    fn context(&self) -> Context {
        Context {
            round: Round::new(Epoch::new(self.header.epoch), View::new(self.header.view)),
            leader: self.leader.clone(),
            parent: (View::new(self.header.parent_view), digest(self.header.parent_payload)),
        }
    }
}

impl BoundedBlock for Block {
    fn max_encode_size(bounds: &BlockBounds) -> usize {
        // A varint of a length takes at most five bytes.
        HEADER_BYTES + 5 + bounds.body_bytes_max
    }
}

/// Puts where the engine stands into a header.
pub(crate) fn with_context(header: Header, context: &Context) -> Header {
    Header {
        epoch: context.round.epoch().get(),
        view: context.round.view().get(),
        leader: key_of(&context.leader),
        parent_view: context.parent.0.get(),
        parent_payload: hash_of(&context.parent.1),
        ..header
    }
}

const _: () = assert!(Digest::SIZE == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_codec::Encode as _;
    use primitives::{Millis, NetworkId, SecretKey};

    const BOUNDS: BlockBounds = BlockBounds { body_bytes_max: 64 };

    fn block(txs: &[&[u8]]) -> Block {
        let key = SecretKey::from_seed(&[3; 32]).public();
        let header = crate::genesis(NetworkId::default(), Millis(7), &[key]);
        Block::new(header, txs.iter().map(|tx| Bytes::copy_from_slice(tx)).collect()).unwrap()
    }

    fn decode(bytes: &[u8]) -> Result<Block, Error> {
        use commonware_codec::Decode as _;
        Block::decode_cfg(Copying(bytes), &BOUNDS)
    }

    #[test]
    fn the_digest_is_the_headers_hash() {
        let block = block(&[b"one", b"two"]);
        let encoded = block.encode();
        assert_eq!(encoded.len(), block.encode_size());
        let back = decode(&encoded).unwrap();
        assert_eq!((back.header, &back.txs), (block.header, &block.txs));
        assert_eq!(hash_of(&back.digest()), block.header.hash().0);
        assert_eq!(back.encode(), encoded);
        assert!(encoded.len() <= Block::max_encode_size(&BOUNDS));
        assert_eq!(key_of(&back.context().leader), block.header.leader);
    }

    #[test]
    fn a_wrong_body_is_refused_under_its_digest() {
        let (good, other) = (block(&[b"one", b"two"]), block(&[b"one", b"too"]));
        let mut forged = good.encode()[..HEADER_BYTES].to_vec();
        forged.extend_from_slice(&other.encode()[HEADER_BYTES..]);
        assert!(decode(&forged).is_err());
        // Every flipped bit of the body, and of the header, is either refused or another digest.
        let encoded = good.encode().to_vec();
        for bit in 0..encoded.len() * 8 {
            let mut bytes = encoded.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(block) = decode(&bytes) {
                assert_ne!(block.digest(), good.digest(), "bit {bit}");
            }
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let good = block(&[b"one"]);
        let header = good.encode()[..HEADER_BYTES].to_vec();
        for body in
            [&[0, 0, 0, 0][..], &[0, 0, 0, 9, 1], &[0, 0, 0], &[0, 0, 0, 1, 1, 0], &[255, 255, 255, 255]]
        {
            let mut bytes = header.clone();
            Bytes::copy_from_slice(body).write(&mut bytes);
            assert!(decode(&bytes).is_err(), "{body:?}");
        }
        assert!(decode(&[]).is_err());
        assert!(decode(&block(&[&[1; 70]]).encode()).is_err());
    }
}
