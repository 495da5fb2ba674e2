//! This file is where an access is made: asked for, decided and recorded on the ledger; then what it permits is fetched
//! and its keys are gathered.

use super::{Ask, Emergency, OpenError, Timings, fetched::Fetched, release::Keys};
use crate::{
    actor::Actor,
    client::Client,
    contents::{Contents, Kept},
    host,
    read::Line,
    record::RequestName,
    wire::{Fetch, FetchPack, Final, PackParts},
};
use envelope::{Manifest, SessionKey};
use futures::{StreamExt as _, stream};
use ledger::{
    Act, Event,
    access::{self, BreakGlass, Decided, Extent, Repeated, Request},
    charts::{CHART_UNKNOWN, Role},
    consent::Purpose,
};
use primitives::{ChartId, CompartmentId, Hash, Millis, OrgId, PackRoot, Span, Tag, TxId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Packs fetched at once.
const FETCHES: usize = 4;

/// How often the log is read again until it tells the decision: the node that was asked has executed it already.
const TELL_TRIES: u32 = 3;

/// Most waiting between two of them.
const TELL_AGAIN: Span = Span(100);

/// What is asked of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) chart: ChartId,
    pub(crate) purpose: Purpose,
    pub(crate) extent: Extent,
    pub(crate) emergency: Option<Emergency>,
    pub(crate) reason: Option<String>,
    pub(crate) request: Option<RequestName>,
}

/// One access, and all that it brought.
pub(crate) struct Visit {
    pub(crate) chart: ChartId,
    pub(crate) done: Final,
    /// The decision; of an access that was denied again, the first one's.
    pub(crate) decided: Decided,
    /// How often the same was denied before, if it was.
    pub(crate) repeated: Option<u64>,
    /// The chart's log up to and with the decision.
    pub(crate) lines: Vec<Line>,
    pub(crate) contents: Contents,
    pub(crate) fetched: Fetched,
    pub(crate) keys: Keys,
    pub(crate) timings: Timings,
}

impl Visit {
    /// Whether this is a look for treatment at a stub of this organisation: a chart made by it so that a patient could be named,
    /// claimed by nobody, and empty. There is nothing of hers to be permitted, so that every access to it is denied; for other
    /// purposes nobody looks at an unclaimed chart, be it empty or not.
    pub(crate) fn is_stub_of(&self, org: &OrgId) -> bool {
        let is_made = |event: &Event| matches!(event, Event::Created(created) if created.custodian == *org);
        let made = self.lines.iter().filter_map(|line| line.event.as_ref()).any(is_made);
        let claimed = self.lines.iter().any(|line| matches!(line.event, Some(Event::Claimed(_)) | None));
        let treats = Purpose::Treatment.covers(self.decided.purpose);
        treats && made && !claimed && self.contents.packs.is_empty()
    }

    /// The next time after the decision at which a directive of the chart that isn't taken back begins or ends.
    pub(crate) fn turns(&self) -> Option<Millis> {
        let mut standing: BTreeMap<TxId, [Millis; 2]> = BTreeMap::new();
        for line in &self.lines {
            match &line.event {
                Some(Event::Granted(granted)) => {
                    let directive = &granted.directive;
                    standing.insert(directive.id, [directive.from, directive.until]);
                }
                Some(Event::Denied(denied)) => {
                    let directive = &denied.directive;
                    standing.insert(directive.id, [directive.from, directive.until]);
                }
                Some(Event::Revoked(revoked)) => {
                    standing.retain(|id, _| !revoked.directives.iter().any(|revoked| revoked == id));
                }
                Some(_) | None => {}
            }
        }
        let now = self.done.time;
        standing.into_values().flatten().filter(|time| *time > now && *time < Millis::MAX).min()
    }
}

impl Asked {
    pub(crate) fn of(ask: &Ask, extent: Extent) -> Self {
        let Ask { chart, purpose, categories: _, authored: _, emergency, reason, request } = ask.clone();
        Self { chart, purpose, extent, emergency, reason, request }
    }

    fn act(&self, session_key: Hash, record: Hash) -> Act {
        let Self { chart, purpose, extent, emergency, reason: _, request: _ } = self.clone();
        match emergency {
            None => Request { chart, purpose, extent, session_key, record }.into(),
            Some(Emergency { reason, step_up }) => {
                BreakGlass { chart, extent, reason, step_up, session_key, record }.into()
            }
        }
    }
}

