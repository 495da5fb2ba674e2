//! This file is where the proof at the end of an export has its form.

use crate::{
    contents::Contents,
    record::Around,
    wire::{Anchor, Proven, ProvenRow},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::{LeafProof, Opening};
use fhir::Limits;
use ledger::{Logged, charts, consent, execute::LOGS, receipt::LogHead};
use primitives::{ChartId, List, NetworkId, State};

/// Version of the proof.
pub const VERSION: u32 = 1;

/// Content type of the Binary that carries it.
pub const CONTENT_TYPE: &str = "application/vnd.horkos.proof+borsh;version=1";

/// What the content type is without its version.
pub(super) const CONTENT_TYPE_STEM: &str = "application/vnd.horkos.proof+borsh;version=";

/// Most lines of a log.
pub(super) const LINES_MAX: usize = 1_000_000;

/// Most packs of a chart.
pub(super) const PACKS_MAX: usize = 4_000;

/// All that proves an export.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct Proof {
    /// The network.
    pub(super) network: NetworkId,
    /// The chart.
    pub(super) chart: ChartId,
    /// The chart's log, whole as of the proven state.
    pub(super) log: List<Logged, LINES_MAX>,
    /// What each pack holds, in the order of the log.
    pub(super) packs: List<PackProof, PACKS_MAX>,
    /// The rows that [`question`] asks for, with their proofs.
    pub(super) rows: List<ProvenRow, 4096>,
    /// What vouches for their state root.
    pub(super) anchor: Anchor,
}

/// A pack's records, by their places.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct PackProof {
    pub(super) records: List<RecordProof, 10_000>,
}

/// A record of a pack.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) enum RecordProof {
    /// It is in the file.
    Here(Box<Here>),
    /// It isn't: the chart's own, erased, or not permitted to whoever exported.
    Absent(LeafProof),
    /// It says that a resource was deleted, and so has no bytes that could be an entry.
    Deleted(Box<Deletion>),
}

/// A version that is a deletion.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct Deletion {
    /// What was sealed.
    pub(super) around: Around,
    /// Ties it to the pack.
    pub(super) opening: Opening,
}

/// A record that is in the file.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct Here {
    /// Its entry in the Bundle.
    pub(super) entry: u32,
    /// What was sealed with it, apart from its bytes, which the entry has.
    pub(super) around: Around,
    /// Ties the plaintext to the pack.
    pub(super) opening: Opening,
}

impl Proof {
    pub(super) fn proven(&self) -> Proven {
        Proven { rows: self.rows.to_vec(), anchor: self.anchor.clone() }
    }

    /// The Binary that carries the proof.
    pub(super) fn to_binary(&self) -> Vec<u8> {
        let data = STANDARD.encode(primitives::encode(self));
        format!("{{\"resourceType\":\"Binary\",\"contentType\":\"{CONTENT_TYPE}\",\"data\":\"{data}\"}}")
            .into_bytes()
    }

    /// The proof in a Binary's data.
    pub(super) fn of_data(data: &str) -> Option<Self> {
        primitives::decode(&STANDARD.decode(data).ok()?).ok()
    }
}

/// What an export proves of the state.
pub(super) struct Answer {
    pub(super) head: LogHead,
    pub(super) chart: Option<charts::Chart>,
    pub(super) packs: Vec<Option<charts::Pack>>,
    pub(super) compartments: Vec<Option<charts::Compartment>>,
}

/// The rows that an export proves: the log's count and hash, the chart, whose it is, its directives, classes, packs,
/// compartments and erasures.
pub(super) fn question(state: &dyn State, chart: &ChartId, contents: &Contents) -> Answer {
    // Asked for their rows: whoever reads the proof finds them there.
    let _parties = consent::parties(state, chart);
    let _directives = consent::directives(state, chart);
    for class in charts::classes(state, chart) {
        let _class = charts::class(state, &class);
    }
    for (erasure, _) in &contents.erasures {
        let _erasure = charts::ERASURES.get(state, erasure);
    }
    Answer {
        head: LOGS.get(state, chart).unwrap_or_default(),
        chart: charts::chart(state, chart),
        packs: contents.packs.iter().map(|pack| charts::pack(state, &pack.root)).collect(),
        compartments: contents.compartments.keys().map(|id| charts::compartment(state, id)).collect(),
    }
}

/// What is read of an export: the proof may be long.
pub(super) fn limits() -> Limits {
    Limits { bytes_max: 1 << 30, resource_bytes_max: 1 << 30, ..Limits::default() }
}
