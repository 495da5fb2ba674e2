//! This file is where the charts are listed that an organisation needs for itself: those into which it wrote, and the
//! directories that members keep.

use crate::{client::Client, rpc::CallError};
use ledger::{
    access, charts,
    consent::{PARTIES, Parties},
};
use primitives::{ChartId, OrgId, TxId, decode};

/// Charts asked about at once.
const CHARTS: usize = 1000;

impl Client {
    /// The charts into which the organisation wrote records or that it answers for, its directory first. Asks of the
    /// newest state of its own node.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn authored_charts(&self) -> Result<Vec<ChartId>, CallError> {
        let mut all = self.parties().await?;
        // What patients' charts refer to is there first.
        all.sort_by_key(|(_, parties)| !parties.directory);
        let mut authored = Vec::new();
        for some in all.chunks(CHARTS) {
            let of_some = |state: &dyn primitives::State| -> Vec<bool> {
                some.iter()
                    .map(|(chart, _)| {
                        charts::classes(state, chart).iter().any(|class| class.writer == self.org)
                    })
                    .collect()
            };
            let (wrote, _) = self.view(of_some).await?;
            let mine = some
                .iter()
                .zip(wrote)
                .filter(|((_, parties), wrote)| *wrote || parties.custodian == self.org);
            authored.extend(mine.map(|((chart, _), _)| *chart));
        }
        Ok(authored)
    }

    /// The directory charts of other members, each with its organisation. A directory never names a patient, and every
    /// member may read it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn other_directories(&self) -> Result<Vec<(ChartId, OrgId)>, CallError> {
        let all = self.parties().await?;
        let others =
            all.into_iter().filter(|(_, parties)| parties.directory && parties.custodian != self.org);
        Ok(others.map(|(chart, parties)| (chart, parties.custodian)).collect())
    }

    /// The chart to which an access was permitted, if the access or the chart is the organisation's own.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn chart_of_access(&self, access: TxId) -> Result<Option<ChartId>, CallError> {
        let question = |state: &dyn primitives::State| {
            let Some(access) = access::access(state, &access) else {
                // As many questions as if it were there: nobody learns from their number whether it is.
                let _none = charts::chart(state, &ChartId(access.0));
                return None;
            };
            let is_ours = *access.signer.org() == self.org
                || charts::chart(state, &access.chart).is_some_and(|row| row.custodian == self.org);
            is_ours.then_some(access.chart)
        };
        Ok(self.view(question).await?.0)
    }

    async fn parties(&self) -> Result<Vec<(ChartId, Parties)>, CallError> {
        let rows = self.scan(&PARTIES.key(&ChartId::default())[..1]).await?;
        let all = rows.iter().map(|(key, row)| {
            let chart = key.get(1..).and_then(|key| decode(key).ok());
            let parties = decode(row).ok();
            chart.zip(parties).ok_or_else(|| self.malformed("scan", "a row is malformed"))
        });
        all.collect()
    }
}
