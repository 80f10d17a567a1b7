//! The doctor, faults of the table, and what a shell needs.

use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::proxy::Proxy;
use crate::support::{PLAN, Tollgate, serve, with_table};

#[test]
fn the_doctor_finds_nothing_where_all_is_well() {
    let (tollgate, issuer) = (with_table(), Issuer::start());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, issuer.config()).unwrap();
    let line = ["doctor", "--config", file.path().to_str().unwrap()];
    let said = tollgate.run(&line).done().replace(&issuer.url, "http://issuer");
    // The answer may come in the next second.
    let said = said.replace("within 1 s", "within 0 s");
    insta::assert_snapshot!(said, @r"
    configuration  ok  issuers: 1; findings of `policy lint`: 0
    credentials    ok  DynamoDB takes them
    table          ok  `tollgate` is there and right
    clock          ok  within 0 s of DynamoDB's
    keys           ok  usable: 1 at `http://issuer/.well-known/jwks.json`
    ");
    let json = tollgate.run(&[&line[..], &["--json"]].concat()).json();
    assert_eq!((&json["well"], json["checks"].as_array().unwrap().len()), (&json!(true), 5));
    let bare = tollgate.run(&["doctor"]).done();
    assert!(bare.starts_with("configuration  skipped  none is named"), "{bare}");
}

#[test]
fn the_doctor_names_each_fault_and_its_remedy() {
    let doctor = |tollgate: &Tollgate, more: &[&str]| {
        let answer = tollgate.run(&[&["doctor", "--json"], more].concat());
        let json: Value = serde_json::from_str(&answer.out).unwrap();
        let wrong: Vec<_> = json["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|check| check["state"] == "wrong" || check["state"] == "unavailable")
            .map(|check| {
                format!("{}: {}", check["check"].as_str().unwrap(), check["text"].as_str().unwrap())
            })
            .collect();
        (answer.code, wrong.join("; "))
    };
    let (code, wrong) = doctor(&Tollgate::at(&serve()), &[]);
    assert_eq!(code, 1);
    assert!(wrong.starts_with("table: there is no table `tollgate`"), "{wrong}");
    assert!(wrong.ends_with("(`tollgate table create`)"), "{wrong}");

    let (code, wrong) = doctor(&Tollgate::at("http://127.0.0.1:1"), &[]);
    assert_eq!(code, 3);
    assert!(wrong.starts_with("table: the table can't be reached: check the endpoint"), "{wrong}");

    let url = serve();
    let denied = Proxy::before(&url, |_, _| Some((400, "AccessDeniedException")));
    let (code, wrong) = doctor(&Tollgate::at(&denied.url), &[]);
    assert_eq!(code, 1);
    assert!(wrong.starts_with("credentials: access to the table was denied"), "{wrong}");

    let tollgate = with_table();
    let (code, wrong) = doctor(&tollgate, &["--config", "/nowhere.toml"]);
    assert_eq!(code, 1);
    assert!(wrong.starts_with("configuration: /nowhere.toml: can't be read"), "{wrong}");

    let issuer = Issuer::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = issuer.config().replace("url =", "jwks_uri = \"http://127.0.0.1:1/\"\nurl =");
    std::fs::write(&file, config).unwrap();
    let (code, wrong) = doctor(&tollgate, &["--config", file.path().to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(wrong.contains("the connection failed: check the issuer"), "{wrong}");
}

#[test]
fn the_doctor_compares_the_default_plan_with_the_others() {
    let (tollgate, issuer) = (with_table(), Issuer::start());
    let file = tempfile::NamedTempFile::new().unwrap();
    let doctor = |plan: &str| {
        let limits = format!(
            "[throttle]\ntable = \"tollgate\"\nsubject = \"sub\"\nrefuse = \"context\"\n\
             plan = {{ {plan} }}\n[response]\nhttp = \"simple\"\n"
        );
        std::fs::write(&file, format!("{}{limits}", issuer.config())).unwrap();
        let answer = tollgate.run(&["doctor", "--config", file.path().to_str().unwrap()]);
        let line = answer.out.lines().find(|line| line.starts_with("plans")).unwrap_or_default();
        assert!(answer.out.contains("cached denials  warning"), "{}", answer.out);
        (answer.code, line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
    };
    let named = "claim = \"custom:plan\", default = \"free\"";
    let missing = "WRONG the default plan `free` is missing: `tollgate plan put free FILE`";
    assert_eq!(doctor(named), (1, missing.to_owned()));
    tollgate.feed(&["plan", "put", "free", "-"], PLAN).done();
    assert_eq!(doctor(named), (0, "ok the default plan is `free`".to_owned()));
    for (other, is_stricter) in [
        (
            r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 9}, "quota": {"limit": 1000, "period": "MONTH"}}"#,
            true,
        ),
        (
            r#"{"throttle": {"rateLimit": 0.4, "burstLimit": 10}, "quota": {"limit": 1000, "period": "MONTH"}}"#,
            true,
        ),
        (
            r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 10}, "quota": {"limit": 999, "period": "MONTH"}}"#,
            true,
        ),
        (r#"{"quota": {"limit": 1000000, "period": "DAY"}}"#, true),
        (r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}}"#, false),
        (
            r#"{"throttle": {"rateLimit": 9, "burstLimit": 90}, "quota": {"limit": 1001, "period": "MONTH"}}"#,
            false,
        ),
    ] {
        tollgate.run(&["plan", "delete", "other", "--force", "--yes"]);
        tollgate.feed(&["plan", "put", "other", "-"], other).done();
        let (code, line) = doctor(named);
        assert_eq!((code, line.starts_with("warning")), (0, is_stricter), "{other}: {line}");
        // Without a claim nobody falls back to the default.
        assert!(doctor("default = \"free\"").1.starts_with("ok"), "{other}");
    }
}

