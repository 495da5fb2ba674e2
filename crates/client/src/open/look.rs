//! This file is where one access is made and all that it brings is laid open: every permitted version of every resource,
//! with where and when it was written, what is erased, and what wasn't given and why.

use super::{
    Ask, Beside, ClassSaid, Damaged, Distrust, Heads, NotShown, OpenError, Timings, Visit,
    said::{classes, withheld},
    unseal::{self, Unsealed},
    visit::{self, Asked},
};
use crate::{client::Client, contents::Written, names::Names, open::WhyNot, read::AsOf, record::Record};
use envelope::{Entry, RecordId};
use ledger::{Event, charts::Role, consent::Purpose};
use primitives::{ChartId, Millis, OrgId, PackRoot, Tag, TxId};
use std::collections::{BTreeMap, BTreeSet};

/// One version of a resource, read.
#[derive(Clone)]
pub struct Seen {
    /// The record: the same for all versions of one resource of one writer.
    pub id: RecordId,
    /// The category, opaque.
    pub tag: Tag,
    /// The category's name, if it is known.
    pub category: Option<String>,
    /// The writing organisation.
    pub writer: OrgId,
    /// The pack.
    pub pack: PackRoot,
    /// Its place in the pack.
    pub at: u32,
    /// Height of the block that committed it.
    pub height: u64,
    /// Time of that block.
    pub time: Millis,
    /// Whether the chart holds no newer version, be it one that the reader may not see or that is erased.
    pub newest: bool,
    /// The version itself; [`crate::Around::deleted`] marks a deletion. Its bytes are wiped when dropped.
    pub record: Record,
}

/// A version of a resource that would be permitted, but was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedRecord {
    /// The record.
    pub id: RecordId,
    /// The version.
    pub version: u32,
    /// The category, opaque.
    pub tag: Tag,
    /// The writing organisation.
    pub writer: OrgId,
    /// The pack.
    pub pack: PackRoot,
    /// Its place in the pack.
    pub at: u32,
    /// Height of the block that committed it.
    pub height: u64,
    /// Time of that block.
    pub time: Millis,
}

/// One access, and all that came of it.
#[derive(Clone)]
pub struct Look {
    /// The chart.
    pub chart: ChartId,
    /// The access.
    pub access: TxId,
    /// The block in which it was decided: the look shows the chart as of there.
    pub as_of: AsOf,
    /// The purpose recorded.
    pub purpose: Purpose,
    /// The organisation that made the chart, as its log tells.
    pub custodian: Option<OrgId>,
    /// Whether anything was permitted.
    pub permitted: bool,
    /// Whether it was asked for treatment and the chart is an empty stub of the reader's own organisation: its patient may be
    /// named to the reader, though there is nothing of hers that could be permitted.
    pub is_stub: bool,
    /// If the same was denied before in a row: how often by now.
    pub repeated: Option<u64>,
    /// Until when what is permitted is released; none if all was denied.
    pub expires: Option<Millis>,
    /// When a directive of the chart next begins or ends by itself: what is permitted may be another from then on. None if
    /// none does.
    pub turns: Option<Millis>,
    /// The classes asked for with their decisions and what decided, without the chart's own index and audit.
    pub classes: Vec<ClassSaid>,
    /// Every version that is permitted: bundle by bundle as they came in, each in the order of its bundle.
    pub records: Vec<Seen>,
    /// What is permitted and yet not given, and why.
    pub not_shown: Vec<NotShown>,
    /// Permitted versions that are erased, in the order of writing.
    pub erased: Vec<ErasedRecord>,
    /// Records that don't read.
    pub damaged: Vec<Damaged>,
    /// Trustees that lied.
    pub distrust: Vec<Distrust>,
    /// Lines of the chart's log up to and with the access: from there on it can be followed, see [`Client::follow`].
    pub lines: u64,
    /// The charts of other patients whom its records name, each asked for as well: what the look shows rests on them too.
    pub beside: Vec<Beside>,
    /// How long it took.
    pub timings: Timings,
}

