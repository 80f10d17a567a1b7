//! Keys: shown once, known by their digests, imported by the thousand.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::support::{PLAN, Tollgate, fill, serve, serve_database, with_table};

/// A table with the plans `free` and `gold`.
fn with_plans() -> Tollgate {
    let tollgate = with_table();
    for plan in ["free", "gold"] {
        tollgate.feed(&["plan", "put", plan, "-"], PLAN).done();
    }
    tollgate
}

/// A file of so many keys.
fn keys(count: usize) -> String {
    let mut file = "Name,Key,Enabled,UsagePlanIds\n".to_owned();
    for n in 0..count {
        writeln!(file, "key {n},apikey-number-{n:06},true,").unwrap();
    }
    file
}

fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json[member].as_str().unwrap()
}

#[test]
fn a_key_is_shown_once_and_known_by_its_digest() {
    let tollgate = with_plans();
    let line = ["key", "create", "--plan", "gold", "--subject", "maria", "--name", "laptop"];
    let made = tollgate.run(&[&line[..], &["--expires", "90d", "--json"]].concat()).json();
    let (secret, id) = (text(&made, "key"), text(&made, "id"));
    assert!(secret.starts_with("tg_live_"), "{secret}");
    assert_eq!((secret.len(), id.len()), (80, 64));
    assert_eq!((text(&made, "plan"), text(&made, "state")), ("gold", "enabled"));

    let by_id = tollgate.run(&["key", "show", id, "--json"]).json();
    assert_eq!(by_id, tollgate.feed(&["key", "show", "-", "--json"], secret).json());
    let shown = tollgate.run(&["key", "show", id]).done();
    let listed = tollgate.run(&["key", "list"]).done();
    let as_json = tollgate.run(&["key", "list", "--json"]).done();
    for (what, answer) in [("show", &shown), ("list", &listed), ("--json", &as_json)] {
        assert!(answer.contains(id) && !answer.contains(secret), "{what}: {answer}");
    }
    let said = tollgate.run(&["key", "create"]).done();
    assert!(
        said.starts_with("key          ")
            && said.ends_with("Copy the key now: it is not stored and cannot be shown again."),
        "{said}"
    );
    // Its subject is the key itself.
    assert!(said.contains("subject      key-"), "{said}");
}

#[test]
fn a_key_whose_subject_has_no_plan_says_which_plan_applies() {
    let tollgate = with_plans();
    let note = |line: &[&str]| tollgate.run(line).err;
    let create = ["key", "create", "--subject", "o'neil"];
    let told = note(&create);
    assert!(told.contains("`o'neil` is assigned no plan"), "{told}");
    assert!(told.contains("tollgate subject assign 'o'\\''neil' PLAN"), "{told}");
    assert_eq!(note(&["key", "create"]), "", "its own subject is new");
    tollgate.run(&["subject", "assign", "o'neil", "free", "--yes"]).done();
    assert_eq!(note(&create), "");
}

#[test]
fn what_is_said_of_a_key_is_changed() {
    let tollgate = with_plans();
    let made = tollgate.run(&["key", "create", "--subject", "maria", "--json"]).json();
    let (secret, id) = (text(&made, "key"), text(&made, "id"));
    let run = |line: &[&str]| tollgate.run(&[&["key"], line, &["--json"]].concat()).json();

    assert_eq!(run(&["disable", id, "--dry-run"])["dryRun"], true);
    assert_eq!(run(&["show", id])["state"], "enabled");
    assert_eq!(run(&["disable", id])["state"], "disabled");
    assert_eq!(run(&["disable", id])["state"], "disabled");
    assert_eq!(run(&["list", "--usable"])["keys"], json!([]));
    assert_eq!(tollgate.feed(&["key", "enable", "-", "--json"], secret).json()["state"], "enabled");
    assert_eq!(run(&["assign", id, "gold", "--dry-run"])["dryRun"], true);
    let assigned = run(&["assign", id, "gold"]);
    assert_eq!(text(&assigned, "plan"), "gold");
    assert_eq!(run(&["assign", id, "gold"]), assigned, "nothing is written twice");
    assert_eq!(run(&["list", "--plan", "gold", "--subject", "maria"])["keys"], json!([assigned]));
    assert_eq!(run(&["list", "--plan", "free"])["keys"], json!([]));
    assert_eq!(
        tollgate.run(&["key", "assign", id, "silver"]).failed(1),
        "there is no plan `silver` in `tollgate`: `tollgate plan list` shows the plans"
    );
}

