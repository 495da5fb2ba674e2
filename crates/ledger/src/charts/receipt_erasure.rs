//! This file is where members confirm that what was to be erased is gone.

use super::state::{ERASURE_RECEIPTED, ERASURE_UNKNOWN, ERASURES};
use crate::{Ctx, Draft, Kind, Reject, Who, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{OrgId, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Confirms that the signing organisation's trustee and store hold nothing more of what was ordered to be erased.
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
pub struct ReceiptErasure {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

/// A member has erased.
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
pub struct ErasureReceipted {
    /// The transaction that ordered it.
    pub erasure: TxId,
    /// The member.
    pub org: OrgId,
}

/// Enough members have erased that, even if as many as may lie do so, too few shares remain to open anything.
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
pub struct ErasureEffective {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

/// All members have erased.
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
pub struct ErasureComplete {
    /// The transaction that ordered it.
    pub erasure: TxId,
}

impl Kind for ReceiptErasure {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { erasure } = *self;
        let mut row = ERASURES.get(draft, &erasure).ok_or(ERASURE_UNKNOWN)?;
        let org = ctx.signer.org();
        let member = governance::member(draft, org).ok_or(ERASURE_UNKNOWN)?;
        if !row.receipted.add(member.place) {
            return Err(ERASURE_RECEIPTED);
        }
        let quorum = governance::quorum(draft);
        // n − t + 1 honest ones leave fewer than t shares; f of those who confirm may lie.
        let enough = quorum.n.saturating_sub(quorum.t).saturating_add(1).saturating_add(quorum.f);
        let was_effective = row.effective;
        row.effective = row.receipted.count() >= enough;
        row.complete = row.receipted.count() >= quorum.n;
        ERASURES.put(draft, &erasure, &row);
        draft.emit(row.chart, &ErasureReceipted { erasure, org: org.clone() });
        if row.effective && !was_effective {
            draft.emit(row.chart, &ErasureEffective { erasure });
        }
        if row.complete {
            draft.emit(row.chart, &ErasureComplete { erasure });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::ReceiptErasure;
    use crate::{
        Event,
        charts::{Erase, Target, scene::Scene},
        testing::{ORGS, key, said},
    };
    use primitives::TxId;

    #[test]
    fn effective_when_too_few_shares_can_remain_and_complete_when_all_have_erased() {
        let mut scene = Scene::new();
        let (chart, owner) = (scene.chart, scene.owner.clone());
        let erasure = scene.world.act(&owner, Erase { chart, target: Target::Chart }).unwrap();
        let mut ended = Vec::new();
        for (name, _) in ORGS {
            let before = scene.world.events(&chart).len();
            assert_eq!(said(scene.world.act(&key(name), ReceiptErasure { erasure })), "ok");
            let said_twice = said(scene.world.act(&key(name), ReceiptErasure { erasure }));
            assert_eq!(said_twice, "ERASURE_RECEIPTED");
            let events = scene.world.events(&chart).split_off(before);
            ended.push(events.iter().map(Event::name).collect::<Vec<_>>().join(" "));
        }
        // Of four, one may lie and three open: n − t + 1 + f = 3.
        let receipted = "charts.erasure-receipted";
        let expected = [
            receipted.to_owned(),
            receipted.to_owned(),
            format!("{receipted} charts.erasure-effective"),
            format!("{receipted} charts.erasure-complete"),
        ];
        assert_eq!(ended, expected);
        let unknown = ReceiptErasure { erasure: TxId::default() };
        assert_eq!(said(scene.world.act(&key(ORGS[0].0), unknown)), "ERASURE_UNKNOWN");
        assert_eq!(said(scene.world.act(&owner, ReceiptErasure { erasure })), "NOT_FOR_SIGNER");
    }
}
