//! Measures validating: `cargo run --release -p horkos-conformance --example validate_speed -- FILE…`.
//!
//! Each file is a Bundle; its resources are counted, read once, and checked with and without invariants. On Linux the time
//! is what the process spent on a processor, so that a busy machine doesn't matter.

use conformance::validate::{Options, check};
use fhir::Limits;
use fhir::json::{Document, Value};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut documents = Vec::new();
    for path in std::env::args().skip(1) {
        documents.push(Document::read(std::fs::read(path)?, &Limits::default())?);
    }
    let count: usize = documents
        .iter()
        .map(|document| document.root().get("entry").into_iter().flat_map(Value::items).count())
        .sum();
    for (name, options) in [("structure", Options::structure_only()), ("with invariants", Options::default())]
    {
        let mut rates = Vec::new();
        let mut issues = 0;
        for _ in 0..5 {
            let (start, spent) = (Instant::now(), on_processor());
            issues = documents.iter().map(|document| check(document.root(), &options).len()).sum();
            let spent = spent.and_then(|before| on_processor()?.checked_sub(before));
            rates.push(count as f64 / spent.unwrap_or_else(|| start.elapsed()).as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
        println!(
            "{name}: {count} resources, {issues} issues, median of five, one core: {median:.0} resources/s"
        );
    }
    Ok(())
}

/// Time on a processor since the process began.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}
