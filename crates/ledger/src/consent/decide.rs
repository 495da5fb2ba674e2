//! This file is where a request is decided: directives first, in plain Rust, then the base policies with their outcome.

use super::{
    Action, Ask, Category, Directive, Directives,
    directive::matching,
    state::{acts_for_owner, directives, is_treating, parties},
};
use crate::{
    Ctx, Signer, Who,
    governance::{self, MemberKind},
    policy::{self, Outcome, Request, Verdict},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, List, OrgId, Slug, State, Tag, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a decision rests on.
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
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A directive: without it the base policies would have decided otherwise.
    Directive(TxId),
    /// Base policies, by name.
    Policies(List<Slug, { policy::POLICIES_MAX }>),
    /// Nothing permits it.
    Default,
}

/// The answer to a request, for one category.
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
pub struct Decision {
    /// Whether it is permitted.
    pub permit: bool,
    /// What that rests on.
    pub by: By,
    /// Hash of finer rules that the deciding directive carries.
    pub residual: Option<Hash>,
}

/// What the chart's directives say of a request.
#[must_use]
pub fn match_directives(state: &dyn State, ask: &Ask<'_>, category: &Category) -> Directives {
    matching(&directives(state, &ask.chart), ask, category)
}

/// Decides a request for one category.
#[must_use]
pub fn decide(state: &dyn State, ask: &Ask<'_>, category: &Category) -> Decision {
    let decided = decide_all(state, ask, std::slice::from_ref(category)).pop();
    decided.unwrap_or(Decision { permit: false, by: By::Default, residual: None })
}

/// Whether the signer's organisation may write into the category of the chart: as custodian, by the owner's directive,
/// or because it treats the patient.
#[must_use]
pub fn may_write(state: &dyn State, ctx: &Ctx, chart: &ChartId, tag: &Tag, special: bool) -> bool {
    let ask = Ask {
        chart: *chart,
        signer: &ctx.signer,
        purpose: None,
        action: Action::Write,
        break_glass: None,
        now: ctx.now,
    };
    let category = Category { tag: Some(*tag), special, writer: ctx.signer.org().clone() };
    decide(state, &ask, &category).permit
}

/// Decides a request for several categories, in their order.
#[must_use]
pub fn decide_all(state: &dyn State, ask: &Ask<'_>, categories: &[Category]) -> Vec<Decision> {
    let asked = Asked::new(state, ask);
    let directives = directives(state, &ask.chart);
    let found: Vec<Directives> =
        categories.iter().map(|category| matching(&directives, ask, category)).collect();
    // Many categories put the same question: each is asked once, and once more without the directives.
    let mut questions = Questions::default();
    for (category, found) in categories.iter().zip(&found) {
        questions.add(&asked, category, outcome(found));
        questions.add(&asked, category, Outcome::None);
    }
    let policy = governance::policy(state);
    let answers = policy::evaluate(&policy.text, &policy.hash, questions.requests);
    let answer = |category: &Category, outcome: Outcome| {
        questions.places.get(&question(category, outcome)).and_then(|place| answers.get(*place))
    };
    let decisions = categories.iter().zip(&found).map(|(category, found)| {
        match (answer(category, outcome(found)), answer(category, Outcome::None)) {
            (Some(with), Some(without)) => attribute(with, without, found, &directives),
            (Some(_), None) | (None, Some(_)) | (None, None) => {
                Decision { permit: false, by: By::Default, residual: None }
            }
        }
    });
    decisions.collect()
}

fn outcome(directives: &Directives) -> Outcome {
    match directives {
        Directives { deny: Some(_), permit: _ } => Outcome::Deny,
        Directives { deny: None, permit: Some(_) } => Outcome::Permit,
        Directives { deny: None, permit: None } => Outcome::None,
    }
}

