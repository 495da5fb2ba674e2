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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        consent::{Deny, Revocable, Revoke, directives, sequence},
        testing::{World, chart_id, key, tag},
    };
    use primitives::Span;

    const RIVERSIDE: &str = "riverside-hospital";

    fn grant(world: &World, chart: ChartId, grantee: &str) -> Grant {
        Grant {
            chart,
            sequence: sequence(&world.state, &chart),
            grantee: grantee.parse().unwrap(),
            action: Action::Read,
            purposes: vec![Purpose::Treatment].try_into().unwrap(),
            scope: Scope::General,
            from: world.now,
            until: Millis::MAX,
            residual: None,
        }
    }

    /// A chart `c` owned by `owner`, with `delegate` and `stranger` enrolled, and a chart `unowned`.
    fn world() -> (World, ChartId) {
        let mut world = World::new();
        let owner = world.person(RIVERSIDE, "owner");
        let delegate = world.person(RIVERSIDE, "delegate");
        world.person(RIVERSIDE, "stranger");
        let chart = world.chart(RIVERSIDE, "c");
        world.chart(RIVERSIDE, "unowned");
        world.claim(RIVERSIDE, chart, &owner);
        let until = world.now.plus(Span::hours(1));
        world
            .act(&owner, crate::identity::Delegate { delegate: delegate.public().principal(), until })
            .unwrap();
        (world, chart)
    }

    /// Makes a grant, changes it as told, and a denial with the same fields; both must come to `expected`.
    fn check(change: &str, expected: &str) {
        let (mut world, chart) = world();
        let mut signer = key("owner");
        let mut act = grant(&world, chart, "lakeside-clinic");
        let tags = |labels: &[&str]| {
            Scope::Tags(labels.iter().map(|label| tag(label)).collect::<Vec<_>>().try_into().unwrap())
        };
        for word in change.split_whitespace() {
            let (field, value) = word.split_once('=').unwrap();
            match (field, value) {
                ("by", "organisation") => signer = key(RIVERSIDE),
                ("by", "practitioner") => signer = world.session(RIVERSIDE, "physician", "adams"),
                ("by", value) => signer = key(value),
                ("chart", value) => act.chart = chart_id(value),
                ("sequence", value) => act.sequence = value.parse().unwrap(),
                ("to", value) => act.grantee = value.parse().unwrap(),
                ("purposes", "none") => act.purposes = List::default(),
                ("purposes", "twice") => {
                    act.purposes = vec![Purpose::Research, Purpose::Research].try_into().unwrap();
                }
                ("scope", "none") => act.scope = tags(&[]),
                ("scope", "twice") => act.scope = tags(&["psy", "psy"]),
                ("scope", "tags") => act.scope = tags(&["psy", "hiv"]),
                ("scope", "all") => act.scope = Scope::All,
                ("until", "from") => act.until = act.from,
                ("until", "past") => (act.from, act.until) = (Millis(1), world.now),
                ("full", "yes") => {
                    for _ in 0..DIRECTIVES_MAX {
                        let act = grant(&world, chart, "lakeside-clinic");
                        world.act(&key("owner"), act).unwrap();
                    }
                    act.sequence = sequence(&world.state, &chart);
                }
                ("full", "over") => {
                    for _ in 0..DIRECTIVES_MAX {
                        let until = world.now.plus(Span::secs(200));
                        let act = Grant { until, ..grant(&world, chart, "lakeside-clinic") };
                        world.act(&key("owner"), act).unwrap();
                    }
                    world.wait(Span::secs(200));
                    act.sequence = sequence(&world.state, &chart);
                }
                other => panic!("no change {other:?}"),
            }
        }
        let Grant { chart, sequence, grantee, action, purposes, scope, from, until, residual: _ } =
            act.clone();
        let deny = Deny { chart, sequence, grantee, action, purposes, scope, from, until };
        for act in [crate::Act::from(act), crate::Act::from(deny)] {
            let outcome = match world.clone().act(&signer, act) {
                Ok(_) => "ok".to_owned(),
                Err(reject) => reject.info().unwrap().name.to_owned(),
            };
            assert_eq!(outcome, expected, "{change}");
        }
    }

    #[test]
    fn grant_and_deny_refuse() {
        let cases = "
                                 | ok
            by=delegate          | ok
            to=lakeside-clinic:physician | ok
            to=study:abc         | ok
            scope=tags           | ok
            scope=all            | ok
            full=over            | ok
            by=stranger          | NOT_FOR_OWNER
            by=organisation      | NOT_FOR_SIGNER
            by=practitioner      | NOT_FOR_SIGNER
            chart=unowned        | CHART_NOT_OWNED
            chart=nowhere        | CHART_NOT_OWNED
            sequence=7           | CONSENT_STALE
            purposes=none        | PURPOSE_MISSING
            purposes=twice       | PURPOSE_MISSING
            scope=none           | SCOPE_EMPTY
            scope=twice          | SCOPE_EMPTY
            to=nobody-we-know    | GRANTEE_UNKNOWN
            to=nobody:physician  | GRANTEE_UNKNOWN
            until=from           | DIRECTIVE_OVER
            until=past           | DIRECTIVE_OVER
            full=yes             | DIRECTIVES_TOO_MANY";
        for case in cases.lines().skip(1) {
            let (change, expected) = case.split_once('|').unwrap();
            check(change.trim(), expected.trim());
        }
    }

    #[test]
    fn a_revoke_that_overtakes_its_grant_wins() {
        let (mut world, chart) = world();
        let act = grant(&world, chart, "lakeside-clinic");
        let late = world.sign(&key("owner"), act);
        let target = Revocable::Directive(late.tx.id());
        world.act(&key("owner"), Revoke { chart, target }).unwrap();
        let receipts = world.block(&[late]);
        assert_eq!(receipts.first().unwrap().outcome, crate::Outcome::Rejected(ALREADY_REVOKED));
        assert_eq!(directives(&world.state, &chart), []);
    }

    #[test]
    fn what_is_over_makes_room_at_the_next_change() {
        let (mut world, chart) = world();
        let until = world.now.plus(Span::secs(30));
        let act = Grant { until, ..grant(&world, chart, "lakeside-clinic") };
        world.act(&key("owner"), act).unwrap();
        world.wait(Span::secs(60));
        let act = grant(&world, chart, "meridian-insurance");
        let second = world.act(&key("owner"), act).unwrap();
        let left: Vec<_> = directives(&world.state, &chart).iter().map(|directive| directive.id).collect();
        assert_eq!(left, [second]);
        assert_eq!(sequence(&world.state, &chart), 2);
    }
}
