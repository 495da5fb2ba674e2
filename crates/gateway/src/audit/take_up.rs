//! This file is where the working set's AuditEvents are brought up to a chart's log.

use super::{events::events, scene::Scene};
use crate::working::{WorkingError, WorkingSet};
use client::{Client, Line, RequestName, rpc::CallError};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::Event;
use primitives::{ChartId, TxId};
use std::collections::BTreeMap;

/// Notes read at once.
const NOTES: usize = 8;

/// Why AuditEvents aren't up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeUpError {
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The working set.
    #[error(transparent)]
    Working(#[from] WorkingError),
}

/// Renders what the chart's log tells since it was last asked; whether there was anything. Only for a chart under a visit:
/// nothing is asked of others.
pub(crate) async fn take_up(
    set: &WorkingSet,
    client: &Client,
    chart: ChartId,
    is_custodian: bool,
) -> Result<bool, TakeUpError> {
    let from = set.audited(&chart)?;
    let mut lines = client.log(chart, from).await?;
    let Some(last) = lines.last() else { return Ok(false) };
    let next = last.logged.index.saturating_add(1);
    let of_earlier = |line: &Line| matches!(line.event, Some(Event::Repeated(_) | Event::Reviewed(_)));
    if from > 0 && lines.iter().any(of_earlier) {
        lines = client.log(chart, 0).await?;
    }
    let requests = requests(client, &lines).await?;
    let genesis = client.genesis();
    let scene = Scene {
        network: client.network(),
        network_name: genesis.name.as_str().to_owned(),
        members: genesis
            .members
            .iter()
            .map(|member| (member.org.clone(), member.name.as_str().to_owned()))
            .collect(),
        own: client.org().clone(),
        is_custodian,
        chart,
        patient: set.patient_of(&chart)?,
        requests,
    };
    let set = set.clone();
    client::host::heavy(&**client.host(), move || {
        let versions = events(&lines, &scene);
        set.put_audited(&chart, &versions, next)
    })
    .await?;
    Ok(true)
}

/// For which requests the organisation's own accesses were made.
async fn requests(client: &Client, lines: &[Line]) -> Result<BTreeMap<TxId, RequestName>, CallError> {
    let own = lines.iter().filter_map(|line| match &line.event {
        Some(Event::Decided(decided)) if decided.reader.org == *client.org() => Some(line.logged.tx),
        Some(_) | None => None,
    });
    let named: Vec<Option<(TxId, RequestName)>> = stream::iter(own.collect::<Vec<_>>())
        .map(|access| async move {
            Ok::<_, CallError>(client.request_of(access).await?.map(|name| (access, name)))
        })
        .buffered(NOTES)
        .try_collect()
        .await?;
    Ok(named.into_iter().flatten().collect())
}
