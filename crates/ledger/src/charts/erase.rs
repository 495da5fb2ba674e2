//! This file is where the owner orders that something be erased.

use super::state::{
    CHART_UNCLAIMED, CHART_UNKNOWN, CHARTS, COMPARTMENT_ERASED, COMPARTMENTS, Chart, Class, ClassId,
    Compartment, ERASURE_TARGET, ERASURES, Erasure, NOT_OWNER, PACKS, Pack, Places, Position, Target, class,
    put_class,
};
use crate::{
    Ctx, Draft, Kind, Reject, Who, consent,
    identity::{self, KEY_FRESH},
};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, List};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Orders that something of the signer's chart be erased. From this height no key of it is released and no byte served;
/// members confirm one by one that shares and bytes are gone.
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
pub struct Erase {
    /// The chart.
    pub chart: ChartId,
    /// What is erased.
    pub target: Target,
}

/// An erasure was ordered. Its id is the transaction's.
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
pub struct ErasureOrdered {
    /// What is erased.
    pub target: Target,
}

impl Kind for Erase {
    const WHO: &'static [Who] = &[Who::Person];
    const URGENT: bool = true;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, target } = self;
        let row = CHARTS.get(draft, chart).ok_or(CHART_UNKNOWN)?;
        let owner =
            consent::parties(draft, chart).and_then(|parties| parties.owner).ok_or(CHART_UNCLAIMED)?;
        if ctx.signer.principal() != Some(owner) {
            return Err(NOT_OWNER);
        }
        if identity::is_fresh(draft, &owner, ctx.now) {
            return Err(KEY_FRESH);
        }
        let at = Position::from(ctx);
        match target {
            Target::Chart => CHARTS.put(draft, chart, &Chart { erased: Some(at), ..row }),
            Target::Class { tag, org: writer } => {
                let id = ClassId { chart: *chart, tag: *tag, writer: writer.clone() };
                let class = class(draft, &id).ok_or(ERASURE_TARGET)?;
                put_class(draft, &id, &Class { erased: Some(at), ..class });
            }
            Target::Compartment(id) => {
                let compartment =
                    COMPARTMENTS.get(draft, id).filter(|row| row.chart == *chart).ok_or(ERASURE_TARGET)?;
                if compartment.erased {
                    return Err(COMPARTMENT_ERASED);
                }
                COMPARTMENTS.put(draft, id, &Compartment { erased: true, ..compartment });
            }
            Target::Records { pack, records } => {
                let written =
                    PACKS.get(draft, pack).filter(|row| row.chart == *chart).ok_or(ERASURE_TARGET)?;
                let erased = with_erased(&written, records)?;
                PACKS.put(draft, pack, &Pack { erased, ..written });
            }
        }
        let erasure = Erasure {
            chart: *chart,
            target: target.clone(),
            ordered: at,
            receipted: Places::default(),
            effective: false,
            complete: false,
        };
        ERASURES.put(draft, &ctx.tx, &erasure);
        draft.emit(*chart, &ErasureOrdered { target: target.clone() });
        Ok(())
    }
}

fn with_erased(pack: &Pack, records: &[u32]) -> Result<List<u32, 10000>, Reject> {
    let ascending = records.windows(2).all(|pair| pair.first() < pair.last());
    if records.is_empty() || !ascending || records.last().is_some_and(|last| *last >= pack.records) {
        return Err(ERASURE_TARGET);
    }
    let mut erased: BTreeSet<u32> = pack.erased.iter().copied().collect();
    let before = erased.len();
    erased.extend(records);
    if erased.len() == before {
        return Err(COMPARTMENT_ERASED);
    }
    erased.into_iter().collect::<Vec<_>>().try_into().map_err(|_| ERASURE_TARGET)
}

#[cfg(test)]
mod tests {
    use super::Erase;
    use crate::{
        charts::{
            Target, compartment, is_erased,
            scene::{LAKESIDE, RIVERSIDE, Scene},
        },
        identity::{FinishRecovery, Helper, Recover, SetRecovery},
        testing::{chart_id, key, org, said, tag},
    };
    use primitives::{CompartmentId, PackRoot, SecretKey, Span};

