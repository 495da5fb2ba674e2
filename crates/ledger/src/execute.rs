//! This file is where a finalised block is executed: every transaction in order, each wholly or not at all, and then
//! the block's own row, so that any later state root proves every earlier receipt.

use crate::{
    Ctx, Draft, Outcome, Receipt, Reject, Signed, Singleton, Table,
    draft::{Emitted, Writes},
    governance, identity,
    receipt::{LogHead, Logged},
    reject,
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{
    BlockHash, ChartId, Hash, Millis, NetworkId, OrgId, State, TxId, domain, encode, hash, merkle_root,
};

/// What a block left behind: the row `block/h`.
pub const BLOCKS: Table<u64, BlockRow> = Table::new(0x01);
/// The newest executed block.
pub const HEAD: Singleton<Head> = Singleton::new(0x02);
/// The oldest height whose ids are still kept.
const SEEN_FROM: Singleton<u64> = Singleton::new(0x04);
/// Where every chart's log stands.
pub const LOGS: Table<ChartId, LogHead> = Table::new(0x05);
/// Height at which an id was consumed, until it leaves the replay window.
const SEEN: Table<TxId, u64> = Table::new(0x80);
/// The same by height: the ids that a block consumed.
const SEEN_AT: Table<u64, Vec<TxId>> = Table::new(0x81);

/// A block's row in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct BlockRow {
    /// Hash of the header.
    pub hash: BlockHash,
    /// The block's time.
    pub time: Millis,
    /// Merkle root over the encoded receipts.
    pub receipts_root: Hash,
}

/// The newest executed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Head {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time: Millis,
}

/// A finalised block, to be executed.
pub struct BlockInput<'a, T> {
    /// The network.
    pub network: NetworkId,
    /// Hash of the header.
    pub hash: BlockHash,
    /// One above the height executed before.
    pub height: u64,
    /// Above the time of the block before.
    pub time: Millis,
    /// The transactions, as they stand in the block.
    pub txs: &'a [T],
    /// Whether this very transaction's signature was verified before: a cache, never a judgement of its own.
    pub verified: &'a dyn Fn(&Signed) -> bool,
}

/// What executing a block came to.
#[derive(Debug)]
pub struct BlockOutput {
    /// State changes.
    pub writes: Writes,
    /// A receipt per transaction, in order.
    pub receipts: Vec<Receipt>,
    /// New lines of chart logs, in order.
    pub logged: Vec<Logged>,
    /// Merkle root over the encoded receipts.
    pub receipts_root: Hash,
}

/// Executes one block over `state`.
///
/// # Panics
/// If the block doesn't follow the one executed before: a fault, not a reject.
#[must_use]
pub fn execute<T: AsRef<[u8]>>(state: &dyn State, block: &BlockInput<'_, T>) -> BlockOutput {
    let mut draft = Draft::new(state);
    let head = HEAD.or_default(&draft);
    primitives::invariant!(
        block.height == head.height.saturating_add(1),
        "block {} on {}",
        block.height,
        head.height
    );
    primitives::invariant!(block.time > head.time);
    HEAD.put(&mut draft, &Head { height: block.height, time: block.time });

    let mut receipts = Vec::new();
    let mut logged = Vec::new();
    let mut consumed = Vec::new();
    for (index, bytes) in (0_u32..).zip(block.txs) {
        let (tx, outcome) = execute_one(&mut draft, block, index, bytes.as_ref(), &mut consumed);
        for event in draft.take_events() {
            logged.push(log(&mut draft, block, tx, event));
        }
        receipts.push(Receipt { tx, outcome });
    }

    if !consumed.is_empty() {
        SEEN_AT.put(&mut draft, &block.height, &consumed);
    }
    forget_seen(&mut draft, block.time);
    let encoded: Vec<Vec<u8>> = receipts.iter().map(encode).collect();
    let receipts_root = merkle_root(&encoded);
    BLOCKS.put(&mut draft, &block.height, &BlockRow { hash: block.hash, time: block.time, receipts_root });
    let (writes, _) = draft.into_parts();
    BlockOutput { writes, receipts, logged, receipts_root }
}

