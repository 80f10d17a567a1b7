//! `tollgate policy diff`, `import`, `check --openapi` and `evaluate`, typed as an operator would.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A folder in which the executable runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, content)| folder.write(name, content));
        folder
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    /// Runs `tollgate policy …`: exit code, output, error.
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
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn done(&self, line: &[&str]) -> String {
        let (code, out, err) = self.run(line, "");
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        out
    }

    #[track_caller]
    fn json(&self, line: &[&str]) -> Value {
        let (code, out, err) = self.run(&[line, &["--json"]].concat(), "");
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// The one line of a command that printed nothing else.
    #[track_caller]
    fn misused(&self, line: &[&str]) -> String {
        let (code, out, err) = self.run(line, "");
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
        err.trim_end().to_owned()
    }
}

const API: &str = r##"openapi: 3.0.3
info: {title: Shop, version: "1"}
paths:
  /health:
    get: {security: []}
  /orders:
    get:
      security: [{login: [orders/read]}, {login: [orders/admin]}]
    post:
      security: [{login: [orders/read, orders/write]}]
      x-tollgate-cost: 5
  /orders/{id}:
    get: {security: [{login: [orders/read]}]}
    delete: {security: [{login: [orders/admin]}]}
  /orders/{id}/refunds:
    get: {security: [{login: [refunds/read]}]}
    put: {security: [{login: [refunds/write]}]}
  /files/{proxy+}:
    x-amazon-apigateway-any-method: {security: [{authorizer: []}]}
    options: {security: []}
  /me: {$ref: "#/components/pathItems/me"}
  /old: {get: {security: [{basic: []}, {}]}}
  /reports:
    get: {security: [{gateway: [reports/a, reports/b], key: []}]}
components:
  pathItems:
    me: {get: {security: [{bearer: []}]}}
  securitySchemes:
    login: {type: oauth2, flows: {}}
    bearer: {type: http, scheme: Bearer}
    basic: {type: http, scheme: basic}
    key: {type: apiKey, name: x-api-key, in: header}
    gateway: {type: oauth2, x-amazon-apigateway-authorizer: {type: jwt}}
    authorizer:
      type: apiKey
      name: Authorization
      in: header
      x-amazon-apigateway-authtype: custom
"##;

const ISSUER: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["web"]
token_use = "access"
"#;

#[test]
fn import_makes_rules_that_load_and_says_what_it_left_out() {
    let folder = Folder::new(&[("openapi.yaml", API)]);
    let (code, out, err) = folder.run(&["import", "openapi.yaml"], "");
    assert_eq!(code, 0, "{err}");
    insta::assert_snapshot!(out);
    assert_eq!(err, "tollgate: left out: 6 (see the comments at the end)\n");
    insta::assert_json_snapshot!(folder.json(&["import", "openapi.yaml"]));

    // The rules load, and each operation is for those whom the description names.
    folder.write("tollgate.toml", &format!("{ISSUER}\n{out}"));
    let check = ["check", "tollgate.toml", "--openapi", "openapi.yaml"];
    insta::assert_snapshot!(folder.done(&check));
    insta::assert_json_snapshot!(folder.json(&check));
    // JSON is the same description.
    let value: Value = json!({
        "openapi": "3.1.0",
        "paths": {"/a": {"get": {"security": [{"o": ["s"]}]}}},
        "components": {"securitySchemes": {"o": {"type": "oauth2"}}},
    });
    folder.write("openapi.json", &serde_json::to_string_pretty(&value).unwrap());
    let rules = folder.json(&["import", "openapi.json"])["rules"].clone();
    assert_eq!(rules, json!([{"name": "s", "allow": ["GET /a"], "all_scopes": ["s"]}]));
}

