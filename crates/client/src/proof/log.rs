//! This file is where a chart's log is shown to be whole: as many lines as the state says, chained to the hash that it holds.

use super::ProofError;
use crate::{
    client::Client,
    read::{AsOf, Line},
    wire::{LogRange, ReadLog},
};
use ledger::{Logged, execute::LOGS, receipt::LogHead};
use primitives::ChartId;

/// Lines asked for at once.
const LINES: u32 = 2000;

/// A chart's log, whole as of a block.
#[derive(Clone, Debug)]
pub struct ProvenLog {
    /// All lines up to then.
    pub lines: Vec<Line>,
    /// The block as of which nothing is left out.
    pub as_of: AsOf,
    /// Count and running hash that the state vouches for.
    pub head: LogHead,
}

/// Checks that `lines` are all lines of `chart` up to `head`.
///
/// # Errors
/// [`ProofError::Log`].
pub fn check_log<'a>(
    chart: ChartId,
    head: LogHead,
    lines: impl IntoIterator<Item = &'a Logged>,
) -> Result<(), ProofError> {
    let mut at = LogHead::default();
    for line in lines {
        if line.chart != chart {
            return Err(ProofError::Log("a line is of another chart"));
        }
        if line.index != at.count {
            return Err(ProofError::Log("a line is missing or out of order"));
        }
        at = at.after(line);
    }
    if at.count != head.count {
        return Err(ProofError::Log("there are more or fewer lines than the state counts"));
    }
    if at.head != head.head {
        return Err(ProofError::Log("a line was changed"));
    }
    Ok(())
}

impl Client {
    /// The chart's log with the proof that nothing is left out up to the block named. That block is no older than the
    /// newest line that the node has.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn prove_log(&self, chart: ChartId) -> Result<ProvenLog, ProofError> {
        let mut logged: Vec<Logged> = self.log(chart, 0).await?.into_iter().map(|line| line.logged).collect();
        let newest = logged.last().map_or(0, |line| line.height);
        let (head, as_of) = self.prove(newest, |state| LOGS.get(state, &chart)).await?;
        let head = head.unwrap_or_default();
        if head.count > logged.len() as u64 {
            logged = self.log_up_to(chart, head.count).await?;
        }
        check_log(chart, head, &logged)?;
        Ok(ProvenLog { lines: logged.into_iter().map(Line::from).collect(), as_of, head })
    }

    /// The first `count` lines of the log, as the node has them.
    pub(crate) async fn log_up_to(&self, chart: ChartId, count: u64) -> Result<Vec<Logged>, ProofError> {
        let mut logged: Vec<Logged> = Vec::new();
        while (logged.len() as u64) < count {
            let from = logged.len() as u64;
            let limit = u32::try_from(count - from).unwrap_or(LINES).min(LINES);
            let page = self.node.call::<ReadLog>(&LogRange { chart, from, limit }).await?;
            if page.is_empty() {
                return Err(ProofError::Log("lines at its end are missing"));
            }
            logged.extend(page.into_iter().take(limit as usize));
        }
        Ok(logged)
    }
}