fn execute_one<T>(
    block_draft: &mut Draft<'_>,
    block: &BlockInput<'_, T>,
    index: u32,
    bytes: &[u8],
    consumed: &mut Vec<TxId>,
) -> (TxId, Outcome) {
    let Ok(signed) = Signed::decode(bytes) else {
        return (name_of(bytes), Outcome::Rejected(reject::MALFORMED));
    };
    let tx = signed.tx.id();
    if SEEN.has(block_draft, &tx) {
        return (tx, Outcome::Duplicate);
    }
    // From here to the quota nothing is consumed: the same bytes may still become executable.
    let admitted = admit(block_draft, block, &signed).and_then(|signer| {
        let one =
            |draft: &mut Draft<'_>, org: &OrgId| governance::charge(draft, org, bytes.len(), block.time);
        identity::charge(block_draft, &signer, &one).map(|()| signer)
    });
    let signer = match admitted {
        Ok(signer) => signer,
        // A forgery isn't the transaction that it copies, and its receipt must not pass for that one's.
        Err(reject) if reject == reject::BAD_SIGNATURE => {
            return (name_of(bytes), Outcome::Rejected(reject));
        }
        Err(reject) => return (tx, Outcome::Rejected(reject)),
    };
    SEEN.put(block_draft, &tx, &block.height);
    consumed.push(tx);

    let ctx = Ctx { network: block.network, height: block.height, index, now: block.time, tx, signer };
    let mut draft = Draft::new(block_draft);
    let outcome = match signed.act() {
        Ok(act) if !act.who().contains(&ctx.signer.who()) => Err(reject::NOT_FOR_SIGNER),
        Ok(act) => act.apply(&ctx, &mut draft),
        Err(malformed) => Err(malformed),
    };
    match outcome {
        Ok(()) => {
            let (writes, events) = draft.into_parts();
            block_draft.absorb(writes, events);
            (tx, Outcome::Applied)
        }
        Err(reject) => (tx, Outcome::Rejected(reject)),
    }
}

/// What the receipt of bytes is for that nobody signed.
fn name_of(bytes: &[u8]) -> TxId {
    TxId(hash(domain::TX_ID, &[bytes]))
}

fn admit<T>(state: &Draft<'_>, block: &BlockInput<'_, T>, signed: &Signed) -> Result<crate::Signer, Reject> {
    check_envelope(state, block.network, block.time, signed)?;
    if !(block.verified)(signed) {
        signed.verify()?;
    }
    identity::signer(state, &signed.tx.signer, block.time).ok_or(reject::SIGNER_UNKNOWN)
}

/// What pool and execution ask alike of a transaction before its signature: network and validity window.
///
/// # Errors
/// [`reject::WRONG_NETWORK`], [`reject::EXPIRED`], [`reject::TOO_FAR_AHEAD`].
pub fn check_envelope(
    state: &dyn State,
    network: NetworkId,
    now: Millis,
    signed: &Signed,
) -> Result<(), Reject> {
    if signed.tx.network != network {
        return Err(reject::WRONG_NETWORK);
    }
    if signed.tx.valid_until < now {
        return Err(reject::EXPIRED);
    }
    if signed.tx.valid_until > now.plus(governance::params(state).replay_window) {
        return Err(reject::TOO_FAR_AHEAD);
    }
    Ok(())
}

/// Whether `tx` was consumed within the replay window.
#[must_use]
pub fn is_seen(state: &dyn State, tx: &TxId) -> bool {
    SEEN.has(state, tx)
}

fn log<T>(draft: &mut Draft<'_>, block: &BlockInput<'_, T>, tx: TxId, event: Emitted) -> Logged {
    let Emitted { chart, tag, body } = event;
    let head = LOGS.get(draft, &chart).unwrap_or_default();
    let line = Logged { chart, index: head.count, height: block.height, time: block.time, tx, tag, body };
    LOGS.put(draft, &chart, &head.after(&line));
    line
}

/// Most heights whose ids are dropped per block: keeps the cost of a block bounded after a long quiet time.
const FORGET_PER_BLOCK: u32 = 64;

fn forget_seen(draft: &mut Draft<'_>, now: Millis) {
    // An id may go once no transaction that carries it can be valid: its block lies a whole window back.
    let window = governance::params(draft).replay_window;
    let first = SEEN_FROM.or_default(draft).max(1);
    let mut from = first;
    for _ in 0..FORGET_PER_BLOCK {
        let Some(row) = BLOCKS.get(draft, &from) else { break };
        if row.time.plus(window) >= now {
            break;
        }
        if let Some(ids) = SEEN_AT.get(draft, &from) {
            for tx in ids {
                SEEN.remove(draft, &tx);
            }
            SEEN_AT.remove(draft, &from);
        }
        from = from.saturating_add(1);
    }
    if from != first {
        SEEN_FROM.put(draft, &from);
    }
}

