//! This file is where a clinician declares an emergency.

use super::{
    record::{Asking, Emergency, Extent, decide_and_record},
    state::{ASK_EMPTY, check_reviews},
};
use crate::{Ctx, Draft, Kind, Reject, Who, charts, consent::Purpose, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks to open a chart in an emergency, in which the base policies let a clinician read without the patient's consent.
/// The patient sees it in the log, the organisation must review it, and may do so only so often; while a review is
/// overdue, it may not at all.
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
pub struct BreakGlass {
    /// The chart.
    pub chart: ChartId,
    /// How much of it.
    pub extent: Extent,
    /// Why.
    pub reason: Reason,
    /// Whether the organisation attests that the practitioner proved once more who it is.
    pub step_up: bool,
    /// Hash of an X-Wing public key made for this access.
    pub session_key: Hash,
    /// Hash of the audit record: who it is and why in plain words, off the ledger.
    pub record: Hash,
}

/// Why the glass is broken. The words are in the audit record, off the ledger.
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
pub enum Reason {
    /// The patient's life is in danger.
    Life,
    /// The patient can't say yes or no.
    Incapacity,
    /// Somebody else is in danger.
    DangerToOthers,
    /// Another reason.
    Other,
}

impl Kind for BreakGlass {
    const WHO: &'static [Who] = &[Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, extent, reason, step_up, session_key, record } = self.clone();
        if charts::chart(draft, &chart).is_none() {
            return Err(charts::CHART_UNKNOWN);
        }
        if extent == Extent::Index {
            return Err(ASK_EMPTY);
        }
        check_reviews(draft, ctx.signer.org(), ctx.now)?;
        governance::charge_break_glass(draft, ctx.signer.org(), ctx.now)?;
        let emergency = Some(Emergency { reason, step_up });
        let purpose = Purpose::BreakGlass;
        decide_and_record(ctx, draft, &Asking { chart, purpose, extent, session_key, record, emergency })
    }
}
