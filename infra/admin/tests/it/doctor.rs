//! The doctor, faults of the table, and what a shell needs.

use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::proxy::Proxy;
use crate::support::{PLAN, Tollgate, fill, serve, serve_database, with_table};

/// A configuration with limits in `tollgate`; `plan` is the inside of its `plan`.
fn limited(issuer: &Issuer, plan: &str) -> String {
    format!(
        "{}[throttle]\ntable = \"tollgate\"\nsubject = \"sub\"\nrefuse = \"context\"\n\
         plan = {{ {plan} }}\n",
        issuer.config()
    )
}

/// Writes a configuration, and returns the file and the command that checks it.
fn at_file(config: &str) -> (tempfile::NamedTempFile, [String; 3]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, config).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, ["doctor".to_owned(), "--config".to_owned(), path])
}

/// Runs a doctor; returns its exit code and its findings of one check, or of all that failed.
fn findings(tollgate: &Tollgate, config: &str, check: &str) -> (i32, Vec<String>) {
    let (_file, line) = at_file(config);
    let line: Vec<&str> = line.iter().map(String::as_str).chain(["--json"]).collect();
    let answer = tollgate.run(&line);
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let member = |name| json.get(name).unwrap();
    assert_eq!(member("well") == true, answer.code == 0, "{}", answer.out);
    let checks = member("checks").as_array().unwrap().iter();
    let wanted =
        checks.filter(|it| it["check"] == check || check == "fail" && it["state"] == "fail");
    let shown = wanted.map(|it| {
        let word = |member: &str| it[member].as_str().unwrap_or("-").to_owned();
        let check = if check == "fail" { word("check") } else { word("state") };
        format!("{check}: {} | {}", word("text"), word("fix"))
    });
    (answer.code, shown.collect())
}

