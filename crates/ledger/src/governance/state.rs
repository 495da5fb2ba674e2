//! This file is where members, parameters and base policies lie, and what others may ask of them.

use crate::{Draft, Reject, Singleton, Table, reject, reject::rejects};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{Blob, Hash, List, Millis, OrgId, PublicKey, Span, State, Text, domain, hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest base policy text, in bytes.
pub(super) const POLICY_BYTES_MAX: usize = 32 << 10;

/// Length of an X-Wing public key, in bytes.
pub(super) const BOX_KEY_BYTES: usize = 1216;

/// The member organisations, in the order of the committee. Bounded by the genesis file.
pub const MEMBERS: Singleton<Vec<OrgId>> = Singleton::new(0x10);
const MEMBER: Table<OrgId, Member> = Table::new(0x11);
pub(super) const PARAMS: Singleton<Params> = Singleton::new(0x12);
pub(super) const POLICY: Singleton<Policy> = Singleton::new(0x13);
pub(super) const PROPOSALS: Table<primitives::TxId, Proposal> = Table::new(0x14);
const USAGE: Table<OrgId, Usage> = Table::new(0x15);

rejects! {
    CHANGE_INVALID = 101, "the proposed change is out of bounds or its policy text is not valid";
    PROPOSAL_UNKNOWN = 102, "there is no such proposal";
    PROPOSAL_OVER = 103, "the proposal has been decided or its time has run out";
    APPROVAL_REPEATED = 104, "the organisation has approved this proposal already";
    BOX_KEY_INVALID = 105, "the box key is not an X-Wing public key of 1216 bytes, or is the one in force";
}

/// What an organisation is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// Gives care and writes records.
    Provider,
    /// Examines specimens and writes results.
    Laboratory,
    /// Pays for care.
    Insurer,
    /// Makes medicines or devices.
    Manufacturer,
    /// Sponsors trials.
    Sponsor,
    /// Stands for patients.
    PatientBody,
    /// Supervises.
    Regulator,
}

/// A member organisation.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Member {
    /// What it is.
    pub kind: MemberKind,
    /// Its name, as people know it.
    pub name: Text<120>,
    /// The key by which it acts: certifies sessions, enrols, acknowledges, signs receipts.
    pub key: PublicKey,
    /// The key by which its validator votes.
    pub validator: PublicKey,
    /// X-Wing public key to which dealings for its trustee are sealed (1216 bytes).
    pub box_key: Blob<BOX_KEY_BYTES>,
    /// Its place in the committee, from 0. Its trustee's share has the index one above.
    pub place: u32,
}

/// The network's parameters. Those marked fixed can't be changed after genesis.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How far ahead `valid_until` may lie, and so how long ids are kept. Fixed: a shorter one would forget ids early.
    pub replay_window: Span,
    /// How many heights the state root of a header may lag. Fixed: the engine runs by it.
    pub lag_max: u64,
    /// How far ahead of a validator's clock a block's time may lie. Fixed: the engine runs by it.
    pub skew: Span,
    /// Longest block body, in bytes. Fixed: the engine runs by it.
    pub block_bytes_max: u32,
    /// Longest life of a session certificate.
    pub session_max: Span,
    /// How long a permitted access may be released.
    pub access_life: Span,
    /// How long after a break-glass access its review is overdue.
    pub review_within: Span,
    /// Most break-glass accesses of one organisation per window.
    pub break_glass_max: u32,
    /// Whether break-glass overrides explicit denies for general classes.
    pub break_glass_overrides_general: bool,
    /// Whether break-glass overrides explicit denies for special classes.
    pub break_glass_overrides_special: bool,
    /// Length of the window in which the quotas below count.
    pub quota_window: Span,
    /// Most bytes of transactions of one organisation per window.
    pub quota_bytes: u64,
    /// Most transactions of one organisation per window.
    pub quota_txs: u64,
    /// Most denied accesses of one organisation per window.
    pub quota_denied: u64,
    /// Shortest waiting time of a recovery.
    pub recovery_wait_min: Span,
    /// How long a proposal stands.
    pub proposal_life: Span,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            replay_window: Span::secs(600),
            lag_max: 256,
            skew: Span(2_000),
            block_bytes_max: 1 << 20,
            session_max: Span::hours(12),
            access_life: Span::secs(900),
            review_within: Span::days(3),
            break_glass_max: 20,
            break_glass_overrides_general: true,
            break_glass_overrides_special: false,
            quota_window: Span::secs(60),
            quota_bytes: 256 << 20,
            quota_txs: 1_000_000,
            quota_denied: 600,
            recovery_wait_min: Span::days(7),
            proposal_life: Span::days(30),
        }
    }
}

/// The network's base policies.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Policy {
    /// The Cedar text.
    pub text: Text<POLICY_BYTES_MAX>,
    /// Hash of the text: names the set in caches and explanations.
    pub hash: Hash,
}

impl Policy {
    /// The policy set with this text.
    #[must_use]
    pub fn new(text: Text<POLICY_BYTES_MAX>) -> Self {
        let hash = hash(domain::POLICY, &[text.as_bytes()]);
        Self { text, hash }
    }
}