/// Says what a decision rests on: a directive if the policies alone would have decided otherwise, or if nothing but the
/// directive spoke.
fn attribute(with: &Verdict, without: &Verdict, found: &Directives, directives: &[Directive]) -> Decision {
    let policies = |verdict: &Verdict| match verdict.deciding.clone().try_into() {
        Ok(names) if !verdict.deciding.is_empty() => By::Policies(names),
        Ok(_) | Err(_) => By::Default,
    };
    let directive = if with.permit { found.permit.filter(|_| found.deny.is_none()) } else { found.deny };
    let silent = !without.permit && without.deciding.is_empty();
    let by = match directive {
        Some(id) if without.permit != with.permit || silent => By::Directive(id),
        Some(_) | None if with.permit == without.permit => policies(without),
        Some(_) | None => policies(with),
    };
    let residual = match &by {
        By::Directive(id) => {
            directives.iter().find(|directive| directive.id == *id).and_then(|one| one.residual)
        }
        By::Policies(_) | By::Default => None,
    };
    Decision { permit: with.permit, by, residual }
}

type Question = (OrgId, bool, u8);

fn question(category: &Category, outcome: Outcome) -> Question {
    (category.writer.clone(), category.special, outcome as u8)
}

#[derive(Default)]
struct Questions {
    places: BTreeMap<Question, usize>,
    requests: Vec<Request>,
}

impl Questions {
    fn add(&mut self, asked: &Asked, category: &Category, outcome: Outcome) {
        let next = self.requests.len();
        self.places.entry(question(category, outcome)).or_insert_with(|| {
            self.requests.push(asked.request(category, outcome));
            next
        });
    }
}

/// What of a request is the same for all categories.
struct Asked {
    request: Request,
    overrides_general: bool,
    overrides_special: bool,
}

impl Asked {
    fn new(state: &dyn State, ask: &Ask<'_>) -> Self {
        let Ask { chart, signer, purpose, action, break_glass, now } = *ask;
        let params = governance::params(state);
        let parties = parties(state, &chart);
        // Persons and devices act in nobody's name, whoever answers for their traffic.
        let org = match signer {
            Signer::Organisation(org) | Signer::Practitioner { org, .. } => Some(org),
            Signer::Person { .. } | Signer::Device { .. } => None,
        };
        let role = match signer {
            Signer::Practitioner { role, .. } => role.to_string(),
            Signer::Organisation(_) | Signer::Person { .. } | Signer::Device { .. } => String::new(),
        };
        let request = Request {
            action: match action {
                Action::Read => policy::Action::Read,
                Action::Write => policy::Action::Write,
            },
            who: match signer.who() {
                Who::Organisation => "organisation",
                Who::Practitioner => "practitioner",
                Who::Person => "person",
                Who::Device => "device",
            },
            org: org.map(ToString::to_string).unwrap_or_default(),
            org_kind: org
                .and_then(|org| governance::member(state, org))
                .map_or("", |member| kind(member.kind)),
            role,
            purposes: purpose
                .into_iter()
                .flat_map(|purpose| purpose.ancestry().map(|each| each.code()))
                .collect(),
            writer: String::new(),
            special: false,
            directory: parties.as_ref().is_some_and(|parties| parties.directory),
            claimed: parties.as_ref().is_some_and(|parties| parties.owner.is_some()),
            custodian: parties.as_ref().is_some_and(|parties| Some(&parties.custodian) == org),
            owner: acts_for_owner(state, signer, &chart, now),
            directive: Outcome::None,
            treating: org.is_some_and(|org| is_treating(state, &chart, org, now)),
            break_glass: break_glass.is_some(),
            step_up: break_glass == Some(true),
            overrides_deny: false,
        };
        Self {
            request,
            overrides_general: params.break_glass_overrides_general,
            overrides_special: params.break_glass_overrides_special,
        }
    }

    fn request(&self, category: &Category, directive: Outcome) -> Request {
        let overrides_deny = if category.special { self.overrides_special } else { self.overrides_general };
        let writer = category.writer.to_string();
        Request { writer, special: category.special, directive, overrides_deny, ..self.request.clone() }
    }
}

fn kind(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::Provider => "provider",
        MemberKind::Laboratory => "laboratory",
        MemberKind::Insurer => "insurer",
        MemberKind::Manufacturer => "manufacturer",
        MemberKind::Sponsor => "sponsor",
        MemberKind::PatientBody => "patient-body",
        MemberKind::Regulator => "regulator",
    }
}
