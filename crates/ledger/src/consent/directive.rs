//! This file is where a directive meets a request: pure, in plain Rust, and denying whenever in doubt.

use super::{Grantee, PURPOSES_MAX, Purpose};
use crate::Signer;
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, List, Millis, OrgId, Tag, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most categories that one directive names.
pub const TAGS_MAX: usize = 32;

/// What a directive permits or denies doing.
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
pub enum Action {
    /// To read.
    Read,
    /// To write.
    Write,
}

/// Which categories a directive speaks of.
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
    Default,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything that isn't in a more sensitive category.
    #[default]
    General,
    /// Exactly these categories, opaque.
    Tags(List<Tag, TAGS_MAX>),
    /// Every category, the sensitive ones too.
    All,
}

/// Whether a directive permits or denies.
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
pub enum Effect {
    /// It permits.
    Permit,
    /// It denies.
    Deny,
}

/// What the owner of a chart laid down: the enforceable core of a consent. Its id is its transaction's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary, Serialize, JsonSchema)]
pub struct Directive {
    /// Its id.
    pub id: TxId,
    /// Whether it permits or denies.
    pub effect: Effect,
    /// To whom it speaks.
    pub grantee: Grantee,
    /// What of.
    pub action: Action,
    /// For which purposes, and whatever specialises them.
    pub purposes: List<Purpose, PURPOSES_MAX>,
    /// Which categories.
    pub scope: Scope,
    /// From when on.
    pub from: Millis,
    /// Until when, not included.
    pub until: Millis,
    /// Hash of finer rules, which the reading organisation's gateway enforces.
    pub residual: Option<Hash>,
}

/// A request, as far as it is the same for all categories that it covers.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The chart.
    pub chart: ChartId,
    /// Who asks.
    pub signer: &'a Signer,
    /// What for. Writing declares no purpose.
    pub purpose: Option<Purpose>,
    /// What is to be done.
    pub action: Action,
    /// Whether an emergency is declared, and if so whether the signer proved once more who it is.
    pub break_glass: Option<bool>,
    /// When: the block's time.
    pub now: Millis,
}

/// One category of a chart as written by one organisation: what a request is decided for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// The opaque tag; none for the chart's index, which is in no category.
    pub tag: Option<Tag>,
    /// Whether it is more sensitive than general.
    pub special: bool,
    /// The organisation that wrote it, or would.
    pub writer: OrgId,
}

/// What the directives say of a request. A denial beats whatever permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// One that permits: of several, the one that lasts longest.
    pub permit: Option<TxId>,
    /// One that denies: of several, the oldest.
    pub deny: Option<TxId>,
}

impl Directive {
    /// Whether it speaks of this request, permitting or denying.
    #[must_use]
    pub fn speaks_of(&self, ask: &Ask<'_>, category: &Category) -> bool {
        let Self { id: _, effect, grantee, action, purposes, scope, from, until, residual: _ } = self;
        let purpose = match ask.purpose {
            Some(asked) => purposes.iter().any(|purpose| purpose.covers(asked)),
            None => true,
        };
        let scope = match (scope, category.tag) {
            (Scope::All, _) => true,
            (Scope::General, _) => !category.special,
            (Scope::Tags(tags), Some(tag)) => tags.contains(&tag),
            // Whoever may do something in any category needs the index; whoever is denied one may need it for others.
            (Scope::Tags(_), None) => *effect == Effect::Permit,
        };
        *action == ask.action
            && purpose
            && scope
            && *from <= ask.now
            && ask.now < *until
            && grantee.speaks_to(ask.signer)
    }
}

/// What `directives` say of a request.
#[must_use]
pub fn matching(directives: &[Directive], ask: &Ask<'_>, category: &Category) -> Directives {
    let mut permit: Option<&Directive> = None;
    let mut deny = None;
    for directive in directives.iter().filter(|directive| directive.speaks_of(ask, category)) {
        match directive.effect {
            Effect::Permit if permit.is_none_or(|best| best.until < directive.until) => {
                permit = Some(directive)
            }
            Effect::Permit => {}
            Effect::Deny => deny = deny.or(Some(directive.id)),
        }
    }
    Directives { permit: permit.map(|directive| directive.id), deny }
}
