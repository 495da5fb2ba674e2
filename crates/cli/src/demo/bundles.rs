//! This file is where the shipped bundles lie inside the program, so that the demonstration works from anywhere.

use crate::exit::Failure;
use std::{
    fs,
    path::{Path, PathBuf},
};

macro_rules! bundles {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../data/bundles/", $name)))),*]
    };
}

/// File names and contents.
pub(super) const BUNDLES: &[(&str, &str)] = bundles![
    "boleslaw-krzyzanowski.json",
    "fionnuala-o-dalaigh.json",
    "riverside-directory.json",
    "sora-nakamura-bright.json",
    "thandiwe-mbeki-solano.json",
    "torvald-stahlberg.json",
    "winifred-featherstonehaugh.json",
    "ylva-gardarsdottir.json",
    "yusuf-al-masri.json",
];

/// The bundle of the patient whose story is told: general records, and some about her mental health.
pub(super) const HEROINE: &str = "fionnuala-o-dalaigh.json";

/// Writes all bundles into `dir`, as a hospital's own systems would hold them.
pub(super) fn write(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    for (name, content) in BUNDLES {
        let path = dir.join(name);
        fs::write(&path, content).map_err(|error| Failure::file(&path, &error))?;
    }
    Ok(dir.to_owned())
}

/// The content of a shipped bundle.
pub(super) fn content(name: &str) -> &'static str {
    BUNDLES.iter().find(|(known, _)| *known == name).map_or("", |(_, content)| content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bundles_of_the_repository_are_shipped() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/bundles");
        let mut there: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, BUNDLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(!content(HEROINE).is_empty());
    }
}
