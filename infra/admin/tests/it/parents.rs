//! Parents of subjects: assigned, shown, and the usage of all within one.

use serde_json::{Value, json};
use throttle::{Clock, Period, SystemClock};

use crate::support::{Answer, Tollgate, fill, serve_database};

/// A table with a plan for users and one for tenants.
fn with_plans() -> (Tollgate, dynoxide::Database) {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    let user = r#"{"quota": {"limit": 100, "period": "DAY"}}"#;
    let tenant = r#"{"quota": [{"limit": 500, "period": "DAY"}, {"limit": 9000, "period": "MONTH"}],
        "meters": {"tokens": {"quota": {"limit": 70, "period": "DAY"}}}}"#;
    tollgate.feed(&["plan", "put", "user", "-"], user).done();
    tollgate.feed(&["plan", "put", "tenant", "-"], tenant).done();
    (tollgate, database)
}

fn subject(tollgate: &Tollgate, line: &[&str]) -> Answer {
    tollgate.run(&[&["subject"], line].concat())
}

#[test]
fn a_parent_is_assigned_kept_shown_and_removed() {
    let (tollgate, _) = with_plans();
    let run = |line: &[&str]| subject(&tollgate, line);
    // Without a plan of its own the tenant would refuse everybody.
    let said = run(&["assign", "maria", "--parent", "acme"]).failed(1);
    assert!(said.starts_with("`maria` has never been seen"), "{said}");
    run(&["assign", "maria", "user", "--yes"]).done();
    assert_eq!(
        run(&["assign", "maria", "--parent", "acme"]).failed(1),
        "`acme` is assigned no plan, so requests within it are refused, unless `parents` in the \
         configuration has a plan for it; run `tollgate subject assign acme PLAN --yes` first, or \
         add --yes"
    );
    run(&["assign", "acme", "tenant", "--yes"]).done();
    let dry = run(&["assign", "maria", "--parent", "acme", "--dry-run"]).done();
    assert_eq!(dry, "would put `maria` under `user`, within `acme`; nothing was done");
    assert_eq!(
        run(&["assign", "maria", "--parent", "acme", "--json"]).json(),
        json!({"subject": "maria", "plan": "user", "parent": "acme", "version": 2, "changed": true})
    );
    let again = run(&["assign", "maria", "user", "--parent", "acme"]).done();
    assert_eq!(again, "`maria` is under `user`, within `acme` already");
    // A new plan keeps the parent.
    let said = run(&["assign", "maria", "tenant"]).done();
    assert_eq!(said, "`maria` is under `tenant`, within `acme`");
    run(&["assign", "holding", "tenant", "--yes"]).done();
    run(&["assign", "acme", "--parent", "holding"]).done();
    insta::assert_snapshot!(run(&["show", "maria"]).done(), @r"
    subject       maria
    assigned      tenant
    last under    -
    within        acme, plan tenant
    within        holding, plan tenant
    daily         0 used, 500 left
    monthly       0 used, 9000 left
    tokens-daily  0 used, 70 left
    ");
    let json = run(&["show", "maria", "--json"]).json();
    let parents = json!([
        {"subject": "acme", "plan": "tenant"},
        {"subject": "holding", "plan": "tenant"},
    ]);
    assert_eq!(json["parents"], parents);

    let said = run(&["assign", "maria", "--no-parent"]).done();
    assert_eq!(said, "`maria` is under `tenant`");
    assert_eq!(run(&["show", "maria", "--json"]).json()["parents"], json!([]));
    // A parent alone is an assignment too, and its only part cannot be removed.
    assert_eq!(
        run(&["assign", "paul", "--parent", "acme", "--yes"]).done(),
        "`paul` is within `acme`"
    );
    assert_eq!(
        run(&["assign", "paul", "--no-parent"]).failed(1),
        "`paul` would have neither a plan nor a parent: name a plan, or delete its assignment with \
         `tollgate subject unassign paul`"
    );
    let dry = run(&["unassign", "paul", "--dry-run"]).done();
    assert_eq!(dry, "would delete the assignment of `paul`, within `acme`; nothing was done");
    run(&["unassign", "paul"]).done();
    assert!(run(&["show", "paul"]).failed(1).starts_with("nothing is known of `paul`"));
}

#[test]
fn loops_and_more_than_four_levels_are_refused_before_the_write() {
    let (tollgate, database) = with_plans();
    let run = |line: &[&str]| subject(&tollgate, line);
    for (name, parent) in [("c", Some("d")), ("b", Some("c")), ("a", Some("b")), ("d", None)] {
        let parent = parent.map_or(vec![], |parent| vec!["--parent", parent]);
        run(&[&["assign", name, "tenant", "--yes"], &parent[..]].concat()).done();
    }
    let version = || run(&["show", "d", "--json"]).json()["version"].clone();
    for (name, parent, says) in [
        ("d", "d", "`d` → `d` is a loop: name another parent"),
        ("d", "a", "`d` → `a` → `b` → `c` → `d` is a loop: name another parent"),
        ("d", "c", "`d` → `c` → `d` is a loop: name another parent"),
        (
            "e",
            "a",
            "`e` → `a` → `b` → `c` → `d` has more than four levels: name a parent with fewer above it",
        ),
    ] {
        let line = ["assign", name, "tenant", "--parent", parent, "--yes"];
        assert_eq!(run(&line).failed(1), says);
    }
    assert_eq!(version(), 1, "nothing was written");
    assert!(run(&["show", "e"]).failed(1).starts_with("nothing is known"));
    // Two commands at once can make a loop, or another program.
    fill(&database, [json!({"pk": "SUBJECT#d", "plan_id": "tenant", "parent": "a", "version": 9})]);
    let said = run(&["show", "b"]).failed(1);
    assert_eq!(said, "`b` → `c` → `d` → `a` → `b` is a loop: name another parent");
    let said = run(&["assign", "x", "--parent", "b", "--yes"]).failed(1);
    assert!(said.starts_with("`x` → `b` → `c` → `d` → `a` has more than four levels"), "{said}");
    // It can be mended.
    assert_eq!(run(&["assign", "d", "--no-parent"]).done(), "`d` is under `tenant`");
    for (line, says) in [
        (&["assign", "a", "--parent", "b", "--no-parent"][..], "cannot be used with"),
        (&["assign", "a"], "name a plan, `--parent SUBJECT` or `--no-parent`"),
        (&["assign", "a", "--parent", ""], "is empty"),
        (&["assign", "a", "--parent", "x\ny"], "control character"),
        (&["assign", "a", "--parent", &"x".repeat(513)], "513 bytes"),
        (&["assign", "a", "user", "--token", "-"], "a subject cannot be used with `--token -`"),
    ] {
        let answer = run(line);
        assert!(answer.code == 2 && answer.err.contains(says), "{line:?}: {}", answer.err);
    }
}

#[test]
fn the_usage_of_a_tenant_and_all_within_it_is_shown() {
    let (tollgate, database) = with_plans();
    let now = SystemClock::new().now();
    let today = Period::Day.window(now).counter.to_string();
    let month = Period::Month.window(now).counter.to_string();
    let assigned = |subject: &str, plan: Option<&str>, parent: Option<&str>| {
        let mut item = json!({"pk": format!("SUBJECT#{subject}"), "version": 1});
        for (name, value) in [("plan_id", plan), ("parent", parent)] {
            if let Some(value) = value {
                item[name] = value.into();
            }
        }
        item
    };
    fill(
        &database,
        [
            assigned("acme", Some("tenant"), Some("holding")),
            assigned("pool#maria", Some("user"), Some("acme")),
            assigned("pool#paul", None, Some("acme")),
            assigned("pool#new", None, Some("acme")),
            assigned("pool#other", Some("user"), Some("globex")),
            json!({"pk": "BUCKET#acme", "pv": "1.tenant", (today.clone()): 40, (month): 400}),
            json!({"pk": "BUCKET#pool#maria", "pv": "1.user", (today.clone()): 30}),
            // It has been under the default plan.
            json!({"pk": "BUCKET#pool#paul", "pv": "1.user", (today): 10}),
        ],
    );
    let line = ["usage", "show", "acme", "--tree"];
    insta::assert_snapshot!(tollgate.run(&line).done(), @r"
    SUBJECT       PLAN    QUOTA         USED  LEFT
    acme          tenant  daily         40    460
    acme          tenant  monthly       400   8600
    acme          tenant  tokens-daily  0     70
      pool#maria  user    daily         30    70
      pool#new    -       -             -     -
      pool#paul   user    daily         10    90
    ");
    let json = tollgate.run(&[&line[..], &["--json"]].concat()).json();
    assert_eq!(json["quotas"].as_array().unwrap().len(), 6);
    assert_eq!(
        json["quotas"][3],
        json!({"subject": "pool#maria", "parent": "acme", "plan": "user", "period": "DAY",
            "limit": 100, "used": 30, "remaining": 70, "granted": 0})
    );
    assert_eq!(json["quotas"][0]["parent"], Value::Null);
    let said = tollgate.run(&["usage", "show", "nobody", "--tree"]).failed(1);
    assert!(said.starts_with("nothing is known of `nobody`"), "{said}");
    // A tenant that only its subjects name.
    let said = tollgate.run(&["usage", "show", "globex", "--tree"]).done();
    assert!(said.contains("globex        -") && said.contains("  pool#other  user"), "{said}");
    assert_eq!(tollgate.run(&["usage", "show", "acme", "--tree", "--by", "day"]).code, 2);

    // What is damaged is named, and the rest is shown.
    fill(&database, [json!({"pk": "BUCKET#pool#maria", "pv": 7})]);
    let answer = tollgate.run(&line);
    assert!(answer.code == 1 && answer.out.contains("pool#paul"), "{}", answer.out);
    assert!(answer.err.contains("damaged items") && answer.err.contains("`BUCKET#pool#maria`"));
}

#[test]
fn a_tree_of_many_subjects_is_whole() {
    let (tollgate, database) = with_plans();
    let item = |at: u32| json!({"pk": format!("SUBJECT#s{at:04}"), "plan_id": "user", "parent": "acme", "version": 1});
    fill(&database, (0..250).map(item));
    let said = tollgate.run(&["usage", "show", "acme", "--tree"]).done();
    assert_eq!(said.lines().count(), 1 + 1 + 250);
    let names: Vec<_> = said.lines().skip(2).map(|line| line.split_whitespace().next()).collect();
    assert!(names.is_sorted() && names[249] == Some("s0249"));
}
