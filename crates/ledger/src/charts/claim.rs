//! This file is where a patient takes over her chart.

use super::state::{CHART_CLAIMED, CHART_UNKNOWN, CHARTS, CLAIM_NOT_OFFERED, Chart};
use crate::{
    Ctx, Draft, Kind, Reject, Who,
    consent::{self, Parties},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, PrincipalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes over a chart that was offered to the signer, who thereby proves to hold the named key and becomes its owner.
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
pub struct Claim {
    /// The chart.
    pub chart: ChartId,
}

/// The chart has an owner.
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
pub struct Claimed {
    /// The owner.
    pub owner: PrincipalId,
}

impl Kind for Claim {
    const WHO: &'static [Who] = &[Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart } = *self;
        let row = CHARTS.get(draft, &chart).ok_or(CHART_UNKNOWN)?;
        let parties = consent::parties(draft, &chart).ok_or(CHART_UNKNOWN)?;
        if parties.owner.is_some() {
            return Err(CHART_CLAIMED);
        }
        let owner = ctx.signer.principal().ok_or(crate::reject::NOT_FOR_SIGNER)?;
        let offered = row
            .offer
            .as_ref()
            .is_some_and(|offer| offer.person == owner && offer.from <= ctx.now && ctx.now <= offer.until);
        if !offered {
            return Err(CLAIM_NOT_OFFERED);
        }
        CHARTS.put(draft, &chart, &Chart { offer: None, ..row });
        consent::set_parties(draft, &chart, &Parties { owner: Some(owner), ..parties });
        draft.emit(chart, &Claimed { owner });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Claim;
    use crate::{
        charts::{Create, OfferClaim},
        consent::parties,
        testing::{World, chart_id, key, org, said},
    };
    use primitives::{Millis, Span};

    /// A line says who does what to which chart, and after `|` how it ends. Days are counted from now.
    fn check(script: &str) -> World {
        let mut world = World::new();
        for person in ["owner", "thief"] {
            world.person("riverside-hospital", person);
        }
        let members = ["riverside-hospital", "lakeside-clinic", "meridian-insurance", "patient-trust"];
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (words, expected) = line.split_once('|').unwrap();
            let words: Vec<_> = words.split_whitespace().collect();
            let secret =
                |label: &str| key(members.into_iter().find(|name| name.starts_with(label)).unwrap_or(label));
            let ended = match words.as_slice() {
                ["days", days] => {
                    world.wait(Span::days(days.parse().unwrap()));
                    "passed"
                }
                [who, "create", chart] => {
                    let act = Create { chart: chart_id(chart), directory: *chart == "directory" };
                    said(world.act(&secret(who), act))
                }
                [who, "offer", chart, person, days] => {
                    let until = match *days {
                        "past" => Millis(world.now.0 - 1),
                        days => world.now.plus(Span::days(days.parse().unwrap())),
                    };
                    let person = key(person).public().principal();
                    said(world.act(&secret(who), OfferClaim { chart: chart_id(chart), person, until }))
                }
                [who, "claim", chart] => said(world.act(&secret(who), Claim { chart: chart_id(chart) })),
                other => panic!("nothing is done by `{}`", other.join(" ")),
            };
            assert_eq!(ended, expected.trim(), "{line}\nin{script}");
        }
        world
    }

    #[test]
    fn the_named_person_takes_the_chart_over() {
        let world = check(
            "
            owner create c | NOT_FOR_SIGNER
            riverside create c | ok
            lakeside create c | CHART_EXISTS
            riverside create directory | ok
            riverside offer nowhere owner 9 | CHART_UNKNOWN
            riverside offer directory owner 9 | CHART_UNKNOWN
            lakeside offer c owner 9 | NOT_CUSTODIAN
            meridian offer c owner 9 | NOT_CUSTODIAN
            riverside offer c nobody 9 | OFFER_INVALID
            riverside offer c owner past | OFFER_INVALID
            owner offer c owner 9 | NOT_FOR_SIGNER
            owner claim nowhere | CHART_UNKNOWN
            owner claim c | CLAIM_NOT_OFFERED
            riverside offer c owner 9 | ok
            thief claim c | CLAIM_NOT_OFFERED
            riverside claim c | NOT_FOR_SIGNER
            days 10 | passed
            owner claim c | CLAIM_NOT_OFFERED
            riverside offer c owner 9 | ok
            owner claim c | ok
            owner claim c | CHART_CLAIMED
            thief claim c | CHART_CLAIMED
            riverside offer c thief 9 | CHART_CLAIMED
            patient-trust offer c thief 9 | CHART_CLAIMED
            ",
        );
        let parties = parties(&world.state, &chart_id("c")).unwrap();
        assert_eq!(parties.custodian, org("riverside-hospital"));
        assert_eq!(parties.owner, Some(key("owner").public().principal()));
    }

    #[test]
    fn a_patient_body_stands_in_but_the_custodian_can_object() {
        check(
            "
            riverside create c | ok
            patient-trust offer c thief 6 | OFFER_INVALID
            patient-trust offer c thief 30 | ok
            thief claim c | CLAIM_NOT_OFFERED
            riverside offer c owner 30 | ok
            days 8 | passed
            thief claim c | CLAIM_NOT_OFFERED
            owner claim c | ok
            ",
        );
        check(
            "
            riverside create c | ok
            patient-trust offer c owner 30 | ok
            days 8 | passed
            owner claim c | ok
            ",
        );
    }
}
