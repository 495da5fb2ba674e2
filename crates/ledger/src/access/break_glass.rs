//! This file is where a clinician declares an emergency.

use super::{
    asked::{Emergency, Extent, Reason},
    record::{Asking, decide_and_record},
    state::{ASK_EMPTY, check_reviews},
};
use crate::{Ctx, Draft, Kind, Reject, Who, charts, consent::Purpose, governance};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks to open a chart in an emergency, in which the base policies let a clinician read without the patient's consent.
/// The patient sees it in the log, the organisation must review it, and may do so only so often; while a review is
/// overdue, it may not at all.
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
pub struct BreakGlass {
    /// The chart.
    pub chart: ChartId,
    /// How much of it.
    pub extent: Extent,
    /// Why.
    pub reason: Reason,
    /// Whether the organisation attests that the practitioner proved once more who it is.
    pub step_up: bool,
    /// Hash of an X-Wing public key made for this access.
    pub session_key: Hash,
    /// Hash of the audit record: who it is and why in plain words, off the ledger.
    pub record: Hash,
}

impl Kind for BreakGlass {
    const WHO: &'static [Who] = &[Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, extent, reason, step_up, session_key, record } = self.clone();
        if charts::chart(draft, &chart).is_none() {
            return Err(charts::CHART_UNKNOWN);
        }
        if extent == Extent::Index {
            return Err(ASK_EMPTY);
        }
        check_reviews(draft, ctx.signer.org(), ctx.now)?;
        governance::charge_break_glass(draft, ctx.signer.org(), ctx.now)?;
        let emergency = Some(Emergency { reason, step_up });
        let purpose = Purpose::BreakGlass;
        let together = false;
        decide_and_record(
            ctx,
            draft,
            &Asking { chart, purpose, extent, session_key, record, emergency, together },
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        access::{
            Finding, REVIEWS_MAX, Review, reviews_due,
            scene::{LAKESIDE, Scene, chart_named},
        },
        consent::{Action, Scope},
        governance::Params,
        reject::QUOTA,
        testing::{key, org},
    };
    use primitives::Span;

    /// Who breaks the glass, how much is asked for, and what was so before.
    fn check(case: &str, expected: &str) {
        let mut params = Params::default();
        if case.contains("overrides") {
            params.break_glass_overrides_special = true;
        }
        if case.contains("never-overrides") {
            (params.break_glass_overrides_general, params.break_glass_overrides_special) = (false, false);
        }
        if case.contains("quota") {
            params.break_glass_max = 1;
        }
        let mut scene = Scene::with(params);
        let mut words = case.split_whitespace();
        let (who, extent) = (words.next().unwrap(), words.next().unwrap());
        let (mut chart, mut step_up) = (scene.chart, true);
        for word in words {
            match word {
                "overrides" | "never-overrides" => {}
                "no-step-up" => step_up = false,
                "denied" => drop(scene.direct("-", LAKESIDE, Action::Read, Scope::All)),
                "permitted" => drop(scene.permit(LAKESIDE)),
                "quota" | "unreviewed" => drop(scene.break_glass("nurse", "gen/r", true).unwrap()),
                "overdue" => {
                    scene.break_glass("nurse", "gen/r", true).unwrap();
                    // The sessions are over by then.
                    scene.world.wait(Span::days(3));
                    scene.renew();
                }
                "reviewed" => {
                    let access = scene.break_glass("nurse", "gen/r", true).unwrap();
                    let finding = Finding::Justified;
                    scene.world.act(&key(LAKESIDE), Review { access, finding }).unwrap();
                    scene.world.wait(Span::days(4));
                    scene.renew();
                }
                label => chart = chart_named(label),
            }
        }
        let result = scene.break_glass_in(chart, who, extent, step_up);
        assert_eq!(scene.outcome(&chart, result), expected, "{case}");
    }

    #[test]
    fn decided_class_by_class_or_refused() {
        let cases = "
            baker all                        | gen/r+break-glass psy/r+break-glass gen/l+break-glass&own-writing
            nurse gen/r                      | gen/r+break-glass
            baker all unowned                | gen/r+break-glass
            baker gen/r no-step-up           | gen/r-nothing
            clerk gen/r                      | gen/r-nothing
            baker gen/r,psy/r denied         | gen/r+break-glass psy/r-directive
            baker gen/r,psy/r denied overrides | gen/r+break-glass psy/r+break-glass
            baker gen/r,psy/r denied never-overrides | gen/r-directive psy/r-directive
            baker gen/r,gen/l denied no-step-up | gen/r-directive gen/l-directive
            baker gen/r permitted            | gen/r+break-glass
            baker gen/r permitted no-step-up | gen/r+directive
            baker gen/r unreviewed           | gen/r+break-glass
            baker gen/r reviewed             | gen/r+break-glass
            owner gen/r                      | NOT_FOR_SIGNER
            riverside gen/r                  | NOT_FOR_SIGNER
            baker gen/r nowhere              | CHART_UNKNOWN
            baker index                      | ASK_EMPTY
            baker none                       | ASK_EMPTY
            baker gen/m                      | CLASS_UNKNOWN
            baker gen/r overdue              | REVIEWS_OVERDUE
            adams gen/l overdue              | gen/l+break-glass
            baker gen/r quota                | QUOTA
            adams gen/l quota                | gen/l+break-glass";
        for case in cases.lines().skip(1) {
            let (case, expected) = case.split_once('|').unwrap();
            check(case.trim(), expected.trim());
        }
    }

    #[test]
    fn too_many_waiting_reviews_suspend_it() {
        let mut scene =
            Scene::with(Params { break_glass_max: 1_000, quota_window: Span::hours(1), ..Params::default() });
        for _ in 0..REVIEWS_MAX {
            scene.break_glass("nurse", "gen/r", true).unwrap();
        }
        assert_eq!(reviews_due(&scene.world.state, &org(LAKESIDE)).len(), REVIEWS_MAX);
        assert_eq!(scene.break_glass("baker", "gen/r", true), Err(crate::access::REVIEWS_OVERDUE));
    }

    #[test]
    fn the_quota_is_of_the_window() {
        let mut scene = Scene::with(Params { break_glass_max: 2, ..Params::default() });
        let into_window = scene.world.now.0 % 60_000;
        scene.world.wait(Span(60_000 - into_window));
        let outcomes: Vec<_> = (0..3).map(|_| scene.break_glass("baker", "gen/r", true).map(drop)).collect();
        assert_eq!(outcomes, [Ok(()), Ok(()), Err(QUOTA)]);
        scene.world.wait(Span::secs(60));
        assert!(scene.break_glass("baker", "gen/r", true).is_ok());
    }
}
