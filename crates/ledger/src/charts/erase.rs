//! This file is where the owner orders that something be erased.

use super::state::{
    CHART_UNCLAIMED, CHART_UNKNOWN, CHARTS, COMPARTMENT_ERASED, COMPARTMENTS, Chart, Class, ClassId,
    Compartment, ERASURE_TARGET, ERASURES, Erasure, NOT_OWNER, PACKS, Pack, Places, Position, Target, class,
    put_class,
};
use crate::{
    Ctx, Draft, Kind, Reject, Who, consent,
    identity::{self, KEY_FRESH},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, List};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Orders that something of the signer's chart be erased. From this height no key of it is released and no byte served;
/// members confirm one by one that shares and bytes are gone.
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
pub struct Erase {
    /// The chart.
    pub chart: ChartId,
    /// What is erased.
    pub target: Target,
}

/// An erasure was ordered. Its id is the transaction's.
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
pub struct ErasureOrdered {
    /// What is erased.
    pub target: Target,
}

impl Kind for Erase {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, target } = self;
        let row = CHARTS.get(draft, chart).ok_or(CHART_UNKNOWN)?;
        let owner =
            consent::parties(draft, chart).and_then(|parties| parties.owner).ok_or(CHART_UNCLAIMED)?;
        if ctx.signer.principal() != Some(owner) {
            return Err(NOT_OWNER);
        }
        if identity::is_fresh(draft, &owner, ctx.now) {
            return Err(KEY_FRESH);
        }
        let at = Position::from(ctx);
        match target {
            Target::Chart => CHARTS.put(draft, chart, &Chart { erased: Some(at), ..row }),
            Target::Class { tag, org: writer } => {
                let id = ClassId { chart: *chart, tag: *tag, writer: writer.clone() };
                let class = class(draft, &id).ok_or(ERASURE_TARGET)?;
                put_class(draft, &id, &Class { erased: Some(at), ..class });
            }
            Target::Compartment(id) => {
                let compartment =
                    COMPARTMENTS.get(draft, id).filter(|row| row.chart == *chart).ok_or(ERASURE_TARGET)?;
                if compartment.erased {
                    return Err(COMPARTMENT_ERASED);
                }
                COMPARTMENTS.put(draft, id, &Compartment { erased: true, ..compartment });
            }
            Target::Records { pack, records } => {
                let written =
                    PACKS.get(draft, pack).filter(|row| row.chart == *chart).ok_or(ERASURE_TARGET)?;
                let erased = with_erased(&written, records)?;
                PACKS.put(draft, pack, &Pack { erased, ..written });
            }
        }
        let erasure = Erasure {
            chart: *chart,
            target: target.clone(),
            ordered: at,
            receipted: Places::default(),
            effective: false,
            complete: false,
        };
        ERASURES.put(draft, &ctx.tx, &erasure);
        draft.emit(*chart, &ErasureOrdered { target: target.clone() });
        Ok(())
    }
}

fn with_erased(pack: &Pack, records: &[u32]) -> Result<List<u32, 10000>, Reject> {
    let ascending = records.windows(2).all(|pair| pair.first() < pair.last());
    if records.is_empty() || !ascending || records.last().is_some_and(|last| *last >= pack.records) {
        return Err(ERASURE_TARGET);
    }
    let mut erased: BTreeSet<u32> = pack.erased.iter().copied().collect();
    let before = erased.len();
    erased.extend(records);
    if erased.len() == before {
        return Err(COMPARTMENT_ERASED);
    }
    erased.into_iter().collect::<Vec<_>>().try_into().map_err(|_| ERASURE_TARGET)
}
