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
