//! The cells of the matrix: what a column can't know is never shown as certain.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde::Deserialize;
use tollgate_policy::{Cell, Holder, RuleSpec, Rules};

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

/// Returns the access of a holder to `GET /x`, by these rules.
fn cell(holder: &Holder, rules: &[&str]) -> Cell {
    let rule = |(n, rest): (usize, &&str)| format!("[[rule]]\nname = \"{n}\"\n{rest}\n");
    let text: String = rules.iter().enumerate().map(rule).collect();
    let rules = Rules::compile(toml::from_str::<File>(&text).unwrap().rule).unwrap();
    rules.cell(holder, &"GET /x".parse().unwrap())
}

fn scope(name: &str) -> Holder {
    Holder::Scope(name.to_owned())
}

fn group(name: &str) -> Holder {
    Holder::Group(name.to_owned())
}

const ALL: &str = "allow = [\"GET /x\"]\neveryone = true";

#[test]
fn a_deny_elsewhere_with_a_claim_may_close_every_route() {
    let deny = |path: &str| format!("deny = [\"GET {path}\"]\neveryone = true");
    assert_eq!(cell(&Holder::Everyone, &[ALL, &deny("/y")]), Cell::Allowed);
    assert_eq!(cell(&Holder::Everyone, &[ALL, &deny("/y/{sub}")]), Cell::Partly);
}

#[test]
fn what_hangs_on_more_than_the_column_knows_is_partly() {
    for more in [
        "clients = [\"c\"]",
        "claims = { tier = \"gold\" }",
        "when = \"claims.sub == 'a'\"",
        "stages = [\"prod\"]\neveryone = true",
    ] {
        let allow = format!("allow = [\"GET /x\"]\n{more}");
        assert_eq!(cell(&Holder::Everyone, &[&allow]), Cell::Partly, "{more}");
        let deny = format!("deny = [\"GET /x\"]\n{more}");
        assert_eq!(cell(&Holder::Everyone, &[ALL, &deny]), Cell::Partly, "{more}");
    }
    let until = "allow = [\"GET /x\"]\neveryone = true\nuntil_exp = true";
    assert_eq!(cell(&Holder::Everyone, &[until]), Cell::Partly);
    assert_eq!(cell(&Holder::Everyone, &[until, ALL]), Cell::Allowed);
}

#[test]
fn a_holder_has_one_scope_or_one_group() {
    for (requirement, holder, expected) in [
        ("any_scope = [\"a\", \"b\"]", scope("a"), Cell::Allowed),
        ("any_scope = [\"a\"]", group("a"), Cell::Nothing),
        ("all_scopes = [\"a\"]", scope("a"), Cell::Allowed),
        ("all_scopes = [\"a\", \"b\"]", scope("a"), Cell::Nothing),
        ("any_group = [\"a\", \"b\"]", group("b"), Cell::Allowed),
        ("all_groups = [\"a\", \"b\"]", group("a"), Cell::Nothing),
        ("all_groups = [\"a\"]", scope("a"), Cell::Nothing),
        ("any_scope = [\"a\"]\nany_group = [\"a\"]", scope("a"), Cell::Nothing),
        ("any_scope = [\"a\"]\nall_groups = [\"a\"]", group("a"), Cell::Nothing),
    ] {
        let rule = format!("allow = [\"GET /x\"]\n{requirement}");
        assert_eq!(cell(&holder, &[&rule]), expected, "{requirement}");
    }
}
