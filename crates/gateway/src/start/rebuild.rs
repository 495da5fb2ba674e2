//! This file is where a working set that was lost is filled again: what the organisation wrote is read anew, chart by chart,
//! each by an access that is recorded like any other.

use super::{config::Config, error::StartError};
use crate::{
    http::PublicUrl,
    visit::{User, Users, ingest},
    working::{WorkingError, WorkingKey, WorkingSet},
};
use client::{
    Host,
    keys::load_storage,
    open::{Ask, Look, OpenError},
};
use futures::{StreamExt as _, stream};
use ledger::consent::Purpose;
use primitives::{ChartId, OrgId, TxId};
use std::{fs, path::Path, sync::Arc};
use zeroize::Zeroizing;

/// Charts read at once.
const AT_ONCE: usize = 4;

/// What came of one chart.
#[derive(Debug)]
pub struct RebuiltChart {
    /// The chart.
    pub chart: ChartId,
    /// How it went.
    pub result: Result<Rebuilt, RebuildError>,
}

/// A chart that was read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The access by which it was read; none if the organisation wrote nothing there that isn't erased.
    pub access: Option<TxId>,
    /// Versions of resources that came of it.
    pub versions: usize,
    /// Classes that the organisation wrote and isn't permitted to read any more.
    pub denied: usize,
    /// Records that are permitted and couldn't be read.
    pub damaged: usize,
}

/// Why a chart isn't read anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The access.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The working set.
    #[error(transparent)]
    Working(#[from] WorkingError),
}

/// Who is told how far it is.
pub trait RebuildProgress: Sync {
    /// So many charts will be read.
    fn planned(&self, charts: usize);
    /// One was.
    fn done(&self, chart: &RebuiltChart);
}

/// Reads again what the organisation wrote, as the organisation itself and for its operations (HOPERAT). What others wrote comes
/// back with the visits of those who may see it. The gateway may run meanwhile.
///
/// # Errors
/// [`StartError`] if it can't begin. What went wrong with single charts is told for each.
pub async fn rebuild(
    config: &Config,
    passphrase: Option<Zeroizing<String>>,
    host: Arc<dyn Host>,
    progress: &dyn RebuildProgress,
) -> Result<Vec<RebuiltChart>, StartError> {
    let public: PublicUrl = config.public.parse()?;
    let key = load_storage(&config.key, |_: &Path| passphrase.clone())?;
    fs::create_dir_all(&config.data)
        .map_err(|source| StartError::Data { path: config.data.clone(), source })?;
    let set = WorkingSet::open(&config.data.join("working.db"), &WorkingKey::new(key), &public.fhir())?;
    let users = Users::new(&config.home, config.system.parse()?, passphrase, host);
    let system = users.system().await?;
    let charts = system.client().authored_charts().await?;
    progress.planned(charts.len());
    let (set, system) = (&set, &system);
    let one = |chart| async move {
        let rebuilt = RebuiltChart { chart, result: read_anew(set, system, chart).await };
        progress.done(&rebuilt);
        rebuilt
    };
    Ok(stream::iter(charts.into_iter().map(one)).buffer_unordered(AT_ONCE).collect().await)
}

async fn read_anew(set: &WorkingSet, system: &User, chart: ChartId) -> Result<Rebuilt, RebuildError> {
    let client = system.client();
    let ask = Ask {
        authored: true,
        reason: Some("the gateway's index is rebuilt".to_owned()),
        ..Ask::all(chart, Purpose::Operations)
    };
    let look = match client.look(&ask).await {
        Ok(look) => look,
        Err(OpenError::NothingThere) => {
            return Ok(Rebuilt { access: None, versions: 0, denied: 0, damaged: 0 });
        }
        Err(error) => return Err(error.into()),
    };
    let rebuilt = Rebuilt {
        access: Some(look.access),
        versions: look.records.len(),
        denied: look.classes.iter().filter(|class| !class.decision.permit).count(),
        damaged: look.damaged.len(),
    };
    let (set, own) = (set.clone(), client.org().clone());
    client::host::heavy(&**client.host(), move || put(&set, &own, look)).await?;
    Ok(rebuilt)
}

/// Nobody has a visit under which anything of others could stay.
fn put(set: &WorkingSet, own: &OrgId, mut look: Look) -> Result<(), WorkingError> {
    look.records.retain(|seen| seen.writer == *own);
    // Read as the organisation, it doesn't tell up to where the chart is known to a user.
    look.lines = 0;
    ingest(set, own, &look)
}
