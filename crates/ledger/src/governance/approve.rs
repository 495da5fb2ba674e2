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

#[cfg(test)]
mod tests {
    use super::Approve;
    use crate::{
        governance::{Change, Params, Propose, params, policy},
        testing::{World, key, said},
    };
    use primitives::{Span, TxId};

    const MEMBERS: [&str; 4] =
        ["riverside-hospital", "lakeside-clinic", "meridian-insurance", "patient-trust"];

    fn change() -> Change {
        Change::Params(Params { break_glass_max: 7, ..Params::default() })
    }

    /// Members by place who approve one after the other, how each approval ends, and whether the change is in force.
    fn check(places: &[usize], expected: &str, in_force: bool) {
        let mut world = World::new();
        let proposal = world.act(&key(MEMBERS[0]), Propose { change: change() }).unwrap();
        let approved = |place: &usize| said(world.act(&key(MEMBERS[*place]), Approve { proposal }));
        let ended: Vec<_> = places.iter().map(approved).collect();
        assert_eq!(ended.join(" "), expected, "{places:?}");
        assert_eq!(params(&world.state).break_glass_max == 7, in_force, "{places:?}");
    }

    #[test]
    fn a_change_needs_as_many_members_as_open_a_record() {
        check(&[], "", false);
        check(&[0, 1], "APPROVAL_REPEATED ok", false);
        check(&[1, 1], "ok APPROVAL_REPEATED", false);
        check(&[1, 2], "ok ok", true);
        check(&[3, 2, 1], "ok ok PROPOSAL_OVER", true);
    }

    #[test]
    fn a_proposal_stands_for_its_time() {
        for (wait, expected) in [(Span::days(29), "ok"), (Span::days(31), "PROPOSAL_OVER")] {
            let mut world = World::new();
            let proposal = world.act(&key(MEMBERS[0]), Propose { change: change() }).unwrap();
            world.wait(wait);
            assert_eq!(said(world.act(&key(MEMBERS[1]), Approve { proposal })), expected);
        }
        let unknown = Approve { proposal: TxId::default() };
        assert_eq!(said(World::new().act(&key(MEMBERS[1]), unknown)), "PROPOSAL_UNKNOWN");
    }

    #[test]
    fn members_alone_change_the_policies() {
        let mut world = World::new();
        let person = world.person(MEMBERS[0], "owner");
        let text = "@id(\"nothing\")\nforbid (principal, action, resource);";
        let change = Change::Policy(text.try_into().unwrap());
        let proposed = world.act(&person, Propose { change: change.clone() });
        assert_eq!(said(proposed), "NOT_FOR_SIGNER");
        let proposal = world.act(&key(MEMBERS[0]), Propose { change }).unwrap();
        assert_eq!(said(world.act(&person, Approve { proposal })), "NOT_FOR_SIGNER");
        for member in &MEMBERS[1..3] {
            world.act(&key(member), Approve { proposal }).unwrap();
        }
        assert_eq!(policy(&world.state).text.as_str(), text);
    }
}
