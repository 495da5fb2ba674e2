//! Measures reading and assigning: `cargo run --release -p horkos-fhir --example speed -- FILE…`.

use fhir::{Limits, assign, bundle, category::Category};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<Vec<u8>> = std::env::args().skip(1).map(std::fs::read).collect::<Result<_, _>>()?;
    let bytes: usize = files.iter().map(Vec::len).sum();
    let mut rates = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let (mut resources, mut special) = (0, 0);
        for file in &files {
            let bundle = bundle::read(file.clone(), &Limits::default())?;
            let assignment = assign::assign(&bundle);
            resources += bundle.len() - assignment.empty.len();
            special += bundle
                .entries()
                .filter_map(|entry| entry.resource)
                .filter(|resource| Category::of(resource.value).special())
                .count();
        }
        let seconds = start.elapsed().as_secs_f64();
        rates.push((resources as f64 / seconds, bytes as f64 / seconds / 1e6));
        println!("{resources} resources, {special} special, {:.1} ms", seconds * 1e3);
    }
    rates.sort_by(|one, other| one.0.total_cmp(&other.0));
    if let Some((resources, megabytes)) = rates.get(rates.len() / 2) {
        println!("median of five, one core: {resources:.0} resources/s, {megabytes:.0} MB/s");
    }
    Ok(())
}
