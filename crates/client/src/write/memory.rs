//! This file is where an organisation remembers which versions it wrote into a chart, so that the next one gets the next number
//! and what is already there isn't written again. The node keeps it sealed, in notes of bounded size.
//!
//! Of each resource it keeps 36 bytes: record id, version, and part of a hash of the content. The notes are divided in two,
//! again and again, as they grow, by the first bits of the record id: a write changes only the notes that it touches.

use super::Remembered;
use crate::{
    client::Client,
    notes::{About, ChartNote},
    rpc::CallError,
    wire::Before,
};
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::RecordId;
use primitives::ChartId;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one note before it is divided: about 150 kB.
const PART_MAX: usize = 4_096;

/// Most divisions: with 256 notes of 4,096 records each, a chart holds a million resources of one writer.
const DEPTH_MAX: u8 = 8;

/// How often a change is tried again because somebody else divides the notes.
const TRIES: u32 = 16;

/// Said when that isn't enough.
const CONTENDED: &str = "the notes of what was written change all the time; try again";

/// One note: what was written, by record.
#[derive(Default, BorshSerialize, BorshDeserialize)]
struct Part(BTreeMap<[u8; 16], Remembered>);

/// The part in which a record is remembered: the first bits of its id, which is as good as random.
fn part_of(id: &RecordId, depth: u8) -> u8 {
    let RecordId([first, ..]) = id;
    first.checked_shr(u32::from(8_u8.saturating_sub(depth))).unwrap_or(0)
}

impl Client {
    /// What the organisation remembers of resources that it wrote into a chart, by type and id, in the order asked for.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remembered(
        &self,
        chart: ChartId,
        resources: &[(&str, &str)],
    ) -> Result<Vec<Option<Remembered>>, CallError> {
        let Some(note) = self.chart_note(&chart).await? else { return Ok(vec![None; resources.len()]) };
        let ids: Vec<RecordId> =
            resources.iter().map(|(kind, id)| note.tag_key.record_id(&self.org, kind, id)).collect();
        let parts: BTreeSet<u8> = ids.iter().map(|id| part_of(id, note.depth)).collect();
        let mut known = BTreeMap::new();
        for part in parts {
            let (Part(entries), _) = self.part(&chart, note.depth, part).await?;
            known.extend(entries);
        }
        Ok(ids.iter().map(|id| known.get(&id.0).copied()).collect())
    }

    /// Remembers what was written just now.
    pub(super) async fn remember_versions(
        &self,
        chart: ChartId,
        written: &[(RecordId, Remembered)],
    ) -> Result<(), CallError> {
        let mut all = Part::default();
        all.add(written.iter().map(|(id, remembered)| (id.0, *remembered)));
        for _ in 0..TRIES {
            let Some(note) = self.chart_note(&chart).await? else { return Ok(()) };
            let mut divided: BTreeMap<u8, Vec<([u8; 16], Remembered)>> = BTreeMap::new();
            for (id, remembered) in &all.0 {
                divided.entry(part_of(&RecordId(*id), note.depth)).or_default().push((*id, *remembered));
            }
            let mut largest = 0;
            for (part, entries) in divided {
                largest = largest.max(self.add_to_part(&chart, note.depth, part, &entries).await?);
            }
            // Somebody may have divided the parts meanwhile, and not have seen these: then once more.
            let now = self.chart_note(&chart).await?.map_or(note.depth, |now| now.depth);
            if now != note.depth {
                continue;
            }
            if largest > PART_MAX && note.depth < DEPTH_MAX {
                self.divide(chart, &note).await?;
            }
            return Ok(());
        }
        Err(self.malformed("put-note", CONTENDED))
    }

    /// Adds to one part, and says how much lies there then.
    async fn add_to_part(
        &self,
        chart: &ChartId,
        depth: u8,
        part: u8,
        entries: &[([u8; 16], Remembered)],
    ) -> Result<usize, CallError> {
        for _ in 0..TRIES {
            let (mut known, before) = self.part(chart, depth, part).await?;
            known.add(entries.iter().copied());
            if self.put_note(About::Versions { chart, depth, part }, &known, before).await? {
                return Ok(known.0.len());
            }
        }
        Err(self.malformed("put-note", CONTENDED))
    }

    /// Divides every part in two.
    async fn divide(&self, chart: ChartId, note: &ChartNote) -> Result<(), CallError> {
        let (depth, deeper) = (note.depth, note.depth.saturating_add(1));
        for part in 0..=part_of(&RecordId([u8::MAX; 16]), depth) {
            self.take_along(chart, depth, part, deeper).await?;
        }
        self.change_chart_note(&chart, |note| note.depth = note.depth.max(deeper)).await?;
        for part in 0..=part_of(&RecordId([u8::MAX; 16]), depth) {
            for _ in 0..TRIES {
                // Somebody who didn't know of the division may have put something there.
                let before = self.take_along(chart, depth, part, deeper).await?;
                if self.drop_note(About::Versions { chart: &chart, depth, part }, before).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Copies a part into its two deeper ones, and says what was copied.
    async fn take_along(&self, chart: ChartId, depth: u8, part: u8, deeper: u8) -> Result<Before, CallError> {
        let (Part(entries), before) = self.part(&chart, depth, part).await?;
        let mut divided: BTreeMap<u8, Vec<([u8; 16], Remembered)>> = BTreeMap::new();
        for (id, remembered) in entries {
            divided.entry(part_of(&RecordId(id), deeper)).or_default().push((id, remembered));
        }
        for (part, entries) in divided {
            self.add_to_part(&chart, deeper, part, &entries).await?;
        }
        Ok(before)
    }

    async fn part(&self, chart: &ChartId, depth: u8, part: u8) -> Result<(Part, Before), CallError> {
        let known = self.note(About::Versions { chart, depth, part }).await?;
        Ok(known.unwrap_or((Part::default(), Before::Nothing)))
    }
}

impl Part {
    /// Adds what isn't older than what is known.
    fn add(&mut self, entries: impl IntoIterator<Item = ([u8; 16], Remembered)>) {
        for (id, remembered) in entries {
            let known = self.0.entry(id).or_insert(remembered);
            if remembered.version >= known.version {
                *known = remembered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_halves_of_parts() {
        for first in 0..=u8::MAX {
            let id = RecordId([first; 16]);
            assert_eq!(part_of(&id, 0), 0);
            for depth in 0..DEPTH_MAX {
                assert_eq!(part_of(&id, depth + 1) / 2, part_of(&id, depth));
            }
            assert_eq!(part_of(&id, DEPTH_MAX), first);
        }
    }

    #[test]
    fn an_older_version_replaces_nothing() {
        let of = |version| ([1; 16], Remembered { version, content: [version as u8; 16] });
        let mut part = Part::default();
        part.add([of(2), of(1)]);
        assert_eq!(part.0[&[1; 16]].version, 2);
        part.add([of(3)]);
        assert_eq!(part.0[&[1; 16]].content, [3; 16]);
        assert_ne!(Remembered::digest(true, b""), Remembered::digest(false, b""));
    }
}