#[test]
fn a_key_s_rights_are_given_changed_and_rotated() {
    let tollgate = with_plans();
    let line = ["key", "create", "--scope", "orders/read", "--scope", "orders/write"];
    let more = ["--group", "partners", "--context", "tenant=acme=1", "--stage", "prod", "--json"];
    let made = tollgate.run(&[&line[..], &more].concat()).json();
    let (id, secret) = (text(&made, "id"), text(&made, "key"));
    assert_eq!(made["scopes"], json!(["orders/read", "orders/write"]));
    assert_eq!((&made["groups"], &made["stages"]), (&json!(["partners"]), &json!(["prod"])));
    assert_eq!(made["context"], json!({"tenant": "acme=1"}));

    let run = |line: &[&str]| tollgate.run(&[&["key"], line, &["--json"]].concat()).json();
    assert_eq!(run(&["update", id, "--scope", "a", "--dry-run"])["dryRun"], true);
    let changed = run(&["update", id, "--scope", "a", "--clear", "groups,stages", "--name", "n"]);
    assert_eq!((&changed["scopes"], &changed["groups"]), (&json!(["a"]), &json!([])));
    assert_eq!((&changed["stages"], &changed["name"]), (&json!([]), &json!("n")));
    assert_eq!(changed["context"], json!({"tenant": "acme=1"}), "as it was");
    assert_eq!(run(&["update", id, "--scope", "a"]), changed, "nothing is written twice");
    let dated = tollgate.feed(&["key", "update", "-", "--expires", "90d", "--json"], secret).json();
    assert!(dated["expires"].is_u64() && dated.get("key").is_none(), "{dated}");
    assert_eq!(run(&["update", id, "--clear", "expiry"])["expires"], Value::Null);
    let rotated = run(&["rotate", id]);
    assert_eq!(
        (&rotated["scopes"], &rotated["context"]),
        (&changed["scopes"], &changed["context"])
    );
    let shown = tollgate.run(&["key", "show", id]).done();
    assert!(shown.contains("scopes       a\ncontext      tenant=acme=1\n"), "{shown}");
    for (line, says) in [
        (&["--scope", "a b"][..], "`--scope` holds white space"),
        (&["--scope", ""], "`--scope` is empty"),
        (&["--scope", "a", "--scope", "a"], "`--scope` holds a name twice"),
        (&["--context", "a b=c"], "`--context` holds a name that is not"),
        (&["--context", "plan=gold"], "`--context plan=…` is a name that Tollgate uses"),
        (&["--context", "scope=admin"], "`--context scope=…` is a name that Tollgate uses"),
        (&["--context", "groups=root"], "`--context groups=…` is a name that Tollgate uses"),
        (&["--stage", "a/b"], "`--stage` holds a name that no stage has"),
    ] {
        for command in [&["create"][..], &["update", id]] {
            let said = tollgate.run(&[&["key"], command, line].concat()).failed(2);
            assert!(said.starts_with(says), "{said}");
        }
    }
    assert!(tollgate.run(&["key", "update", id]).failed(2).starts_with("nothing is to be changed"));
}

