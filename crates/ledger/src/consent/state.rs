//! This file is where parties, directives and treatment relationships lie, and what others may ask of them.

use super::Directive;
use crate::{Ctx, Draft, Reject, Signer, Table, identity, reject::rejects};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Millis, OrgId, PrincipalId, State, TxId};

/// Most directives in force of one chart.
pub const DIRECTIVES_MAX: usize = 128;

/// Directives in force, and how often they changed.
pub const DIRECTIVES: Table<ChartId, Consents> = Table::new(0x30);
/// Whose a chart is.
pub const PARTIES: Table<ChartId, Parties> = Table::new(0x31);
/// Directives revoked before they were seen: they never come into force.
pub const TOMBSTONES: Table<(ChartId, TxId), ()> = Table::new(0x32);
/// Until when an organisation holds an access to a chart for treatment, and so may write what it did.
pub const RELATIONSHIPS: Table<(ChartId, OrgId), Millis> = Table::new(0x33);

rejects! {
    NOT_FOR_OWNER = 301, "the signer is neither the chart's owner nor acts for the owner";
    CHART_NOT_OWNED = 302, "there is no such chart, or it has no owner yet who could direct anything";
    CONSENT_STALE = 303, "the chart's consents have changed since; look at them and decide again";
    PURPOSE_MISSING = 304, "a directive needs at least one purpose of use, none twice";
    GRANTEE_UNKNOWN = 305, "the organisation named as grantee is not a member of the network";
    DIRECTIVE_OVER = 306, "the directive would end before it begins, or has ended";
    DIRECTIVES_TOO_MANY = 307, "the chart has as many directives in force as it may have; revoke some first";
    ALREADY_REVOKED = 308, "this directive was revoked before it arrived";
    NOTHING_TO_REVOKE = 309, "the grantee has nothing that could be revoked";
    SCOPE_EMPTY = 310, "a directive that names categories needs at least one, none twice";
}

/// Whose a chart is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Parties {
    /// The organisation that made it.
    pub custodian: OrgId,
    /// The person who claimed it; directives are that person's alone.
    pub owner: Option<PrincipalId>,
    /// Whether it holds an organisation's directory, and never a patient's data.
    pub directory: bool,
}

/// A chart's directives.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary)]
pub struct Consents {
    /// How often they changed: a change names the number that it follows.
    pub sequence: u64,
    /// Those in force, in the order in which they came.
    pub directives: Vec<Directive>,
}

/// Whose the chart is, if it exists.
#[must_use]
pub fn parties(state: &dyn State, chart: &ChartId) -> Option<Parties> {
    PARTIES.get(state, chart)
}

/// The chart's directives, those whose time is over among them until the next change.
#[must_use]
pub fn directives(state: &dyn State, chart: &ChartId) -> Vec<Directive> {
    DIRECTIVES.get(state, chart).unwrap_or_default().directives
}

/// The number that the next change of the chart's directives must carry.
#[must_use]
pub fn sequence(state: &dyn State, chart: &ChartId) -> u64 {
    DIRECTIVES.get(state, chart).unwrap_or_default().sequence
}

/// Whether the directive is in force at `now`: not revoked, begun and not over.
#[must_use]
pub fn is_live(state: &dyn State, chart: &ChartId, id: &TxId, now: Millis) -> bool {
    let directives = directives(state, chart);
    directives.iter().any(|directive| directive.id == *id && directive.from <= now && now < directive.until)
}

/// Whether the signer is the chart's owner, or acts for the owner as delegate or guardian.
#[must_use]
pub fn acts_for_owner(state: &dyn State, signer: &Signer, chart: &ChartId, now: Millis) -> bool {
    let Signer::Person { principal, org: _ } = signer else { return false };
    let owner = parties(state, chart).and_then(|parties| parties.owner);
    owner.is_some_and(|owner| identity::acts_for(state, principal, &owner, now))
}

/// Whether the organisation holds an access to the chart for treatment at `now`.
#[must_use]
pub fn is_treating(state: &dyn State, chart: &ChartId, org: &OrgId, now: Millis) -> bool {
    RELATIONSHIPS.get(state, &(*chart, org.clone())).is_some_and(|until| now < until)
}

/// Records whose a chart is: when it is made, and when it is claimed.
pub(crate) fn set_parties(draft: &mut Draft<'_>, chart: &ChartId, parties: &Parties) {
    PARTIES.put(draft, chart, parties);
}

/// Records that the organisation holds an access to the chart for treatment.
pub(crate) fn note_treatment(draft: &mut Draft<'_>, chart: &ChartId, org: &OrgId, until: Millis) {
    let key = (*chart, org.clone());
    let until = RELATIONSHIPS.get(draft, &key).map_or(until, |before| before.max(until));
    RELATIONSHIPS.put(draft, &key, &until);
}

/// The person who changes the chart's directives, or why nobody does.
pub(super) fn directing(draft: &Draft<'_>, ctx: &Ctx, chart: &ChartId) -> Result<PrincipalId, Reject> {
    if parties(draft, chart).is_none_or(|parties| parties.owner.is_none()) {
        return Err(CHART_NOT_OWNED);
    }
    if !acts_for_owner(draft, &ctx.signer, chart, ctx.now) {
        return Err(NOT_FOR_OWNER);
    }
    ctx.signer.principal().ok_or(NOT_FOR_OWNER)
}

/// The chart's directives without those whose time is over.
pub(super) fn living(draft: &Draft<'_>, chart: &ChartId, now: Millis) -> Consents {
    let mut consents = DIRECTIVES.get(draft, chart).unwrap_or_default();
    consents.directives.retain(|directive| now < directive.until);
    consents
}

/// Stores changed directives and moves the sequence on.
pub(super) fn put(draft: &mut Draft<'_>, chart: &ChartId, consents: Consents) {
    let sequence = consents.sequence.saturating_add(1);
    DIRECTIVES.put(draft, chart, &Consents { sequence, ..consents });
}
