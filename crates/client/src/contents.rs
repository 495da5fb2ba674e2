//! This file is where a chart's log says what the chart holds: compartments, packs, what was erased, and up to where.

use crate::read::Line;
use ledger::{
    Event,
    charts::{ErasureOrdered, Role, Target},
};
use primitives::{CompartmentId, Millis, OrgId, PackRoot, Tag, TxId};
use std::collections::{BTreeMap, BTreeSet};

/// A compartment, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its category, opaque.
    pub tag: Tag,
    /// What it is for.
    pub role: Role,
    /// The organisation that opened it.
    pub writer: OrgId,
    /// The pack that it was opened with.
    pub pack: PackRoot,
    /// The log's line that opened it.
    pub line: u64,
    /// Whether it was erased since: by name, with its class or its chart.
    pub erased: bool,
}

/// A pack, as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The pack.
    pub root: PackRoot,
    /// Who wrote it.
    pub writer: OrgId,
    /// How many records it has, the index record among them.
    pub records: u32,
    /// The compartments that it wrote into.
    pub compartments: BTreeSet<CompartmentId>,
    /// Places of records that were erased by name.
    pub erased: BTreeSet<u32>,
    /// The log's line.
    pub line: u64,
    /// Height of the block.
    pub height: u64,
    /// Time of the block.
    pub time: Millis,
}

/// What a chart holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its compartments.
    pub compartments: BTreeMap<CompartmentId, Kept>,
    /// Its packs, in the order in which they were committed.
    pub packs: Vec<Written>,
    /// Erasures that were ordered, in order.
    pub erasures: Vec<(TxId, Target)>,
}

impl Contents {
    /// What the log's lines say.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut contents = Self::default();
        for Line { logged, event } in lines {
            match event {
                Some(Event::Committed(committed)) => {
                    let mut compartments: BTreeSet<CompartmentId> = committed.into.iter().copied().collect();
                    for (id, tag, role) in committed.opened.iter() {
                        compartments.insert(*id);
                        let kept = Kept {
                            tag: *tag,
                            role: *role,
                            writer: committed.writer.clone(),
                            pack: committed.pack,
                            line: logged.index,
                            erased: false,
                        };
                        contents.compartments.insert(*id, kept);
                    }
                    contents.packs.push(Written {
                        root: committed.pack,
                        writer: committed.writer.clone(),
                        records: committed.records,
                        compartments,
                        erased: BTreeSet::new(),
                        line: logged.index,
                        height: logged.height,
                        time: logged.time,
                    });
                }
                Some(Event::ErasureOrdered(ErasureOrdered { target })) => contents.erase(logged.tx, target),
                Some(_) | None => {}
            }
        }
        contents
    }

    fn erase(&mut self, tx: TxId, target: &Target) {
        self.erasures.push((tx, target.clone()));
        let mut mark = |is_meant: &dyn Fn(&CompartmentId, &Kept) -> bool| {
            for (id, kept) in &mut self.compartments {
                kept.erased |= is_meant(id, kept);
            }
        };
        match target {
            Target::Chart => mark(&|_, _| true),
            Target::Class { tag, org } => {
                mark(&|_, kept| kept.role == Role::Records && kept.tag == *tag && kept.writer == *org);
            }
            Target::Compartment(named) => mark(&|id, _| id == named),
            Target::Records { pack, records } => {
                for written in self.packs.iter_mut().filter(|written| written.root == *pack) {
                    written.erased.extend(records.iter());
                }
            }
        }
    }

    /// The newest compartment of a role that isn't erased.
    #[must_use]
    pub fn newest(&self, role: Role) -> Option<(&CompartmentId, &Kept)> {
        let of_role = self.compartments.iter().filter(|(_, kept)| kept.role == role && !kept.erased);
        of_role.max_by_key(|(_, kept)| kept.line)
    }

    /// Whether the tag stands for something else than records: the chart's index or audit.
    #[must_use]
    pub fn is_service(&self, tag: &Tag) -> bool {
        let mut of_tag = self.compartments.values().filter(|kept| kept.tag == *tag).peekable();
        of_tag.peek().is_some() && of_tag.all(|kept| kept.role != Role::Records)
    }
}
