//! The seeds to run, and the report of one that fails.
//!
//! `SIMULATION_SEEDS` says how many a test runs (25 unless set), `SIMULATION_FIRST` which is the
//! first. One that fails is printed and written to `regressions.txt`, which is run before.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use crate::oracle::judge;
use crate::run::Run;
use crate::scenario::Profile;
use crate::table::Law;

/// The seeds to run.
fn seeds() -> Range<u64> {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number("SIMULATION_FIRST", 0);
    first..first + number("SIMULATION_SEEDS", 25)
}

/// Runs a test's kept seeds and its others, and fails at the first that breaks an invariant.
pub(crate) fn hold(test: &str, profile: Profile) {
    hold_also(test, profile, |_| None);
}

/// Like `hold`, with a look at each run of the test's own.
pub(crate) fn hold_also(test: &str, profile: Profile, also: impl Fn(&Run) -> Option<String>) {
    for seed in kept(test).into_iter().chain(seeds()) {
        let run = Run::new(seed, profile, Law::Conditional);
        let found = judge(&run);
        let wrong = found.first().map(|found| format!("I{}: {}", found.invariant, found.told));
        if let Some(wrong) = wrong.or_else(|| also(&run)) {
            keep(test, seed);
            panic!("seed {seed} of {test}: {wrong}");
        }
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/regressions.txt")
}

fn kept(test: &str) -> Vec<u64> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(name, _)| *name == test).map(|(_, seed)| seed.parse().unwrap()).collect()
}

fn keep(test: &str, seed: u64) {
    if kept(test).contains(&seed) {
        return;
    }
    let file = OpenOptions::new().create(true).append(true).open(file());
    // A folder that can't be written to is no reason to hide what was found.
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{test} {seed}");
    }
}
