//! This file is where somebody asks to open classes of a chart.

use super::{
    record::{Asking, Extent, decide_and_record},
    state::EMERGENCY_UNDECLARED,
};
use crate::{Ctx, Draft, Kind, Reject, Who, consent::Purpose};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks to open a chart, or classes of it. Decided class by class and recorded in the chart's log, denied or not; what
/// is permitted is released to the session key alone, until the access expires.
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
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The chart.
    pub chart: ChartId,
    /// What for.
    pub purpose: Purpose,
    /// How much of it.
    pub extent: Extent,
    /// Hash of an X-Wing public key made for this access.
    pub session_key: Hash,
    /// Hash of the audit record: who it is in plain words, off the ledger.
    pub record: Hash,
}

impl Kind for Request {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner, Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, purpose, extent, session_key, record } = self.clone();
        if purpose == Purpose::BreakGlass {
            return Err(EMERGENCY_UNDECLARED);
        }
        decide_and_record(
            ctx,
            draft,
            &Asking { chart, purpose, extent, session_key, record, emergency: None },
        )
    }
}
