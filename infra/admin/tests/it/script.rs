//! `infra/examples/export-usage-plans` with a stand-in for the AWS CLI, and `import --from-export`.

#![allow(clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

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
    let ids = plans["items"].as_array().unwrap().iter().map(|plan| plan["id"].as_str().unwrap());
    fs::write(folder.join("ids"), ids.clone().collect::<Vec<_>>().join("\t")).unwrap();
    for id in ids {
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
             'get-usage-plans --query') cat '{0}/ids' ;;\n\
             *) exit 9 ;;\nesac\n",
            folder.display()
        ),
    );
}

/// Runs the script, which fills the folder `exported`.
fn export(folder: &Path, line: &[&str]) -> Output {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/export-usage-plans");
    let ran = Command::new("bash").arg(script).args(line).env_clear().env("PATH", path).output();
    ran.unwrap()
}

/// An exported account, and the command that imports it.
fn exported() -> (tempfile::TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    let exported = folder.path().join("exported").display().to_string();
    let ran = export(folder.path(), &[&exported]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        said.contains(&format!("tollgate import --from-export {exported} --dry-run")),
        "{said}"
    );
    (folder, ["import".to_owned(), "--from-export".to_owned(), exported])
}

#[test]
fn an_account_is_moved_and_what_cannot_be_is_named() {
    let (folder, line) = exported();
    let tollgate = with_table();
    let run = |more: &[&str]| {
        let line: Vec<&str> = line.iter().map(String::as_str).chain(more.iter().copied()).collect();
        tollgate.run(&line)
    };
    let first = run(&[]);
    assert_eq!(first.code, 1, "{}", first.err);
    for part in [
        "left out: plan `own000`",
        "left out: keys on no plan: 2",
        "2 of 6 rows were not imported (see above); the other 4 are stored.",
        "key 2: `usagePlanIds` names 2 plans, and one must count: choose it by `--api ID`",
        "key 3: `usagePlanIds`: there is no plan `c7y23b`",
        "2 of 3 rows were not imported (see above); the other 1 is stored.",
    ] {
        assert!(first.err.contains(part), "{part}: {}", first.err);
    }
    let shown = format!("{}{}", first.out, first.err);
    assert!(!shown.contains("a-key-of-the-account"), "{shown}");

    let all = ["--offset-means", "ignore", "--api", "a1b2c3d4e5"];
    // Both plans of the second key are attached to the same API and stage.
    let second = run(&all);
    assert_eq!(second.code, 1, "{}", second.err);
    let part = "key 2: 2 of its plans are attached to `a1b2c3d4e5`";
    assert!(second.err.contains(part), "{}", second.err);
    let file = folder.path().join("exported/usage-plans.json");
    let plans = fs::read_to_string(&file).unwrap();
    let other = plans.replacen(
        r#"{"apiStages":[{"apiId":"a1b2c3d4e5","stage":"prod"}],"id":"unlim0""#,
        r#"{"apiStages":[{"apiId":"z9","stage":"prod"}],"id":"unlim0""#,
        1,
    );
    assert_ne!(plans, other);
    fs::write(&file, other).unwrap();
    for _ in 0..2 {
        let ran = run(&all);
        assert_eq!(ran.code, 0, "{}", ran.err);
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
fn a_dry_run_of_an_export_says_what_would_change_and_changes_nothing() {
    let (_folder, line) = exported();
    let tollgate = with_table();
    let line = line.iter().map(String::as_str);
    let dry = ["--dry-run", "--offset-means", "ignore", "--api", "a1b2c3d4e5"];
    let ran = tollgate.run(&line.chain(dry).collect::<Vec<_>>());
    // The keys' plans are not in the table, and count all the same.
    assert!(ran.out.contains("keys: 2 new"), "{}{}", ran.out, ran.err);
    assert_eq!(tollgate.run(&["plan", "list", "--json"]).json()["plans"], json!([]));
    assert_eq!(tollgate.run(&["key", "list", "--json"]).json()["keys"], json!([]));
}

#[test]
fn a_folder_that_is_not_an_export_is_refused() {
    let (folder, line) = exported();
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let tollgate = with_table();
    let linked = folder.path().join("exported/usage-plan-keys-glvrsr.json");
    fs::remove_file(&linked).unwrap();
    let ran = tollgate.run(&line);
    assert_eq!(
        (ran.code, ran.err.contains("usage-plan-keys-glvrsr.json")),
        (2, true),
        "{}",
        ran.err
    );
    for wrong in ["", "[1]", "{\"items\": 1}", "{\"items\": ["] {
        fs::write(&linked, wrong).unwrap();
        let ran = tollgate.run(&line);
        assert_eq!((ran.code, ran.err.contains("export it again")), (1, true), "{}", ran.err);
    }
    // A plan's id names a file: of this one none is read, in this folder or another.
    fs::write(&linked, "{}").unwrap();
    let plans = folder.path().join("exported/usage-plans.json");
    fs::write(&plans, r#"{"items": [{"id": "../../etc/passwd", "throttle": {}}]}"#).unwrap();
    assert_eq!(tollgate.run(&line).code, 0);
    // The table is unavailable: the keys are not tried.
    let (_folder, line) = exported();
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let ran = Tollgate::at("http://127.0.0.1:9").run(&line);
    assert_eq!((ran.code, ran.out.contains("keys:")), (3, false), "{}{}", ran.out, ran.err);
}

#[test]
fn the_script_needs_a_folder_and_keeps_others_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    for line in [&[][..], &["--help"], &["a", "b"]] {
        let ran = export(folder.path(), line);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{err}");
        assert!(err.contains("Usage: infra/examples/export-usage-plans DIR"), "{err}");
        assert!(!err.contains("pipefail") && !err.contains('#'), "{err}");
    }
    let exported = folder.path().join("exported");
    export(folder.path(), &[exported.to_str().unwrap()]);
    for path in [&exported, &exported.join("api-keys.json")] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}
