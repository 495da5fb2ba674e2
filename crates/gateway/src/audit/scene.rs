//! This file is where it stands for whom AuditEvents are rendered, and what is known of an access by one line of the log.

use client::RequestName;
use ledger::{
    Logged,
    access::{self, Decided, Finding},
};
use primitives::{ChartId, NetworkId, OrgId, TxId};
use std::collections::BTreeMap;

/// For whom and of what is rendered.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub network_name: String,
    /// The members' names.
    pub members: BTreeMap<OrgId, String>,
    /// Whose gateway it is.
    pub own: OrgId,
    /// Whether it answers for the chart: then it sees the accesses of others too.
    pub is_custodian: bool,
    /// The chart.
    pub chart: ChartId,
    /// Under which id its patient is served.
    pub patient: Option<String>,
    /// For which requests the organisation's own accesses were made.
    pub requests: BTreeMap<TxId, RequestName>,
}

/// What is known of an access by one line of the log.
#[derive(Clone, Debug)]
pub(super) struct Known<'a> {
    pub(super) logged: &'a Logged,
    pub(super) decided: &'a Decided,
    /// How often the same was denied in a row.
    pub(super) count: u64,
    /// What the review of a break-glass access found.
    pub(super) review: Option<Finding>,
}

impl Known<'_> {
    /// The access's id: the transaction's, unless several charts were asked for together.
    pub(super) fn access(&self, scene: &Scene) -> TxId {
        let tx = self.logged.tx;
        if self.decided.together { access::beside(&tx, &scene.chart) } else { tx }
    }
}
