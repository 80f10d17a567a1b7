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
    let shown = run(&["show", "b"]);
    let said = "tollgate: `b` → `c` → `d` → `a` → `b` is a loop: name another parent\n";
    assert_eq!((shown.code, shown.err.as_str()), (1, said));
    assert_eq!(shown.out.matches("within").count(), 3, "{}", shown.out);
    let said = run(&["assign", "x", "--parent", "b", "--yes"]).failed(1);
    assert!(said.starts_with("`x` → `b` → `c` → `d` → `a` has more than four levels"), "{said}");
    // It can be mended.
    assert_eq!(run(&["assign", "d", "--no-parent"]).done(), "`d` is under `tenant`");
    for (line, says) in [
        (&["assign", "a", "--parent", "b", "--no-parent"][..], "cannot be used with"),
        (&["assign", "a"], "name a plan, `--parent SUBJECT` or `--no-parent`"),
        (&["assign", "a", "--parent", ""], "is empty"),
        (&["assign", "a", "--parent", "*"], "write `everyone`, their subject"),
        (&["assign", "*", "user", "--yes"], "write `everyone`, their subject"),
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
    // Every level, each subject under its parent.
    insta::assert_snapshot!(tollgate.run(&["usage", "show", "holding", "--tree"]).done(), @r"
    SUBJECT         PLAN    QUOTA         USED  LEFT
    holding         -       -             -     -
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

/// A configuration with these parents, for tokens of one issuer.
fn config(parents: &str) -> (tempfile::NamedTempFile, String) {
    let text = format!(
        r#"
        [[issuer]]
        name = "pool"
        url = "https://issuer.example"
        clients = ["web"]
        token_use = "access"

        [[rule]]
        name = "readers"
        allow = ["GET /orders"]
        everyone = true

        [throttle]
        table = "tollgate"
        subject = "sub"
        plan = {{ assigned = true, default = "user" }}
        parents = {parents}
        refuse = "context"
        "#
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

const CONFIGURED: &str =
    r#"[{ parent = "custom:tenant", plan = "tenant" }, { parent = "*", plan = "tenant" }]"#;

#[test]
fn levels_below_and_of_the_configuration_count_before_the_write() {
    let (tollgate, _) = with_plans();
    let run = |line: &[&str]| subject(&tollgate, line);
    for (name, parent) in [("top", None), ("mid", Some("top")), ("team", None), ("u", Some("team"))]
    {
        let parent = parent.map_or(vec![], |parent| vec!["--parent", parent]);
        run(&[&["assign", name, "tenant", "--yes"], &parent[..]].concat()).done();
    }
    // `u` is within `team`, and would have the fourth level.
    run(&["assign", "team", "--parent", "mid"]).done();
    run(&["assign", "team", "--no-parent"]).done();
    run(&["assign", "v", "tenant", "--parent", "u", "--yes"]).done();
    let line = ["assign", "team", "--parent", "mid"];
    let says = "`v` → `u` → `team` → `mid` → `top` has more than four levels: name a parent with \
                fewer above it";
    assert_eq!(run(&line).failed(1), says);
    assert_eq!(run(&[&line[..], &["--dry-run"]].concat()).failed(1), says);
    assert_eq!(
        run(&["show", "team", "--json"]).json()["parents"],
        json!([]),
        "nothing was written"
    );
    run(&["unassign", "v"]).done();
    run(&line).done();

    // What is too much is shown, and said.
    let (_file, path) = config(CONFIGURED);
    run(&["assign", "pool#lena", "--parent", "mid", "--yes"]).done();
    let shown = run(&["show", "pool#lena", "--config", &path]);
    let problem = "`pool#lena` → `mid` → `top` → the claim `custom:tenant` → `everyone` has more \
                   than four levels: name a parent with fewer above it, or remove one of `parents` \
                   in [throttle]";
    assert!(shown.out.contains("requests    refused with 403, because of the parents"));
    assert_eq!((shown.code, shown.err), (1, format!("tollgate: {problem}\n")));
    let json = run(&["show", "pool#lena", "--config", &path, "--json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["problem"], problem);

    // With the configuration, a caller has two levels more.
    let (_file, path) = config(CONFIGURED);
    let with = |line: &[&str]| run(&[line, &["--config", &path]].concat());
    assert_eq!(
        with(&["assign", "pool#maria", "--parent", "mid", "--yes"]).failed(1),
        "`pool#maria` → `mid` → `top` → the claim `custom:tenant` → `everyone` has more than four \
         levels: name a parent with fewer above it, or remove one of `parents` in [throttle]"
    );
    with(&["assign", "pool#maria", "--parent", "top", "--yes"]).done();
    // The parent of all callers is one level, assigned or configured.
    run(&["assign", "everyone", "tenant", "--yes"]).done();
    with(&["assign", "pool#paul", "--parent", "everyone", "--yes"]).done();
    let parents = with(&["show", "pool#paul", "--json"]).json()["parents"].clone();
    assert_eq!(
        parents,
        json!([
            {"subject": "everyone", "plan": "tenant"},
            {"subject": null, "plan": "tenant", "configured": "custom:tenant"},
        ])
    );
}

#[test]
fn a_subject_is_shown_with_the_levels_of_the_configuration() {
    let (tollgate, _) = with_plans();
    let run = |line: &[&str]| subject(&tollgate, line);
    run(&["assign", "acme", "tenant", "--yes"]).done();
    run(&["assign", "everyone", "user", "--yes"]).done();
    run(&["assign", "pool#maria", "user", "--parent", "acme", "--yes"]).done();
    let (_file, path) = config(CONFIGURED);
    insta::assert_snapshot!(run(&["show", "maria", "--config", &path]).done(), @r"
    subject     pool#maria
    assigned    user
    last under  -
    within      acme, plan tenant
    within      the claim `custom:tenant` (configured), plan tenant
    within      everyone (configured), plan user
    daily       0 used, 100 left
    ");
    // A token names the tenant. Nothing of it is verified.
    let part = |json: serde_json::Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    let token = |tenant: Value| {
        let head = part(json!({"alg": "RS256", "kid": "k"}));
        let claims =
            json!({"iss": "https://issuer.example", "sub": "maria", "custom:tenant": tenant});
        format!("{head}.{}.c2ln", part(claims))
    };
    let line = ["subject", "show", "--token", "-", "--config", &path];
    let shown = tollgate.feed(&line, &token(json!("globex"))).done();
    assert!(
        shown.contains("within      #pool#custom:tenant#globex (configured), plan tenant"),
        "{shown}"
    );
    let said = tollgate.feed(&line, &token(json!(7))).failed(1);
    assert!(said.contains("the claim of a parent of the limits' subject is not a text"), "{said}");
    // `everyone` is not the value of a claim.
    let shown = run(&["show", "everyone", "--config", &path]).done();
    assert!(shown.starts_with("subject     everyone\n"), "{shown}");
    let said = run(&["show", "*"]).failed(1);
    assert!(said.ends_with("; all callers are `everyone`"), "{said}");
    // A parent in the configuration is no caller, so it has no such parents.
    let tenant = "#pool#custom:tenant#globex";
    run(&["assign", tenant, "tenant", "--yes"]).done();
    let shown = run(&["show", tenant, "--config", &path]).done();
    assert!(!shown.contains("within"), "{shown}");
}

#[test]
fn parents_that_are_assigned_at_once_never_form_a_loop() {
    let (tollgate, _) = with_plans();
    for round in 0..4 {
        let [a, b] = ["a", "b"].map(|name| format!("{name}{round}"));
        for name in [&a, &b] {
            subject(&tollgate, &["assign", name, "tenant", "--yes"]).done();
        }
        let assign =
            |name: &str, parent: &str| subject(&tollgate, &["assign", name, "--parent", parent]);
        let [one, other] = std::thread::scope(|scope| {
            let one = scope.spawn(|| assign(&a, &b));
            let other = scope.spawn(|| assign(&b, &a));
            [one.join().unwrap(), other.join().unwrap()]
        });
        for answer in [&one, &other].into_iter().filter(|answer| answer.code != 0) {
            assert!(answer.code == 1 && answer.err.contains(" is a loop: "), "{}", answer.err);
        }
        assert!(one.code + other.code > 0, "both would be a loop");
        for name in [&a, &b] {
            subject(&tollgate, &["show", name]).done();
        }
    }
}

#[test]
fn the_doctor_names_subjects_with_wrong_parents() {
    let (tollgate, database) = with_plans();
    let of = |subject: &str, parent: &str| json!({"pk": format!("SUBJECT#{subject}"), "plan_id": "tenant", "parent": parent, "version": 1});
    let acme = json!({"pk": "SUBJECT#acme", "plan_id": "tenant", "version": 1});
    fill(&database, [of("pool#maria", "team"), of("team", "acme"), acme]);
    let doctor = |line: &[&str]| {
        let answer = tollgate.run(&[&["doctor", "--json"], line].concat());
        let json: Value = serde_json::from_str(&answer.out).unwrap();
        let checks = json["checks"].as_array().unwrap().clone();
        let found = checks.into_iter().filter(|it| it["check"] == "parents");
        found.map(|it| format!("{} {} {}", it["state"], it["text"], it["fix"])).collect::<String>()
    };
    let said = doctor(&[]);
    let text = "2 subjects within a parent, in at most four levels, each with a plan; 3 \
                assignments read";
    assert!(said.contains(text), "{said}");
    let (_file, path) = config(CONFIGURED);
    let said = doctor(&["--config", &path]);
    assert!(said.contains("`pool#maria` → `team` → `acme` → the claim `custom:tenant`"), "{said}");
    assert!(said.contains("tollgate subject assign 'pool#maria' --no-parent"), "{said}");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("assigned = true, ", "")).unwrap();
    let said = doctor(&["--config", &path]);
    assert!(said.contains("the configuration reads no assignments"), "{said}");
    let alone = json!({"pk": "SUBJECT#x", "parent": "y", "version": 1});
    fill(&database, [alone, of("y", "x")]);
    let said = doctor(&[]);
    assert!(said.contains("tollgate subject unassign x"), "{said}");
    assert!(said.starts_with("\"fail\"") && said.contains("`x` → `y` → `x` is a loop"), "{said}");
}

#[test]
fn no_key_has_the_subject_of_a_parent() {
    let (tollgate, _) = with_plans();
    for name in ["everyone", "#pool#custom:tenant#acme", "#", "*"] {
        let said = tollgate.run(&["key", "create", "--subject", name]).failed(2);
        assert!(
            said.starts_with(&format!("`{name}` is a parent's subject, which no key")),
            "{said}"
        );
    }
    assert_eq!(tollgate.run(&["key", "list", "--json"]).json()["keys"], json!([]));
}
