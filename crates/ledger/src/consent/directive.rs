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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chart_id, key, org, principal_id, tag};
    use proptest::prelude::*;

    const ORGS: [&str; 3] = ["lakeside-clinic", "riverside-hospital", "meridian-insurance"];
    const ROLES: [&str; 2] = ["physician", "clerk"];
    const TAGS: [&str; 3] = ["gen", "psy", "hiv"];

    fn purposes() -> impl Strategy<Value = Purpose> {
        prop::sample::select(Purpose::ALL.to_vec())
    }

    fn grantees() -> impl Strategy<Value = Grantee> {
        (0..5_usize, 0..3_usize, 0..2_usize).prop_map(|(kind, of, role)| {
            let org = org(ORGS[of]);
            match kind {
                0 => Grantee::Organisation(org),
                1 => Grantee::Role { org, role: ROLES[role].parse().unwrap() },
                2 => Grantee::Practitioner { org, practitioner: principal_id(ROLES[role]) },
                3 => Grantee::Study("abc".parse().unwrap()),
                _ => Grantee::Device("ecg".parse().unwrap()),
            }
        })
    }

    fn signers() -> impl Strategy<Value = Signer> {
        (0..4_usize, 0..3_usize, 0..2_usize).prop_map(|(kind, of, role)| {
            let (org, principal) = (org(ORGS[of]), principal_id(ROLES[role]));
            match kind {
                0 => Signer::Organisation(org),
                1 | 2 => {
                    let (role, session) = (ROLES[role].parse().unwrap(), key("session").public());
                    Signer::Practitioner { principal, org, role, session }
                }
                _ => Signer::Person { principal, org },
            }
        })
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        prop_oneof![
            Just(Scope::General),
            Just(Scope::All),
            prop::collection::vec(0..3_usize, 1..3).prop_map(|tags| Scope::Tags(
                tags.iter().map(|i| tag(TAGS[*i])).collect::<Vec<_>>().try_into().unwrap()
            )),
        ]
    }

    fn directives() -> impl Strategy<Value = Vec<Directive>> {
        let one = (
            any::<bool>(),
            grantees(),
            any::<bool>(),
            prop::collection::vec(purposes(), 1..4),
            scopes(),
            0..20_u64,
            0..20_u64,
        );
        prop::collection::vec(one, 0..12).prop_map(|ones| {
            let numbered = (0_u8..).zip(ones);
            numbered
                .map(|(i, (permit, grantee, read, purposes, scope, from, until))| Directive {
                    id: TxId(Hash([i; 32])),
                    effect: if permit { Effect::Permit } else { Effect::Deny },
                    grantee,
                    action: if read { Action::Read } else { Action::Write },
                    purposes: purposes.try_into().unwrap(),
                    scope,
                    from: Millis(from),
                    until: Millis(until),
                    residual: None,
                })
                .collect()
        })
    }

    /// What is said of a request by text alone: slow, and without a line in common with the matcher.
    fn naive(
        directive: &Directive,
        signer: &Signer,
        purpose: Option<Purpose>,
        read: bool,
        at: u64,
        asked: (&str, bool),
    ) -> bool {
        let (tag_label, special) = asked;
        let mut names = Vec::new();
        match signer {
            Signer::Organisation(org) => names.push(org.to_string()),
            Signer::Practitioner { principal, org, role, .. } => {
                names.extend([org.to_string(), format!("{org}:{role}"), format!("{org}/{principal}")]);
            }
            Signer::Person { .. } | Signer::Device { .. } => {}
        }
        let mut codes = Vec::new();
        let mut next = purpose;
        while let Some(purpose) = next {
            codes.push(purpose.code());
            next = purpose.parent();
        }
        let text = serde_json::to_value(directive).unwrap();
        let purposes: Vec<&str> =
            text["purposes"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let scope = match &text["scope"] {
            serde_json::Value::String(word) if word == "all" => true,
            serde_json::Value::String(_) => !special,
            tags => tags["tags"].as_array().unwrap().contains(&serde_json::json!(tag(tag_label).to_string())),
        };
        names.contains(&text["grantee"].as_str().unwrap().to_owned())
            && (purpose.is_none() || purposes.iter().any(|code| codes.contains(code)))
            && text["action"] == if read { "read" } else { "write" }
            && scope
            && text["from"].as_u64().unwrap() <= at
            && text["until"].as_u64().unwrap() > at
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn matching_agrees_with_a_naive_reference(
            directives in directives(),
            signer in signers(),
            purpose in prop::option::of(purposes()),
            read in any::<bool>(),
            at in 0..20_u64,
            asked in 0..3_usize,
        ) {
            let (label, special) = (TAGS[asked], asked > 0);
            let action = if read { Action::Read } else { Action::Write };
            let ask = Ask { chart: chart_id("c"), signer: &signer, purpose, action, break_glass: None, now: Millis(at) };
            let category = Category { tag: Some(tag(label)), special, writer: org(ORGS[0]) };
            let found = matching(&directives, &ask, &category);
            let of = |effect| {
                directives
                    .iter()
                    .filter(move |one: &&Directive| one.effect == effect)
                    .filter(|one| naive(one, &signer, purpose, read, at, (label, special)))
            };
            prop_assert_eq!(found.deny, of(Effect::Deny).map(|one| one.id).next());
            let longest = of(Effect::Permit).map(|one| one.until).max();
            let expected = of(Effect::Permit).find(|one| Some(one.until) == longest).map(|one| one.id);
            prop_assert_eq!(found.permit, expected);
        }
    }

    #[test]
    fn the_index_goes_with_any_permission_and_is_denied_by_general_ones() {
        let signer = Signer::Organisation(org("lakeside-clinic"));
        let index = Category { tag: None, special: false, writer: org("lakeside-clinic") };
        let check = |effect, scope, expected: bool| {
            let directive = Directive {
                id: TxId(Hash([1; 32])),
                effect,
                grantee: "lakeside-clinic".parse().unwrap(),
                action: Action::Write,
                purposes: vec![Purpose::Treatment].try_into().unwrap(),
                scope,
                from: Millis(0),
                until: Millis(9),
                residual: None,
            };
            let (action, purpose) = (Action::Write, None);
            let ask = Ask {
                chart: chart_id("c"),
                signer: &signer,
                purpose,
                action,
                break_glass: None,
                now: Millis(1),
            };
            assert_eq!(directive.speaks_of(&ask, &index), expected, "{directive:?}");
        };
        let tags = || Scope::Tags(vec![tag("psy")].try_into().unwrap());
        check(Effect::Permit, Scope::General, true);
        check(Effect::Permit, tags(), true);
        check(Effect::Deny, Scope::General, true);
        check(Effect::Deny, Scope::All, true);
        check(Effect::Deny, tags(), false);
    }
}