impl Client {
    /// Makes an access and gathers what it permits; of the roles, which compartments are wanted.
    pub(crate) async fn visit(&self, asked: &Asked, roles: &[Role]) -> Result<Visit, OpenError> {
        let is_practitioner = matches!(self.actor, Actor::Practitioner(_));
        if asked.emergency.is_some() && (!is_practitioner || asked.reason.is_none()) {
            return Err(OpenError::NoReason);
        }
        let began = self.now();
        let chart = asked.chart;
        let mut lines = self.log(chart, 0).await?;
        if lines.is_empty() {
            return Err(OpenError::Unknown(chart));
        }
        let purpose = if asked.emergency.is_some() { Purpose::BreakGlass } else { asked.purpose };
        let mut words = self.words(purpose.code(), asked.reason.as_deref());
        words.request = asked.request.clone();
        let record = self.seal_words(chart, &Contents::of(&lines), &words).await?;
        let session = Arc::new(SessionKey::generate(&mut host::rng(&*self.host)));
        let hash = record.as_ref().map_or_else(Hash::default, crate::wire::AuditRecord::hash);
        let act = asked.act(session.hash(), hash);
        let store = async {
            match &record {
                Some(record) => self.store_words(record).await,
                None => Ok(()),
            }
        };
        let (stored, done) = futures::join!(store, self.act(act));
        let done = done.map_err(|error| match error.reject() {
            Some(CHART_UNKNOWN) => OpenError::Unknown(chart),
            _ => error.into(),
        })?;
        stored?;
        let (decided, repeated) = self.decision(&mut lines, &done).await?;
        let contents = Contents::of(&lines);
        let consensus = self.now().since(began);

        let wanted = wanted(&contents, &decided, roles);
        let began = self.now();
        let fetch = async {
            let fetched = self.fetch(&contents, &wanted).await;
            (fetched, self.now().since(began))
        };
        let note = self.note_request(done.tx, asked.request.as_ref());
        let trustees = self.ask_trustees(done.tx, &session, &wanted);
        let ((fetched, fetch), first, noted) = futures::join!(fetch, trustees, note);
        noted?;
        let keys = self.gather(&session, &fetched, first?).await?;
        let release = self.now().since(began);
        let timings = Timings { consensus, fetch, release, decrypt: Span::default() };
        Ok(Visit { chart, done, decided, repeated, lines, contents, fetched, keys, timings })
    }

    /// Reads on in the log until it tells what was decided, and cuts it there.
    pub(super) async fn decision(
        &self,
        lines: &mut Vec<Line>,
        done: &Final,
    ) -> Result<(Decided, Option<u64>), OpenError> {
        let Some(chart) = lines.first().map(|line| line.logged.chart) else {
            return Err(OpenError::NotTold(done.tx));
        };
        for _ in 0..TELL_TRIES {
            let more = self.log(chart, lines.len() as u64).await?;
            lines.extend(more);
            let told = lines.iter().position(|line| line.logged.tx == done.tx);
            if let Some(at) = told {
                let first = match &lines[at].event {
                    Some(Event::Decided(decided)) => {
                        let decided = decided.clone();
                        lines.truncate(at + 1);
                        return Ok((decided, None));
                    }
                    Some(Event::Repeated(Repeated { first, count, .. })) => (*first, Some(*count)),
                    Some(_) | None => return Err(OpenError::NotTold(done.tx)),
                };
                lines.truncate(at + 1);
                return earlier(lines, first.0)
                    .map(|decided| (decided, first.1))
                    .ok_or(OpenError::NotTold(done.tx));
            }
            // Denied once more: it is only counted, and what was decided stands with the first.
            if let Some(first) = self.first_denial(chart, done).await?
                && let Some(decided) = earlier(lines, first.0)
            {
                return Ok((decided, Some(first.1)));
            }
            self.host.sleep(TELL_AGAIN).await;
        }
        Err(OpenError::NotTold(done.tx))
    }

