//! `tollgate policy diff`, `import`, `check --openapi` and `evaluate`, typed as an operator would.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

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
    assert_eq!(err, "tollgate: left out: 2 (see the comments at the end)\n");
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
        ("OPTIONS /files/a", "", true),
        ("GET /me", "", true),
        ("GET /old", "", true),
        ("GET /health", "", true),
        ("GET /reports", "reports/b", true),
        ("GET /reports", "orders/read", false),
    ] {
        let line = ["explain", "tollgate.toml", "--route", route];
        let (code, out, _) = folder.run(&line, &claims(scope));
        assert_eq!(code == 0, allowed, "{route} {scope}: {out}");
    }
    // Without a credential only what is public by the description.
    for (route, allowed) in [
        ("GET /health", true),
        ("OPTIONS /files/a", true),
        ("GET /old", true),
        ("GET /files/a", false),
        ("GET /me", false),
        ("GET /orders", false),
    ] {
        let line = ["explain", "tollgate.toml", "--route", route, "--anonymous"];
        let (code, out, _) = folder.run(&line, "");
        assert_eq!(code == 0, allowed, "{route}: {out}");
    }
}

/// Imports paths of a description with these security schemes: the rules, and what is left out.
fn imported(schemes: &str, paths: &str) -> (Value, Vec<String>, String) {
    let api = format!(
        "openapi: 3.0.3\ncomponents: {{securitySchemes: {{{schemes}}}}}\npaths:\n{paths}\n"
    );
    let folder = Folder::new(&[("openapi.yaml", &api)]);
    let json = folder.json(&["import", "openapi.yaml"]);
    let left_out = json["left_out"].as_array().unwrap().iter();
    let left_out = left_out.map(|it| it.as_str().unwrap().to_owned()).collect();
    (json["rules"].clone(), left_out, folder.run(&["import", "openapi.yaml"], "").1)
}

const LOGIN: &str = "login: {type: oauth2}";

#[test]
fn an_exact_path_is_its_operation_s_alone() {
    let (rules, left_out, _) = imported(
        LOGIN,
        "  /orders: {get: {security: [{login: [read]}]}}\n  \
         /orders/mine: {get: {security: [{login: [read]}]}}\n  \
         /orders/{id}: {get: {security: [{login: [admin]}]}}\n  \
         /{proxy+}: {x-amazon-apigateway-any-method: {security: [{login: [admin]}]}}",
    );
    assert_eq!(
        rules,
        json!([
            {
                "name": "admin",
                "allow": ["HEAD,OPTIONS,POST,PUT,PATCH,DELETE /*"],
                "all_scopes": ["admin"],
            },
            {"name": "read", "allow": ["GET /orders", "GET /orders/mine"], "all_scopes": ["read"]},
        ])
    );
    // A wildcard crosses into operations of others, as before.
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[0].contains("`GET /orders/*` would also allow `GET /orders/mine`"));
    assert!(left_out[1].contains("`GET /*` would also allow `GET /orders`"), "{left_out:?}");
}

#[test]
fn an_api_key_is_a_credential_where_the_header_has_it() {
    let key = "key: {type: apiKey, in: header, name: X-Api-Key}";
    let path = "  /a: {get: {security: [{key: []}]}}";
    let (rules, left_out, text) = imported(key, path);
    assert_eq!(rules, json!([{"name": "every caller", "allow": ["GET /a"], "everyone": true}]));
    assert!(
        left_out.is_empty() && text.contains("# - callers need an API key: add `[keys]`"),
        "{text}"
    );
    // Beside tokens a rule for keys would be one for tokens too.
    let (rules, left_out, _) = imported(&format!("{LOGIN}, {key}"), path);
    assert_eq!(rules, json!([]));
    assert!(left_out[0].contains("rules are the same for keys and tokens"), "{left_out:?}");
    let any = "  /a: {get: {security: [{key: []}, {login: []}]}}";
    assert_eq!(imported(&format!("{LOGIN}, {key}"), any).1, [""; 0]);
    // Nobody looks for a key elsewhere, so the operation would be open to those without.
    for place in ["query", "cookie"] {
        let key = key.replace("header", place);
        let both = "  /a: {get: {security: [{login: [r], key: []}]}}";
        let (rules, left_out, _) = imported(&format!("{LOGIN}, {key}"), both);
        assert_eq!(rules, json!([]), "{place}");
        assert!(left_out[0].contains("not in the header `x-api-key`"), "{left_out:?}");
    }
}