#[test]
fn the_doctor_finds_nothing_where_all_is_well() {
    let (url, database) = serve_database();
    let (tollgate, issuer) = (Tollgate::at(&url), Issuer::start());
    tollgate.run(&["table", "create"]).done();
    tollgate.feed(&["plan", "put", "free", "-"], PLAN).done();
    tollgate.feed(&["plan", "put", "gold", "-"], PLAN).done();
    fill(&database, [json!({"pk": "SUBJECT#maria", "plan_id": "gold", "version": 1})]);
    let (_file, line) = at_file(&limited(&issuer, "assigned = true, default = \"free\""));
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let said = tollgate.run(&line).done();
    // The answer may come in the next second.
    let said = said.replace("within 1 s", "within 0 s");
    insta::assert_snapshot!(said, @r"
    ok    configuration  1 issuer, 1 rule
    ok    rules          `policy lint` has no warnings
    ok    credentials    DynamoDB accepts them
    ok    table          `tollgate` exists for limits and revocations, with the
                         right schema
    ok    plans          the default plan `free` exists; keys and subjects are on 1
                         other plan, and all exist
    ok    clock          within 0 s of DynamoDB's
    ok    keys           `acme`: 1 usable key
    ok    clock          within 0 s of `acme`'s
    ");
    let json = tollgate.run(&[&line[..], &["--json"]].concat()).json();
    assert_eq!((&json["well"], json["checks"].as_array().unwrap().len()), (&json!(true), 8));
    let bare = tollgate.run(&["doctor"]).done();
    assert!(bare.starts_with("skip  configuration  none is named\n      see: tollgate doctor"));
    assert!(bare.contains("ok    plans          2 plans in the table"), "{bare}");
    // Without limits and revocations no table is needed.
    let config = issuer.config();
    let config = config.split("[revocation]").next().unwrap();
    let (code, found) = findings(&Tollgate::at("http://127.0.0.1:1"), config, "table");
    let text = "skip: not needed: the configuration has no limits, no keys and no revocations | -";
    assert_eq!((code, found), (0, vec![text.to_owned()]));
}

#[test]
fn the_doctor_names_each_fault_and_its_fix() {
    let issuer = Issuer::start();
    let config = issuer.config();
    let (code, wrong) = findings(&Tollgate::at(&serve()), &config, "fail");
    assert_eq!(code, 1);
    let text = "table: there is no table `tollgate` in this region and account | \
                tollgate table create";
    assert_eq!(wrong, [text]);

    // The command that fixes it works on the same table at the same endpoint.
    let (bare, url) = (Tollgate::with([]), serve());
    let line = ["doctor", "--table", "shop", "--endpoint-url", &url];
    let said = bare.run(&line);
    let (fix, url) =
        ("      fix: tollgate table create --table shop", format!("--endpoint-url {url}"));
    let fix = format!("{fix} \\\n           {url}\n");
    assert!(said.out.contains(&fix), "{}", said.out);

    let (code, wrong) = findings(&Tollgate::at("http://127.0.0.1:1"), &config, "fail");
    assert_eq!(code, 3);
    assert!(wrong[0].starts_with("table: the table can't be reached: check the"), "{wrong:?}");

    let url = serve();
    let denied = Proxy::before(&url, |_, _| Some((400, "AccessDeniedException")));
    let (code, wrong) = findings(&Tollgate::at(&denied.url), &config, "fail");
    assert_eq!(code, 1);
    assert!(wrong[0].starts_with("credentials: access to the table was denied"), "{wrong:?}");
    assert!(wrong[0].ends_with("| aws sts get-caller-identity"), "{wrong:?}");

    let tollgate = with_table();
    let said = tollgate.run(&["doctor", "--config", "/nowhere.toml"]);
    assert_eq!((said.code, said.err.as_str()), (1, "tollgate: 1 of 5 checks failed (see above)\n"));
    assert!(said.out.starts_with("fail  configuration  /nowhere.toml: cannot be read"));

    let config = config.replace("url =", "jwks_uri = \"http://127.0.0.1:1/\"\nurl =");
    let (code, wrong) = findings(&tollgate, &config, "fail");
    assert_eq!(code, 1);
    assert!(wrong[0].contains("the connection failed; correct the issuer"), "{wrong:?}");
    assert!(wrong[0].ends_with("| curl -i http://127.0.0.1:1/"), "{wrong:?}");
}

/// A table of another program must not be written to.
#[test]
fn the_doctor_refuses_a_table_with_another_schema() {
    let ((url, database), issuer) = (serve_database(), Issuer::start());
    let table = json!({
        "TableName": "tollgate", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    database.create_table(serde_json::from_value(table).unwrap()).unwrap();
    let (code, wrong) = findings(&Tollgate::at(&url), &issuer.config(), "fail");
    let text = "table: the table `tollgate` is not Tollgate's: its key is not `pk` alone; use \
                another name | -";
    assert_eq!((code, wrong), (1, vec![text.to_owned()]));
}

#[test]
fn the_doctor_finds_plans_that_are_named_and_missing() {
    let (url, database) = serve_database();
    let (tollgate, issuer) = (Tollgate::at(&url), Issuer::start());
    tollgate.run(&["table", "create"]).done();
    let config = limited(&issuer, "default = \"free\"");
    let (code, wrong) = findings(&tollgate, &config, "fail");
    let text = "plans: there is no plan `free`: it is the default, so every caller without \
                another plan gets 500 | tollgate plan put free --rate 5 --burst 10";
    assert_eq!((code, wrong), (1, vec![text.to_owned()]));

    tollgate.run(&["plan", "put", "free", "--rate", "0", "--burst", "10"]).done();
    let text = "warn: the plan `free` refuses every request: a rate, burst or quota of it is 0 | \
                tollgate plan put free --rate 5 --burst 10";
    let (code, found) = findings(&tollgate, &config, "plans");
    assert_eq!((code, found[0].as_str()), (0, text));
    // The fix names each limit of 0, because `plan put` keeps the others.
    tollgate.run(&["plan", "put", "free", "--rate", "5", "--burst", "10", "--per-day", "0"]).done();
    let (_, found) = findings(&tollgate, &config, "plans");
    assert!(found[0].ends_with("is 0 | tollgate plan put free --per-day 1000"), "{found:?}");

    tollgate.run(&["plan", "put", "free", "--per-day", "1000"]).done();
    let within = format!("{config}parents = [{{ parent = \"*\", plan = \"all\" }}]\n");
    let (code, wrong) = findings(&tollgate, &within, "fail");
    let text = "plans: there is no plan `all`: `parents` names it, so every caller within it gets \
                500 | tollgate plan put all --rate 5 --burst 10";
    assert_eq!((code, wrong), (1, vec![text.to_owned()]));
    fill(
        &database,
        [
            json!({"pk": "SUBJECT#maria", "plan_id": "a b", "version": 1}),
            json!({"pk": "SUBJECT#karl", "plan_id": "a b", "version": 1}),
            json!({"pk": "PLAN#broken", "version": 1}),
        ],
    );
    let (code, wrong) = findings(&tollgate, &config, "fail");
    let texts = [
        "plans: there is no plan `a b`: 2 subjects on it | \
         tollgate plan put 'a b' --rate 5 --burst 10",
        "plans: the plan `broken` is damaged: its callers get 500; store it again | -",
    ];
    assert_eq!((code, wrong), (1, texts.map(str::to_owned).to_vec()));
    // A configuration without limits names no plan. Without a configuration the table does.
    assert_eq!(findings(&tollgate, &issuer.config(), "plans"), (0, vec![]));
    let bare = tollgate.run(&["doctor"]);
    assert!(bare.out.contains("fail  plans          there is no plan `a b`"), "{}", bare.out);
    assert_eq!(bare.code, 1);
}

#[test]
fn the_doctor_compares_the_default_plan_with_the_others() {
    let (tollgate, issuer) = (with_table(), Issuer::start());
    tollgate.feed(&["plan", "put", "free", "-"], PLAN).done();
    let doctor = |plan: &str| {
        let (code, found) = findings(&tollgate, &limited(&issuer, plan), "plans");
        assert_eq!((code, found.len()), (0, 1));
        found[0].clone()
    };
    let named = "claim = \"custom:plan\", default = \"free\"";
    assert!(doctor(named).starts_with("ok: the default plan `free` exists; plans that the claim"));
    for (other, more) in [
        (&["--rate", "0.5", "--burst", "9", "--per-month", "1000"][..], "burst"),
        (&["--rate", "0.4", "--burst", "10", "--per-month", "1000"], "rate"),
        (&["--rate", "0.5", "--burst", "10", "--per-month", "999"], "monthly quota"),
        (&["--per-day", "1000000"], "daily quota"),
        // More of the one, and less of the other.
        (&["--rate", "9", "--burst", "9"], "burst"),
        (&["--rate", "0.1", "--burst", "9", "--per-month", "1000"], "rate, burst"),
        (&["--rate", "1", "--burst", "10"], ""),
        (&["--rate", "9", "--burst", "90", "--per-month", "1001"], ""),
    ] {
        // Flags would keep the other limits of the plan that is there.
        tollgate.run(&["plan", "delete", "other", "--yes"]);
        tollgate.run(&[&["plan", "put", "other"][..], other].concat()).done();
        let warned = format!(
            "warn: the default plan `free` allows more than `other` ({more}): a caller whose claim \
             names no stored plan gets it; lower these limits of `free` | -"
        );
        let line = doctor(named);
        if more.is_empty() {
            assert!(line.starts_with("ok: "), "{other:?}: {line}");
        } else {
            assert_eq!(line, warned);
        }
        // Without a claim nobody falls back to the default.
        assert!(doctor("default = \"free\"").starts_with("ok: "), "{other:?}");
    }
}

#[test]
fn the_doctor_tells_what_it_cannot_check_and_what_differs() {
    let (tollgate, issuer) = (with_table(), Issuer::start());
    tollgate.feed(&["plan", "put", "free", "-"], PLAN).done();
    let config = limited(&issuer, "default = \"free\"");
    let by_key =
        |key: &str| config.replace("\"context\"", &format!("\"unknown-key\"\napi_key = \"{key}\""));
    let secret = "a-key-of-an-account-1";
    let (code, found) = findings(&tollgate, &by_key(secret), "usage key");
    assert_eq!((code, found.len()), (0, 1));
    assert!(found[0].starts_with("skip: only API Gateway knows"), "{found:?}");
    assert!(found[0].contains("| aws apigateway get-usage-plan-keys --usage-plan-id ID"));
    assert!(!found[0].contains(secret), "{found:?}");
    let (_, found) = findings(&tollgate, &by_key("a-key-of-20-to-128-chars"), "usage key");
    assert!(found[0].starts_with("warn: `api_key` is the example's"), "{found:?}");

    let mut other = Tollgate { environment: tollgate.environment.clone() };
    other.environment.push(("TOLLGATE_TABLE", "shop".to_owned()));
    let (code, found) = findings(&other, &config, "table name");
    assert_eq!(code, 0, "the configuration names the table");
    assert!(found[0].ends_with("| export TOLLGATE_TABLE=tollgate"), "{found:?}");

    let simple = format!("{config}[response]\nhttp = \"simple\"\n");
    let (_, found) = findings(&tollgate, &simple, "cached denial");
    assert!(found[0].starts_with("warn: if the HTTP API caches results"), "{found:?}");
    let trusting = config.replace("subject = \"sub\"", "subject = \"email\"");
    let (_, found) = findings(&tollgate, &trusting, "rules");
    assert!(found[0].starts_with("warn: `policy lint` has 1 warning | tollgate policy lint /"));
    let unknown = trusting.replace("everyone = true", "clients = [\"wep\"]");
    let (code, found) = findings(&tollgate, &unknown, "rules");
    let starts = "fail: `policy lint` has 1 error and 1 warning | tollgate policy lint /";
    assert!(code == 1 && found[0].starts_with(starts), "{found:?}");
}

#[test]
fn the_doctor_compares_the_clock_with_the_issuer_s() {
    let (tollgate, issuer) = (with_table(), Issuer::with_date("Sun, 01 Jan 2023 00:00:00 GMT"));
    let (code, wrong) = findings(&tollgate, &issuer.config(), "fail");
    assert_eq!((code, wrong.len()), (1, 1));
    assert!(
        wrong[0].starts_with("clock: ") && wrong[0].contains(" s from `acme`'s, more than 2 s")
    );
    assert!(wrong[0].ends_with("| sudo timedatectl set-ntp true"), "{wrong:?}");
    // A date that is none is no clock.
    let issuer = Issuer::with_date("today");
    assert_eq!(findings(&tollgate, &issuer.config(), "fail"), (0, vec![]));
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
        assert!(empty.run(line).failed(1).contains("there is no table `tollgate`"), "{line:?}");
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

/// Each group of commands.
pub(crate) const COMMANDS: [(&str, &[&str]); 13] = [
    ("init", &[]),
    ("table", &["create", "status"]),
    ("plan", &["put", "show", "list", "delete", "import", "export"]),
    ("key", &["create", "list", "show", "disable", "enable", "rotate", "assign", "import"]),
    ("subject", &["assign", "unassign", "show", "reset"]),
    ("usage", &["show", "export", "grant"]),
    ("revoke", &["token", "session", "user", "client", "list", "undo"]),
    ("policy", &["check", "lint", "explain", "matrix", "diff", "import", "evaluate"]),
    ("token", &["inspect"]),
    ("keys", &["fetch"]),
    ("doctor", &[]),
    ("completion", &[]),
    ("man", &[]),
];

#[test]
fn each_command_s_help_has_an_example() {
    let tollgate = Tollgate::with([]);
    for (group, commands) in COMMANDS {
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
    let version = tollgate.run(&["--version"]).done();
    assert_eq!(version, concat!("tollgate ", env!("CARGO_PKG_VERSION")));
}
