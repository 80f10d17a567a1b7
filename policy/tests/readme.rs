//! Rules that the README shows.

use serde::Deserialize;
use tollgate_policy::{RuleSpec, Rules};

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
