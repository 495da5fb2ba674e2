//! This file is where a patient takes back.

use super::{
    Effect, Grantee,
    state::{CONSENT_STALE, DIRECTIVES_MAX, NOTHING_TO_REVOKE, TOMBSTONES, directing, living, put},
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, List, PrincipalId, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes back one directive, or all that a grantee was permitted, at once. Overtakes other transactions on the way into a
/// block; a directive that it overtook never comes into force.
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
pub struct Revoke {
    /// The chart.
    pub chart: ChartId,
    /// What is taken back.
    pub target: Revocable,
}

/// What can be taken back.
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
pub enum Revocable {
    /// One directive, permitting or denying, even if it hasn't arrived yet.
    Directive(TxId),
    /// Every permission of a grantee; of an organisation, also those of its roles and practitioners. What is denied
    /// stays denied.
    Grantee {
        /// The grantee.
        grantee: Grantee,
        /// How often the chart's directives have changed so far.
        sequence: u64,
    },
}

/// Something was taken back.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Arbitrary, Serialize, JsonSchema)]
pub struct Revoked {
    /// Who signed: the owner, or who acts for the owner.
    pub by: PrincipalId,
    /// What the signer named.
    pub target: Revocable,
    /// The directives that are no longer in force, or never will be.
    pub directives: List<TxId, DIRECTIVES_MAX>,
}

impl Kind for Revoke {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, target } = self;
        let by = directing(draft, ctx, chart)?;
        let mut consents = living(draft, chart, ctx.now);
        let revoked: Vec<TxId> = match target {
            Revocable::Directive(id) => vec![*id],
            Revocable::Grantee { grantee: _, sequence } if *sequence != consents.sequence => {
                return Err(CONSENT_STALE);
            }
            Revocable::Grantee { grantee, sequence: _ } => {
                let permits =
                    consents.directives.iter().filter(|directive| directive.effect == Effect::Permit);
                permits
                    .filter(|directive| grantee.covers(&directive.grantee))
                    .map(|directive| directive.id)
                    .collect()
            }
        };
        if revoked.is_empty() {
            return Err(NOTHING_TO_REVOKE);
        }
        consents.directives.retain(|directive| !revoked.contains(&directive.id));
        put(draft, chart, consents);
        // Stays for good: nobody knows when a transaction that was signed once arrives.
        for id in &revoked {
            TOMBSTONES.put(draft, &(*chart, *id), &());
        }
        let directives = revoked.try_into().map_err(|_| NOTHING_TO_REVOKE)?;
        draft.emit(*chart, &Revoked { by, target: target.clone(), directives });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        consent::{Action, Deny, Grant, Purpose, Scope, directives, sequence},
        testing::{World, chart_id, key, principal_id},
    };
    use primitives::{Hash, Millis};

    const RIVERSIDE: &str = "riverside-hospital";

    /// Directives by letter: what each permits or denies, and to whom.
    fn world() -> (World, ChartId, Vec<(char, TxId)>) {
        let mut world = World::new();
        let owner = world.person(RIVERSIDE, "owner");
        world.person(RIVERSIDE, "stranger");
        let chart = world.chart(RIVERSIDE, "c");
        world.chart(RIVERSIDE, "unowned");
        world.claim(RIVERSIDE, chart, &owner);
        let practitioner = format!("lakeside-clinic/{}", principal_id("baker"));
        let mut ids = Vec::new();
        for (letter, grantee) in [
            ('a', "lakeside-clinic"),
            ('b', "lakeside-clinic:physician"),
            ('c', &practitioner),
            ('d', "meridian-insurance"),
            ('e', "lakeside-clinic"),
            ('n', "lakeside-clinic"),
        ] {
            let (grantee, sequence) = (grantee.parse().unwrap(), sequence(&world.state, &chart));
            let purposes = vec![Purpose::Treatment].try_into().unwrap();
            let (action, scope, from, until) = (Action::Read, Scope::All, world.now, Millis::MAX);
            let id = if letter == 'n' {
                let act = Deny { chart, sequence, grantee, action, purposes, scope, from, until };
                world.act(&owner, act)
            } else {
                let residual = None;
                let act = Grant { chart, sequence, grantee, action, purposes, scope, from, until, residual };
                world.act(&owner, act)
            };
            ids.push((letter, id.unwrap()));
        }
        (world, chart, ids)
    }

    /// Revokes as told; then says which directives are left, or how it was refused.
    fn check(what: &str, expected: &str) {
        let (mut world, chart, ids) = world();
        let (mut signer, mut act) = (key("owner"), None);
        let mut revoke = chart;
        let mut stale = 0;
        for word in what.split_whitespace() {
            let (field, value) = word.split_once('=').unwrap();
            match field {
                "by" => signer = key(value),
                "chart" => revoke = chart_id(value),
                "stale" => stale = 1,
                "id" => {
                    let letter = value.chars().next().unwrap();
                    let known = ids.iter().find(|(known, _)| *known == letter).map(|(_, id)| *id);
                    act = Some(Revocable::Directive(known.unwrap_or(TxId(Hash([9; 32])))));
                }
                "to" => {
                    let sequence = sequence(&world.state, &chart) - stale;
                    act = Some(Revocable::Grantee { grantee: value.parse().unwrap(), sequence });
                }
                other => panic!("no word {other}"),
            }
        }
        let result = world.act(&signer, Revoke { chart: revoke, target: act.unwrap() });
        let outcome = match result {
            Ok(_) => {
                let left = directives(&world.state, &chart);
                let letters = ids.iter().filter(|(_, id)| left.iter().any(|directive| directive.id == *id));
                letters.map(|(letter, _)| *letter).collect()
            }
            Err(reject) => reject.info().unwrap().name.to_owned(),
        };
        assert_eq!(outcome, expected, "{what}");
    }

    #[test]
    fn revoke_takes_back_or_refuses() {
        let cases = "
            id=a                                    | bcden
            id=n                                    | abcde
            id=x                                    | abcden
            to=lakeside-clinic                      | dn
            to=lakeside-clinic:physician            | acden
            to=meridian-insurance                   | abcen
            to=patient-trust                        | NOTHING_TO_REVOKE
            to=lakeside-clinic:nurse                | NOTHING_TO_REVOKE
            stale=yes to=lakeside-clinic            | CONSENT_STALE
            by=stranger id=a                        | NOT_FOR_OWNER
            by=riverside-hospital id=a              | NOT_FOR_SIGNER
            chart=unowned id=a                      | CHART_NOT_OWNED
            chart=nowhere id=a                      | CHART_NOT_OWNED";
        for case in cases.lines().skip(1) {
            let (what, expected) = case.split_once('|').unwrap();
            check(what.trim(), expected.trim());
        }
    }

    #[test]
    fn every_change_moves_the_sequence_on() {
        let (mut world, chart, _) = world();
        let before = sequence(&world.state, &chart);
        let target = Revocable::Directive(TxId(Hash([9; 32])));
        world.act(&key("owner"), Revoke { chart, target }).unwrap();
        assert_eq!(sequence(&world.state, &chart), before + 1);
    }
}