    fn check(scene: &mut Scene, who: &SecretKey, target: Target, expected: &str) {
        let act = Erase { chart: scene.chart, target: target.clone() };
        assert_eq!(said(scene.world.act(who, act)), expected, "{target:?}");
    }

    fn erased(scene: &Scene) -> bool {
        is_erased(&scene.world.state, &compartment(&scene.world.state, &scene.general).unwrap())
    }

    #[test]
    fn the_owner_alone_erases() {
        let mut scene = Scene::new();
        let (owner, stranger) = (scene.owner.clone(), scene.world.person(RIVERSIDE, "stranger"));
        check(&mut scene, &stranger, Target::Chart, "NOT_OWNER");
        check(&mut scene, &key(RIVERSIDE), Target::Chart, "NOT_FOR_SIGNER");
        let unowned = scene.world.chart(RIVERSIDE, "unowned");
        for (chart, expected) in [(unowned, "CHART_UNCLAIMED"), (chart_id("nowhere"), "CHART_UNKNOWN")] {
            assert_eq!(said(scene.world.act(&owner, Erase { chart, target: Target::Chart })), expected);
        }
        assert!(!erased(&scene));
        check(&mut scene, &owner, Target::Chart, "ok");
        assert!(erased(&scene));
        let commit = scene.adding();
        assert_eq!(scene.commit(commit), "COMPARTMENT_ERASED");
        let commit = scene.opening();
        scene.general = commit.opens[0].body.id();
        assert_eq!(scene.commit(commit), "ok", "what is written later stands");
        assert!(!erased(&scene));
    }

    #[test]
    fn a_class_a_compartment_or_records() {
        let mut scene = Scene::new();
        let owner = scene.owner.clone();
        let class = |label: &str, writer: &str| Target::Class { tag: tag(label), org: org(writer) };
        check(&mut scene, &owner, class("psy", RIVERSIDE), "ERASURE_TARGET");
        check(&mut scene, &owner, class("gen", LAKESIDE), "ERASURE_TARGET");
        check(&mut scene, &owner, class("gen", RIVERSIDE), "ok");
        assert!(erased(&scene));

        let mut scene = Scene::new();
        let general = scene.general;
        check(&mut scene, &owner, Target::Compartment(CompartmentId::default()), "ERASURE_TARGET");
        check(&mut scene, &owner, Target::Compartment(general), "ok");
        check(&mut scene, &owner, Target::Compartment(general), "COMPARTMENT_ERASED");
        assert!(erased(&scene));

        let pack = compartment(&scene.world.state, &general).unwrap().pack;
        let records = |pack: PackRoot, records: &[u32]| Target::Records {
            pack,
            records: records.to_vec().try_into().unwrap(),
        };
        check(&mut scene, &owner, records(PackRoot::default(), &[0]), "ERASURE_TARGET");
        check(&mut scene, &owner, records(pack, &[]), "ERASURE_TARGET");
        check(&mut scene, &owner, records(pack, &[1]), "ERASURE_TARGET");
        check(&mut scene, &owner, records(pack, &[0, 0]), "ERASURE_TARGET");
        check(&mut scene, &owner, records(pack, &[0]), "ok");
        check(&mut scene, &owner, records(pack, &[0]), "COMPARTMENT_ERASED");
    }

    #[test]
    fn a_key_fresh_from_recovery_does_not_erase() {
        let mut scene = Scene::new();
        let (owner, fresh) = (scene.owner.clone(), key("fresh"));
        let helpers = vec![Helper::Organisation(org(RIVERSIDE))].try_into().unwrap();
        scene.world.act(&owner, SetRecovery { helpers, threshold: 1, wait: Span::days(7) }).unwrap();
        let person = owner.public().principal();
        scene.world.act(&key(RIVERSIDE), Recover { person, key: fresh.public() }).unwrap();
        scene.world.wait(Span::days(7));
        scene.world.act(&key(RIVERSIDE), FinishRecovery { person }).unwrap();
        check(&mut scene, &fresh, Target::Chart, "KEY_FRESH");
        scene.world.wait(Span::days(7));
        check(&mut scene, &fresh, Target::Chart, "ok");
    }
}
