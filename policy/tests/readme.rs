//! Rules that the README shows.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use policy::{RuleSpec, Rules};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

#[test]
fn the_example_with_every_field_is_valid() {
    let readme = include_str!("../README.md");
    let toml = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let file: File = toml::from_str(toml).unwrap();
    assert_eq!(Rules::compile(file.rule).map(|_| ()), Ok(()));
}
