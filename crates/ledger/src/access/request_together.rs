//! This file is where somebody asks to open several charts at once: a search over many patients, each told in her own log.

use super::{
    asked::Extent,
    record::{Asking, decide_and_record},
    state::{CHARTS_ASKED, CLASSES_ASKED_TOO_MANY, EMERGENCY_UNDECLARED},
};
use crate::{Ctx, Draft, Kind, Reject, Who, charts, consent::Purpose};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash, List};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most charts of one request.
pub const CHARTS_TOGETHER_MAX: usize = 100;

/// Most classes that one request is decided for, over all its charts: as many as four charts may have.
pub const CLASSES_TOGETHER_MAX: usize = 4 * charts::CLASSES_MAX;

/// Asks to open several charts at once. Decided and recorded for each as if it were asked for alone; what is permitted in any
/// of them is released to the same session key, until the access expires.
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
pub struct RequestTogether {
    /// The charts, each once, at least one.
    pub charts: List<Asked, CHARTS_TOGETHER_MAX>,
    /// What for.
    pub purpose: Purpose,
    /// How much of each: all, or all that isn't in a more sensitive category.
    pub extent: Extent,
    /// Hash of an X-Wing public key made for this access.
    pub session_key: Hash,
}

/// A chart that is asked for together with others.
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
pub struct Asked {
    /// The chart.
    pub chart: ChartId,
    /// Hash of its audit record: who it is in plain words, off the ledger.
    pub record: Hash,
}

impl Kind for RequestTogether {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { charts: asked, purpose, extent, session_key } = self;
        if *purpose == Purpose::BreakGlass {
            return Err(EMERGENCY_UNDECLARED);
        }
        let distinct: BTreeSet<&ChartId> = asked.iter().map(|asked| &asked.chart).collect();
        let is_whole = matches!(extent, Extent::All | Extent::General);
        if asked.is_empty() || distinct.len() != asked.len() || !is_whole {
            return Err(CHARTS_ASKED);
        }
        let mut classes = 0_usize;
        for chart in distinct {
            classes = classes.saturating_add(charts::classes(draft, chart).len());
            if classes > CLASSES_TOGETHER_MAX {
                return Err(CLASSES_ASKED_TOO_MANY);
            }
        }
        for Asked { chart, record } in asked.iter() {
            let asking = Asking {
                chart: *chart,
                purpose: *purpose,
                extent: extent.clone(),
                session_key: *session_key,
                record: *record,
                emergency: None,
                together: true,
            };
            decide_and_record(ctx, draft, &asking)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, RequestTogether};
    use crate::{
        Event,
        access::{
            Extent, Withheld, access, access_in, beside, releasable,
            scene::{LAKESIDE, RIVERSIDE, Scene, chart_named, session_key},
        },
        charts::Role,
        consent::Purpose,
        testing::{key, said, tag},
    };
    use primitives::{ChartId, CompartmentId, Hash, List, TxId};

    fn asked(charts: &[ChartId]) -> List<Asked, 100> {
        let each = charts.iter().map(|chart| Asked { chart: *chart, record: Hash([2; 32]) });
        each.collect::<Vec<_>>().try_into().unwrap()
    }

    fn together(charts: &[ChartId], who: &str) -> RequestTogether {
        RequestTogether {
            charts: asked(charts),
            purpose: Purpose::Treatment,
            extent: Extent::All,
            session_key: session_key(who),
        }
    }

    fn accesses(scene: &Scene, chart: &ChartId) -> Vec<bool> {
        let events = scene.world.events(chart);
        let decided = events.iter().filter_map(|event| match event {
            Event::Decided(decided) => Some(decided.permitted()),
            _ => None,
        });
        decided.collect()
    }

    fn given(scene: &Scene, id: &TxId, compartment: &CompartmentId, key: &str) -> Result<(), Withheld> {
        releasable(&scene.world.state, id, compartment, &session_key(key), scene.world.now)
    }