#[cfg(test)]
mod tests {
    use super::{SEEN_AT, is_seen};
    use crate::{
        Outcome, Reject, Signed,
        charts::{Create, Erase, Target},
        governance::Params,
        policy, reject,
        testing::{World, chart_id, key},
        tx::TX_BYTES_MAX,
    };
    use primitives::{Blob, Millis, NetworkId, SecretKey, Signature, Span, encode};

    const RIVERSIDE: &str = "riverside-hospital";

    /// An edit to a good transaction, and how it ends when it is signed after that.
    #[test]
    fn an_envelope_must_fit() {
        type Edit = fn(&mut crate::Transaction);
        let cases: [(Reject, Edit); 6] = [
            (reject::WRONG_NETWORK, |tx| tx.network = NetworkId::default()),
            (reject::EXPIRED, |tx| tx.valid_until = Millis(tx.valid_until.0 - 59_001)),
            (reject::TOO_FAR_AHEAD, |tx| tx.valid_until = tx.valid_until.plus(Span::secs(542))),
            (reject::SIGNER_UNKNOWN, |tx| tx.signer = key("nobody").public()),
            (reject::MALFORMED, |tx| tx.kind = 0xffff),
            (reject::MALFORMED, |tx| tx.body = Blob::try_from(vec![0; 34]).unwrap()),
        ];
        for (place, (expected, edit)) in cases.into_iter().enumerate() {
            let mut world = World::new();
            let mut tx = create(&mut world, "c").tx;
            edit(&mut tx);
            let signer = if expected == reject::SIGNER_UNKNOWN { "nobody" } else { RIVERSIDE };
            let receipt = world.block(&[tx.sign(&key(signer))]).pop().unwrap();
            assert_eq!(receipt.outcome, Outcome::Rejected(expected), "case {place}");
        }
    }

    fn create(world: &mut World, label: &str) -> Signed {
        world.sign(&key(RIVERSIDE), Create { chart: chart_id(label), directory: false })
    }

    fn outcome(world: &mut World, signed: &Signed) -> Outcome {
        world.block(std::slice::from_ref(signed)).pop().unwrap().outcome
    }

    #[test]
    fn bounds_of_the_window_are_within_it() {
        for valid in [Span::secs(1), Span::secs(601)] {
            let mut world = World::new();
            let mut tx = create(&mut world, "c").tx;
            tx.valid_until = world.now.plus(valid);
            assert_eq!(outcome(&mut world, &tx.sign(&key(RIVERSIDE))), Outcome::Applied);
        }
    }

    #[test]
    fn a_signature_is_verified_unless_this_very_transaction_was() {
        let mut world = World::new();
        let good = create(&mut world, "c");
        let bad = Signed { signature: Signature([1; 64]), ..good.clone() };
        let changed = Signed { tx: create(&mut world, "d").tx, ..good.clone() };
        for forged in [&bad, &changed] {
            assert_eq!(outcome(&mut world, forged), Outcome::Rejected(reject::BAD_SIGNATURE));
            let output = world.block_of(&[encode(forged)], &|signed| *signed == good);
            assert_eq!(output.receipts[0].outcome, Outcome::Rejected(reject::BAD_SIGNATURE));
            assert_ne!(output.receipts[0].tx, forged.tx.id(), "its receipt is not the copied transaction's");
        }
        assert_eq!(outcome(&mut world, &good), Outcome::Applied, "a forgery consumes nothing");
    }

    #[test]
    fn bytes_that_are_no_transaction_are_malformed() {
        let mut world = World::new();
        let good = encode(&create(&mut world, "c"));
        let cut = good[..good.len() - 1].to_vec();
        let longer = [good.as_slice(), &[0]].concat();
        for bytes in [Vec::new(), cut, longer, vec![0; TX_BYTES_MAX + 1]] {
            let output = world.block_of(&[bytes], &|_| true);
            assert_eq!(output.receipts[0].outcome, Outcome::Rejected(reject::MALFORMED));
        }
    }

