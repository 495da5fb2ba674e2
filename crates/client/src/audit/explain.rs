//! This file is where one access is explained: where it stands, what was decided and by what, in plain words.

use super::{Access, Consent, accesses::accesses, consents::consents};
use crate::{
    client::Client,
    names::Names,
    proof::{ProofError, ProvenLog},
    read::AsOf,
    rpc::CallError,
    wire::FindTx,
};
use ledger::{
    Event,
    access::{self, Denials, Repeated},
    consent::{By, PARTIES},
};
use primitives::{ChartId, Hash, TxId, decode};

/// Most charts that are searched for a denied access.
const CHARTS_MAX: usize = 20_000;

/// An access, explained.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The chart.
    pub chart: ChartId,
    /// The block as of which this is proven.
    pub as_of: AsOf,
    /// The access. Of one that was only counted among equal denials, the first of them.
    pub access: Access,
    /// Line by line, in plain words.
    pub text: Vec<String>,
    /// The directives that decided.
    pub directives: Vec<Consent>,
    /// Names of the policies that decided.
    pub policies: Vec<String>,
}

/// Why an access isn't explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// No chart's log tells of it.
    #[error("no chart's log tells of an access {0}")]
    Unknown(TxId),
    /// The log isn't proven.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Client {
    /// Explains an access: proven, in plain words.
    ///
    /// # Errors
    /// [`ExplainError`].
    pub async fn explain(&self, id: TxId) -> Result<Explanation, ExplainError> {
        let (chart, id) = self.chart_of(id).await?.ok_or(ExplainError::Unknown(id))?;
        self.explained(chart, id).await
    }

    /// Explains an access in one of its charts: one access may open several.
    ///
    /// # Errors
    /// [`ExplainError`].
    pub async fn explain_in(&self, chart: ChartId, id: TxId) -> Result<Explanation, ExplainError> {
        let id = self.find_in(chart, id).await?.ok_or(ExplainError::Unknown(id))?;
        self.explained(chart, id).await
    }

    async fn explained(&self, chart: ChartId, id: TxId) -> Result<Explanation, ExplainError> {
        let log = self.prove_log(chart).await?;
        let names = self
            .chart_note(&chart)
            .await
            .ok()
            .flatten()
            .map(|note| Names::of(&note.tag_key))
            .unwrap_or_default();
        explain(chart, &log, id, &names).ok_or(ExplainError::Unknown(id))
    }

    /// The chart of an access, and the access under which its decision stands in the log.
    async fn chart_of(&self, id: TxId) -> Result<Option<(ChartId, TxId)>, CallError> {
        let (known, _) = self.view(|state| access::access(state, &id).map(|access| access.chart)).await?;
        if let Some(chart) = known {
            return Ok(Some((chart, id)));
        }
        // Denied: only the log tells. The likeliest charts first.
        if let Some(chart) = self.seat().and_then(|seat| seat.profile.chart)
            && let Some(found) = self.find_in(chart, id).await?
        {
            return Ok(Some((chart, found)));
        }
        let denials = self.scan(&access::DENIALS.key(&Hash::default())[..1]).await?;
        for (_, row) in &denials {
            if let Ok(Denials { chart, first, .. }) = decode(row)
                && first == id
            {
                return Ok(Some((chart, id)));
            }
        }
        let Some(done) = self.node.call::<FindTx>(&id).await? else { return Ok(None) };
        let charts = self.scan(&PARTIES.key(&ChartId::default())[..1]).await?;
        for (key, _) in charts.iter().take(CHARTS_MAX) {
            let Some(chart) = key.get(1..).and_then(|key| decode(key).ok()) else { continue };
            if let Some(found) = self.find_in(chart, id).await? {
                return Ok(Some((chart, found)));
            }
        }
        // It was applied, and yet no line tells of it alone: an equal denial was only counted.
        let me = self.principal().await?;
        for (_, row) in &denials {
            if let Ok(Denials { chart, first, reader, .. }) = decode(row)
                && reader.principal == me
                && self.find_in(chart, first).await?.is_some()
                && done.height > 0
            {
                return Ok(Some((chart, first)));
            }
        }
        Ok(None)
    }

    async fn find_in(&self, chart: ChartId, id: TxId) -> Result<Option<TxId>, CallError> {
        let lines = self.log(chart, 0).await?;
        Ok(lines.iter().filter(|line| line.logged.tx == id).find_map(|line| match &line.event {
            Some(Event::Decided(_)) => Some(id),
            Some(Event::Repeated(Repeated { first, .. })) => Some(*first),
            Some(_) | None => None,
        }))
    }
}

fn explain(chart: ChartId, log: &ProvenLog, id: TxId, names: &Names) -> Option<Explanation> {
    let line = log
        .lines
        .iter()
        .find(|line| line.logged.tx == id && matches!(line.event, Some(Event::Decided(_))))?;
    let Some(Event::Decided(decided)) = &line.event else { return None };
    let access = accesses(&log.lines, names).into_iter().find(|access| access.id == id)?;
    let named = |by: &By| match by {
        By::Policies(policies) => policies.iter().map(ToString::to_string).collect(),
        By::Directive(_) | By::Default => Vec::new(),
    };
    let policies: Vec<String> = access.by.iter().flat_map(named).collect();
    let directives = consents(&log.lines, log.as_of, names)
        .into_iter()
        .filter(|consent| access.by.contains(&By::Directive(consent.directive.id)))
        .collect();
    Some(Explanation {
        chart,
        as_of: log.as_of,
        text: access::explain(decided),
        access,
        directives,
        policies,
    })
}
