//! This file is where a patient denies.

use super::{Action, Directive, Effect, Grantee, PURPOSES_MAX, Purpose, Scope, grant::direct};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, List, Millis, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Denies somebody to read a chart, or to write into it, for named purposes. A denial beats every permission, and what
/// the base policies permit too: it holds for an organisation's own writing as well. Only break-glass may override it,
/// where the network's parameters say so.
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
pub struct Deny {
    /// The chart.
    pub chart: ChartId,
    /// How often the chart's directives have changed so far.
    pub sequence: u64,
    /// To whom.
    pub grantee: Grantee,
    /// To do what.
    pub action: Action,
    /// For which purposes of use, and whatever specialises them.
    pub purposes: List<Purpose, PURPOSES_MAX>,
    /// In which categories.
    #[serde(default)]
    pub scope: Scope,
    /// From when on.
    pub from: Millis,
    /// Until when, not included.
    pub until: Millis,
}

/// Somebody was denied something. The directive's id is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary, Serialize, JsonSchema)]
pub struct Denied {
    /// Who signed: the owner, or who acts for the owner.
    pub by: PrincipalId,
    /// The directive.
    pub directive: Directive,
}

impl Kind for Deny {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, sequence, grantee, action, purposes, scope, from, until } = self.clone();
        let (id, effect, residual) = (ctx.tx, Effect::Deny, None);
        let directive = Directive { id, effect, grantee, action, purposes, scope, from, until, residual };
        let by = direct(ctx, draft, &chart, sequence, &directive)?;
        draft.emit(chart, &Denied { by, directive });
        Ok(())
    }
}