#[test]
fn an_import_never_allows_more_than_the_description() {
    let folder = Folder::new(&[("openapi.yaml", API)]);
    let imported = folder.run(&["import", "openapi.yaml"], "").1;
    folder.write("tollgate.toml", &format!("{ISSUER}\n{imported}"));
    let claims = |scope: &str| json!({"sub": "u", "client_id": "web", "scope": scope}).to_string();
    for (route, scope, allowed) in [
        ("GET /orders", "orders/read", true),
        ("GET /orders", "orders/admin", true),
        ("POST /orders", "orders/write", false),
        ("POST /orders", "orders/read orders/write", true),
        // `GET /orders/*` would allow the refunds too.
        ("GET /orders/1", "orders/read", false),
        ("GET /orders/1/refunds", "orders/read", false),
        ("DELETE /orders/1", "orders/admin", true),
        ("PUT /orders/1/refunds", "refunds/write", true),
        ("GET /files/a/b", "", true),
        ("OPTIONS /files/a", "", false),
        ("GET /me", "", true),
        ("GET /old", "", false),
        ("GET /health", "", false),
        ("GET /reports", "reports/b", true),
        ("GET /reports", "orders/read", false),
    ] {
        let line = ["explain", "tollgate.toml", "--route", route];
        let (code, out, _) = folder.run(&line, &claims(scope));
        assert_eq!(code == 0, allowed, "{route} {scope}: {out}");
    }
}

#[test]
fn descriptions_that_cannot_be_read_are_refused_in_one_line() {
    let folder = Folder::new(&[(
        "tollgate.toml",
        &format!("{ISSUER}[[rule]]\nname = \"a\"\nallow = [\"GET /\"]\neveryone = true\n"),
    )]);
    let api = |paths: &str| {
        format!(
            "openapi: 3.0.0\npaths:\n{paths}\ncomponents: {{securitySchemes: {{o: {{type: oauth2}}, \
                 l: {{$ref: '#/components/securitySchemes/l'}}}}}}\n"
        )
    };
    let bomb: String = (1..20)
        .map(|n| format!("x-{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")))
        .collect();
    for (text, says) in [
        (String::new(), "is empty"),
        ("a: [".to_owned(), "not YAML"),
        ("swagger: '2.0'".to_owned(), "is Swagger 2: convert it"),
        ("openapi: 4.0.0".to_owned(), "is not a version 3"),
        ("openapi: 3.0.0".to_owned(), "has no `paths`"),
        ("[1]".to_owned(), "has no `openapi"),
        (api("  /a: {$ref: 'https://example.com/a.yaml'}"), "leads out of the file"),
        (api("  /a: {$ref: 'a.yaml#/paths/a'}"), "leads out of the file"),
        (api("  /a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}"), "in a loop"),
        (api("  /a: {$ref: '#/x', get: {}}"), "has both `$ref` and methods"),
        (api("  /a: {get: {security: [{l: []}]}}"), "GET /a: `l`: `$ref` leads on for more"),
        (api("  /a: {get: {security: [{x: []}]}}"), "`x` is not in `components.securitySchemes`"),
        (api("  /a: {get: {security: 1}}"), "`security` is not a list"),
        (api("  /a: {get: {x-tollgate-cost: -1}}"), "is not a whole number"),
        (api("  a: {get: {}}"), "does not start with `/`"),
        (api("  /a{b}: {get: {}}"), "not a whole segment"),
        (api("  /{a+}/b: {get: {}}"), "before its end"),
        (api("  /a: {get: 1}"), "is not an object"),
        (format!("x-0: &a0 [x, x]\n{bomb}{}", api("  /a: {}")), "more than 500000 values"),
        (format!("x: {}", "[".repeat(200)), "nested deeper than 100"),
        ("#".repeat(6 * 1024 * 1024 + 1), "longer than 6291456 bytes"),
    ] {
        folder.write("openapi.yaml", &text);
        let import = folder.misused(&["import", "openapi.yaml"]);
        assert!(import.contains(says) && import.contains("openapi.yaml: "), "{says}: {import}");
        let check = ["check", "tollgate.toml", "--openapi", "openapi.yaml"];
        assert_eq!(folder.misused(&check), import);
    }
    assert!(folder.misused(&["import", "none.yaml"]).contains("can't read `none.yaml`"));
    assert!(folder.misused(&["check", "-", "--openapi", "-"]).contains("can't be both"));
}

const RULES: &str = r#"
[[rule]]
name = "readers"
allow = ["GET /orders", "GET /orders/*"]
any_scope = ["orders/read"]

[[rule]]
name = "refunds"
allow = ["POST /refunds"]
any_group = ["support"]
when = "claims.level >= 3"

