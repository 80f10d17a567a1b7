//! `infra/examples/import-usage-plan`, with a stand-in for the AWS CLI.

#![allow(clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Tollgate, with_table};

const PLANS: &str = include_str!("../../../../tests/cases/throttle/g_get-usage-plans.json");

/// The keys of an account, each with the plans that it is on.
const KEYS: [(&str, &str, &[&str]); 5] = [
    ("k1", "Maria, \"GmbH\"", &["glvrsr"]),
    ("k2", "both", &["glvrsr", "unlim0"]),
    ("k3", "of a plan that is not imported", &["c7y23b"]),
    ("k4", "on no plan", &[]),
    ("k5", "Tollgate's own", &["own000"]),
];

/// An account whose keys' values are `a-key-of-the-account-` and the id.
fn account(folder: &Path) {
    let command = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let answer = |name: &str, items: Vec<Value>| {
        fs::write(folder.join(name), json!({ "items": items }).to_string()).unwrap();
    };
    let mut plans: Value = serde_json::from_str(PLANS).unwrap();
    let own = json!({"id": "own000", "description": "Callers within Tollgate's limits"});
    plans["items"].as_array_mut().unwrap().push(own);
    // With a byte order mark, as some shells write it.
    fs::write(folder.join("get-usage-plans"), format!("\u{feff}{plans}")).unwrap();
    for plan in plans["items"].as_array().unwrap() {
        let id = plan["id"].as_str().unwrap();
        let on_it = KEYS.iter().filter(|(_, _, plans)| plans.contains(&id));
        answer(id, on_it.map(|(id, ..)| json!({"id": id, "type": "API_KEY"})).collect());
    }
    let key = |(id, name, _): &(&str, &str, &[&str])| {
        json!({"id": id, "value": format!("a-key-of-the-account-{id}"), "name": name,
            "enabled": *id != "k2", "stageKeys": []})
    };
    answer("get-api-keys", KEYS.iter().map(key).collect());
    command(
        "aws",
        &format!(
            "#!/bin/sh\ncase \"$2 $3\" in\n\
             'get-api-keys --include-values') cat '{0}/get-api-keys' ;;\n\
             'get-usage-plan-keys --usage-plan-id') cat \"{0}/$4\" ;;\n\
             'get-usage-plans --output') cat '{0}/get-usage-plans' ;;\n\
             *) exit 9 ;;\nesac\n",
            folder.display()
        ),
    );
    command("tollgate", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_tollgate")));
}

/// Runs the script; none without the commands that it needs.
fn run(tollgate: &Tollgate, folder: &Path, line: &[&str]) -> Option<Output> {
    let has = |command: &str| {
        let version = Command::new(command).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    if !(has("bash") && has("python3")) {
        eprintln!("not run: the script needs bash and python3");
        return None;
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/import-usage-plan");
    let ran = Command::new("bash")
        .arg(script)
        .args(line)
        .env_clear()
        .envs(tollgate.environment.clone())
        .env("PATH", path)
        .output();
    Some(ran.unwrap())
}

#[test]
fn an_account_is_moved_and_what_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    let tollgate = with_table();
    let Some(first) = run(&tollgate, folder.path(), &["tollgate"]) else { return };
    let err = String::from_utf8(first.stderr).unwrap();
    assert_eq!(first.status.code(), Some(1), "{err}");
    for part in [
        "left out: plan own000",
        "2 of 6 rows were not imported (see above); the other 4 are stored.",
        "left out: key k4 on no plan",
        "left out: key k5 Tollgate's own",
        "line 3: `UsagePlanIds` names 2 plans, and one must count: choose it by `--api ID`",
        "line 4: `UsagePlanIds`: there is no plan `c7y23b`",
        "2 of 3 rows were not imported (see above); the other 1 is stored.",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(!err.contains("a-key-of-the-account"), "{err}");

    let all = ["tollgate", "--offset-means", "ignore", "--api", "a1b2c3d4e5"];
    // Both plans of the second key are attached to the same API and stage.
    let ran = run(&tollgate, folder.path(), &all).unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{err}");
    assert!(err.contains("line 3: 2 of its plans are attached to `a1b2c3d4e5`"), "{err}");
    let plans = fs::read_to_string(folder.path().join("get-usage-plans")).unwrap();
    let other = plans.replacen(
        r#"{"apiStages":[{"apiId":"a1b2c3d4e5","stage":"prod"}],"id":"unlim0""#,
        r#"{"apiStages":[{"apiId":"z9","stage":"prod"}],"id":"unlim0""#,
        1,
    );
    assert_ne!(plans, other);
    fs::write(folder.path().join("get-usage-plans"), other).unwrap();
    for _ in 0..2 {
        let ran = run(&tollgate, folder.path(), &all).unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let keys = tollgate.run(&["key", "list", "--json"]).json()["keys"].clone();
    let mut keys: Vec<_> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| json!([key["name"], key["plan"], key["plans"], key["state"]]))
        .collect();
    keys.sort_by_key(ToString::to_string);
    assert_eq!(
        keys,
        [
            json!(["Maria, \"GmbH\"", "glvrsr", ["glvrsr"], "enabled"]),
            json!(["both", "glvrsr", ["glvrsr", "unlim0"], "disabled"]),
            json!(["of a plan that is not imported", "c7y23b", ["c7y23b"], "enabled"]),
        ]
    );
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 1 + 6);
}

#[test]
fn nothing_is_moved_without_a_table_or_with_an_unknown_option() {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    let tollgate = Tollgate::at("http://127.0.0.1:9");
    for line in [&["tollgate", "--all", "x"][..], &["tollgate", "--api"], &[]] {
        let Some(ran) = run(&tollgate, folder.path(), line) else { return };
        assert!(String::from_utf8_lossy(&ran.stderr).contains("usage: import-usage-plan TABLE"));
        assert!(!ran.status.success());
    }
    for help in ["-h", "--help"] {
        let said = run(&tollgate, folder.path(), &[help]).unwrap();
        let out = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success() && out.starts_with("Moves API Gateway's"), "{out}");
        assert!(out.contains("\nUsage: ") && out.contains("--offset-means  The meaning"), "{out}");
        assert!(!out.contains("pipefail") && !out.contains('#'), "{out}");
    }
    // The table is unavailable: the keys are not tried.
    let ran = run(&tollgate, folder.path(), &["tollgate"]).unwrap();
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!((ran.status.code(), err.contains("left out: key")), (Some(3), false), "{err}");
}