    #[test]
    fn an_id_is_consumed_once_within_the_window_and_then_forgotten() {
        let mut world = World::new();
        let mut tx = create(&mut world, "c").tx;
        tx.valid_until = world.now.plus(Span::secs(600));
        let signed = tx.sign(&key(RIVERSIDE));
        let (height, id) = (world.height + 1, signed.tx.id());
        let outcomes: Vec<_> = world.block(&[signed.clone(), signed.clone()]);
        assert_eq!(outcomes[0].outcome, Outcome::Applied);
        assert_eq!(outcomes[1].outcome, Outcome::Duplicate, "in the same block");
        world.wait(Span::secs(597));
        assert_eq!(outcome(&mut world, &signed), Outcome::Duplicate);
        world.block(&[]);
        assert!(is_seen(&world.state, &id));
        assert_eq!(outcome(&mut world, &signed), Outcome::Duplicate, "a duplicate before it is expired");
        world.block(&[]);
        assert!(!is_seen(&world.state, &id), "600 seconds and one block later");
        assert!(!SEEN_AT.has(&world.state, &height));
        assert_eq!(outcome(&mut world, &signed), Outcome::Rejected(reject::EXPIRED));
    }

    #[test]
    fn after_a_long_quiet_time_ids_are_forgotten_bit_by_bit() {
        let mut world = World::new();
        let ids: Vec<_> = (0..100)
            .map(|place| {
                let signed = create(&mut world, &place.to_string());
                assert_eq!(outcome(&mut world, &signed), Outcome::Applied);
                signed.tx.id()
            })
            .collect();
        world.wait(Span::days(1));
        let left = |world: &World| ids.iter().filter(|id| is_seen(&world.state, id)).count();
        world.block(&[]);
        assert_eq!(left(&world), 36);
        world.block(&[]);
        assert_eq!(left(&world), 0);
    }

    #[test]
    fn a_reject_leaves_nothing_but_its_id_and_its_cost() {
        let mut world = World::new();
        let owner = world.person(RIVERSIDE, "owner");
        let chart = world.chart(RIVERSIDE, "c");
        let keys = |state: &crate::testing::MapState| state.0.keys().cloned().collect::<Vec<_>>();
        let rejected = |world: &mut World, signer: &SecretKey, expected: Reject| {
            let before = world.state.clone();
            let signed = world.sign(signer, Erase { chart, target: Target::Chart });
            let output = world.block_of(&[encode(&signed)], &|_| false);
            assert_eq!(output.receipts[0].outcome, Outcome::Rejected(expected));
            assert!(output.logged.is_empty());
            let mut after = world.clone();
            let mut quiet = world.clone();
            (quiet.state, quiet.height, quiet.now) = (before, world.height - 1, Millis(world.now.0 - 1_000));
            quiet.block(&[]);
            after.state.0.retain(|key, _| quiet.state.0.contains_key(key));
            assert_eq!(keys(&after.state), keys(&quiet.state));
            let changed = after.state.0.iter().filter(|(key, value)| quiet.state.0.get(*key) != Some(value));
            // The block's row, whose receipts differ, and the organisation's usage.
            let tags: Vec<u8> = changed.map(|(key, _)| key[0]).collect();
            assert_eq!(tags, [0x01, 0x15]);
        };
        rejected(&mut world, &owner, crate::charts::CHART_UNCLAIMED);
        rejected(&mut world, &key(RIVERSIDE), reject::NOT_FOR_SIGNER);
    }

    #[test]
    fn an_organisation_has_its_share_of_a_window() {
        let params = Params { quota_txs: 100, quota_window: Span::hours(1), ..Params::default() };
        let mut world = World::with(params, policy::BASE);
        let txs: Vec<_> = (0..101).map(|place| create(&mut world, &place.to_string())).collect();
        let receipts = world.block(&txs);
        assert!(receipts[..100].iter().all(|receipt| receipt.outcome == Outcome::Applied));
        assert_eq!(receipts[100].outcome, Outcome::Rejected(reject::QUOTA));
        let other =
            world.sign(&key("lakeside-clinic"), Create { chart: chart_id("of lakeside"), directory: false });
        assert_eq!(outcome(&mut world, &other), Outcome::Applied, "each has its own");
        // What was refused for its cost consumed nothing, and may come again in the next window.
        world.wait(Span::hours(1));
        let mut tx = txs[100].tx.clone();
        assert!(!is_seen(&world.state, &tx.id()));
        tx.valid_until = world.now.plus(Span::secs(60));
        assert_eq!(outcome(&mut world, &tx.sign(&key(RIVERSIDE))), Outcome::Applied);
    }
}