/// What members may change by vote.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// New parameters, whole. The fixed ones must stay as they are.
    Params(Params),
    /// New base policies: the whole Cedar text.
    Policy(Text<POLICY_BYTES_MAX>),
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Proposal {
    pub(super) change: Change,
    pub(super) until: Millis,
    pub(super) approvals: List<OrgId, 100>,
    pub(super) decided: bool,
}

/// What an organisation used of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Usage {
    window: u64,
    bytes: u64,
    txs: u64,
    denied: u64,
    break_glass: u64,
}

/// The parameters in force.
#[must_use]
pub fn params(state: &dyn State) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// The base policies in force. Empty before genesis, which denies everything.
#[must_use]
pub fn policy(state: &dyn State) -> Policy {
    POLICY.get(state).unwrap_or_else(|| Policy::new(Text::default()))
}

/// The member with this name.
#[must_use]
pub fn member(state: &dyn State, org: &OrgId) -> Option<Member> {
    MEMBER.get(state, org)
}

/// All members, in the order of the committee.
#[must_use]
pub fn members(state: &dyn State) -> Vec<(OrgId, Member)> {
    let orgs = MEMBERS.get(state).unwrap_or_default();
    orgs.into_iter().filter_map(|org| member(state, &org).map(|member| (org, member))).collect()
}

/// The committee's numbers: how many, how many may fail or lie, how many shares open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Members.
    pub n: u32,
    /// Members that may fail or lie: ⌊(n−1)/3⌋.
    pub f: u32,
    /// Shares that open, and acknowledgements that a commit needs: n − f.
    pub t: u32,
}

/// The committee's numbers now.
#[must_use]
pub fn quorum(state: &dyn State) -> Quorum {
    let n = u32::try_from(MEMBERS.get(state).unwrap_or_default().len()).unwrap_or(u32::MAX);
    let f = n.saturating_sub(1).checked_div(3).unwrap_or(0);
    Quorum { n, f, t: n.saturating_sub(f) }
}

pub(super) fn put_member(draft: &mut Draft<'_>, org: &OrgId, member: &Member) {
    MEMBER.put(draft, org, member);
}

/// Replaces the organisation key of `org`.
pub(crate) fn set_member_key(draft: &mut Draft<'_>, org: &OrgId, key: PublicKey) {
    if let Some(member) = member(draft, org) {
        put_member(draft, org, &Member { key, ..member });
    }
}

fn usage(state: &dyn State, org: &OrgId, now: Millis) -> (Params, Usage) {
    let params = params(state);
    let window = now.0.checked_div(params.quota_window.0).unwrap_or(0);
    let usage = USAGE.get(state, org).filter(|usage| usage.window == window);
    (params, usage.unwrap_or(Usage { window, ..Usage::default() }))
}

/// Counts one transaction of `bytes` against the organisation's share of the window.
///
/// # Errors
/// [`reject::QUOTA`].
pub fn charge(draft: &mut Draft<'_>, org: &OrgId, bytes: usize, now: Millis) -> Result<(), Reject> {
    let usage = with_one_more(draft, org, bytes, now).ok_or(reject::QUOTA)?;
    USAGE.put(draft, org, &usage);
    Ok(())
}

/// Whether the organisation's share of the window has room for one more transaction of `bytes`.
#[must_use]
pub fn has_room(state: &dyn State, org: &OrgId, bytes: usize, now: Millis) -> bool {
    with_one_more(state, org, bytes, now).is_some()
}

fn with_one_more(state: &dyn State, org: &OrgId, bytes: usize, now: Millis) -> Option<Usage> {
    let (params, mut usage) = usage(state, org, now);
    usage.txs = usage.txs.saturating_add(1);
    usage.bytes = usage.bytes.saturating_add(bytes as u64);
    (usage.txs <= params.quota_txs && usage.bytes <= params.quota_bytes).then_some(usage)
}

/// Counts one denied access.
///
/// # Errors
/// [`reject::QUOTA`].
pub(crate) fn charge_denied(draft: &mut Draft<'_>, org: &OrgId, now: Millis) -> Result<(), Reject> {
    let (params, mut usage) = usage(draft, org, now);
    usage.denied = usage.denied.saturating_add(1);
    if usage.denied > params.quota_denied {
        return Err(reject::QUOTA);
    }
    USAGE.put(draft, org, &usage);
    Ok(())
}

/// Counts one break-glass access.
///
/// # Errors
/// [`reject::QUOTA`].
pub(crate) fn charge_break_glass(draft: &mut Draft<'_>, org: &OrgId, now: Millis) -> Result<(), Reject> {
    let (params, mut usage) = usage(draft, org, now);
    usage.break_glass = usage.break_glass.saturating_add(1);
    if usage.break_glass > u64::from(params.break_glass_max) {
        return Err(reject::QUOTA);
    }
    USAGE.put(draft, org, &usage);
    Ok(())
}
