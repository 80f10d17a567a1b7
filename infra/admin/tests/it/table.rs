//! The table, and what can be wrong around it.

use serde_json::json;

use crate::support::{PLAN, Tollgate, serve};

#[test]
fn a_table_is_created_once_and_shown() {
    let tollgate = Tollgate::at(&serve());
    assert_eq!(
        tollgate.run(&["table", "status"]).failed(1),
        "there is no table `tollgate`: create it, or correct its name and region"
    );
    assert_eq!(tollgate.run(&["table", "create"]).done(), "created the table `tollgate`");
    assert_eq!(tollgate.run(&["table", "create"]).done(), "the table `tollgate` is there already");
    assert_eq!(
        tollgate.run(&["table", "create", "--json"]).json(),
        json!({"table": "tollgate", "created": false})
    );
    assert_eq!(
        tollgate.run(&["--json", "table", "status"]).json(),
        json!({"table": "tollgate", "active": true, "expiring": true, "items": 0})
    );
    assert!(tollgate.run(&["table", "status"]).done().starts_with("table   tollgate\nstate   act"));
}

#[test]
fn the_table_is_named_by_option_before_environment() {
    let url = serve();
    let tollgate = Tollgate::with([("TOLLGATE_TABLE", "from-environment".to_owned())]);
    let create = |more: &[&str]| {
        let line = [&["table", "create", "--endpoint-url", &url], more].concat();
        tollgate.run(&line).done()
    };
    assert_eq!(create(&[]), "created the table `from-environment`");
    assert_eq!(create(&["--table", "from-option"]), "created the table `from-option`");
}

#[test]
fn what_is_typed_wrong_is_misuse() {
    let tollgate = Tollgate::at("http://127.0.0.1:1");
    for line in [
        &[][..],
        &["plan"],
        &["plan", "put", "FREE"],
        &["plan", "put", "", "-"],
        &["plan", "show", "a\nb"],
        &["table", "drop"],
        &["table", "status", "--endpoint-url", "127.0.0.1:8000"],
        &["table", "status", "--endpoint-url", "http://"],
        &["table", "status", "--frobnicate"],
    ] {
        let answer = tollgate.run(line);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{line:?}");
        assert!(!answer.err.is_empty());
    }
    for name in ["ab", "a b c", &"x".repeat(256)] {
        let said = tollgate.run(&["plan", "list", "--table", name]);
        let says = "cannot name a table: use 3 to 255 letters, digits, `_`, `.` or `-`";
        assert!(said.code == 2 && said.err.contains(says), "{name}: {}", said.err);
    }
    let missing = tollgate.run(&["plan", "put", "FREE", "/nowhere/plan.json"]).failed(2);
    assert!(missing.starts_with("can't read `/nowhere/plan.json`: "), "{missing}");
}

#[test]
fn a_missing_table_is_named_with_the_command_that_creates_it() {
    let tollgate = Tollgate::at(&serve());
    let missing = "there is no table `tollgate` in this region and account; create it with \
                   `tollgate table create`";
    for line in [&["plan", "list"][..], &["plan", "show", "FREE"]] {
        assert_eq!(tollgate.run(line).failed(1), missing);
    }
    assert_eq!(tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).failed(1), missing);
}

#[test]
fn a_wrong_endpoint_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let tollgate = Tollgate::with([]);
    for line in [&["table", "status"][..], &["table", "create"], &["plan", "list"]] {
        let line = [line, &["--endpoint-url", &url]].concat();
        let said = tollgate.run(&line).failed(3);
        assert!(said.starts_with("the table can't be reached"), "{said}");
    }
}

#[test]
fn without_credentials_nothing_is_sent() {
    let mut tollgate = Tollgate::at(&serve());
    tollgate.environment.retain(|(name, _)| !name.ends_with("_KEY_ID"));
    let said = tollgate.run(&["table", "status"]).failed(2);
    assert!(said.starts_with("no request could be made"), "{said}");
    assert!(!said.contains("dummy-secret"));
}

#[test]
fn help_shows_examples() {
    let tollgate = Tollgate::with([]);
    for line in [&["--help"][..], &["plan", "put", "--help"], &["table", "create", "--help"]] {
        let answer = tollgate.run(line).done();
        assert!(answer.contains("Example"), "{answer}");
    }
}
