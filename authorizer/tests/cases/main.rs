//! Cases from files: `tests/cases` of the repository, and the configurations of `PROVIDERS.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and clippy takes helpers of an integration test for product code"
)]

mod configurations;
mod providers;
mod tokens;

use std::path::{Path, PathBuf};

/// The files in a folder of the cases, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The name of a file without its folder and extension.
fn stem(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}
