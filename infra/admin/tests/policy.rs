//! `tollgate policy`, typed as an operator would: no table, no network, no credentials.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const SHOP: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = "any"
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders", "GET /orders/*"]
any_scope = ["orders/read"]

[[rule]]
name = "own profile"
allow = ["GET,PUT /users/{sub}"]
everyone = true

[[rule]]
name = "refunds"
allow = ["POST /refunds"]
any_group = ["support"]
when = "claims.level >= 3"
stages = ["prod"]

[[rule]]
name = "from the office"
allow = ["DELETE /orders/*"]
any_group = ["support"]
source_ips = ["10.0.0.0/8"]

[[rule]]
name = "no exports"
deny = ["GET /orders/export"]
everyone = true

[throttle]
table = "tollgate"
subject = "client_id"
plan = { claim = "custom:plan", default = "free" }
refuse = "unknown-key"
api_key = "a-key-of-20-to-128-chars"
"#;

const READER: &str = r#"{"sub": "u1", "scope": "orders/read", "client_id": "web"}"#;

/// A folder with a configuration and claims, in which the executable runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("tollgate.toml", SHOP);
        folder.write("reader.json", READER);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `tollgate policy …` with nothing in its environment: exit code, output, error.
    fn run(&self, line: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .arg("policy")
            .args(line)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that doesn't read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn done(&self, line: &[&str], input: &str) -> String {
        let (code, out, err) = self.run(line, input);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        out
    }

    /// The one line of JSON of a command that was done.
    #[track_caller]
    fn json(&self, line: &[&str]) -> Value {
        let out = self.done(&[line, &["--json"]].concat(), "");
        assert_eq!(out.lines().count(), 1);
        serde_json::from_str(&out).unwrap()
    }

    /// The one line of a command that printed nothing else.
    #[track_caller]
    fn failed(&self, code: i32, line: &[&str], input: &str) -> String {
        let (found, out, err) = self.run(line, input);
        assert_eq!((found, out.as_str()), (code, ""), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        err.trim_end().strip_prefix("tollgate: ").unwrap().to_owned()
    }
}

#[test]
fn check_shows_what_is_in_a_configuration() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.done(&["check", "tollgate.toml"], ""));
    insta::assert_json_snapshot!(folder.json(&["check", "tollgate.toml"]));
    assert_eq!(folder.done(&["check", "-"], SHOP), folder.done(&["check", "tollgate.toml"], ""));
    let (bare, _) = SHOP.split_once("[throttle]").unwrap();
    let bare = folder.done(&["check", "-"], &format!("{bare}[metrics]\nenabled = false\n"));
    assert!(bare.contains("limits   none\nmetrics  off\n"), "{bare}");
    let by_key = SHOP
        .replace("subject = \"client_id\"", "subject = \"api_key\"")
        .replace("plan = { claim", "plan = { assigned = true, claim");
    let by_key = folder.done(&["check", "-"], &by_key);
    let plan = "plan by the subject's assignment, else the claim `custom:plan`, else `free`";
    assert!(by_key.contains(&format!("by the API key, {plan}")), "{by_key}");

    let parents = "[throttle]\nparents = [{ parent = \"custom:tenant\", plan = \"tenant\" }, \
                   { parent = \"*\", plan = \"all\" }]\n";
    let within = SHOP.replace("[throttle]\n", parents);
    let shown = folder.done(&["check", "-"], &within);
    let line =
        "parents  the claim `custom:tenant` (plan `tenant`), then all callers (plan `all`)\n";
    assert!(shown.contains(line), "{shown}");
    folder.write("within.toml", &within);
    let json = folder.json(&["check", "within.toml"]);
    let parents = json!([
        {"parent": "custom:tenant", "plan": "tenant"}, {"parent": "*", "plan": "all"},
    ]);
    assert_eq!(json["throttle"]["parents"], parents);
}

#[test]
fn a_wrong_configuration_is_one_line_with_its_place() {
    let folder = Folder::new();
    for (from, to, says) in [
        ("any_scope", "any_scopes", "tollgate.toml:9: unknown field `any_scopes`"),
        ("GET /orders/export", "GET orders/export", "tollgate.toml:31: path of route"),
        ("claims.level >= 3", "claims.level >=", "tollgate.toml:20: condition"),
        ("10.0.0.0/8", "10.0.0.1/8", "tollgate.toml:27: source"),
        ("[throttle]", "[policy]\ndocument_limit = 1\n[throttle]", "512 to 102400"),
        ("a-key-of-20-to-128-chars", "short-secret", "20 to 128"),
    ] {
        assert_eq!(SHOP.matches(from).count(), 1, "{from}");
        folder.write("tollgate.toml", &SHOP.replace(from, to));
        for command in ["check", "lint", "matrix"] {
            let said = folder.failed(2, &[command, "tollgate.toml"], "");
            assert!(said.contains(says), "{said}");
            assert!(!said.contains("short-secret"), "{said}");
        }
        let explain = ["explain", "tollgate.toml", "--route", "GET /", "--claims", "reader.json"];
        assert!(folder.failed(2, &explain, "").contains(says));
    }
    assert!(folder.failed(2, &["check", "none.toml"], "").starts_with("none.toml: cannot be read"));
    assert!(folder.failed(2, &["check", "."], "").starts_with(".: cannot be read"));
    assert!(folder.failed(2, &["check", "-"], "").starts_with("standard input: no issuer: add"));
    let long = "#".repeat(300_000);
    assert_eq!(
        folder.failed(2, &["check", "-"], &long),
        "standard input: longer than 262144 bytes"
    );
}

#[test]
fn lint_shows_findings_and_fails_where_it_is_told_to() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.done(&["lint", "tollgate.toml"], ""));
    insta::assert_json_snapshot!(folder.json(&["lint", "tollgate.toml"]));

    let (code, out, err) = folder.run(&["lint", "tollgate.toml", "--deny-warnings"], "");
    assert_eq!((code, err.as_str()), (1, "tollgate: 3 warnings\n"));
    assert_eq!(out, folder.done(&["lint", "tollgate.toml"], ""));
    // Notes pass: the deny is gone, and with it what contradicts.
    let (mild, _) = SHOP.split_once("[[rule]]\nname = \"no exports\"").unwrap();
    let (_, out, _) = folder.run(&["lint", "-", "--deny-warnings", "--json"], mild);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert!(found["notes"].as_u64().unwrap() > 0 && found["warnings"] == 0, "{found}");
    folder.done(&["lint", "-", "--deny-warnings"], mild);

    let (clean, _) = SHOP.split_once("[[rule]]").unwrap();
    let clean =
        format!("{clean}[[rule]]\nname = \"a\"\nallow = [\"GET /orders\"]\neveryone = true\n");
    assert_eq!(folder.done(&["lint", "-"], &clean), "nothing found\n");
}

/// Claims that callers can write, and a claim with a dot, in the settings beside the rules.
const TRUSTING: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = "any"
token_use = "access"
principal = "email"
required_claims = { "custom:tier" = "gold" }
context = { sub = "sub", mail = "email" }

[[issuer]]
name = "partner"
url = "https://id.example"
audiences = ["orders-api"]
token_use = "any"
groups_claim = "realm_access.roles"

[[rule]]
name = "own files"
allow = ["GET /users/{custom:home}/*"]
issuers = ["us-east-1_abcDEF123"]

[throttle]
table = "tollgate"
subject = "username"
plan = { claim = "custom:plan", default = "free" }
refuse = "deny"
"#;

#[test]
fn lint_looks_at_the_claims_that_other_settings_trust() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.done(&["lint", "-"], TRUSTING));
    let (code, _, err) = folder.run(&["lint", "-", "--deny-warnings"], TRUSTING);
    assert_eq!((code, err.as_str()), (1, "tollgate: 7 warnings\n"));
}

#[test]
fn explain_says_why_dots_below_a_caller_s_own_path_are_denied() {
    let folder = Folder::new();
    let own = SHOP.replace("\"GET,PUT /users/{sub}\"", "\"GET /users/{sub}/*\"");
    folder.write("own.toml", &own);
    let line = |path| ["explain", "own.toml", "--route", path, "--claims", "reader.json"];
    assert!(folder.done(&line("GET /users/u1/a.b"), "").contains("allowed by `own profile`"));
    for path in ["GET /users/u1/a..b", "GET /users/u1/../u2/x", "GET /users/u1/%2e%2e/u2/x"] {
        let (code, out, err) = folder.run(&line(path), "");
        assert_eq!((code, err.as_str()), (1, "tollgate: denied by `own profile`\n"), "{path}");
        assert!(out.contains("denies dots below `GET /users/{sub}/*`: the path has `..`"), "{out}");
    }
}

#[test]
fn explain_says_which_rule_lets_a_caller_in() {
    let folder = Folder::new();
    let line = ["explain", "tollgate.toml", "--route", "GET /orders/1"];
    let from_file = folder.done(&[&line[..], &["--claims", "reader.json"]].concat(), "");
    insta::assert_snapshot!(from_file);
    assert_eq!(folder.done(&line, READER), from_file);
    let json = folder.json(&[&line[..], &["--claims", "reader.json"]].concat());
    insta::assert_json_snapshot!(json);
}

#[test]
fn explain_takes_a_token_instead_of_its_claims() {
    let folder = Folder::new();
    // {"alg":"none"}, the claims of READER, and no signature: nothing is verified.
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsInNjb3BlIjoib3JkZXJzL3JlYWQiLCJjbGllbnRfaWQ\
                 iOiJ3ZWIifQ.";
    let line = ["explain", "tollgate.toml", "--route", "GET /orders/1"];
    let by_token = folder.done(&[&line[..], &["--token"]].concat(), &format!("{token}\n"));
    assert_eq!(by_token, folder.done(&line, READER));
    for wrong in ["", "a b", "a.b", "secret.secret.secret"] {
        let said = folder.failed(2, &[&line[..], &["--token"]].concat(), wrong);
        assert!(said.starts_with("standard input holds no token"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let both = [&line[..], &["--token", "--claims", "reader.json"]].concat();
    assert_eq!(folder.run(&both, "").0, 2);
}

#[test]
fn explain_says_why_a_caller_is_not_let_in() {
    let folder = Folder::new();
    let denied = |more: &[&str], claims: &str| {
        let line = [&["explain", "tollgate.toml"], more].concat();
        let (code, out, err) = folder.run(&line, claims);
        assert_eq!(code, 1, "{out}{err}");
        (out, err)
    };
    let (out, err) = denied(&["--route", "GET /orders/export"], READER);
    insta::assert_snapshot!(out);
    assert_eq!(err, "tollgate: denied by `no exports`\n");

    let support = r#"{"sub": "u2", "cognito:groups": ["support"], "level": 3}"#;
    let refund = ["--route", "POST /refunds"];
    assert!(
        folder
            .done(&[&["explain", "tollgate.toml"], &refund[..]].concat(), support)
            .contains("allows `POST /refunds`")
    );
    let (out, err) = denied(&[&refund[..], &["--stage", "dev"]].concat(), support);
    assert!(out.contains("the stage is not in `stages`"), "{out}");
    assert_eq!(err, "tollgate: denied: no rule allows it\n");

    let delete = ["--route", "DELETE /orders/1"];
    let (_, err) = denied(&delete, support);
    assert!(err.ends_with("from its addresses alone: say which by `--source-ip`\n"), "{err}");
    denied(&[&delete[..], &["--source-ip", "192.0.2.1"]].concat(), support);
    let line = [&["explain", "tollgate.toml"], &delete[..], &["--source-ip", "10.1.2.3"]].concat();
    folder.done(&line, support);
}

#[test]
fn explain_says_which_names_cannot_be_understood() {
    let folder = Folder::new();
    for (route, claims, says) in [
        ("GET /orders", "{\"scope\": [\"secret\", 1]}", "the token's scopes cannot be understood"),
        ("GET /orders", "{\"scope\": \"secret,x\"}", "the token's scopes cannot be understood"),
        ("POST /refunds", "{\"cognito:groups\": 1}", "the token's groups cannot be understood"),
    ] {
        let line = ["explain", "tollgate.toml", "--route", route];
        let (code, out, err) = folder.run(&line, claims);
        assert_eq!(code, 1, "{out}{err}");
        assert!(out.contains(says) && !out.contains("secret"), "{out}");
    }
}

#[test]
fn claims_that_can_not_be_read_are_not_shown() {
    let folder = Folder::new();
    let line = ["explain", "tollgate.toml", "--route", "GET /orders"];
    for (claims, code, says) in [
        ("", 2, "standard input: the claims are not JSON, at line 1, column 0"),
        ("eyJzZWNyZXQ.secret.secret", 2, "the claims are not JSON"),
        ("\"secret\"", 2, "the claims are not a JSON object"),
        ("[\"secret\"]", 2, "the claims are not a JSON object"),
        ("{\"sub\": \"secret\"", 2, "the claims are not JSON"),
        ("{\"iss\": \"secret\"}", 1, "`iss` names no issuer whose tokens are taken"),
    ] {
        let said = folder.failed(code, &line, claims);
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let long = format!("{{\"sub\": \"{}\"}}", "x".repeat(70_000));
    assert!(folder.failed(2, &line, &long).contains("longer than 65536 bytes"));
    let nested = "[".repeat(60_000);
    assert!(folder.failed(2, &line, &nested).contains("the claims are not JSON"));
    let said = folder.failed(2, &[&line[..], &["--claims", "none.json"]].concat(), "");
    assert!(said.starts_with("can't read `none.json`: "), "{said}");
    let both = ["explain", "-", "--route", "GET /orders"];
    assert!(folder.failed(2, &both, SHOP).starts_with("standard input can't be both"));
}

#[test]
fn what_is_no_call_is_misuse() {
    let folder = Folder::new();
    for (route, stage) in [
        ("GET orders", "prod"),
        ("get /orders", "prod"),
        ("ANY /orders", "prod"),
        ("GET,POST /orders", "prod"),
        ("/orders", "prod"),
        ("GET", "prod"),
        ("", "prod"),
        ("$connect/x", "prod"),
        ("GET /a\nb", "prod"),
        ("GET /orders", ""),
        ("GET /orders", "a/b"),
        ("GET /orders", "a:b"),
    ] {
        let line = ["explain", "tollgate.toml", "--route", route, "--stage", stage];
        let said = folder.failed(2, &line, READER);
        assert!(said.contains("--route") || said.contains("--stage"), "{route} {stage}: {said}");
    }
    for line in [
        &["explain", "tollgate.toml"][..],
        &["check"],
        &["frobnicate"],
        &["explain", "tollgate.toml", "--route", "GET /", "--source-ip", "here"],
    ] {
        let (code, out, err) = folder.run(line, "");
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}");
        assert!(!err.is_empty());
    }
}

#[test]
fn the_matrix_shows_who_may_call_what() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.done(&["matrix", "tollgate.toml"], ""));
    let matrix = folder.json(&["matrix", "tollgate.toml"]);
    let holders = matrix["holders"].as_array().unwrap();
    assert_eq!(holders[1], json!({"kind": "scope", "name": "orders/read"}));
    for row in matrix["rows"].as_array().unwrap() {
        assert_eq!(row["cells"].as_array().unwrap().len(), holders.len());
    }
}

#[test]
fn help_shows_examples() {
    let folder = Folder::new();
    for command in ["check", "lint", "explain", "matrix"] {
        assert!(folder.done(&[command, "--help"], "").contains("Example"), "{command}");
    }
}