#[test]
fn what_api_gateway_has_no_route_for_is_left_out_alone() {
    let paths = "  /files/{name}.json: {get: {security: [{login: [b]}]}}\n  \
                 /{a+}/b: {get: {security: [{login: [b]}]}}\n  \
                 /a{b}: {get: {security: [{login: [b]}]}}\n  \
                 /files/{id}: {put: {security: [{login: [a]}]}, get: {security: [{login: [a]}]}}";
    let (rules, left_out, _) = imported(LOGIN, paths);
    assert_eq!(rules, json!([{"name": "a", "allow": ["PUT /files/*"], "all_scopes": ["a"]}]));
    let unroutable = |it: &&String| it.contains("not a whole segment");
    assert_eq!(left_out.iter().filter(unroutable).count(), 3, "{left_out:?}");
    // Its requests are still covered by `/*`.
    assert!(left_out.iter().any(|it| it.contains("would also allow `GET /files/{name}.json`")));

    let api =
        format!("openapi: 3.0.3\ncomponents: {{securitySchemes: {{{LOGIN}}}}}\npaths:\n{paths}\n");
    let config = format!("{ISSUER}[[rule]]\nname = \"a\"\nallow = [\"GET /*\"]\neveryone = true\n");
    let folder = Folder::new(&[("openapi.yaml", &api), ("tollgate.toml", &config)]);
    let out = folder.done(&["check", "tollgate.toml", "--openapi", "openapi.yaml"]);
    assert!(out.contains("GET /files/{name}.json  unknown  API Gateway has no route"), "{out}");
    assert!(out.contains("GET /files/{id}         every    -"), "{out}");
}

