//! This file is where a member proposes a change of parameters or base policies.

use super::state::{CHANGE_INVALID, Change, PROPOSALS, Params, Proposal, params};
use crate::{Ctx, Draft, Kind, Reject, Who, policy};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{List, Span, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Proposes a change to all members. It takes effect once as many have approved as must hold shares to open a record;
/// the proposer's approval counts. Decided by members alone, never by the policies themselves, so that bad policies can
/// be repaired.
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
pub struct Propose {
    /// What is to change.
    pub change: Change,
}

impl Kind for Propose {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { change } = self;
        if !is_valid(draft, change) {
            return Err(CHANGE_INVALID);
        }
        let until = ctx.now.plus(params(draft).proposal_life);
        let proposal = Proposal { change: change.clone(), until, approvals: List::default(), decided: false };
        PROPOSALS.put(draft, &ctx.tx, &proposal);
        super::approve::approve(ctx, draft, &ctx.tx)
    }
}

fn is_valid(state: &dyn State, change: &Change) -> bool {
    match change {
        Change::Params(new) => {
            let now = params(state);
            let fixed = new.replay_window == now.replay_window
                && new.lag_max == now.lag_max
                && new.skew == now.skew
                && new.block_bytes_max == now.block_bytes_max;
            fixed && is_sane(new)
        }
        Change::Policy(text) => policy::check(text).is_ok(),
    }
}

/// Whether the network could live with these parameters.
pub(super) fn is_sane(params: &Params) -> bool {
    let hour = Span::hours(1);
    params.replay_window >= Span::secs(10)
        && params.replay_window <= hour
        && (1..=10_000).contains(&params.lag_max)
        && params.skew <= Span::secs(60)
        && (64 << 10..=8 << 20).contains(&params.block_bytes_max)
        && params.session_max > Span(0)
        && params.session_max <= Span::hours(12)
        && params.access_life >= Span::secs(10)
        && params.access_life <= Span::hours(24)
        && params.quota_window >= Span::secs(1)
        && params.quota_bytes >= 1 << 20
        && params.quota_txs >= 100
        && params.proposal_life >= hour
}

#[cfg(test)]
mod tests {
    use super::{Change, Propose};
    use crate::{
        governance::Params,
        testing::{World, key, said},
    };
    use primitives::Span;

    #[test]
    fn a_network_must_be_able_to_live_with_it() {
        type Case = (&'static str, fn(&mut Params));
        let cases: [Case; 15] = [
            ("ok", |_| ()),
            ("ok", |params| params.session_max = Span::hours(1)),
            ("CHANGE_INVALID", |params| params.replay_window = Span::secs(601)),
            ("CHANGE_INVALID", |params| params.lag_max = 255),
            ("CHANGE_INVALID", |params| params.skew = Span(1_000)),
            ("CHANGE_INVALID", |params| params.block_bytes_max = 2 << 20),
            ("CHANGE_INVALID", |params| params.session_max = Span(0)),
            ("CHANGE_INVALID", |params| params.session_max = Span::hours(13)),
            ("CHANGE_INVALID", |params| params.access_life = Span::secs(9)),
            ("CHANGE_INVALID", |params| params.access_life = Span::hours(25)),
            ("CHANGE_INVALID", |params| params.quota_window = Span(0)),
            ("CHANGE_INVALID", |params| params.quota_bytes = 1 << 19),
            ("CHANGE_INVALID", |params| params.quota_txs = 99),
            ("CHANGE_INVALID", |params| params.proposal_life = Span::secs(60)),
            ("ok", |params| params.recovery_wait_min = Span::days(14)),
        ];
        for (place, (expected, edit)) in cases.into_iter().enumerate() {
            let mut params = Params::default();
            edit(&mut params);
            let act = Propose { change: Change::Params(params) };
            assert_eq!(said(World::new().act(&key("lakeside-clinic"), act)), expected, "case {place}");
        }
        let change = Change::Policy("permit everything".try_into().unwrap());
        let proposed = World::new().act(&key("lakeside-clinic"), Propose { change });
        assert_eq!(said(proposed), "CHANGE_INVALID");
    }
}