#[test]
fn a_key_is_rotated_with_an_overlap() {
    let tollgate = with_plans();
    let made = tollgate.run(&["key", "create", "--plan", "gold", "--json"]).json();
    let id = text(&made, "id");
    assert!(tollgate.run(&["key", "rotate", id, "--dry-run"]).done().contains("nothing was done"));
    let new = tollgate.run(&["key", "rotate", id, "--overlap", "7d", "--json"]).json();
    assert_ne!((&new["key"], &new["id"]), (&made["key"], &made["id"]));
    assert_eq!((&new["plan"], &new["subject"]), (&made["plan"], &made["subject"]));
    let old = tollgate.run(&["key", "show", id, "--json"]).json();
    let (created, expires) = (new["created"].as_u64().unwrap(), old["expires"].as_u64().unwrap());
    assert!((7 * 86_400 - 1..=7 * 86_400).contains(&(expires - created)));

    let again = tollgate.run(&["key", "rotate", id, "--overlap", "8d"]).failed(1);
    assert!(again.contains("use the key of that rotation"), "{again}");
    tollgate.run(&["key", "disable", text(&new, "id")]).done();
    let disabled = tollgate.run(&["key", "rotate", text(&new, "id")]).failed(1);
    assert!(disabled.starts_with("the key is disabled"), "{disabled}");
    tollgate.run(&["key", "enable", text(&new, "id")]).done();

    let at_once = ["key", "rotate", text(&new, "id"), "--overlap", "0s"];
    assert!(tollgate.run(&at_once).failed(2).starts_with("to end the old key at once can't be"));
    tollgate.run(&[&at_once[..], &["--yes"]].concat()).done();
    assert_eq!(
        tollgate.run(&["key", "show", text(&new, "id"), "--json"]).json()["state"],
        "expired"
    );
}

#[test]
fn a_key_typed_for_an_id_is_not_repeated() {
    let tollgate = with_table();
    let secret = "5ec2e7".repeat(10) + "5ec2";
    for command in ["show", "disable", "enable", "rotate"] {
        let said = tollgate.run(&["key", command, &secret]).failed(1);
        assert!(said.starts_with("there is no such key in `tollgate`"), "{said}");
        assert!(!said.contains("5ec2e7"), "{said}");
        let said = tollgate.run(&["key", command, "my-secret-key-0123456789"]).failed(2);
        assert!(said.starts_with("that is not a key's id") && !said.contains("0123"), "{said}");
        let said = tollgate.feed(&["key", command, "-"], "two secrets\n").failed(2);
        assert!(said.contains("no key") && !said.contains("secrets"), "{said}");
        tollgate.feed(&["key", command, "-"], "").failed(2);
        let said = tollgate.feed(&["key", command, "-"], "short").failed(2);
        assert!(said.contains("5 characters"), "{said}");
    }
    for line in [
        &["key", "create", "--expires", "soon"][..],
        &["key", "create", "--expires", "2020-01-01"],
        &["key", "create", "--name", ""],
        &["key", "create", "--subject", ""],
        &["key", "rotate", "-", "--overlap", "-1d"],
    ] {
        assert_eq!(tollgate.run(line).code, 2, "{line:?}");
    }
    assert_eq!(tollgate.run(&["key", "list", "--json"]).json()["keys"], json!([]));
}

