//! This file is where the simulated network has its beginning: members, keys, parameters, and what the engine is told.

use consensus::{
    Limits, Timeouts,
    sim::{self, Link, Plan},
};
use envelope::OpenKey;
use ledger::{
    TX_BYTES_MAX,
    governance::{Genesis, GenesisMember, MemberKind, Params},
    policy,
    testing::{ORGS, key, org},
};
use primitives::{Blob, Header, Span, domain, hash};

/// How many members there are.
pub(super) const MEMBERS: usize = ORGS.len();
/// How many of them may fail or lie.
pub(super) const FAULTY: usize = (MEMBERS - 1) / 3;
/// How many shares open a compartment.
pub(super) const NEEDED: usize = MEMBERS - FAULTY;

/// Links as they are when nothing is wrong.
pub(super) const CALM: Link = Link { latency: Span(20), jitter: Span(5), lost_permille: 0 };

/// The key to whose public half a trustee's boxes are sealed.
pub(super) fn box_key(place: usize) -> OpenKey {
    OpenKey::from_seed(&hash(domain::GOLDEN, &[b"box key", &place.to_le_bytes()]).0)
}

/// The key under which a member's own files are sealed.
pub(super) fn vault_key(place: usize) -> [u8; 32] {
    hash(domain::GOLDEN, &[b"vault key", &place.to_le_bytes()]).0
}

/// The network of a seed. Bounds are small, so that a short run meets them.
pub(super) fn genesis(seed: u64) -> Genesis {
    let params = Params {
        lag_max: 8,
        skew: Span(500),
        access_life: if seed.is_multiple_of(2) { Span::secs(12) } else { Span::secs(900) },
        break_glass_max: 2,
        break_glass_overrides_special: seed.is_multiple_of(3),
        quota_denied: 8,
        ..Params::default()
    };
    let member = |(place, (name, kind)): (usize, (&str, MemberKind))| GenesisMember {
        org: org(name),
        kind,
        name: name.try_into().unwrap(),
        key: key(name).public(),
        validator: sim::secret(place).public(),
        box_key: Blob::try_from(box_key(place).public().as_bytes().to_vec()).unwrap(),
    };
    let members: Vec<_> = ORGS.into_iter().enumerate().map(member).collect();
    Genesis {
        format: 1,
        name: "a simulated network".try_into().unwrap(),
        time: sim::START,
        demo: true,
        members: members.try_into().unwrap(),
        params,
        policy: policy::BASE.try_into().unwrap(),
    }
}

/// The genesis block's header, as the engine has it.
pub(super) fn first(genesis: &Genesis) -> Header {
    consensus::genesis(genesis.network(), genesis.time, &sim::committee(MEMBERS))
}

/// What the engine is told: the genesis' own bounds, and waiting times that let a minute hold many troubles.
pub(super) fn plan(seed: u64, genesis: &Genesis, liar: Option<usize>) -> Plan {
    let mut plan = Plan::new(seed, MEMBERS);
    plan.network = genesis.network();
    plan.liar = liar;
    plan.link = CALM;
    plan.limits = Limits {
        block_bytes_max: usize::try_from(genesis.params.block_bytes_max).unwrap(),
        tx_bytes_max: TX_BYTES_MAX,
        lag_max: genesis.params.lag_max,
        skew_max: genesis.params.skew,
    };
    plan.timeouts = Timeouts {
        idle: Span(400),
        leader: Span(700),
        certification: Span(1_200),
        retry: Span(1_000),
        skip: Span(1_500),
        fetch: Span(500),
        regossip: Span(500),
    };
    plan
}