    #[test]
    fn each_chart_is_decided_and_told_as_if_it_came_alone() {
        let mut scene = Scene::new();
        let unowned = chart_named("unowned");
        let charts = [scene.chart, unowned];
        let before = charts.map(|chart| accesses(&scene, &chart).len());
        let news = |scene: &Scene| [0, 1].map(|at| accesses(scene, &charts[at])[before[at]..].to_vec());
        let adams = scene.key("adams");
        let id: TxId = scene.world.act(&adams, together(&charts, "adams")).unwrap();
        assert_eq!(news(&scene), [vec![true], vec![true]]);
        for chart in &charts {
            let found = access_in(&scene.world.state, &id, chart).unwrap();
            assert_eq!((found.chart, found.session_key), (*chart, session_key("adams")));
            assert_eq!(access(&scene.world.state, &beside(&id, chart)), Some(found));
        }
        assert_eq!(access(&scene.world.state, &id), None, "each has an id of its own");
        assert_eq!(access_in(&scene.world.state, &id, &chart_named("nowhere")), None);
        // One access releases what is permitted in each of the charts, and no more.
        let general = scene.gen_riverside;
        assert_eq!(given(&scene, &id, &general, "adams"), Ok(()));
        assert_eq!(given(&scene, &id, &scene.gen_lakeside, "adams"), Err(Withheld::NotCovered));
        assert_eq!(given(&scene, &id, &general, "baker"), Err(Withheld::OtherSessionKey));
        let elsewhere = scene.world.chart(RIVERSIDE, "elsewhere");
        let other = scene.world.write(RIVERSIDE, elsewhere, Role::Records, tag("gen"), false).unwrap();
        assert_eq!(given(&scene, &id, &other, "adams"), Err(Withheld::AccessUnknown));
        let later = scene.world.write(RIVERSIDE, unowned, Role::Records, tag("gen"), false).unwrap();
        assert_eq!(given(&scene, &id, &later, "adams"), Err(Withheld::OpenedLater));

        // Denied in the first and permitted in the second.
        scene.permit(LAKESIDE);
        let baker = scene.key("baker");
        let id = scene.world.act(&baker, together(&[unowned, scene.chart], "baker")).unwrap();
        assert_eq!(news(&scene), [vec![true, true], vec![true, false]]);
        assert!(access_in(&scene.world.state, &id, &charts[0]).is_some());
        assert_eq!(access_in(&scene.world.state, &id, &unowned), None);
        assert_eq!(given(&scene, &id, &general, "baker"), Ok(()));
        assert_eq!(given(&scene, &id, &later, "baker"), Err(Withheld::AccessUnknown));
    }

    #[test]
    fn what_holds_too_much_together_is_asked_for_in_parts() {
        let mut scene = Scene::new();
        let charts: Vec<ChartId> = (0..5)
            .map(|number| {
                let chart = scene.world.chart(RIVERSIDE, &format!("large{number}"));
                for part in 0..4 {
                    let opens: Vec<_> =
                        (0..52).map(|at| (Role::Records, tag(&format!("{part} {at}")), false)).collect();
                    let commit = scene.world.commit(RIVERSIDE, chart, &opens, &[]);
                    scene.world.act(&key(RIVERSIDE), commit).unwrap();
                }
                chart
            })
            .collect();
        let adams = scene.key("adams");
        let result = scene.world.act(&adams, together(&charts, "adams"));
        assert_eq!(said(result), "CLASSES_ASKED_TOO_MANY");
        assert_eq!(said(scene.world.act(&adams, together(&charts[1..], "adams"))), "ok");
        assert_eq!((accesses(&scene, &charts[0]).len(), accesses(&scene, &charts[1]).len()), (0, 1));
    }

    #[test]
    fn what_does_not_fit_opens_nothing() {
        type Edit = fn(&mut RequestTogether);
        let cases: [(&str, Edit); 6] = [
            ("ok", |_| ()),
            ("CHARTS_ASKED", |act| act.charts = List::default()),
            ("CHARTS_ASKED", |act| act.charts = asked(&[chart_named("c"), chart_named("c")])),
            ("CHARTS_ASKED", |act| act.extent = Extent::Index),
            ("CHART_UNKNOWN", |act| act.charts = asked(&[chart_named("c"), chart_named("nowhere")])),
            ("EMERGENCY_UNDECLARED", |act| act.purpose = Purpose::BreakGlass),
        ];
        for (expected, edit) in cases {
            let mut scene = Scene::new();
            let chart = scene.chart;
            let before = accesses(&scene, &chart).len();
            let mut act = together(&[chart, chart_named("unowned")], "adams");
            edit(&mut act);
            let adams = scene.key("adams");
            assert_eq!(said(scene.world.act(&adams, act)), expected);
            assert_eq!(accesses(&scene, &chart).len() - before, usize::from(expected == "ok"), "{expected}");
        }
    }
}
