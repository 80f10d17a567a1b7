//! The errors that the README shows. Its example is a test of the documentation.

use tollgate_authorizer::Config;

/// The guide to services shows the program that is built.
#[test]
fn the_guide_shows_the_example() {
    let readme = include_str!("../README.md").replace("use tollgate_throttle::", "use throttle::");
    assert!(readme.contains(include_str!("../examples/verify_axum.rs")));
}

#[test]
fn the_errors_are_those_of_the_configuration() {
    let readme = include_str!("../README.md");
    let example = readme.split("r#\"\n").nth(1).unwrap().split("\"#;").next().unwrap();
    let limits = "[throttle]\ntable = \"tab\"\nsubject = \"sub\"\nplan = { default = \"free\" }\n\
                  refuse = \"deny\"\n";
    let text = format!("{example}\n{limits}");
    Config::parse(&text, "tollgate.toml").unwrap();
    for (from, to) in [
        ("\"access\"", "\"acess\""),
        ("any_scope", "any_scopes"),
        ("plan = { default = \"free\" }", "plan = \"free\""),
    ] {
        let error = Config::parse(&text.replace(from, to), "tollgate.toml").unwrap_err();
        assert!(readme.contains(&format!("\n{error}\n")), "{error}");
    }
}
