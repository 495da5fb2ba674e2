//! This file is where a member lies: to the engine through its machine, to readers through its trustee.

use super::network::{MEMBERS, NEEDED};
use bytes::Bytes;
use consensus::{Fault, FinalBlock, Machine, Refused, Ticket};
use envelope::{Release, ReleaseTerms, SealKey, Secret, Threshold, release, split};
use ledger::Signed;
use node::Executor;
use primitives::{
    CompartmentId, Executed, Hash, Millis, Signature, Span, StateRoot, TxId, domain, encode, hash,
};
use rand::rngs::StdRng;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How long the liar goes on offering what nobody takes.
const OFFERED: Span = Span(1_500);

/// The machine of a validator that runs twice under one key. It lets anything into its pool and its blocks, and now and
/// then claims a state root that nobody has.
pub(super) struct Liar {
    inner: Arc<Executor>,
    clock: Arc<AtomicU64>,
    asked: AtomicU64,
}

impl Liar {
    pub(super) fn new(inner: Arc<Executor>, clock: Arc<AtomicU64>) -> Self {
        Self { inner, clock, asked: AtomicU64::new(0) }
    }
}

impl Machine for Liar {
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused> {
        let id = TxId(hash(domain::GOLDEN, &[tx]));
        let now = Millis(self.clock.load(Ordering::SeqCst));
        let valid_until = Signed::decode(tx).map_or(now.plus(OFFERED), |signed| signed.tx.valid_until);
        Ok(Ticket { id, lanes: vec![Hash(id.0.0)], urgent: true, valid_until })
    }

    fn body_ok(&self, _: &[Bytes]) -> bool {
        true
    }

    fn executed(&self) -> Executed {
        let executed = self.inner.executed();
        // Only a proposal takes the root from here; whether blocks are right is asked through `state_root`.
        if self.asked.fetch_add(1, Ordering::SeqCst) % 5 == 4 {
            return Executed { state_root: StateRoot(Hash([0x11; 32])), ..executed };
        }
        executed
    }

    fn state_root(&self, height: u64) -> Option<StateRoot> {
        self.inner.state_root(height)
    }

    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), Fault> {
        self.inner.apply(blocks)
    }
}

/// The transaction under a signature that isn't its signer's.
pub(super) fn forged(tx: &Bytes) -> Bytes {
    let mut signed = Signed::decode(tx).unwrap();
    let Signature(bytes) = &mut signed.signature;
    bytes[7] ^= 1;
    Bytes::from(encode(&signed))
}

/// A release, in the right box and under the right terms, of shares that lead nowhere.
pub(super) fn false_release(
    rng: &mut StdRng,
    terms: ReleaseTerms,
    session: &SealKey,
    wanted: &[CompartmentId],
) -> Release {
    let threshold = Threshold::new(NEEDED as u16, MEMBERS as u16).unwrap();
    let place = usize::from(terms.trustee) - 1;
    let mut share = || {
        let secret = Secret::generate(rng);
        split(rng, &secret, threshold).shares.swap_remove(place)
    };
    let shares: Vec<_> = wanted.iter().map(|_| share()).collect();
    let pairs: Vec<_> = wanted.iter().copied().zip(&shares).collect();
    release(rng, terms, session, &pairs).unwrap()
}
