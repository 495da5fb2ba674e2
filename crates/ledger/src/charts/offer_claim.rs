//! This file is where a custodian names the person who may take a chart over.

use super::state::{CHART_CLAIMED, CHART_UNKNOWN, CHARTS, Chart, NOT_CUSTODIAN, OFFER_INVALID, Offer};
use crate::{
    Ctx, Draft, Kind, Reject, Who, consent,
    governance::{self, MemberKind},
    identity,
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Millis, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names the enrolled person who may claim the chart. A patient body or regulator may stand in for a silent custodian:
/// its offer can be taken only after the network's shortest recovery time, and the custodian's own replaces it.
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
pub struct OfferClaim {
    /// The chart.
    pub chart: ChartId,
    /// The person.
    pub person: PrincipalId,
    /// When the offer ends.
    pub until: Millis,
}

/// A claim was offered.
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
pub struct ClaimOffered {
    /// To whom.
    pub person: PrincipalId,
    /// From when it can be taken.
    pub from: Millis,
    /// Until when.
    pub until: Millis,
}

impl Kind for OfferClaim {
    const WHO: &'static [Who] = &[Who::Organisation];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, person, until } = *self;
        let row = CHARTS.get(draft, &chart).filter(|row| !row.directory).ok_or(CHART_UNKNOWN)?;
        let org = ctx.signer.org();
        let from = if row.custodian == *org {
            ctx.now
        } else {
            let stands_in = governance::member(draft, org).is_some_and(|member| match member.kind {
                MemberKind::PatientBody | MemberKind::Regulator => true,
                MemberKind::Provider
                | MemberKind::Laboratory
                | MemberKind::Insurer
                | MemberKind::Manufacturer
                | MemberKind::Sponsor => false,
            });
            if !stands_in {
                return Err(NOT_CUSTODIAN);
            }
            ctx.now.plus(governance::params(draft).recovery_wait_min)
        };
        if consent::parties(draft, &chart).is_some_and(|parties| parties.owner.is_some()) {
            return Err(CHART_CLAIMED);
        }
        if until <= from || !identity::is_person(draft, &person) {
            return Err(OFFER_INVALID);
        }
        CHARTS.put(draft, &chart, &Chart { offer: Some(Offer { person, from, until }), ..row });
        draft.emit(chart, &ClaimOffered { person, from, until });
        Ok(())
    }
}