#[test]
fn without_permission_each_command_is_refused_and_nothing_is_done() {
    let url = serve();
    Tollgate::at(&url).run(&["table", "create"]).done();
    let proxy = Proxy::before(&url, |_, _| Some((400, "AccessDeniedException")));
    let tollgate = Tollgate::at(&proxy.url);
    for line in [
        &["table", "status"][..],
        &["plan", "put", "free", "-"],
        &["plan", "list"],
        &["plan", "delete", "free", "--yes"],
        &["key", "create"],
        &["key", "list"],
        &["subject", "assign", "maria", "free"],
        &["subject", "reset", "maria", "--yes"],
        &["usage", "show", "maria"],
        &["usage", "grant", "maria", "5", "--by", "day"],
        &["revoke", "user", "maria", "--issuer", "acme"],
    ] {
        let said = tollgate.feed(line, PLAN).failed(1);
        assert_eq!(
            said,
            "access to the table was denied (AccessDeniedException): check the credentials and \
             their policy",
            "{line:?}"
        );
    }
    // A list that fails has begun with nothing, or says so after what it printed.
    let answer = tollgate.run(&["revoke", "list", "--json"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
}

#[test]
fn no_table_and_a_wrong_endpoint_are_told_by_every_group() {
    let (nowhere, empty) = (Tollgate::at("http://127.0.0.1:1"), Tollgate::at(&serve()));
    for line in [
        &["key", "list"][..],
        &["key", "create"],
        &["subject", "show", "maria"],
        &["subject", "reset", "maria", "--yes"],
        &["usage", "show", "maria"],
        &["usage", "export", "free"],
        &["usage", "grant", "maria", "5", "--by", "day", "--id", "x"],
        &["revoke", "list"],
        &["revoke", "token", "j1", "--issuer", "acme"],
        &["plan", "export"],
    ] {
        assert!(nowhere.run(line).failed(3).contains("the table can't be reached"), "{line:?}");
        assert!(empty.run(line).failed(1).contains("the table doesn't exist"), "{line:?}");
    }
}

#[test]
fn a_shell_gets_completions_and_a_manual() {
    let tollgate = Tollgate::with([]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tollgate.run(&["completion", shell]).done();
        assert!(script.contains("tollgate") && script.contains("rotate"), "{shell}");
    }
    assert_eq!(tollgate.run(&["completion", "tcsh"]).code, 2);
    assert!(tollgate.run(&["man"]).done().contains(".TH tollgate 1"));
    let folder = tempfile::tempdir().unwrap();
    let said = tollgate.run(&["man", "--dir", folder.path().to_str().unwrap()]).done();
    assert!(said.starts_with("wrote the pages into"), "{said}");
    let page = std::fs::read_to_string(folder.path().join("tollgate-key-rotate.1")).unwrap();
    assert!(page.contains("overlap"), "{page}");
    assert_eq!(tollgate.run(&["man", "--dir", "/nowhere"]).code, 2);
}

#[test]
fn each_command_s_help_has_an_example() {
    let tollgate = Tollgate::with([]);
    for (group, commands) in [
        ("table", &["create", "status"][..]),
        ("plan", &["put", "show", "list", "delete", "import", "export"]),
        ("key", &["create", "list", "show", "disable", "enable", "rotate", "assign", "import"]),
        ("subject", &["assign", "unassign", "show", "reset"]),
        ("usage", &["show", "export", "grant"]),
        ("revoke", &["token", "session", "user", "client", "list", "undo"]),
        ("policy", &["check", "lint", "explain", "matrix"]),
        ("token", &["inspect"]),
        ("keys", &["fetch"]),
        ("doctor", &[]),
        ("completion", &[]),
        ("man", &[]),
    ] {
        let lines: Vec<_> = match commands {
            [] => vec![vec![group, "--help"]],
            commands => commands.iter().map(|command| vec![group, *command, "--help"]).collect(),
        };
        for line in lines {
            let help = tollgate.run(&line).done();
            assert!(help.contains("Example"), "{line:?}: {help}");
            assert!(!help.contains('\u{1b}'), "colours are for a terminal alone");
        }
    }
}
