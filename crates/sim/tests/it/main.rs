//! The ledger against a naive one, and whole networks under simulation; whatever fails names its seed.

mod auditor;
mod simulation;

/// So many seeds from 1 on, or the one that `HORKOS_SEED` names.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let named = std::env::var("HORKOS_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    named.map_or(1..usual + 1, |seed| seed..seed + 1)
}
