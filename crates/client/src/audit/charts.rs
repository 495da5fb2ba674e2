//! This file is where charts are listed and shown: whose they are, what they hold by classes and packs, how safely it is
//! kept, what is being erased. None of it is an access: no content is read.

use super::AuditError;
use crate::{
    actor::Actor,
    client::Client,
    contents::Contents,
    names::Names,
    proof::check_log,
    read::{AsOf, Line},
    rpc::CallError,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{
    Event,
    charts::{self, CHARTS, Class, Erasure, Pack, Role, Target},
    consent::{self, PARTIES, Parties},
    execute::LOGS,
    governance,
};
use primitives::{ChartId, Millis, OrgId, PackRoot, PrincipalId, State, Tag, TxId, decode};
use std::collections::BTreeSet;

/// Notes read at once.
const NOTES: usize = 8;

/// A chart in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartListed {
    /// The chart.
    pub chart: ChartId,
    /// The patient's name, from the organisation's own notes.
    pub name: Option<String>,
    /// Whether it is an organisation's directory.
    pub directory: bool,
    /// The organisation that made it.
    pub custodian: OrgId,
    /// Who claimed it.
    pub owner: Option<PrincipalId>,
}

/// A class of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartClass {
    /// The category, opaque.
    pub tag: Tag,
    /// Its name, if the organisation can tell.
    pub category: Option<String>,
    /// The writing organisation.
    pub writer: OrgId,
    /// Whether it is more sensitive than general.
    pub special: bool,
    /// Compartments opened for it, without erased ones.
    pub compartments: usize,
    /// Height of the newest permitted access.
    pub read: Option<u64>,
}

/// A pack of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartPack {
    /// The pack.
    pub pack: PackRoot,
    /// Who wrote it.
    pub writer: OrgId,
    /// Records in it, the index record among them.
    pub records: u32,
    /// Records erased by name.
    pub erased: usize,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Height of its commit.
    pub height: u64,
    /// Trustees that have acknowledged their shares; 0 if it opened no compartment.
    pub acknowledged: u32,
    /// Organisations besides the writer that store it.
    pub stored: u32,
    /// Whether as many members as may fail could fail at once and all would still be there.
    pub safe: bool,
}

/// An erasure of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureShown {
    /// The transaction that ordered it.
    pub erasure: TxId,
    /// What is erased.
    pub target: Target,
    /// Height at which it was ordered.
    pub ordered: u64,
    /// Members that have confirmed.
    pub receipted: u32,
    /// Members in all.
    pub members: u32,
    /// Whether enough have confirmed that nobody can open it any more.
    pub effective: bool,
    /// Whether all have.
    pub complete: bool,
}

/// A chart, as anybody in the network may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartShown {
    /// The chart, its custodian and owner.
    pub listed: ChartListed,
    /// The block as of which this holds.
    pub as_of: AsOf,
    /// When it was made.
    pub created: Millis,
    /// Its classes, without index and audit.
    pub classes: Vec<ChartClass>,
    /// Its packs.
    pub packs: Vec<ChartPack>,
    /// Its erasures.
    pub erasures: Vec<ErasureShown>,
    /// Lines of its log.
    pub lines: u64,
}

/// Members, members that may fail, shares that open.
#[derive(Clone, Copy)]
struct Quorum {
    n: u32,
    f: u32,
    t: u32,
}

struct Rows {
    chart: charts::Chart,
    parties: Parties,
    classes: Vec<(charts::ClassId, Option<Class>)>,
    packs: Vec<Option<Pack>>,
    erasures: Vec<Option<Erasure>>,
    quorum: Quorum,
}

