//! Measures indexing: `cargo run --release -p horkos-conformance --example index -- BUNDLE…`.

use conformance::search::index;
use fhir::{Limits, json::Document};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<Vec<u8>> = std::env::args().skip(1).map(std::fs::read).collect::<Result<_, _>>()?;
    let documents: Vec<_> =
        files.into_iter().map(|file| Document::read(file, &Limits::default())).collect::<Result<_, _>>()?;
    let mut rates = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let (mut resources, mut rows) = (0, 0);
        for document in &documents {
            let entries = document.root().get("entry").into_iter().flat_map(|entries| entries.items());
            for found in entries.filter_map(|entry| entry.get("resource")).filter_map(index) {
                resources += 1;
                rows += found.rows.len();
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        rates.push(f64::from(resources) / seconds);
        println!("{resources} resources, {rows} rows, {:.1} ms", seconds * 1e3);
    }
    rates.sort_by(f64::total_cmp);
    if let Some(rate) = rates.get(rates.len() / 2) {
        println!("median of five, one core, reading not counted: {rate:.0} resources/s");
    }
    Ok(())
}
