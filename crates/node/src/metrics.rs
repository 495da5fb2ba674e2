//! This file is where a node counts what it does, for Prometheus.

use crate::executor::Counts;
use client::wire::{METHODS, Status};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    outcome: &'static str,
}

/// What a node counts.
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    height: Gauge,
    time: Gauge,
    tip: Gauge,
    pool: Gauge,
    writes_pending: Gauge,
    packs_missing: Gauge,
    packs_below_n: Gauge,
    box_key_held: Gauge,
    box_keys_other: Gauge,
    applied: Gauge,
    rejected: Gauge,
    blocks: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("horkos");
        let calls = Family::default();
        registry.register("calls", "Calls answered, by method and outcome", calls.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let height = gauge("height", "Newest executed height");
        let time = gauge("block_time_ms", "Time of the newest executed block, Unix milliseconds");
        let tip = gauge("final_height", "Newest height known to be final");
        let pool = gauge("pool_transactions", "Transactions waiting for a block");
        let writes_pending = gauge("writes_pending", "Own writes that not all members hold");
        let packs_missing = gauge("packs_missing", "Committed packs not held here yet");
        let packs_below_n = gauge("packs_below_n", "Committed packs that not all members are known to store");
        let box_key_held = gauge("box_key_held", "1 if the trustee has the box key that the ledger names");
        let box_keys_other = gauge("box_keys_other", "Further box keys that the trustee still has");
        let applied = gauge("transactions_applied", "Transactions applied since the start");
        let rejected = gauge("transactions_rejected", "Transactions rejected since the start");
        let blocks = gauge("blocks_executed", "Blocks executed since the start");
        Self {
            registry,
            calls,
            height,
            time,
            tip,
            pool,
            writes_pending,
            packs_missing,
            packs_below_n,
            box_key_held,
            box_keys_other,
            applied,
            rejected,
            blocks,
        }
    }
}

fn level(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Counts a call. Unknown methods are counted as one, so that a caller can't make up labels.
    pub(crate) fn count_call(&self, method: &str, ok: bool) {
        let method = METHODS.iter().find(|known| **known == method).copied().unwrap_or("unknown");
        self.calls.get_or_create(&CallLabels { method, outcome: if ok { "ok" } else { "refused" } }).inc();
    }

    /// The OpenMetrics text.
    #[must_use]
    pub(crate) fn render(&self, status: &Status, counts: Counts) -> String {
        self.height.set(level(status.height));
        self.time.set(level(status.time.0));
        self.tip.set(level(status.tip));
        self.pool.set(level(status.pool));
        self.writes_pending.set(level(status.writes_pending));
        self.packs_missing.set(level(status.packs_missing));
        self.packs_below_n.set(level(status.packs_below_n));
        self.box_key_held.set(i64::from(status.box_key_held));
        self.box_keys_other.set(i64::from(status.box_keys_other));
        self.applied.set(level(counts.applied));
        self.rejected.set(level(counts.rejected));
        self.blocks.set(level(counts.blocks));
        let mut text = String::new();
        // Writing to a String can't fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}
