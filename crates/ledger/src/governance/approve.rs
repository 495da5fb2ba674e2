//! This file is where a member approves a proposal, and where the last approval that it needs puts it in force.

use super::state::{
    APPROVAL_REPEATED, Change, PARAMS, POLICY, PROPOSAL_OVER, PROPOSAL_UNKNOWN, PROPOSALS, Policy, quorum,
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::TxId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Approves a proposal in the name of the signing organisation.
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
pub struct Approve {
    /// The transaction that proposed it.
    pub proposal: TxId,
}

impl Kind for Approve {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { proposal } = self;
        approve(ctx, draft, proposal)
    }
}

pub(super) fn approve(ctx: &Ctx, draft: &mut Draft<'_>, id: &TxId) -> Result<(), Reject> {
    let mut proposal = PROPOSALS.get(draft, id).ok_or(PROPOSAL_UNKNOWN)?;
    if proposal.decided || proposal.until < ctx.now {
        return Err(PROPOSAL_OVER);
    }
    if proposal.approvals.contains(ctx.signer.org()) {
        return Err(APPROVAL_REPEATED);
    }
    let mut approvals = proposal.approvals.into_vec();
    approvals.push(ctx.signer.org().clone());
    proposal.decided = approvals.len() as u64 >= u64::from(quorum(draft).t);
    proposal.approvals = approvals.try_into().map_err(|_| PROPOSAL_OVER)?;
    PROPOSALS.put(draft, id, &proposal);
    if proposal.decided {
        match proposal.change {
            Change::Params(params) => PARAMS.put(draft, &params),
            Change::Policy(text) => POLICY.put(draft, &Policy::new(text)),
        }
    }
    Ok(())
}