impl Client {
    /// Makes one access to a chart, decided and recorded, and gives all versions of what it permits. That all is denied is
    /// an answer too.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn look(&self, ask: &Ask) -> Result<Look, OpenError> {
        let extent = self.extent(ask).await?;
        let mut visit = self.visit(&Asked::of(ask, extent), &[Role::Records, Role::Index]).await?;
        let began = self.now();
        let (unsealed, heads) = futures::join!(unseal::unseal(self, &visit, false), self.heads(&visit));
        visit.timings.decrypt = self.now().since(began);
        self.looked(visit, unsealed?, heads).await
    }

    pub(super) async fn looked(
        &self,
        visit: Visit,
        unsealed: Unsealed,
        heads: Heads,
    ) -> Result<Look, OpenError> {
        let Unsealed { found, erased, mut damaged, tag_key, other: _ } = unsealed;
        let names = match &tag_key {
            Some(key) => Names::of(key),
            None => self
                .chart_note(&visit.chart)
                .await
                .ok()
                .flatten()
                .map(|note| Names::of(&note.tag_key))
                .unwrap_or_default(),
        };
        let mut not_shown = withheld(&visit);
        let all = found.len();
        let (found, beside) = self.without_strangers(&visit, found).await?;
        let hidden = all.saturating_sub(found.len());
        if hidden > 0 {
            not_shown.push(NotShown { records: hidden, why: WhyNot::OtherPatient });
        }
        let newest = newest(&visit, &heads);
        let written: BTreeMap<PackRoot, &Written> =
            visit.contents.packs.iter().map(|pack| (pack.root, pack)).collect();
        let records = found.into_iter().filter_map(|found| {
            let kept = visit.contents.compartments.get(&found.compartment)?;
            let pack = written.get(&found.pack)?;
            Some(Seen {
                id: found.id,
                tag: kept.tag,
                category: names.get(&kept.tag).map(str::to_owned),
                writer: kept.writer.clone(),
                pack: found.pack,
                at: found.at,
                height: pack.height,
                time: pack.time,
                newest: newest.contains(&(found.pack, found.at)),
                record: found.record,
            })
        });
        let records = records.collect();
        for (pack, reason) in &heads.lost {
            let reason =
                format!("its table of contents can't be had, so newer versions may be missed: {reason}");
            damaged.push(Damaged { pack: *pack, at: None, reason });
        }
        Ok(Look {
            chart: visit.chart,
            access: visit.done.tx,
            as_of: AsOf { height: visit.done.height, time: visit.done.time },
            purpose: visit.decided.purpose,
            custodian: visit.lines.iter().find_map(|line| match &line.event {
                Some(Event::Created(created)) => Some(created.custodian.clone()),
                Some(_) | None => None,
            }),
            permitted: visit.decided.permitted(),
            is_stub: visit.is_stub_of(&self.org),
            repeated: visit.repeated,
            expires: visit.decided.expires,
            turns: visit.turns(),
            classes: classes(&visit.decided, &names, |tag| visit.contents.is_service(tag)),
            records,
            not_shown,
            erased: erased_records(&visit, &heads, erased),
            damaged,
            distrust: visit.keys.distrust.clone(),
            lines: visit.lines.len() as u64,
            beside,
            timings: visit.timings,
        })
    }
}

/// The entries of records in all packs whose table of contents is at hand, in the order of writing.
fn entries<'a>(
    visit: &'a Visit,
    heads: &'a Heads,
) -> impl Iterator<Item = (&'a Written, u32, &'a Entry, Tag)> {
    visit.contents.packs.iter().flat_map(move |pack| {
        let manifest = heads.get(visit, &pack.root);
        let all = manifest.into_iter().flat_map(move |manifest| {
            (0_u32..).zip(manifest.entries()).filter_map(move |(at, entry)| {
                let id = manifest.compartment_ids().get(usize::from(entry.compartment))?;
                let kept = visit.contents.compartments.get(id).filter(|kept| kept.role == Role::Records)?;
                Some((at, entry, kept.tag))
            })
        });
        all.map(move |(at, entry, tag)| (pack, at, entry, tag))
    })
}

/// The newest version of a record, and where it lies.
#[derive(Clone, Copy)]
struct Newest {
    version: u32,
    place: (PackRoot, u32),
}

/// The places of the newest versions. A record is its writer's alone: what another writes under its id counts for nothing.
fn newest(visit: &Visit, heads: &Heads) -> BTreeSet<(PackRoot, u32)> {
    let mut newest: BTreeMap<(&OrgId, RecordId), Newest> = BTreeMap::new();
    for (pack, at, entry, _) in entries(visit, heads) {
        let this = Newest { version: entry.version, place: (pack.root, at) };
        let known = newest.entry((&pack.writer, entry.record)).or_insert(this);
        // Of two that claim to be the same version the one written later counts.
        if this.version >= known.version {
            *known = this;
        }
    }
    newest.into_values().map(|newest| newest.place).collect()
}

/// What of the permitted is erased: found so when it was read, or lying in compartments that are gone.
fn erased_records(visit: &Visit, heads: &Heads, found: BTreeSet<(PackRoot, u32)>) -> Vec<ErasedRecord> {
    let gone = visit::erased(&visit.contents, &visit.decided);
    let all = entries(visit, heads).filter(|(pack, at, entry, _)| {
        let compartment = heads
            .get(visit, &pack.root)
            .and_then(|manifest| manifest.compartment_ids().get(usize::from(entry.compartment)));
        found.contains(&(pack.root, *at)) || compartment.is_some_and(|id| gone.contains(id))
    });
    let erased = all.map(|(pack, at, entry, tag)| ErasedRecord {
        id: entry.record,
        version: entry.version,
        tag,
        writer: pack.writer.clone(),
        pack: pack.root,
        at,
        height: pack.height,
        time: pack.time,
    });
    erased.collect()
}
