//! This file is where an organisation looks back at a break-glass access.

use super::state::{
    ACCESS_UNKNOWN, ACCESSES, Access, REVIEW_NOT_NEEDED, REVIEW_NOT_YOURS, REVIEW_REPEATED, REVIEWS_DUE,
    reviews_due,
};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{OrgId, PrincipalId, TxId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Records what the organisation found when it reviewed one of its break-glass accesses. Signed by the organisation, or
/// by another of its practitioners than the one who broke the glass.
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
pub struct Review {
    /// The access.
    pub access: TxId,
    /// What was found.
    pub finding: Finding,
}

/// What a review found.
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
pub enum Finding {
    /// It was an emergency.
    Justified,
    /// It was none.
    Unjustified,
}

/// A break-glass access was reviewed.
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
pub struct Reviewed {
    /// The access.
    pub access: TxId,
    /// The organisation.
    pub org: OrgId,
    /// The practitioner who reviewed, unless the organisation signed.
    pub by: Option<PrincipalId>,
    /// What was found.
    pub finding: Finding,
}

impl Kind for Review {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { access: id, finding } = *self;
        let access = ACCESSES.get(draft, &id).ok_or(ACCESS_UNKNOWN)?;
        if access.emergency.is_none() {
            return Err(REVIEW_NOT_NEEDED);
        }
        let org = ctx.signer.org().clone();
        let by = ctx.signer.principal();
        if *access.signer.org() != org || (by.is_some() && by == access.signer.principal()) {
            return Err(REVIEW_NOT_YOURS);
        }
        if access.reviewed {
            return Err(REVIEW_REPEATED);
        }
        let mut due = reviews_due(draft, &org);
        due.retain(|(waiting, _)| *waiting != id);
        REVIEWS_DUE.put(draft, &org, &due);
        let chart = access.chart;
        ACCESSES.put(draft, &id, &Access { reviewed: true, ..access });
        draft.emit(chart, &Reviewed { access: id, org, by, finding });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Event,
        access::{
            reviews_due,
            scene::{LAKESIDE, Scene},
        },
        testing::org,
    };
    use primitives::Hash;

    /// Who reviews which of the accesses: `glass` of baker, `plain` of adams, `denied` of the clerk, or one that isn't.
    fn check(case: &str, expected: &str) {
        let mut scene = Scene::new();
        let glass = scene.break_glass("baker", "gen/r", true).unwrap();
        let plain = scene.request("adams", "TREAT", "gen/r").unwrap();
        let denied = scene.break_glass("clerk", "gen/r", true).unwrap();
        let mut outcome = String::new();
        for one in case.split(',') {
            let (who, which) = one.trim().split_once(' ').unwrap();
            let access = match which {
                "glass" => glass,
                "plain" => plain,
                "denied" => denied,
                _ => TxId(Hash([9; 32])),
            };
            let result = scene.world.act(&scene.key(who), Review { access, finding: Finding::Unjustified });
            outcome = match result {
                Ok(_) => match scene.world.events(&scene.chart).pop() {
                    Some(Event::Reviewed(reviewed)) => format!("{} {}", reviewed.org, reviewed.by.is_some()),
                    other => panic!("{other:?}"),
                },
                Err(reject) => reject.info().unwrap().name.to_owned(),
            };
        }
        assert_eq!(outcome, expected, "{case}");
        let due = reviews_due(&scene.world.state, &org(LAKESIDE)).len();
        assert_eq!(
            due,
            usize::from(!case.contains("lakeside glass") && !case.contains("nurse glass")),
            "{case}"
        );
    }

    #[test]
    fn reviewed_or_refused() {
        let cases = "
            lakeside glass                | lakeside-clinic false
            nurse glass                   | lakeside-clinic true
            baker glass                   | REVIEW_NOT_YOURS
            riverside glass               | REVIEW_NOT_YOURS
            adams glass                   | REVIEW_NOT_YOURS
            lakeside glass, nurse glass   | REVIEW_REPEATED
            riverside plain               | REVIEW_NOT_NEEDED
            clerk denied                  | ACCESS_UNKNOWN
            lakeside unknown              | ACCESS_UNKNOWN
            owner glass                   | NOT_FOR_SIGNER";
        for case in cases.lines().skip(1) {
            let (case, expected) = case.split_once('|').unwrap();
            check(case.trim(), expected.trim());
        }
    }
}
