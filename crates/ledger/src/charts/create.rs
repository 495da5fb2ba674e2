//! This file is where an organisation makes a chart.

use super::state::{CHART_EXISTS, CHARTS, Chart};
use crate::{
    Ctx, Draft, Kind, Reject, Who,
    consent::{self, Parties},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, OrgId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes a chart, of which the signer's organisation is custodian until the patient claims it.
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
pub struct Create {
    /// The chart's id: 32 random bytes.
    pub chart: ChartId,
    /// Whether it holds the organisation's directory (practitioners, places, products) and never a patient's data.
    pub directory: bool,
}

/// A chart was made.
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
pub struct Created {
    /// Its custodian.
    pub custodian: OrgId,
    /// Whether it holds a directory.
    pub directory: bool,
}

impl Kind for Create {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, directory } = *self;
        if CHARTS.has(draft, &chart) {
            return Err(CHART_EXISTS);
        }
        let custodian = ctx.signer.org().clone();
        let row = Chart {
            custodian: custodian.clone(),
            directory,
            offer: None,
            index: None,
            audit: None,
            erased: None,
        };
        CHARTS.put(draft, &chart, &row);
        consent::set_parties(
            draft,
            &chart,
            &Parties { custodian: custodian.clone(), owner: None, directory },
        );
        draft.emit(chart, &Created { custodian, directory });
        Ok(())
    }
}
