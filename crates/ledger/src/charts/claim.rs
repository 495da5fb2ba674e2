//! This file is where a patient takes over her chart.

use super::state::{CHART_CLAIMED, CHART_UNKNOWN, CHARTS, CLAIM_NOT_OFFERED, Chart};
use crate::{
    Ctx, Draft, Kind, Reject, Who,
    consent::{self, Parties},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes over a chart that was offered to the signer, who thereby proves to hold the named key and becomes its owner.
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
pub struct Claim {
    /// The chart.
    pub chart: ChartId,
}

/// The chart has an owner.
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
pub struct Claimed {
    /// The owner.
    pub owner: PrincipalId,
}

impl Kind for Claim {
    const WHO: &'static [Who] = &[Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart } = *self;
        let row = CHARTS.get(draft, &chart).ok_or(CHART_UNKNOWN)?;
        let parties = consent::parties(draft, &chart).ok_or(CHART_UNKNOWN)?;
        if parties.owner.is_some() {
            return Err(CHART_CLAIMED);
        }
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        let offered = row
            .offer
            .as_ref()
            .is_some_and(|offer| offer.person == owner && offer.from <= ctx.now && ctx.now <= offer.until);
        if !offered {
            return Err(CLAIM_NOT_OFFERED);
        }
        CHARTS.put(draft, &chart, &Chart { offer: None, ..row });
        consent::set_parties(draft, &chart, &Parties { owner: Some(owner), ..parties });
        draft.emit(chart, &Claimed { owner });
        Ok(())
    }
}
