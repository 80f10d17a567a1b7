//! The configuration that the README shows.

use tollgate_authorizer::Config;

#[test]
fn the_configuration_is_valid() {
    let readme = include_str!("../README.md");
    let toml = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = Config::parse(toml, "README.md").unwrap();
    assert_eq!(config.issuers.len(), 1);
}