    /// The first of a row of equal denials to which this access was counted, and how many they are.
    async fn first_denial(
        &self,
        chart: ChartId,
        done: &Final,
    ) -> Result<Option<(primitives::TxId, u64)>, OpenError> {
        let (permitted, _) =
            self.view_from(done.height, |state| access::access_in(state, &done.tx, &chart).is_some()).await?;
        if permitted {
            return Ok(None);
        }
        let rows = self.scan(&access::DENIALS.key(&Hash::default())[..1]).await?;
        let principal = self.principal().await?;
        let denials = rows.iter().filter_map(|(_, row)| primitives::decode::<access::Denials>(row).ok());
        let mine = denials.filter(|row| {
            row.chart == chart && row.reader.principal == principal && row.reader.org == self.org
        });
        Ok(mine.max_by_key(|row| row.window).map(|row| (row.first, row.count)))
    }

    /// Fetches the packs that wrote into what is wanted. One that can't be had or doesn't verify is told, and keeps nobody
    /// from the others.
    pub(super) async fn fetch(&self, contents: &Contents, wanted: &[CompartmentId]) -> Fetched {
        let wanted: BTreeSet<&CompartmentId> = wanted.iter().collect();
        let meant =
            contents.packs.iter().filter(|pack| pack.compartments.iter().any(|id| wanted.contains(id)));
        let roots: Vec<PackRoot> = meant.map(|pack| pack.root).collect();
        let mut fetched = Fetched::default();
        let mut packs = stream::iter(roots)
            .map(|root| async move { (root, self.fetch_pack(root).await) })
            .buffer_unordered(FETCHES);
        while let Some((root, pack)) = packs.next().await {
            match pack {
                Ok((_, pack)) => drop(fetched.packs.insert(root, pack)),
                Err(error) => drop(fetched.lost.insert(root, error.to_string())),
            }
        }
        fetched
    }

    pub(crate) async fn fetch_pack(
        &self,
        root: PackRoot,
    ) -> Result<(PackRoot, (Arc<Manifest>, Arc<PackParts>)), OpenError> {
        let parts = self.node.call::<FetchPack>(&Fetch { pack: root, local: false, head: false }).await?;
        let pack = envelope::Pack::read(root, &parts.ciphertexts, &parts.randoms)
            .map_err(|source| OpenError::Pack { pack: root, source })?;
        let manifest = pack.manifest().clone();
        for (id, sealed) in manifest.compartment_ids().iter().zip(manifest.compartments()) {
            self.compartments.put(*id, sealed.compartment.clone());
        }
        Ok((root, (Arc::new(manifest), Arc::new(parts))))
    }
}

/// The decision that stands in the log under this access.
fn earlier(lines: &[Line], access: primitives::TxId) -> Option<Decided> {
    lines.iter().find(|line| line.logged.tx == access).and_then(|line| match &line.event {
        Some(Event::Decided(decided)) => Some(decided.clone()),
        Some(_) | None => None,
    })
}

/// Compartments of records that the decision permits, but that are erased.
pub(super) fn erased(contents: &Contents, decided: &Decided) -> BTreeSet<CompartmentId> {
    let permits = |kept: &Kept| {
        decided
            .classes
            .iter()
            .any(|class| class.decision.permit && class.tag == kept.tag && class.writer == kept.writer)
    };
    let all = contents.compartments.iter();
    let erased = all.filter(|(_, kept)| kept.role == Role::Records && kept.erased && permits(kept));
    erased.map(|(id, _)| *id).collect()
}

/// The compartments that the decision permits: of its classes, opened before it, not erased; and with anything the
/// index, for the owner the audit records too.
pub(super) fn wanted(contents: &Contents, decided: &Decided, roles: &[Role]) -> Vec<CompartmentId> {
    if !decided.permitted() {
        return Vec::new();
    }
    let permitted: BTreeSet<(Tag, &OrgId)> = decided
        .classes
        .iter()
        .filter(|class| class.decision.permit)
        .map(|class| (class.tag, &class.writer))
        .collect();
    let newest_index = contents.newest(Role::Index).map(|(id, _)| *id);
    let is_wanted = |id: &CompartmentId, kept: &Kept| match kept.role {
        Role::Records => permitted.contains(&(kept.tag, &kept.writer)),
        Role::Index => Some(*id) == newest_index,
        Role::Audit => decided.reader.owner,
    };
    let all = contents.compartments.iter();
    let wanted = all.filter(|(id, kept)| roles.contains(&kept.role) && !kept.erased && is_wanted(id, kept));
    wanted.map(|(id, _)| *id).collect()
}