#[test]
fn an_import_can_be_run_again() {
    let tollgate = with_plans();
    let file = "Name,Key,Description,Enabled,UsagePlanIds\n\
                first,apikey-number-000001,\"for, both\",TRUE,gold\n\
                second,apikey-number-000002,,FALSE,\n";
    let import =
        |more: &[&str], file: &str| tollgate.feed(&[&["key", "import", "-"], more].concat(), file);
    assert_eq!(
        import(&["--dry-run"], file).done(),
        "keys: 2 new, 0 there already, 0 written over; nothing was done"
    );
    assert_eq!(import(&[], file).done(), "keys: 2 new, 0 there already, 0 written over");
    assert_eq!(import(&[], file).done(), "keys: 0 new, 2 there already, 0 written over");
    insta::assert_snapshot!(tollgate.run(&["key", "list"]).done());
    let listed = tollgate.run(&["key", "list", "--json"]).done();
    assert!(!listed.contains("apikey-number"));

    let other = file.replace("first", "1st");
    let answer = import(&[], &other);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (1, "keys: 0 new, 1 there already, 0 written over\n")
    );
    assert_eq!(
        answer.err,
        "tollgate: standard input: line 2: the key is stored already with other details: it was \
         left as it is; --replace writes it over\n\
         tollgate: 1 of 2 rows was not imported (see above); the other 1 is stored.\n"
    );
    let tried = import(&["--replace", "--dry-run"], &other).done();
    assert_eq!(tried, "keys: 0 new, 1 there already, 1 written over; nothing was done");
    assert!(!tollgate.run(&["key", "list"]).done().contains("1st"));
    assert_eq!(
        import(&["--replace", "--json"], &other).json(),
        json!({"new": 0, "same": 1, "replaced": 1, "differ": [], "dryRun": false})
    );
    assert!(tollgate.run(&["key", "list"]).done().contains("1st"));

    // Rights and an expiry are in no file: they stay.
    let keys = tollgate.run(&["key", "list", "--json"]).json()["keys"].clone();
    let first = keys.as_array().unwrap().iter().find(|key| key["name"] == "1st").unwrap();
    let id = first["id"].as_str().unwrap();
    let update = ["key", "update", id, "--scope", "orders/read", "--expires", "90d", "--json"];
    let updated = tollgate.run(&update).json();
    assert_eq!(import(&[], &other).done(), "keys: 0 new, 2 there already, 0 written over");
    let said = import(&["--replace"], file).done();
    assert_eq!(said, "keys: 0 new, 1 there already, 1 written over");
    let shown = tollgate.run(&["key", "show", id, "--json"]).json();
    for member in ["scopes", "expires"] {
        assert_eq!(shown[member], updated[member], "{member}");
    }
    assert_eq!((&shown["name"], &shown["scopes"]), (&json!("first"), &json!(["orders/read"])));
}

