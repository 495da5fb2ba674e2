//! This file is where a request to open a chart is decided class by class, and where what was decided is recorded.

use super::{
    asked::{Emergency, Extent, Reader},
    state::{
        ACCESSES, ASK_EMPTY, Access, CLASS_UNKNOWN, DENIALS, DENIALS_TOO_MANY, Denials, Permitted,
        REVIEWS_DUE, beside, reviews_due,
    },
};
use crate::{
    Ctx, Draft, Reject, Signer,
    charts::{self, CHART_UNKNOWN, CLASSES_MAX, ClassId, Position},
    consent::{self, Action, Ask, By, Category, Decision, Purpose},
    governance, identity,
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, List, Millis, OrgId, State, Tag, TxId, domain, hash_borsh};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What was decided for one class.
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
pub struct ClassDecision {
    /// The category.
    pub tag: Tag,
    /// The writing organisation.
    pub writer: OrgId,
    /// Whether the category is more sensitive than general.
    pub special: bool,
    /// The decision.
    pub decision: Decision,
}

/// An access was decided. Its id is the transaction's, unless several charts were asked for together.
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
pub struct Decided {
    /// Who asked.
    pub reader: Reader,
    /// What for.
    pub purpose: Purpose,
    /// How much was asked for.
    pub extent: Extent,
    /// The emergency, if one was declared.
    pub emergency: Option<Emergency>,
    /// The decisions, class by class.
    pub classes: List<ClassDecision, CLASSES_MAX>,
    /// The decision about the index alone, where that was asked for.
    pub index: Option<Decision>,
    /// Until when what is permitted is released; none if all was denied.
    pub expires: Option<Millis>,
    /// Hash of the key to which it is released.
    pub session_key: Hash,
    /// Hash of the audit record, which lies off the ledger.
    pub record: Hash,
    /// Whether it was asked for together with other charts: then its id is [`super::beside`], not the transaction's.
    pub together: bool,
}

/// An access that was denied before was denied again. Told at every doubling, so that nobody can flood a log.
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
pub struct Repeated {
    /// Who asked.
    pub reader: Reader,
    /// The first of the denied accesses, in which the rest stands.
    pub first: TxId,
    /// How many there were in the same window, the first among them.
    pub count: u64,
}

impl Decided {
    /// Whether anything was permitted.
    #[must_use]
    pub fn permitted(&self) -> bool {
        self.expires.is_some()
    }
}

/// A request or break-glass, taken together.
pub(super) struct Asking {
    pub(super) chart: ChartId,
    pub(super) purpose: Purpose,
    pub(super) extent: Extent,
    pub(super) session_key: Hash,
    pub(super) record: Hash,
    pub(super) emergency: Option<Emergency>,
    /// Whether it is one of several charts.
    pub(super) together: bool,
}

/// Decides and records an access: the one way to one.
pub(super) fn decide_and_record(ctx: &Ctx, draft: &mut Draft<'_>, asking: &Asking) -> Result<(), Reject> {
    let Asking { chart, purpose, extent, session_key, record, emergency, together } = asking;
    let row = charts::chart(draft, chart).ok_or(CHART_UNKNOWN)?;
    let asked = asked(draft, chart, extent)?;
    let reader = reader(draft, ctx, chart)?;
    let ask = |action, purpose| Ask {
        chart: *chart,
        signer: &ctx.signer,
        purpose,
        action,
        break_glass: emergency.as_ref().map(|emergency| emergency.step_up),
        now: ctx.now,
    };
    let categories: Vec<Category> = asked
        .iter()
        .map(|(id, special)| Category { tag: Some(id.tag), special: *special, writer: id.writer.clone() })
        .collect();
    let decisions = consent::decide_all(draft, &ask(Action::Read, Some(*purpose)), &categories);
    let index = match (&ctx.signer, extent) {
        // Whoever reads nothing but the index wants to write; a person reads, and may before anything is written.
        (Signer::Person { .. }, _) => Some(ask(Action::Read, Some(*purpose))),
        (_, Extent::Index) => Some(ask(Action::Write, None)),
        (_, Extent::All | Extent::General | Extent::Classes(_)) => None,
    };
    let index = index.map(|ask| {
        let writer = if ask.action == Action::Write { reader.org.clone() } else { row.custodian.clone() };
        let category = Category { tag: None, special: false, writer };
        (consent::decide(draft, &ask, &category), category)
    });

    let mut permitted: Vec<Permitted> = Vec::new();
    let all = categories
        .iter()
        .zip(&decisions)
        .chain(index.iter().map(|(decision, category)| (category, decision)));
    for (category, decision) in all.filter(|(_, decision)| decision.permit) {
        let Category { tag, special, writer } = category.clone();
        permitted.push(Permitted { tag, writer, special, directive: directive(decision) });
    }
    if permitted.is_empty() {
        identity::charge(draft, &ctx.signer, &|draft, org| governance::charge_denied(draft, org, ctx.now))
            .map_err(|_| DENIALS_TOO_MANY)?;
        if repeat(ctx, draft, asking, &reader) {
            return Ok(());
        }
    }

    let params = governance::params(draft);
    let expires = (!permitted.is_empty()).then(|| ctx.now.plus(params.access_life));
    let classes: Vec<ClassDecision> = asked
        .into_iter()
        .zip(decisions)
        .map(|((id, special), decision)| ClassDecision { tag: id.tag, writer: id.writer, special, decision })
        .collect();
    let decided = Decided {
        reader: reader.clone(),
        purpose: *purpose,
        extent: extent.clone(),
        emergency: *emergency,
        classes: classes.try_into().map_err(|_| CLASS_UNKNOWN)?,
        index: index.map(|(decision, _)| decision),
        expires,
        session_key: *session_key,
        record: *record,
        together: *together,
    };
    if let Some(expires) = expires {
        let access = Access {
            chart: *chart,
            signer: ctx.signer.clone(),
            key: reader.key,
            purpose: *purpose,
            writing: *extent == Extent::Index && !reader.owner,
            emergency: *emergency,
            at: Position::from(ctx),
            time: ctx.now,
            expires,
            session_key: *session_key,
            record: *record,
            permitted,
            owner: reader.owner,
            reviewed: false,
        };
        note(ctx, draft, &access);
        let id = if *together { beside(&ctx.tx, chart) } else { ctx.tx };
        ACCESSES.put(draft, &id, &access);
    }
    draft.emit(*chart, &decided);
    Ok(())
}

