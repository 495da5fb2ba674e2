//! This file is where the tests of this folder get a chart with an owner, and what was written into it.

use super::{Commit, Role};
use crate::testing::{World, key, said, tag};
use primitives::{ChartId, CompartmentId, SecretKey};

pub(super) const RIVERSIDE: &str = "riverside-hospital";
pub(super) const LAKESIDE: &str = "lakeside-clinic";

/// A network in which riverside wrote `gen` into chart `c`, which `owner` has claimed.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) chart: ChartId,
    pub(super) owner: SecretKey,
    /// The compartment of `gen`.
    pub(super) general: CompartmentId,
}

impl Scene {
    pub(super) fn new() -> Self {
        let mut world = World::new();
        let owner = world.person(RIVERSIDE, "owner");
        let chart = world.chart(RIVERSIDE, "c");
        let general = world.write(RIVERSIDE, chart, Role::Records, tag("gen"), false).unwrap();
        world.claim(RIVERSIDE, chart, &owner);
        Self { world, chart, owner, general }
    }

    /// A commit of riverside that opens a compartment of `gen`.
    pub(super) fn opening(&mut self) -> Commit {
        self.world.commit(RIVERSIDE, self.chart, &[(Role::Records, tag("gen"), false)], &[])
    }

    /// A commit of riverside into the compartment that there is.
    pub(super) fn adding(&mut self) -> Commit {
        self.world.commit(RIVERSIDE, self.chart, &[], &[self.general])
    }

    /// How a commit of riverside ends.
    pub(super) fn commit(&mut self, commit: Commit) -> &'static str {
        said(self.world.act(&key(RIVERSIDE), commit))
    }
}