#[test]
fn an_operation_without_security_is_public_only_if_that_is_written() {
    let (rules, left_out, text) = imported(
        LOGIN,
        "  /a: {get: {security: []}}\n  /b: {get: {}}\n  \
         \"/c\\u2028\": {get: {security: [{login: [\"x\\\"y\"]}, {login: [\"\\u202e \"]}]}}",
    );
    let rules = rules.as_array().unwrap();
    assert_eq!(rules[0], json!({"name": "every caller", "allow": ["GET /a"], "everyone": true}));
    let public = json!({"name": "no credential", "allow": ["GET /a"], "anonymous": true});
    assert_eq!(rules.last(), Some(&public));
    assert!(left_out[0].starts_with("GET /b: has no `security`: write `security: []`"));
    // Escaped once, and no more.
    assert!(text.contains("`\\u{202e} ` is not a scope"), "{text}");
    assert!(!text.contains("\\\\"), "{text}");
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
        (api("  /a: {get: {security: 1}}"), "`security` must be a list"),
        (api("  /a: {get: {x-tollgate-cost: -1}}"), "must be a whole number"),
        (api("  a: {get: {}}"), "must start with `/`"),
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
    let old = format!("{ISSUER}{RULES}[revocation]\ntable = \"tab\"\n[metrics]\nenabled = true\n");
    let folder = Folder::new(&[("old.toml", &old)]);
    for (from, to, says) in [
        ("[revocation]\ntable = \"tab\"\n", "", "undecided  `revocation`"),
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

const KEYS: &str = "[keys]\ntable = \"tab\"\n";

#[test]
fn diff_compares_who_needs_which_credential_and_plan() {
    let rule = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";
    let limits = |more: &str| {
        format!("{ISSUER}{rule}[throttle]\ntable = \"tab\"\nrefuse = \"context\"\n{more}\n")
    };
    let by_key = limits("subject = \"api_key\"\nplan = { default = \"f\" }");
    let by_sub = limits("subject = \"sub\"\nplan = { default = \"f\" }");
    let planless = limits("subject = \"sub\"\nplan = { claim = \"plan\" }");
    let bare = format!("{ISSUER}{rule}");
    let callers = |require: &str| format!("{bare}{KEYS}[callers]\nrequire = \"{require}\"\n");
    let table = |name: &str, audience: &str| {
        format!(
            "[[issuer]]\nname = \"{name}\"\nurl = \"https://id.example\"\nclients = \"any\"\n\
             audiences = [\"{audience}\"]\ntoken_use = \"any\"\n"
        )
    };
    let one = format!("{}{rule}", table("a", "A"));
    let two = format!("{}{}{rule}", table("a", "A"), table("b", "B"));
    let folder = Folder::new(&[]);
    for (old, new, says) in [
        (&by_key, &by_sub, "`callers.require`  changed from both to token"),
        (&by_key, &bare, "`callers.require`  changed from both to token"),
        (&callers("both"), &callers("either"), "`callers.require`  changed from both to either"),
        (&planless, &by_sub, "`throttle.plan`  changed: callers without a plan were refused"),
        (&planless, &bare, "`throttle.plan`"),
        (&by_sub, &bare, "`throttle.subject`"),
        (&two, &one, "`issuer.b`  removed: a token that fitted two tables was refused"),
    ] {
        folder.write("old.toml", old);
        folder.write("new.toml", new);
        let (code, out, err) = folder.run(&["diff", "old.toml", "new.toml", "--deny-widening"], "");
        assert_eq!(code, 1, "{says}: {out}{err}");
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(&says.replace("  ", " ")), "{says}: {out}");
        // Nothing differs from itself.
        folder.done(&["diff", "old.toml", "old.toml", "--deny-widening"]);
    }
    // Limits, and what is written out as its default, decide no access.
    for (old, new) in [
        (by_sub.clone(), by_sub.replace("\"f\"", "\"g\"").replace("context", "deny")),
        (bare.clone(), by_sub.clone()),
        (by_key.clone(), format!("{by_key}{KEYS}[callers]\nrequire = \"both\"\n")),
    ] {
        folder.write("old.toml", &old);
        folder.write("new.toml", &new);
        folder.done(&["diff", "old.toml", "new.toml", "--deny-widening"]);
    }
    // Issuers without a URL have names too.
    let iss = |name: &str| {
        format!(
            "[[issuer]]\niss = \"{name}\"\njwks_uri = \"https://{name}.example/k\"\n\
             clients = \"any\"\ntoken_use = \"any\"\n"
        )
    };
    folder.write(
        "old.toml",
        &format!("{}{}{rule}", iss("a"), iss("b").replace("\"any\"\ntoken", "[\"web\"]\ntoken")),
    );
    let same = folder.done(&["diff", "old.toml", "old.toml", "--deny-widening"]);
    assert_eq!(same, "no caller gains or loses a route\n");
}

#[test]
fn check_tells_public_operations_from_those_of_every_caller() {
    let rules = "[[rule]]\nname = \"all\"\nallow = [\"GET /health\", \"GET /x\"]\neveryone = true\n\
                 [[rule]]\nname = \"public\"\nallow = [\"GET /health\", \"OPTIONS /*\"]\n\
                 anonymous = true\n";
    let deny = "[[rule]]\nname = \"own\"\ndeny = [\"GET /users/{sub}\"]\neveryone = true\n";
    let any = "x-amazon-apigateway-any-method: {}";
    let api = format!(
        "openapi: 3.0.0\npaths: {{/health: {{get: {{}}}}, /x: {{get: {{}}}}, \
         '/admin/{{proxy+}}': {{{any}}}}}\n"
    );
    let folder = Folder::new(&[
        ("api.yaml", &api),
        ("tollgate.toml", &format!("{ISSUER}{rules}")),
        ("closed.toml", &format!("{ISSUER}{rules}{deny}")),
    ]);
    let check = |file: &str| folder.done(&["check", file, "--openapi", "api.yaml"]);
    assert_eq!(
        check("tollgate.toml"),
        "OPERATION            CALLERS  WHO\n\
         ANY /admin/{proxy+}  some     no credential, OPTIONS only\n\
         GET /health          every    also without a credential\n\
         GET /x               every    -\n"
    );
    // A deny with a claim in its path denies everything to those without a credential.
    let closed = check("closed.toml");
    assert!(closed.contains("GET /health          every    -\n"), "{closed}");
    let json = folder.json(&["check", "tollgate.toml", "--openapi", "api.yaml"]);
    let words = |at: usize| {
        let row = &json["operations"][at];
        (row["callers"].as_str().unwrap(), row["without_credential"].as_str().unwrap())
    };
    assert_eq!(
        [words(0), words(1), words(2)],
        [("some", "some"), ("every", "every"), ("every", "none")]
    );
}

#[test]
fn tools_know_which_credential_is_looked_at() {
    let config = |require: &str| {
        format!(
            "{ISSUER}name = \"demo\"\n{KEYS}[callers]\nrequire = \"{require}\"\n[[rule]]\n\
             name = \"tok\"\nallow = [\"GET /me\"]\nissuers = [\"demo\"]\n[[rule]]\nname = \"all\"\n\
             allow = [\"GET /all\"]\neveryone = true\n"
        )
    };
    let folder = Folder::new(&[("api.yaml", "openapi: 3.0.0\npaths: {/me: {get: {}}}\n")]);
    let caller = "{\"client_id\": \"web\", \"sub\": \"u\"}";
    for (require, who, by_claims, by_key) in [
        ("key", "none", "a token is not looked at", ""),
        ("either", "some", "", ""),
        ("both", "every", "", "rules see the token"),
        ("token", "every", "", "an API key is not looked at"),
    ] {
        folder.write("tollgate.toml", &config(require));
        let out = folder.done(&["check", "tollgate.toml", "--openapi", "api.yaml"]);
        assert!(out.contains(&format!("GET /me    {who} ")), "{require}: {out}");
        let explain = ["explain", "tollgate.toml", "--route", "GET /all"];
        for (more, says) in [(&[][..], by_claims), (&["--key"], by_key)] {
            let (code, out, err) = folder.run(&[&explain[..], more].concat(), caller);
            assert_eq!(code == 0, says.is_empty(), "{require} {more:?}: {out}{err}");
            assert!(err.contains(says), "{require} {more:?}: {err}");
        }
        let (code, lint, _) = folder.run(&["lint", "tollgate.toml"], "");
        assert_eq!(code == 1 && lint.contains("unused-issuer"), require == "key", "{lint}");
        assert_eq!(lint.contains("never-applies"), require == "key", "{lint}");
        let text = folder.done(&["check", "tollgate.toml"]);
        assert_eq!(text.contains("header `authorization`"), require != "key", "{text}");
    }
}

#[test]
fn json_with_a_duplicate_member_is_refused() {
    let folder = Folder::new(&[("tollgate.toml", &format!("{ISSUER}{RULES}"))]);
    folder.write(
        "policy.json",
        &POLICY.replace("\"Effect\": \"Allow\",", "\"Effect\": \"Deny\", \"Effect\": \"Allow\","),
    );
    let said = folder.misused(&["evaluate", "policy.json", "--route", "GET /user/2"]);
    assert!(said.contains("a duplicate member, at line 2"), "{said}");
    folder.write("claims.json", "{\"sub\": \"a\", \"sub\": \"secret\"}");
    let explain = ["explain", "tollgate.toml", "--route", "GET /orders", "--claims", "claims.json"];
    let said = folder.misused(&explain);
    assert!(
        said.contains("the claims have a duplicate member") && !said.contains("secret"),
        "{said}"
    );
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
            (&["--route", "GET /user/2/x"][..], 0, "GET /user/2/x: allowed by statement 1\n"),
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
