//! This file is where a patient permits.

use super::{
    Action, Directive, Effect, Grantee, PURPOSES_MAX, Purpose, Scope,
    state::{
        ALREADY_REVOKED, CONSENT_STALE, DIRECTIVE_OVER, DIRECTIVES_MAX, DIRECTIVES_TOO_MANY, GRANTEE_UNKNOWN,
        PURPOSE_MISSING, SCOPE_EMPTY, TOMBSTONES, directing, living, put,
    },
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, List, Millis, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Permits somebody to read a chart, or to write into it, for named purposes. The signer owns the chart or acts for the
/// owner. What names no category speaks of the general ones alone.
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
pub struct Grant {
    /// The chart.
    pub chart: ChartId,
    /// How often the chart's directives have changed so far.
    pub sequence: u64,
    /// To whom.
    pub grantee: Grantee,
    /// To do what.
    pub action: Action,
    /// For which purposes of use, and whatever specialises them. They bind reading: a write declares none.
    pub purposes: List<Purpose, PURPOSES_MAX>,
    /// In which categories.
    #[serde(default)]
    pub scope: Scope,
    /// From when on.
    pub from: Millis,
    /// Until when, not included.
    pub until: Millis,
    /// Hash of finer rules, which the reading organisation's gateway enforces.
    #[serde(default)]
    pub residual: Option<Hash>,
}

/// Somebody was permitted something. The directive's id is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary, Serialize, JsonSchema)]
pub struct Granted {
    /// Who signed: the owner, or who acts for the owner.
    pub by: PrincipalId,
    /// The directive.
    pub directive: Directive,
}

impl Kind for Grant {
    const WHO: &'static [Who] = &[Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, sequence, grantee, action, purposes, scope, from, until, residual } = self.clone();
        let id = ctx.tx;
        let effect = Effect::Permit;
        let directive = Directive { id, effect, grantee, action, purposes, scope, from, until, residual };
        let by = direct(ctx, draft, &chart, sequence, &directive)?;
        draft.emit(chart, &Granted { by, directive });
        Ok(())
    }
}

/// Puts a directive in force, or refuses it.
pub(super) fn direct(
    ctx: &Ctx,
    draft: &mut Draft<'_>,
    chart: &ChartId,
    sequence: u64,
    directive: &Directive,
) -> Result<PrincipalId, Reject> {
    let by = directing(draft, ctx, chart)?;
    if TOMBSTONES.has(draft, &(*chart, directive.id)) {
        return Err(ALREADY_REVOKED);
    }
    let mut consents = living(draft, chart, ctx.now);
    if sequence != consents.sequence {
        return Err(CONSENT_STALE);
    }
    if directive.purposes.is_empty() || repeats(&directive.purposes) {
        return Err(PURPOSE_MISSING);
    }
    match &directive.scope {
        Scope::Tags(tags) if tags.is_empty() || repeats(tags) => return Err(SCOPE_EMPTY),
        Scope::Tags(_) | Scope::General | Scope::All => {}
    }
    if !directive.grantee.is_known(draft) {
        return Err(GRANTEE_UNKNOWN);
    }
    if directive.until <= directive.from || directive.until <= ctx.now {
        return Err(DIRECTIVE_OVER);
    }
    if consents.directives.len() >= DIRECTIVES_MAX {
        return Err(DIRECTIVES_TOO_MANY);
    }
    consents.directives.push(directive.clone());
    put(draft, chart, consents);
    Ok(by)
}

fn repeats<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() != items.len()
}