[[rule]]
name = "no exports"
deny = ["GET /orders/export"]
everyone = true
"#;

#[test]
fn diff_names_who_gains_and_who_loses() {
    let old = format!("{ISSUER}{RULES}");
    let folder = Folder::new(&[("old.toml", &old), ("same.toml", &format!("# Same.\n{old}"))]);
    let deny = ["diff", "old.toml", "new.toml", "--deny-widening"];
    assert_eq!(
        folder.done(&["diff", "old.toml", "same.toml"]),
        "no caller gains or loses a route\n"
    );

    let widened = old
        .replace("[\"orders/read\"]", "[\"orders/read\", \"orders/all\"]")
        .replace("\"GET /orders/*\"", "\"GET /orders/1\"")
        .replace("level >= 3", "level >= 2");
    folder.write("new.toml", &widened);
    let (code, out, err) = folder.run(&deny, "");
    insta::assert_snapshot!(out);
    assert_eq!(code, 1, "{out}");
    assert!(err.starts_with("tollgate: access widens, or may widen: "), "{err}");
    insta::assert_json_snapshot!(folder.json(&["diff", "old.toml", "new.toml"]));

    // Narrower access passes.
    let narrowed = old.replace(", \"GET /orders/*\"", "").replace("\"support\"", "\"support2\"");
    folder.write("new.toml", &old.replace(", \"GET /orders/*\"", ""));
    let out = folder.done(&deny);
    assert!(out.contains("lose") && !out.contains("gain") && !out.contains("undecided"), "{out}");
    folder.write("new.toml", &narrowed);
    assert_eq!(folder.run(&deny, "").0, 1);
    let (code, out, _) = folder.run(&["diff", "-", "old.toml"], &old);
    assert_eq!((code, out.as_str()), (0, "no caller gains or loses a route\n"));
    assert!(folder.misused(&["diff", "-", "-"]).contains("standard input can't be both"));
    assert!(folder.misused(&["diff", "old.toml", "none.toml"]).contains("can't read `none.toml`"));
}

#[test]
fn diff_treats_what_it_cannot_decide_as_a_widening() {
    let old = format!("{ISSUER}{RULES}[revocation]\ntable = \"t\"\n[metrics]\nenabled = true\n");
    let folder = Folder::new(&[("old.toml", &old)]);
    for (from, to, says) in [
        ("[revocation]\ntable = \"t\"\n", "", "undecided  `revocation`"),
        ("token_use = \"access\"", "token_use = \"any\"", "`issuer.us-east-1_abcDEF123.token_use`"),
        (
            "token_use = \"access\"",
            "token_use = \"access\"\nleeway_seconds = 60",
            "`issuer.us-east-1_abcDEF123.leeway_seconds`  added",
        ),
        (
            "[[rule]]\nname = \"readers\"",
            "[policy]\ndocument_limit = 9000\n[[rule]]\nname = \"readers\"",
            "`policy`",
        ),
        ("clients = [\"web\"]", "clients = [\"web\", \"app\"]", "client:app, scope:orders/read"),
        ("clients = [\"web\"]", "clients = \"any\"", "scope:orders/read"),
    ] {
        assert!(old.contains(from), "{from}");
        folder.write("new.toml", &old.replace(from, to));
        let (code, out, err) = folder.run(&["diff", "old.toml", "new.toml", "--deny-widening"], "");
        assert_eq!(code, 1, "{from} -> {to}: {out}{err}");
        assert!(out.contains(says), "{from} -> {to}: {out}");
        // Without the flag it only tells.
        assert_eq!(folder.run(&["diff", "old.toml", "new.toml"], "").0, 0);
    }
    // Settings that decide no access.
    folder.write("new.toml", &old.replace("enabled = true", "enabled = false"));
    folder.done(&["diff", "old.toml", "new.toml", "--deny-widening"]);
}

const POLICY: &str = r#"{"principalId": "u", "policyDocument": {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": [
        "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/GET/user/*",
        "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/$connect"]},
    {"Effect": "Deny", "Action": "execute-api:*",
     "Resource": "arn:aws:execute-api:eu-west-1:111122223333:abc/*/GET/user/1/secret"},
    {"Effect": "Allow", "Action": "execute-api:Invoke",
     "Resource": "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/POST/*",
     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}}"#;

