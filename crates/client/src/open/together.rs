//! This file is where one access opens several charts at once, and each is laid open as if it had been opened alone.

use super::{
    Look, OpenError, Timings,
    fetched::Fetched,
    release::Keys,
    unseal::unseal,
    visit::{Visit, wanted},
};
use crate::{
    client::Client,
    contents::Contents,
    host,
    read::Line,
    record::RequestName,
    wire::{AuditRecord, Final},
};
use envelope::SessionKey;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{
    access::{Asked, Decided, Extent, RequestTogether},
    charts::Role,
    consent::Purpose,
};
use primitives::{ChartId, CompartmentId, Hash, List, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Charts that are worked on at the same time.
const AT_ONCE: usize = 8;

/// A chart before it is asked for: its log, and the audit record.
struct Before {
    chart: ChartId,
    lines: Vec<Line>,
    record: Option<AuditRecord>,
}

/// A chart once it is decided.
struct After {
    chart: ChartId,
    lines: Vec<Line>,
    contents: Contents,
    decided: Decided,
    repeated: Option<u64>,
    wanted: Vec<CompartmentId>,
    fetched: Fetched,
}

impl Client {
    /// Makes one access to several charts, decided and recorded in each, and gives of each all versions of what is permitted
    /// there, in the order asked for. That all is denied in one is an answer too, and keeps nobody from the others.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Unknown`] if one of the charts isn't there. More charts than
    /// [`ledger::access::CHARTS_TOGETHER_MAX`] are [`crate::SubmitError::TooLong`].
    pub async fn look_together(
        &self,
        charts: &[ChartId],
        purpose: Purpose,
        request: Option<&RequestName>,
    ) -> Result<Vec<Look>, OpenError> {
        let began = self.now();
        let before: Vec<Before> = stream::iter(charts.to_vec())
            .map(|chart| self.before(chart, purpose, request.cloned()))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let session = Arc::new(SessionKey::generate(&mut host::rng(&*self.host)));
        let asked = before.iter().map(|before| Asked {
            chart: before.chart,
            record: before.record.as_ref().map_or_else(Hash::default, AuditRecord::hash),
        });
        let asked: Vec<Asked> = asked.collect();
        let too_many = |_| crate::SubmitError::TooLong(ledger::TX_BYTES_MAX);
        let act = RequestTogether {
            charts: List::try_from(asked).map_err(too_many)?,
            purpose,
            extent: Extent::All,
            session_key: session.hash(),
        };
        let (lines, records): (Vec<_>, Vec<Option<AuditRecord>>) =
            before.into_iter().map(|before| ((before.chart, before.lines), before.record)).unzip();
        let store = async {
            let records = stream::iter(records.into_iter().flatten());
            let stored = records.map(|record| async move { self.store_words(&record).await });
            stored.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await
        };
        let (stored, done) = futures::join!(store, self.act(act));
        let done = done?;
        stored?;
        self.note_request(done.tx, request).await?;
        let after: Vec<After> = stream::iter(lines)
            .map(|(chart, lines)| self.after(chart, lines, done))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let consensus = self.now().since(began);

        let began = self.now();
        let keys = self.keys_together(&after, &done, &session).await?;
        let release = self.now().since(began);
        let timings = Timings { consensus, fetch: Span::default(), release, decrypt: Span::default() };
        let visits = after.into_iter().map(|after| {
            let keys = keys_of(&keys, &after.wanted);
            let After { chart, lines, contents, decided, repeated, wanted: _, fetched } = after;
            Visit { chart, done, decided, repeated, lines, contents, fetched, keys, timings }
        });
        let visits: Vec<Visit> = visits.collect();
        stream::iter(visits).map(|visit| self.laid_open(visit)).buffered(AT_ONCE).try_collect().await
    }

    async fn before(
        &self,
        chart: ChartId,
        purpose: Purpose,
        request: Option<RequestName>,
    ) -> Result<Before, OpenError> {
        let lines = self.log(chart, 0).await?;
        if lines.is_empty() {
            return Err(OpenError::Unknown(chart));
        }
        let mut words = self.words(purpose.code(), None);
        words.request = request;
        let record = self.seal_words(chart, &Contents::of(&lines), &words).await?;
        Ok(Before { chart, lines, record })
    }

    async fn after(&self, chart: ChartId, mut lines: Vec<Line>, done: Final) -> Result<After, OpenError> {
        let (decided, repeated) = self.decision(&mut lines, &done).await?;
        let contents = Contents::of(&lines);
        let wanted = wanted(&contents, &decided, &[Role::Records, Role::Index]);
        let fetched = self.fetch(&contents, &wanted).await;
        Ok(After { chart, lines, contents, decided, repeated, wanted, fetched })
    }

    /// The keys of all that is wanted, asked for at once.
    async fn keys_together(
        &self,
        after: &[After],
        done: &Final,
        session: &Arc<SessionKey>,
    ) -> Result<Keys, OpenError> {
        let wanted: Vec<CompartmentId> =
            after.iter().flat_map(|after| after.wanted.iter().copied()).collect();
        if wanted.is_empty() {
            return Ok(Keys::default());
        }
        let mut fetched = Fetched::default();
        for after in after {
            fetched.packs.extend(after.fetched.packs.iter().map(|(root, pack)| (*root, pack.clone())));
        }
        let first = self.ask_trustees(done.tx, session, &wanted).await?;
        self.gather(session, &fetched, first).await
    }

    async fn laid_open(&self, mut visit: Visit) -> Result<Look, OpenError> {
        let began = self.now();
        let (unsealed, heads) = futures::join!(unseal(self, &visit, false), self.heads(&visit));
        visit.timings.decrypt = self.now().since(began);
        self.looked(visit, unsealed?, heads).await
    }
}

/// What of the keys concerns these compartments.
fn keys_of(keys: &Keys, wanted: &[CompartmentId]) -> Keys {
    let wanted: BTreeSet<&CompartmentId> = wanted.iter().collect();
    let of_chart = |id: &CompartmentId| wanted.contains(id);
    Keys {
        keys: Arc::clone(&keys.keys),
        withheld: pick(&keys.withheld, of_chart),
        broken: pick(&keys.broken, of_chart),
        distrust: keys.distrust.clone(),
    }
}

fn pick<T: Clone>(
    all: &BTreeMap<CompartmentId, T>,
    is_meant: impl Fn(&CompartmentId) -> bool,
) -> BTreeMap<CompartmentId, T> {
    all.iter().filter(|(id, _)| is_meant(id)).map(|(id, value)| (*id, value.clone())).collect()
}
