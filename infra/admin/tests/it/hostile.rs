//! Names and tokens that would act on a terminal: what is printed of them does not.

use std::fmt::Write as _;

use serde_json::json;

use crate::issuer::Issuer;
use crate::support::{Answer, Tollgate, fill, serve_database};

/// Characters that names in the table may hold, and that show a text in another order.
const TURNED: &str = "a\u{202e}b\u{2066}c\u{200f}d\u{61c}";

/// Controls besides, which only a damaged item or a token can hold.
const CONTROLS: &str = "e\u{1b}[2Jf\u{9b}31mg\u{7f}h\u{7}i\rj\nk";

/// A subject within another.
const CHILD: &str = "child of \u{202e}nobody";

fn is_active(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n') || turns
}

/// Returns a command's output after a check that nothing in it acts on a terminal.
#[track_caller]
fn harmless(answer: &Answer) -> String {
    let all = format!("{}{}", answer.out, answer.err);
    assert!(!all.contains(is_active), "{all:?}");
    all
}

/// A table whose items were written by somebody with a bad mind.
fn with_hostile_table() -> Tollgate {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    let plan = r#"{"name":"NAME","throttle":{"rateLimit":1,"burstLimit":5},"quota":{"limit":9,"period":"DAY"}}"#;
    let (created, digest) = (1_763_716_800_000_000_000_u64, "ab".repeat(32));
    fill(
        &database,
        [
            json!({"pk": format!("PLAN#{TURNED}"), "plan": plan.replace("NAME", TURNED),
                "version": 1, "created": created}),
            json!({"pk": format!("PLAN#{TURNED}{CONTROLS}"), "plan": plan, "version": 1, "created": created}),
            json!({"pk": format!("KEY#{digest}"), "subject": TURNED, "enabled": true, "plan_id": TURNED,
                "created": created, "version": 1, "name": TURNED, "description": TURNED}),
            json!({"pk": format!("KEY#{CONTROLS}"), "subject": "x"}),
            json!({"pk": format!("SUBJECT#{TURNED}"), "plan_id": TURNED, "version": 1}),
            json!({"pk": format!("SUBJECT#{CHILD}"), "parent": TURNED, "version": 1}),
            json!({"pk": format!("SUBJECT#{CONTROLS}"), "parent": TURNED, "version": 1}),
            json!({"pk": format!("BUCKET#{TURNED}"), "pv": format!("1.{TURNED}"), "d20261121": 4}),
            json!({"pk": format!("BUCKET#{TURNED}{CONTROLS}"), "pv": "1.x", "d20261121": 4}),
            json!({"pk": format!("REVOKED#user#{digest}"), "issued_before": created,
                "revoked_at": created, "expires_at": 4_000_000_000_u64, "reason": TURNED}),
            json!({"pk": format!("REVOKED#{CONTROLS}"), "expires_at": 4_000_000_000_u64}),
        ],
    );
    tollgate
}

#[test]
fn names_in_the_table_do_not_act_on_the_terminal() {
    let tollgate = with_hostile_table();
    let digest = "ab".repeat(32);
    let november = ["--from", "2026-11-21", "--to", "2026-11-21"];
    let (both, revoked) = (format!("{TURNED}{CONTROLS}"), format!("user#{digest}"));
    let lines: Vec<Vec<&str>> = vec![
        vec!["plan", "list"],
        vec!["plan", "show", TURNED],
        vec!["plan", "show", &both],
        vec!["plan", "export"],
        vec!["plan", "delete", TURNED],
        vec!["key", "list"],
        vec!["key", "show", &digest],
        vec!["key", "show", CONTROLS],
        vec!["subject", "show", TURNED],
        vec!["subject", "show", CHILD],
        vec!["usage", "show", TURNED, "--tree"],
        vec!["subject", "assign", "maria", "--parent", TURNED, "--yes"],
        [&["usage", "show", TURNED][..], &november].concat(),
        [&["usage", "export", TURNED][..], &november].concat(),
        vec!["revoke", "list"],
        vec!["revoke", "undo", CONTROLS],
        vec!["revoke", "undo", &revoked, "--dry-run"],
        vec!["revoke", "user", TURNED, "--issuer", &both, "--for", &both],
        vec![TURNED, &both],
    ];
    let mut text = String::new();
    for line in lines {
        let plain = |part: &&str| part.chars().all(|c| c.is_ascii_graphic());
        let shown: Vec<_> = line.iter().map(|part| if plain(part) { *part } else { "…" }).collect();
        let shown = shown.join(" ");
        let printed = harmless(&tollgate.run(&line));
        writeln!(text, "$ tollgate {shown}\n{}", printed.trim_end()).unwrap();
        harmless(&tollgate.run(&[&line[..], &["--json"]].concat()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn pictures_hold_no_such_characters_either() {
    let tollgate = with_hostile_table();
    for flag in ["--html", "--svg"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = ["usage", "show", TURNED, flag, file.path().to_str().unwrap()];
        tollgate.run(&line).done();
        let picture = std::fs::read_to_string(&file).unwrap();
        assert!(picture.contains("a\\u202eb") && !picture.contains(is_active), "{picture}");
    }
}

#[test]
fn a_token_that_nobody_verified_does_not_act_on_the_terminal() {
    let (tollgate, issuer) = (with_hostile_table(), Issuer::start());
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = issuer.config().replace("any\"\n", "any\"\nany_group = [\"staff\"]\n");
    std::fs::write(&file, config).unwrap();
    let path = file.path().to_str().unwrap();
    let hostile = format!("{TURNED}{CONTROLS}\u{2028}");
    for claims in [
        json!({"sub": hostile, hostile.as_str(): hostile}),
        json!({"iss": hostile}),
        json!({"cognito:groups": [hostile, "staff"], "exp": hostile}),
    ] {
        let token = issuer.token(&claims);
        for more in [&[][..], &["--json"]] {
            let inspect = [&["token", "inspect", "--config", path][..], more].concat();
            let shown = harmless(&tollgate.feed(&inspect, &token));
            assert!(
                shown.contains("a\\u202eb\\u2066c\\u200fd\\u061ce\\u001b[2Jf\\u009b31mg\\u007f")
            );
            let explain = ["policy", "explain", path, "--token", "--route", "GET /orders"];
            harmless(&tollgate.feed(&[&explain[..], more].concat(), &token));
            let revoke = ["revoke", "session", "-", "--config", path, "--dry-run"];
            harmless(&tollgate.feed(&[&revoke[..], more].concat(), &token));
        }
    }
}