/// What a permitted access brings with it: rotation, the treatment relationship, a review.
fn note(ctx: &Ctx, draft: &mut Draft<'_>, access: &Access) {
    let mut reads = false;
    for Permitted { tag, writer, special: _, directive: _ } in &access.permitted {
        let Some(tag) = *tag else { continue };
        let id = ClassId { chart: access.chart, tag, writer: writer.clone() };
        charts::mark_read(draft, &id, access.at);
        reads = true;
    }
    let practitioner = match &access.signer {
        Signer::Practitioner { .. } => true,
        Signer::Organisation(_) | Signer::Person { .. } | Signer::Device { .. } => false,
    };
    let org = access.signer.org();
    // Only reading makes a relationship: asking for the index in order to write must not prolong itself.
    if practitioner && reads && Purpose::Treatment.covers(access.purpose) {
        consent::note_treatment(draft, &access.chart, org, access.expires);
    }
    if access.emergency.is_some() {
        let mut due = reviews_due(draft, org);
        due.push((ctx.tx, ctx.now.plus(governance::params(draft).review_within)));
        REVIEWS_DUE.put(draft, org, &due);
    }
}

fn directive(decision: &Decision) -> Option<TxId> {
    match &decision.by {
        By::Directive(id) => Some(*id),
        By::Policies(_) | By::Default => None,
    }
}

/// The classes that a request covers, and whether they are more sensitive than general.
fn asked(state: &dyn State, chart: &ChartId, extent: &Extent) -> Result<Vec<(ClassId, bool)>, Reject> {
    let known = |id: ClassId| charts::class(state, &id).map(|class| (id, class.special));
    match extent {
        Extent::Index => Ok(Vec::new()),
        Extent::All => Ok(charts::classes(state, chart).into_iter().filter_map(known).collect()),
        Extent::General => {
            let all = charts::classes(state, chart).into_iter().filter_map(known);
            Ok(all.filter(|(_, special)| !special).collect())
        }
        Extent::Classes(named) => {
            if named.is_empty() || named.iter().collect::<BTreeSet<_>>().len() != named.len() {
                return Err(ASK_EMPTY);
            }
            let id =
                |(tag, writer): &(Tag, OrgId)| ClassId { chart: *chart, tag: *tag, writer: writer.clone() };
            named.iter().map(|class| known(id(class)).ok_or(CLASS_UNKNOWN)).collect()
        }
    }
}

fn reader(state: &dyn State, ctx: &Ctx, chart: &ChartId) -> Result<Reader, Reject> {
    let unknown = crate::reject::SIGNER_UNKNOWN;
    let (role, key) = match &ctx.signer {
        Signer::Practitioner { role, session, .. } => (Some(role.clone()), *session),
        Signer::Organisation(org) => (None, governance::member(state, org).ok_or(unknown)?.key),
        Signer::Person { principal, .. } | Signer::Device { principal, .. } => {
            (None, identity::principal(state, principal).ok_or(unknown)?.key)
        }
    };
    let owner = consent::acts_for_owner(state, &ctx.signer, chart, ctx.now);
    Ok(Reader { org: ctx.signer.org().clone(), principal: ctx.signer.principal(), role, key, owner })
}

/// Counts a denied access that equals an earlier one of the same window. True if it was counted instead of told.
fn repeat(ctx: &Ctx, draft: &mut Draft<'_>, asking: &Asking, reader: &Reader) -> bool {
    let Asking { chart, purpose, extent, session_key: _, record: _, emergency, together: _ } = asking;
    let reader = reader.clone();
    let same = (chart, &reader.org, reader.principal, &reader.role, purpose, extent, emergency);
    let key = hash_borsh(domain::ACCESS_SAME, &same);
    let window = ctx.now.0.checked_div(governance::params(draft).quota_window.0).unwrap_or(0);
    let before = DENIALS.get(draft, &key);
    if let Some(before) = &before
        && before.told < before.count
        && before.window != window
    {
        let Denials { chart, reader, first, count, .. } = before.clone();
        draft.emit(chart, &Repeated { reader, first, count });
    }
    let Some(before) = before.filter(|before| before.window == window) else {
        DENIALS.put(
            draft,
            &key,
            &Denials { chart: *chart, reader, window, first: ctx.tx, count: 1, told: 1 },
        );
        return false;
    };
    let count = before.count.saturating_add(1);
    let tell = count.is_power_of_two();
    let told = if tell { count } else { before.told };
    let first = before.first;
    DENIALS.put(draft, &key, &Denials { chart: *chart, reader: reader.clone(), window, first, count, told });
    if tell {
        draft.emit(*chart, &Repeated { reader, first, count });
    }
    true
}