#[test]
fn the_keys_that_the_aws_cli_prints_are_imported() {
    let tollgate = with_plans();
    let key = |n: u32, more: &str| {
        format!(
            r#"{{"id": "k{n}", "value": "apikey-number-00000{n}", "name": "key {n}",
            "enabled": true, "stageKeys": []{more}}}"#
        )
    };
    let file = |keys: &[String]| format!(r#"{{"items": [{}]}}"#, keys.join(","));
    let import =
        |more: &[&str], file: &str| tollgate.feed(&[&["key", "import", "-"], more].concat(), file);
    let two = file(&[key(1, ""), key(2, "")]);
    let answer = import(&[], &two);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (0, "keys: 2 new, 0 there already, 0 written over\n")
    );
    assert_eq!(
        answer.err,
        "tollgate: keys without a plan of their own: 2; put each under one by `tollgate key \
         assign`, or all by `--plan ID --replace`\n"
    );
    let done = import(&["--plan", "gold", "--replace"], &two).done();
    assert_eq!(done, "keys: 0 new, 0 there already, 2 written over");
    let plans = r#", "usagePlanIds": ["gold", "free"]"#;
    let mixed = file(&[
        key(3, plans),
        "{\"value\": 5}".to_owned(),
        key(4, r#", "usagePlanIds": ["none"]"#),
    ]);
    let (done, said) = import(&["--plan", "gold"], &mixed).partly();
    assert_eq!(done, "keys: 0 new, 0 there already, 0 written over");
    insta::assert_snapshot!(said, @r"
    standard input: key 1: `usagePlanIds` names 2 plans, and one must count: choose it by `--api ID`, an API's id
    standard input: key 2: `value` must be a text
    standard input: key 3: `usagePlanIds`: there is no plan `none` in `tollgate`: `tollgate plan import` or `plan put` it first
    3 of 3 rows were not imported (see above); the other 0 are stored.
    ");
    assert!(!said.contains("apikey"), "{said}");
    let said = import(&[], "{\"items\": [{\"value\": \"apikey-nu").failed(1);
    assert_eq!(
        said,
        "standard input: is not what `aws apigateway get-api-keys --include-values` prints: it is \
         not JSON at line 1, column 31"
    );
    let more = two.replacen('{', "{\"position\": \"p2\",", 1);
    assert!(import(&["--plan", "gold"], &more).err.contains("there are more keys than it has"));
}

#[test]
fn a_wrong_row_does_not_stop_the_others() {
    let tollgate = with_plans();
    let file = "Name,Key,Enabled,UsagePlanIds\n\
                good,apikey-number-000001,true,free\n\
                short,secret-key,true,\n\
                no flag,apikey-number-000003,perhaps,\n\
                again,apikey-number-000001,true,\n\
                fewer,apikey-number-000005\n\
                no plan,apikey-number-000006,true,c7y23b\n\
                \"quote,apikey-number-000007,true,free\n\
                last,apikey-number-000008,true,gold\n";
    let (dry, said) = tollgate.feed(&["key", "import", "-", "--dry-run"], file).partly();
    assert_eq!(dry, "keys: 2 new, 0 there already, 0 written over; nothing was done");
    assert!(said.ends_with(
        "6 of 8 rows would not be imported (see above); the other 2 would be stored.\n"
    ));
    let (done, said) = tollgate.feed(&["key", "import", "-"], file).partly();
    assert_eq!(done, "keys: 2 new, 0 there already, 0 written over");
    insta::assert_snapshot!(said);
    assert!(!said.contains("secret-key") && !said.contains("apikey"), "{said}");
    let listed = tollgate.run(&["key", "list", "--json"]).json()["keys"].clone();
    let mut names: Vec<_> =
        listed.as_array().unwrap().iter().map(|key| text(key, "name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["good", "last"]);
    let header = tollgate.feed(&["key", "import", "-"], "Name\nx\n").failed(1);
    assert_eq!(header, "standard input: line 1: `Key` is missing: name it in the first line");
}

#[test]
fn a_key_on_several_plans_keeps_them_all() {
    let file = include_str!("../../../../tests/cases/throttle/h_keys.csv");
    let tollgate = with_table();
    for (id, stages) in [
        ("c7y23b", r#"{"apiId": "a1b2c3d4e5", "stage": "prod"}"#),
        (
            "n371pt",
            r#"{"apiId": "z9y8x7w6v5", "stage": "prod"}, {"apiId": "a1b2c3d4e5", "stage": "test"}"#,
        ),
    ] {
        let plan =
            format!(r#"{{"quota": {{"limit": 5, "period": "DAY"}}, "apiStages": [{stages}]}}"#);
        tollgate.feed(&["plan", "put", id, "-"], &plan).done();
    }
    let import = |more: &[&str]| tollgate.feed(&[&["key", "import", "-"], more].concat(), file);
    let plans = || {
        let keys = tollgate.run(&["key", "list", "--json"]).json()["keys"].clone();
        let both = keys.as_array().unwrap().iter().find(|key| key["name"] == "both");
        both.map(|key| (key["plan"].clone(), key["plans"].clone()))
    };

    let (done, said) = import(&[]).partly();
    assert_eq!(done, "keys: 3 new, 0 there already, 0 written over");
    assert_eq!(
        said,
        "standard input: line 3: `UsagePlanIds` names 2 plans, and one must count: choose it by \
         `--api ID`, an API's id\n\
         1 of 4 rows was not imported (see above); the other 3 are stored.\n"
    );
    assert_eq!(plans(), None);
    let (_, said) = import(&["--api", "a1b2c3d4e5"]).partly();
    assert!(
        said.starts_with(
            "standard input: line 3: 2 of its plans are attached to `a1b2c3d4e5`: choose by `--api \
         ID/STAGE`\n"
        ),
        "{said}"
    );
    let (_, said) = import(&["--api", "none"]).partly();
    assert!(said.starts_with(
        "standard input: line 3: none of its plans is attached to the API `none`: choose another API\n"
    ), "{said}");

    let done = import(&["--api", "z9y8x7w6v5"]).done();
    assert_eq!(done, "keys: 1 new, 3 there already, 0 written over");
    assert_eq!(plans(), Some((json!("n371pt"), json!(["n371pt", "c7y23b"]))));
    let done = import(&["--api", "a1b2c3d4e5/prod", "--replace"]).done();
    assert_eq!(done, "keys: 0 new, 3 there already, 1 written over");
    assert_eq!(plans(), Some((json!("c7y23b"), json!(["c7y23b", "n371pt"]))));
    let shown = tollgate.feed(&["key", "show", "-"], "0123456789abcdefghij0002").done();
    assert!(shown.contains("plan         c7y23b (also on n371pt)"), "{shown}");
    // What the shell of some systems puts before piped text.
    tollgate.feed(&["key", "show", "-"], "\u{feff}0123456789abcdefghij0002").done();

    tollgate.run(&["plan", "delete", "n371pt", "--yes"]).done();
    let (_, said) = import(&["--api", "z9y8x7w6v5"]).partly();
    assert!(said.contains("there is no plan `n371pt` in `tollgate`"), "{said}");
    let done = import(&["--api", "a1b2c3d4e5"]).done();
    assert_eq!(done, "keys: 0 new, 4 there already, 0 written over");
}

#[test]
fn an_import_that_is_interrupted_says_what_was_done_and_goes_on_when_run_again() {
    let url = serve();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    let proxy = Proxy::before(&url, |operation, nth| {
        (operation == "PutItem" && nth > 100).then_some((500, "InternalServerError"))
    });
    let said = Tollgate::at(&proxy.url).feed(&["key", "import", "-"], &keys(300)).failed(3);
    let stored = tollgate.run(&["key", "list", "--json"]).json()["keys"].as_array().unwrap().len();
    assert_eq!(stored, 100);
    assert_eq!(
        said,
        "standard input: 100 keys were stored before it failed, 200 are left; run it again for \
         those: the endpoint failed or broke the connection, or is not DynamoDB"
    );
    assert!(proxy.calls("PutItem") < 130, "no more are begun once one has failed");
    assert_eq!(
        tollgate.feed(&["key", "import", "-"], &keys(300)).done(),
        "keys: 200 new, 100 there already, 0 written over"
    );
}

#[test]
fn ten_thousand_keys_are_listed_page_by_page() {
    let (url, database) = serve_database();
    Tollgate::at(&url).run(&["table", "create"]).done();
    fill(&database, (0..10_000).map(|n| {
        let digest = format!("{n:064x}");
        json!({"pk": format!("KEY#{digest}"), "subject": format!("key-{digest}"), "enabled": true,
            "created": 1_795_251_600_000_000_000_u64, "version": 1, "name": format!("key {n}")})
    }));
    // The second page is held back until the first has been printed: a list that is kept until
    // its end would never be.
    let printed = Arc::new((Mutex::new(false), Condvar::new()));
    let seen = Arc::clone(&printed);
    let proxy = Proxy::before(&url, move |operation, nth| {
        if operation == "Scan" && nth == 2 {
            let (flag, changed) = &*seen;
            let wait = changed.wait_timeout_while(
                flag.lock().unwrap(),
                Duration::from_secs(60),
                |printed| !*printed,
            );
            assert!(*wait.unwrap().0, "nothing was printed of the first page");
        }
        None
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["key", "list"])
        .env_clear()
        .envs(Tollgate::at(&proxy.url).environment)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    *printed.0.lock().unwrap() = true;
    printed.1.notify_all();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(first.starts_with("ID  "), "{first}");
    assert_eq!(rest.lines().count(), 10_000);
    let scans = proxy.calls("Scan");
    assert!((2..=6).contains(&scans), "{scans} pages of a megabyte");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let tollgate = with_table();
    tollgate.feed(&["key", "import", "-"], &keys(2_000)).done();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["key", "list"])
        .env_clear()
        .envs(tollgate.environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}

#[test]
fn a_key_that_nobody_could_see_is_deleted_again() {
    let tollgate = with_table();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["key", "create"])
        .env_clear()
        .envs(tollgate.environment.clone())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.starts_with("tollgate: the key couldn't be shown, so it was deleted again"),
        "{said}"
    );
    assert_eq!(tollgate.run(&["key", "list", "--json"]).json()["keys"], json!([]));
}
