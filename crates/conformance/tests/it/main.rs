//! The crate's integration tests, one binary.

mod search;
mod validating;

use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The JSON files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

/// The larger public data sets, where they are at hand: `HORKOS_TEST_DATA`, else beside the checkout.
fn public_data(folder: &str) -> Vec<PathBuf> {
    let base = std::env::var_os("HORKOS_TEST_DATA")
        .map_or_else(|| workspace().join("..").join("shared").join("data"), PathBuf::from);
    let files = files(&base.join(folder));
    if files.is_empty() {
        eprintln!("skipped: no `{folder}` in {}; set HORKOS_TEST_DATA", base.display());
    }
    files
}
