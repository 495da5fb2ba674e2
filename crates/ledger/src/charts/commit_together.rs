//! This file is where several writes become final at once, or none: a FHIR transaction that touches more than one chart.

use super::{Commit, state::NOTHING_WRITTEN};
use crate::{Ctx, Draft, Kind, Reject, Who};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::List;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most packs of one write: what fits into a transaction anyway.
pub const COMMITS_MAX: usize = 32;

/// Makes several packs final at once, of one chart or of several: all or none. Each is checked as if it came alone.
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
pub struct CommitTogether {
    /// The writes, at least one.
    pub commits: List<Commit, COMMITS_MAX>,
}

impl Kind for CommitTogether {
    const WHO: &'static [Who] = Commit::WHO;

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        if self.commits.is_empty() {
            return Err(NOTHING_WRITTEN);
        }
        // A refused draft is dropped as a whole: nothing of the first is left when the last is refused.
        self.commits.iter().try_for_each(|commit| commit.apply(ctx, draft))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::scene::RIVERSIDE, super::scene::Scene, *};
    use crate::{
        charts::{PACKS, Role},
        testing::{key, said, tag},
    };
    use primitives::ChartId;

    /// Two good commits into two charts, edited, and how that ends.
    fn check(expected: &str, edit: fn(&mut Vec<Commit>)) {
        let mut scene = Scene::new();
        let other: ChartId = scene.world.chart(RIVERSIDE, "other");
        let opens = [(Role::Records, tag("gen"), false)];
        let mut commits = vec![scene.adding(), scene.world.commit(RIVERSIDE, other, &opens, &[])];
        edit(&mut commits);
        let packs: Vec<_> = commits.iter().map(|commit| PACKS.key(&commit.pack)).collect();
        let act = CommitTogether { commits: commits.try_into().unwrap() };
        assert_eq!(said(scene.world.act(&key(RIVERSIDE), act)), expected);
        for pack in packs {
            assert_eq!(scene.world.state.0.contains_key(&pack), expected == "ok", "{expected}");
        }
    }

    #[test]
    fn all_or_none() {
        check("ok", |_| ());
        check("ok", |commits| commits.reverse());
        check("NOTHING_WRITTEN", Vec::clear);
        check("NOTHING_WRITTEN", |commits| commits[1].records = 0);
        check("PACK_EXISTS", |commits| commits.push(commits[0].clone()));
        check("RECEIPTS_TOO_FEW", |commits| commits[1].receipts = Vec::new().try_into().unwrap());
        check("CHART_UNKNOWN", |commits| commits[0].chart = crate::testing::chart_id("nowhere"));
    }
}
