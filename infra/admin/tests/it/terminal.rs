//! Lists on terminals of 80 and 60 columns: no line is longer, and nothing is lost.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};
use serde_json::json;

use crate::issuer::Issuer;
use crate::support::{PLAN, Tollgate, fill, serve_database};

const LONG: &str = "us-east-1_abcDEF123#0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-and-more-of-it-so-that-\
                    no-terminal-of-eighty-columns-has-room-for-it";

/// Runs a command on a terminal of so many columns; returns what it shows, without colours.
fn shown(tollgate: &Tollgate, columns: u16, line: &[&str]) -> String {
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(line)
        .env_clear()
        .envs(tollgate.environment.clone())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(terminal.slave)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut screen, mut bytes, mut part) = (File::from(terminal.master), Vec::new(), [0; 4096]);
    // Once the command has ended, reading fails.
    while let Ok(count @ 1..) = screen.read(&mut part) {
        bytes.extend(part.iter().take(count));
    }
    child.wait().unwrap();
    let text = String::from_utf8(bytes).unwrap().replace('\r', "");
    let mut plain = String::new();
    for (at, part) in text.split('\u{1b}').enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    plain
}

fn table() -> (Tollgate, String) {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    tollgate.feed(&["plan", "put", "free", "-"], PLAN).done();
    let long = r#"{"name": "A plan for everybody who has a long name for plans, and more",
        "throttle": {"rateLimit": "1000/min", "burstLimit": 1000000},
        "quota": [{"limit": 100000, "period": "DAY"}, {"limit": 1000000, "period": "MONTH"}],
        "apiStages": [{"apiId": "a", "stage": "b", "throttle": {
            "/x/GET": {"rateLimit": 0, "burstLimit": 0}, "/y/GET": {"rateLimit": 1, "burstLimit": 1}}}]}"#;
    tollgate.feed(&["plan", "put", "a-plan-with-a-rather-long-name", "-"], long).done();
    tollgate.run(&["key", "create", "--plan", "free", "--name", "Maria's laptop"]).done();
    tollgate
        .run(&[
            "key",
            "create",
            "--subject",
            LONG,
            "--plan",
            "a-plan-with-a-rather-long-name",
            "--expires",
            "90d",
            "--name",
            "日本語の名前",
        ])
        .done();
    let why = "left the company, and took a laptop that nobody has seen since then";
    tollgate.run(&["revoke", "session", "s1", "--issuer", "acme", "--reason", why]);
    tollgate.run(&["revoke", "user", "maria", "--issuer", "acme"]);
    fill(
        &database,
        [
            json!({"pk": format!("SUBJECT#{LONG}"), "parent": "acme", "version": 1}),
            json!({"pk": "SUBJECT#acme", "plan_id": "free", "version": 1}),
            json!({"pk": format!("BUCKET#{LONG}"), "pv": "1.free", "d20261120": 999_999_999,
        "d20261121": 85, "gd20261121": 20_000, "m202611": 182}),
        ],
    );
    (tollgate, url)
}

#[test]
fn no_line_of_a_list_is_longer_than_the_terminal() {
    let (tollgate, _) = table();
    let (issuer, file) = (Issuer::start(), tempfile::NamedTempFile::new().unwrap());
    let rules = "[[rule]]\nname = \"a-rule-with-a-long-name-of-its-own\"\n\
        allow = [\"GET /orders/lines/{claims.sub}/and/more/*\", \"POST /orders\"]\n\
        any_scope = [\"https://orders.example/read\", \"https://orders.example/write\"]\n\
        when = \"claims.level > 2\"\n\n\
        [[rule]]\nname = \"staff\"\nallow = [\"GET /orders\"]\n\
        any_group = [\"staff-of-the-orders-department\", \"administrators\"]\n";
    std::fs::write(&file, format!("{}{rules}", issuer.config())).unwrap();
    let path = file.path().to_str().unwrap();
    let november = ["--from", "2026-11-20", "--to", "2026-11-21"];
    let keys = tollgate.run(&["key", "list", "--json"]).json();
    let id = keys["keys"][0]["id"].as_str().unwrap();
    let lines: Vec<(Vec<&str>, Vec<&str>)> = vec![
        (
            vec!["plan", "list"],
            vec!["a-plan-with-a-rather-long-name", "1000000 monthly", "1 closed"],
        ),
        (vec!["key", "list"], vec![id, "Maria's laptop", "free", "日本語の名前"]),
        (vec!["key", "show", id], vec![id, "enabled"]),
        (vec!["revoke", "list"], vec!["left the company,", "since then", "until 20"]),
        ([&["usage", "show", LONG][..], &november].concat(), vec!["999999999", "20000", "█"]),
        (vec!["subject", "show", LONG], vec!["last under  free", "within", "acme, plan free"]),
        (vec!["usage", "show", "acme", "--tree"], vec!["acme", "monthly", "182", "1000"]),
        (vec!["policy", "lint", path], vec!["a-rule-with-a-long-name-of-its-own"]),
        (vec!["policy", "check", path], vec!["a-rule-with-a-long-name-of-its-own"]),
        (
            vec!["policy", "matrix", path],
            vec!["GET /orders/lines/{claims.sub}/and/more/*", "partly"],
        ),
    ];
    for (line, parts) in lines {
        for columns in [80, 60] {
            let text = shown(&tollgate, columns, &line);
            for row in text.lines() {
                let wide =
                    row.chars().filter(|c| ('日'..='語').contains(c) || "の名前".contains(*c));
                let width = row.chars().count() + wide.count();
                assert!(width <= usize::from(columns), "{line:?} at {columns}: {width}: {row}");
            }
            // Words that are longer than the terminal are broken.
            let whole = text.split_whitespace().collect::<String>();
            for part in &parts {
                let part = part.split_whitespace().collect::<String>();
                assert!(whole.contains(&part), "{line:?} at {columns}: no {part} in\n{text}");
            }
        }
    }
}

#[test]
fn a_list_reads_well_at_80_columns() {
    let (tollgate, _) = table();
    let text = shown(&tollgate, 80, &["key", "list"]);
    let id = text.lines().next().unwrap();
    assert!(
        id.len() == 64 && text.lines().nth(1).unwrap().starts_with("    state enabled   "),
        "{text}"
    );
    insta::assert_snapshot!(shown(&tollgate, 80, &["plan", "list"]));
    // Nobody's terminal: whole lines.
    let piped = tollgate.run(&["key", "list"]).done();
    assert!(piped.starts_with("ID  ") && piped.lines().count() == 3, "{piped}");
}