#[test]
fn evaluate_judges_any_policy() {
    let bare: Value = serde_json::from_str(POLICY).unwrap();
    let bare = bare["policyDocument"].to_string();
    let folder = Folder::new(&[("response.json", POLICY), ("policy.json", &bare)]);
    for file in ["response.json", "policy.json"] {
        for (line, code, says) in [
            (&["--route", "GET /user/2/x"][..], 0, "GET/user/2/x: allowed by statement 1\n"),
            (&["--route", "$connect"], 0, "$connect: allowed by statement 1\n"),
            (&["--route", "GET /user/1/secret"], 1, "denied by statement 2\n"),
            (&["--route", "GET /user"], 1, "denied: no statement matches\n"),
            (&["--route", "GET /user/2", "--stage", "dev"], 1, "denied: no statement matches\n"),
            (&["--route", "POST /x"], 1, "denied: no statement matches\n"),
            (&["--route", "POST /x", "--source-ip", "10.1.1.1"], 0, "allowed by statement 3\n"),
            (
                &["--method-arn", "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/GET/user/2"],
                0,
                "allowed by statement 1\n",
            ),
            (
                &["--method-arn", "arn:aws:execute-api:eu-west-1:111122223333:xyz/prod/GET/user/2"],
                1,
                "denied: no statement matches\n",
            ),
        ] {
            let (found, out, err) = folder.run(&[&["evaluate", file], line].concat(), "");
            assert_eq!(found, code, "{line:?}: {out}{err}");
            assert!(out.ends_with(says), "{line:?}: {out}");
        }
    }
    let json = folder.json(&["evaluate", "policy.json", "--route", "GET /user/2"]);
    assert_eq!(
        json,
        json!({
            "arn": "arn:aws:execute-api:eu-west-1:111122223333:abc/prod/GET/user/2",
            "outcome": "allowed", "statement": 1,
        })
    );
    // A wildcard names no API: any will do.
    let all = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    assert_eq!(folder.run(&["evaluate", "-", "--route", "GET /"], all).0, 0);
}

#[test]
fn a_policy_that_cannot_be_judged_is_misuse() {
    let folder = Folder::new(&[]);
    let policy =
        |statement: &str| format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statement}]}}");
    let one = |resource: &str| {
        format!("{{\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"{resource}\"}}")
    };
    let (a, b) =
        ("arn:aws:execute-api:us-east-1:1:a/x/GET/", "arn:aws:execute-api:us-east-1:1:b/x/GET/");
    for (text, route, says) in [
        ("", "GET /", "not JSON"),
        ("[1]", "GET /", "not a JSON object"),
        ("{}", "GET /", "not a policy that can be judged"),
        (&"[".repeat(1000), "GET /", "not JSON"),
        (&" ".repeat(300_000), "GET /", "longer than 262144 bytes"),
        (&policy(&one("*")), "GET", "`--route` must be"),
        (&policy(&one("*")), "get /", "`--route` must be"),
        (&policy(&one("${aws:username}")), "GET /", "IAM variable"),
        (&policy(&[one(a), one(b)].join(", ")), "GET /", "several APIs"),
        (
            &policy(r#"{"Effect": "Allow", "NotAction": "*", "Resource": "*"}"#),
            "GET /",
            "NotAction",
        ),
        (
            &policy(
                r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {}}}"#,
            ),
            "GET /",
            "Bool",
        ),
    ] {
        folder.write("policy.json", text);
        let said = folder.misused(&["evaluate", "policy.json", "--route", route]);
        assert!(said.contains(says), "{text:.80}: {said}");
    }
    for line in [
        &["evaluate", "policy.json"][..],
        &["evaluate", "policy.json", "--route", "GET /", "--method-arn", "x"],
    ] {
        assert_eq!(folder.run(line, "").0, 2);
    }
}

#[test]
fn help_shows_examples() {
    let folder = Folder::new(&[]);
    for command in ["diff", "import", "evaluate"] {
        let help = folder.done(&[command, "--help"]);
        assert!(help.contains("Examples:"), "{command}");
    }
}