impl Client {
    /// The charts that the organisation made, or that the patient owns; of practitioners and staff with names.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn charts(&self) -> Result<Vec<ChartListed>, CallError> {
        let all = self.scan(&PARTIES.key(&ChartId::default())[..1]).await?;
        let me = self.principal().await?;
        let is_mine = |parties: &Parties| match self.actor {
            Actor::Person(_) => parties.owner.is_some() && parties.owner == me,
            Actor::Practitioner(_) | Actor::Staff => parties.custodian == self.org,
        };
        let mine = all.iter().filter_map(|(key, row)| {
            let chart: ChartId = decode(key.get(1..)?).ok()?;
            let parties: Parties = decode(row).ok()?;
            is_mine(&parties).then_some((chart, parties))
        });
        stream::iter(mine.collect::<Vec<_>>())
            .map(|(chart, parties)| self.listed(chart, parties))
            .buffered(NOTES)
            .try_collect()
            .await
    }

    async fn listed(&self, chart: ChartId, parties: Parties) -> Result<ChartListed, CallError> {
        let note = match self.actor {
            Actor::Person(_) => None,
            Actor::Practitioner(_) | Actor::Staff => self.chart_note(&chart).await?,
        };
        let Parties { custodian, owner, directory } = parties;
        Ok(ChartListed { chart, name: note.and_then(|note| note.name), directory, custodian, owner })
    }

    /// What a chart holds, proven.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn chart(&self, chart: ChartId) -> Result<ChartShown, AuditError> {
        let mut lines = self.log(chart, 0).await?;
        let (rows, contents, as_of) = loop {
            let contents = Contents::of(&lines);
            let ask = |state: &dyn State| {
                (LOGS.get(state, &chart).unwrap_or_default(), rows(state, &chart, &contents))
            };
            let newest = lines.last().map_or(0, |line| line.logged.height);
            let ((head, rows), as_of) = self.prove(newest, ask).await?;
            // Something happened meanwhile: it may have brought packs whose rows weren't asked for.
            if head.count > lines.len() as u64 {
                lines = self.log(chart, 0).await?;
                continue;
            }
            check_log(chart, head, lines.iter().map(|line| &line.logged))?;
            break (rows.ok_or(AuditError::Unknown(chart))?, contents, as_of);
        };
        let names = match self.actor {
            Actor::Person(_) => Names::default(),
            Actor::Practitioner(_) | Actor::Staff => {
                self.chart_note(&chart).await?.map(|note| Names::of(&note.tag_key)).unwrap_or_default()
            }
        };
        let listed = self.listed(chart, rows.parties.clone()).await?;
        Ok(shown(listed, as_of, &lines, &contents, &rows, &names))
    }

    /// Whether `chart` exists, from the newest state.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn chart_exists(&self, chart: ChartId) -> Result<bool, CallError> {
        Ok(self.view(|state| CHARTS.has(state, &chart)).await?.0)
    }

    /// The charts whose id begins with these hex digits, among those that [`Client::charts`] lists.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn charts_beginning(&self, digits: &str) -> Result<Vec<ChartListed>, CallError> {
        let charts = self.charts().await?;
        Ok(charts.into_iter().filter(|listed| listed.chart.to_string().starts_with(digits)).collect())
    }
}

fn rows(state: &dyn State, chart: &ChartId, contents: &Contents) -> Option<Rows> {
    let quorum = governance::quorum(state);
    let classes = charts::classes(state, chart).into_iter().map(|id| {
        let class = charts::class(state, &id);
        (id, class)
    });
    Some(Rows {
        chart: charts::chart(state, chart)?,
        parties: consent::parties(state, chart)?,
        classes: classes.collect(),
        packs: contents.packs.iter().map(|pack| charts::pack(state, &pack.root)).collect(),
        erasures: contents.erasures.iter().map(|(id, _)| charts::ERASURES.get(state, id)).collect(),
        quorum: Quorum { n: quorum.n, f: quorum.f, t: quorum.t },
    })
}

fn shown(
    listed: ChartListed,
    as_of: AsOf,
    lines: &[Line],
    contents: &Contents,
    rows: &Rows,
    names: &Names,
) -> ChartShown {
    let created = lines.iter().find(|line| matches!(line.event, Some(Event::Created(_))));
    let quorum = rows.quorum;
    let opening: BTreeSet<PackRoot> = contents.compartments.values().map(|kept| kept.pack).collect();
    let classes = rows.classes.iter().filter(|(id, _)| !contents.is_service(&id.tag)).map(|(id, class)| {
        let of_class = contents.compartments.values().filter(|kept| {
            kept.role == Role::Records && kept.tag == id.tag && kept.writer == id.writer && !kept.erased
        });
        ChartClass {
            tag: id.tag,
            category: names.get(&id.tag).map(str::to_owned),
            writer: id.writer.clone(),
            special: class.as_ref().is_some_and(|class| class.special),
            compartments: of_class.count(),
            read: class.as_ref().and_then(|class| class.read).map(|read| read.height),
        }
    });
    let packs = contents.packs.iter().zip(&rows.packs).filter_map(|(written, row)| {
        let row = row.as_ref()?;
        let acknowledged = row.acknowledged.count();
        let deals = opening.contains(&written.root);
        let keys_safe = !deals || acknowledged >= quorum.t.saturating_add(quorum.f);
        Some(ChartPack {
            pack: written.root,
            writer: written.writer.clone(),
            records: row.records,
            erased: row.erased.len(),
            bytes: row.bytes,
            height: written.height,
            acknowledged,
            stored: row.stored.count(),
            safe: keys_safe
                && row.stored.count() >= quorum.f.saturating_add(1).min(quorum.n.saturating_sub(1)),
        })
    });
    let erasures = contents.erasures.iter().zip(&rows.erasures).filter_map(|((erasure, target), row)| {
        let row = row.as_ref()?;
        Some(ErasureShown {
            erasure: *erasure,
            target: target.clone(),
            ordered: row.ordered.height,
            receipted: row.receipted.count(),
            members: quorum.n,
            effective: row.effective,
            complete: row.complete,
        })
    });
    ChartShown {
        as_of,
        created: created.map(|line| line.logged.time).unwrap_or_default(),
        classes: classes.collect(),
        packs: packs.collect(),
        erasures: erasures.collect(),
        lines: lines.len() as u64,
        listed: ChartListed { directory: rows.chart.directory, ..listed },
    }
}
