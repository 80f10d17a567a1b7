//! Plans: put, shown, listed, deleted, imported, exported.

use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::support::{PLAN, Tollgate, fill, serve_database, with_table};

#[test]
fn a_plan_is_put_shown_and_listed() {
    let tollgate = with_table();
    let put = |input| tollgate.feed(&["plan", "put", "FREE", "-"], input).done();
    assert_eq!(put(PLAN), "stored the plan `FREE`, version 1");
    assert_eq!(put(PLAN), "the plan `FREE` is that already, version 1");
    let same = r#"{"quota": {"period": "MONTH", "limit": 1000},
        "throttle": {"burstLimit": 10, "rateLimit": "30/min"}}"#;
    assert_eq!(put(same), "the plan `FREE` is that already, version 1");

    let shown = tollgate.run(&["plan", "show", "FREE"]).done();
    assert_eq!(
        serde_json::from_str::<Value>(&shown).unwrap(),
        serde_json::from_str::<Value>(PLAN).unwrap()
    );
    assert_eq!(put(&shown), "the plan `FREE` is that already, version 1");
    let json = tollgate.run(&["plan", "show", "FREE", "--json"]).json();
    assert_eq!((&json["id"], &json["version"]), (&json!("FREE"), &json!(1)));
    assert_eq!(json["plan"], serde_json::from_str::<Value>(PLAN).unwrap());

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, r#"{"quota": {"limit": 5, "period": "DAY"}}"#).unwrap();
    let path = file.path().to_str().unwrap();
    let put = |id| tollgate.run(&["plan", "put", id, path, "--json"]).json();
    assert_eq!(put("FREE"), json!({"plan": "FREE", "version": 2, "changed": true}));
    assert_eq!(put("another"), json!({"plan": "another", "version": 1, "changed": true}));
    let rates = r#"{"throttle": {"rateLimit": "100/min", "burstLimit": 3}}"#;
    tollgate.feed(&["plan", "put", "GOLD", "-"], rates).done();

    assert_eq!(
        tollgate.run(&["plan", "list"]).done(),
        "PLAN     RATE     BURST  QUOTA    VERSION\n\
         FREE     -        -      5 daily  2\n\
         GOLD     100/min  3      -        1\n\
         another  -        -      5 daily  1"
    );
    let listed = tollgate.run(&["plan", "list", "--json"]).json();
    let ids: Vec<_> = listed["plans"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    assert_eq!(ids, ["FREE", "GOLD", "another"]);
    assert_eq!(listed["damaged"], json!([]));
}

#[test]
fn plans_on_several_pages_are_all_listed() {
    let tollgate = with_table();
    // More than the megabyte that a page holds.
    let long = "x".repeat(60_000);
    let plan = format!(r#"{{"description": "{long}", "quota": {{"limit": 5, "period": "DAY"}}}}"#);
    for n in 0..20 {
        tollgate.feed(&["plan", "put", &format!("plan {n}"), "-"], &plan).done();
    }
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 21);
}

#[test]
fn an_empty_table_lists_no_plans() {
    let tollgate = with_table();
    assert_eq!(tollgate.run(&["plan", "list"]).done(), "PLAN  RATE  BURST  QUOTA  VERSION");
    assert_eq!(
        tollgate.run(&["plan", "show", "none"]).failed(1),
        "there is no plan `none` in `tollgate`: `tollgate plan list` shows the plans"
    );
}

#[test]
fn a_wrong_plan_names_its_field() {
    let tollgate = with_table();
    let put = |input: &str| tollgate.feed(&["plan", "put", "FREE", "-"], input).failed(2);
    assert_eq!(
        put(r#"{"throttle": {"rateLimit": -1, "burstLimit": 5}}"#),
        "`throttle.rateLimit` must not be negative"
    );
    assert_eq!(
        put(r#"{"quota": {"limit": 5, "period": "HOUR"}}"#),
        "`quota.period` must be `DAY`, `WEEK` or `MONTH`"
    );
    assert!(
        put(r#"{"a\nb\u0007": 1}"#).starts_with("`plan` can't be read: unknown field `a b\\u0007`")
    );
    assert!(put("").starts_with("`plan` can't be read: "));
    assert_eq!(put(&" ".repeat(100_000)), "`plan` is longer than 65536 bytes");
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 1, "nothing was stored");
}

const EXPORT: &str = r#"{"items": [
    {"id": "a1b2c3", "name": "Free", "throttle": {"rateLimit": 0.5, "burstLimit": 5},
     "quota": {"limit": 1000, "period": "DAY"}, "tags": {}},
    {"id": "d4e5f6", "name": "Gold", "throttle": {"rateLimit": 100.0, "burstLimit": 200},
     "apiStages": [{"apiId": "x9", "stage": "prod",
        "throttle": {"/pets/GET": {"rateLimit": 0.5, "burstLimit": 2}}}]}]}"#;

#[test]
fn a_plan_is_deleted_where_it_was_said_to_be() {
    let tollgate = with_table();
    tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).done();
    assert_eq!(
        tollgate.run(&["plan", "delete", "FREE"]).failed(2),
        "to delete the plan `FREE`, version 1, can't be undone: add --yes to do it, or --dry-run \
         to see what it does"
    );
    assert_eq!(
        tollgate.run(&["plan", "delete", "FREE", "--dry-run"]).done(),
        "would delete the plan `FREE`, version 1; nothing was done"
    );
    assert_eq!(
        tollgate.run(&["plan", "delete", "FREE", "--yes", "--if-version", "2"]).failed(1),
        "the plan `FREE` has version 1: somebody has changed it; look at it again"
    );
    tollgate.run(&["plan", "show", "FREE"]).done();
    assert_eq!(
        tollgate.run(&["plan", "delete", "FREE", "--yes", "--json"]).json(),
        json!({"plan": "FREE", "version": 1, "deleted": true})
    );
    let gone = "there is no plan `FREE` in `tollgate`: `tollgate plan list` shows the plans";
    assert_eq!(tollgate.run(&["plan", "show", "FREE"]).failed(1), gone);
    assert_eq!(tollgate.run(&["plan", "delete", "FREE", "--yes"]).failed(1), gone);
    // A version never comes twice.
    assert_eq!(
        tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).done(),
        "stored the plan `FREE`, version 3"
    );
}

#[test]
fn a_plan_that_is_assigned_is_not_deleted_by_mistake() {
    let tollgate = with_table();
    for plan in ["FREE", "GOLD"] {
        tollgate.feed(&["plan", "put", plan, "-"], PLAN).done();
    }
    tollgate.run(&["key", "create", "--plan", "FREE", "--json"]).json();
    tollgate.run(&["subject", "assign", "maria", "GOLD", "--yes"]).done();
    for (plan, by) in [("FREE", "1 key and 0 subjects"), ("GOLD", "0 keys and 1 subject")] {
        for sure in ["--yes", "--dry-run"] {
            let said = tollgate.run(&["plan", "delete", plan, sure]).failed(1);
            let assigned = format!("the plan `{plan}` is assigned to {by}: assign them another ");
            assert!(said.starts_with(&assigned), "{said}");
            assert!(said.ends_with(", or delete it with `--force`"), "{said}");
        }
        tollgate.run(&["plan", "show", plan]).done();
    }
    tollgate.run(&["plan", "delete", "FREE", "--yes", "--force"]).done();
    tollgate.run(&["plan", "show", "FREE"]).failed(1);
}

#[test]
fn plans_go_from_api_gateway_and_back() {
    let tollgate = with_table();
    let dry = tollgate.feed(&["plan", "import", "-", "--dry-run"], EXPORT).done();
    assert!(dry.ends_with("nothing was done"), "{dry}");
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 1);

    tollgate.feed(&["plan", "put", "a1b2c3", "-"], PLAN).done();
    insta::assert_snapshot!(tollgate.feed(&["plan", "import", "-"], EXPORT).done(), @r"
    PLAN    NAME  ACTION
    a1b2c3  Free  changed
    d4e5f6  Gold  new
    ");
    assert_eq!(
        tollgate.feed(&["plan", "import", "-", "--json"], EXPORT).json(),
        json!({"dryRun": false, "plans": [
            {"plan": "a1b2c3", "action": "same"}, {"plan": "d4e5f6", "action": "same"}]})
    );

    let exported = tollgate.run(&["plan", "export"]).done();
    insta::assert_snapshot!(exported);
    let other = with_table();
    other.feed(&["plan", "import", "-"], &exported).done();
    assert_eq!(other.run(&["plan", "export"]).done(), exported);
}

#[test]
fn a_plan_that_api_gateway_can_t_take_is_named() {
    let tollgate = with_table();
    for (id, plan) in [
        ("a", r#"{"throttle": {"rateLimit": "100/min", "burstLimit": 3}}"#),
        ("b", r#"{"quota": [{"limit": 5, "period": "DAY"}, {"limit": 9, "period": "WEEK"}]}"#),
        ("c", r#"{"quota": {"limit": 5, "period": "DAY"}, "failure": "open"}"#),
        ("d", PLAN),
        (
            "e",
            r#"{"name": "e", "quota": {"limit": 9, "offset": 1, "offsetMeans": "requests",
            "period": "WEEK"}}"#,
        ),
        ("f", r#"{"name": "f", "throttle": {"rateLimit": 16.666666666666668, "burstLimit": 0}}"#),
        ("g", r#"{"name": "g", "unlimited": true}"#),
    ] {
        tollgate.feed(&["plan", "put", id, "-"], plan).done();
    }
    let answer = tollgate.run(&["plan", "export", "--json"]);
    assert_eq!(answer.code, 0);
    insta::assert_snapshot!(answer.err, @r"
    tollgate: API Gateway can't take the plan `a` as it is: it has a rate that is not a number of requests a second, no name
    tollgate: API Gateway can't take the plan `b` as it is: it has several quotas, no name
    tollgate: API Gateway can't take the plan `c` as it is: it has `failure`, no name
    tollgate: API Gateway can't take the plan `d` as it is: it has no name
    tollgate: API Gateway can't take the plan `e` as it is: it has an `offset` that counts requests
    ");
}

/// Six plans, as `aws apigateway get-usage-plans` prints them.
const SIX: &str = include_str!("../../../../tests/cases/throttle/g_get-usage-plans.json");

#[test]
fn what_aws_prints_is_imported() {
    let tollgate = with_table();
    let import = |more: &[&str]| tollgate.feed(&[&["plan", "import", "-"], more].concat(), SIX);
    let (dry, said) = import(&["--dry-run"]).partly();
    assert!(dry.ends_with("nothing was done"), "{dry}");
    assert!(said.ends_with(
        "2 of 6 rows would not be imported (see above); the other 4 would be stored.\n"
    ));
    assert_eq!(tollgate.run(&["plan", "list"]).done().lines().count(), 1);

    let (done, said) = import(&[]).partly();
    insta::assert_snapshot!(done, @r"
    PLAN    NAME           ACTION
    glvrsr  1000 a minute  new
    zero00  Closed method  new
    unlim0  Internal       new     unlimited
    uni000  Gött 🎉 plan   new
    ");
    insta::assert_snapshot!(said);
    insta::assert_snapshot!(tollgate.run(&["plan", "list"]).done(), @r"
    PLAN    RATE          BURST  QUOTA     METHODS   VERSION  NAME
    glvrsr  16.6666667/s  200    -         -         1        1000 a minute
    uni000  -             -      5 weekly  -         1        Gött 🎉 plan
    unlim0  unlimited     -      -         -         1        Internal
    zero00  100/s         200    -         1 closed  1        Closed method
    ");
    let (done, said) = import(&["--offset-means", "requests"]).partly();
    assert!(done.contains("\nc7y23b  Gold           new"), "{done}");
    assert!(said.contains("plan `week06` (few): `quota.offset` must be below `limit`"), "{said}");
    assert!(said.ends_with("1 of 6 rows was not imported (see above); the other 5 are stored.\n"));
    let json = import(&["--offset-means", "ignore", "--json"]).json();
    let actions: Vec<_> = json["plans"].as_array().unwrap().iter().collect();
    assert_eq!(actions[0], &json!({"plan": "c7y23b", "action": "changed"}));
    assert_eq!(actions[3], &json!({"plan": "unlim0", "action": "same", "unlimited": true}));
    assert_eq!(actions[4], &json!({"plan": "week06", "action": "new"}));

    // The export changes nothing, here or elsewhere, and needs no option.
    let exported = tollgate.run(&["plan", "export"]).done();
    let same = tollgate.feed(&["plan", "import", "-", "--json"], &exported).json();
    let plans = same["plans"].as_array().unwrap();
    assert!(plans.len() == 6 && plans.iter().all(|plan| plan["action"] == "same"), "{same}");
    let other = with_table();
    other.feed(&["plan", "import", "-"], &exported).done();
    assert_eq!(other.run(&["plan", "export"]).done(), exported);
}

#[test]
fn a_plan_without_a_name_is_exported_and_imported_unchanged() {
    let tollgate = with_table();
    let plan = r#"{"throttle":{"rateLimit":10,"burstLimit":20}}"#;
    tollgate.feed(&["plan", "put", "c7y23b", "-"], plan).done();
    let offset = r#"{"quota": {"limit": 9, "offset": 5, "period": "MONTH"}}"#;
    tollgate.feed(&["plan", "put", "off", "-", "--offset-means", "requests"], offset).done();
    let exported = tollgate.run(&["plan", "export"]).out;
    assert_eq!(
        tollgate.feed(&["plan", "import", "-", "--dry-run", "--json"], &exported).json(),
        json!({"dryRun": true, "plans": [
            {"plan": "c7y23b", "action": "same"}, {"plan": "off", "action": "same"}]})
    );
}

#[test]
fn a_plan_is_put_as_aws_prints_it() {
    let tollgate = with_table();
    let put = |input: &str, more: &[&str]| {
        tollgate.feed(&[&["plan", "put", "a", "-"], more].concat(), input)
    };
    let unlimited = r#"{"id": "a", "name": "Internal"}"#;
    assert!(
        put(unlimited, &[])
            .failed(2)
            .ends_with(r#"write `"unlimited": true` for a plan without limits"#)
    );
    put(&unlimited.replace('}', r#", "unlimited": true}"#), &[]).done();
    let shown = tollgate.run(&["plan", "show", "a"]).done();
    assert!(put(&shown, &[]).done().contains("is that already"), "{shown}");

    let offset = r#"{"quota": {"limit": 9, "offset": 5, "period": "WEEK"}}"#;
    let said = put(offset, &[]).failed(2);
    assert!(said.starts_with("`quota.offset` can mean two things"), "{said}");
    assert!(
        said.ends_with(
            "; add `--offset-means requests`, `--offset-means day` or `--offset-means ignore`"
        ),
        "{said}"
    );
    put(offset, &["--offset-means", "requests"]).done();
    let shown = tollgate.run(&["plan", "show", "a"]).done();
    assert!(put(&shown, &[]).done().contains("is that already"), "{shown}");
    put(offset, &["--offset-means", "day"]).done();
    let shown = tollgate.run(&["plan", "show", "a", "--json"]).json();
    let friday = json!({"limit": 9, "period": "WEEK", "startDay": "FRIDAY"});
    assert_eq!(shown["plan"]["quota"], friday);
    let said = put(&offset.replace('5', "7"), &["--offset-means", "day"]).failed(2);
    assert_eq!(said, "`quota.offset` as a day must be 0, for Sunday, to 6");
    put(offset, &["--offset-means", "ignore"]).done();
    assert!(!tollgate.run(&["plan", "show", "a"]).done().contains("offset"));

    let mark = include_str!("../../../../tests/cases/throttle/k_bom.json");
    assert!(mark.starts_with('\u{feff}'));
    tollgate.feed(&["plan", "import", "-"], mark).done();
    put("\u{feff}{\"throttle\": {\"rateLimit\": 0, \"burstLimit\": 0}}", &[]).done();
    assert!(tollgate.run(&["plan", "list"]).done().contains("a     closed  0"));
    tollgate.run(&["subject", "assign", "maria", "a", "--yes"]).done();
    let shown = tollgate.run(&["subject", "show", "maria"]).done();
    assert!(shown.contains("limits      closed: every request is refused"), "{shown}");
}

#[test]
fn a_wrong_plan_does_not_stop_the_others() {
    let tollgate = with_table();
    let wrong = EXPORT.replace("1000", "-1");
    let (done, said) = tollgate.feed(&["plan", "import", "-"], &wrong).partly();
    insta::assert_snapshot!(done, @r"
    PLAN    NAME  ACTION
    d4e5f6  Gold  new
    ");
    insta::assert_snapshot!(said, @r"
    standard input: plan `a1b2c3` (Free): `quota.limit` must be a whole number from 0 to 1000000000000000
    1 of 2 rows was not imported (see above); the other 1 is stored.
    ");
    let all = wrong.replace("\"d4e5f6\"", "\"\"");
    let (done, said) = tollgate.feed(&["plan", "import", "-"], &all).partly();
    assert_eq!(done, "");
    assert!(said.contains("`items[1].id` is empty: give it at least one character"), "{said}");
    assert_eq!(tollgate.feed(&["plan", "import", "-"], "[]").done(), "the file has no plans");
    assert_eq!(
        tollgate.feed(&["plan", "import", "-"], r#"{"usagePlans": []}"#).failed(2),
        "standard input: `items` is missing: give the output of `aws apigateway get-usage-plans`"
    );
    let single = r#"{"id": "single", "name": "One", "quota": {"limit": 5, "period": "DAY"}}"#;
    let done = tollgate.feed(&["plan", "import", "-"], single).done();
    assert!(done.ends_with("single  One   new"), "{done}");
    let more = r#"{"items": [], "position": "p2"}"#;
    let answer = tollgate.feed(&["plan", "import", "-"], more);
    assert_eq!((answer.code, answer.out.as_str()), (0, "the file has no plans\n"));
    assert!(answer.err.contains("more plans"), "{}", answer.err);
}

#[test]
fn a_damaged_plan_does_not_stop_the_others_and_a_table_that_fails_does() {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    fill(&database, [json!({"pk": "PLAN#a1b2c3", "plan": "{}", "version": 1, "created": 1})]);
    let (done, said) = tollgate.feed(&["plan", "import", "-"], EXPORT).partly();
    assert!(done.contains("d4e5f6  Gold  new"), "{done}");
    assert!(said.starts_with("standard input: plan `a1b2c3`: the plan item is damaged"), "{said}");

    let tollgate = with_table();
    let proxy = Proxy::before(&tollgate.environment.last().unwrap().1, |operation, nth| {
        (operation == "UpdateItem" && nth > 1).then_some((500, "InternalServerError"))
    });
    let failing = Tollgate::at(&proxy.url);
    let wrong = EXPORT.replace("{\"items\": [", "{\"items\": [{\"id\": 5},");
    let answer = failing.feed(&["plan", "import", "-"], &wrong);
    assert_eq!(answer.code, 3);
    assert!(answer.err.contains("`items[0].plan` can't be read"), "{}", answer.err);
    assert!(
        answer.err.contains("stored 1 of 2 plans, not `d4e5f6` and those after it"),
        "{}",
        answer.err
    );
}

#[test]
fn two_operators_don_t_overwrite_one_another() {
    let tollgate = with_table();
    tollgate.feed(&["plan", "put", "FREE", "-"], PLAN).done();
    // Both have seen version 1, and write at once: one is told that it is too late.
    let tollgate = &tollgate;
    let write = |limit: u32| {
        let plan = format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#);
        tollgate.feed(&["plan", "put", "FREE", "-", "--if-version", "1"], &plan).code
    };
    let write = &write;
    let codes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=6).map(|limit| scope.spawn(move || write(limit))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 5, "{codes:?}");
    assert_eq!(tollgate.run(&["plan", "show", "FREE", "--json"]).json()["version"], 2);
    // Without a version the last write wins, or is told of a conflict: each one that was done
    // counts.
    let done: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> = (11..=16)
            .map(|limit| {
                scope.spawn(move || {
                    let plan = format!(r#"{{"quota": {{"limit": {limit}, "period": "DAY"}}}}"#);
                    let answer = tollgate.feed(&["plan", "put", "FREE", "-"], &plan);
                    assert!(answer.code == 0 || answer.err.contains("has changed since"));
                    u64::from(answer.code == 0)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(tollgate.run(&["plan", "show", "FREE", "--json"]).json()["version"], 2 + done);
}

#[test]
fn limits_on_the_command_line_make_a_plan() {
    let tollgate = with_table();
    let limits = ["--rate", "100/min", "--burst", "20", "--per-day", "1000", "--per-week", "5000"];
    let line = [&["plan", "put", "free"][..], &limits, &["--per-month", "9000"]].concat();
    assert_eq!(tollgate.run(&line).done(), "stored the plan `free`, version 1");
    let json = r#"{"throttle": {"rateLimit": "100/min", "burstLimit": 20}, "quota": [
        {"limit": 1000, "period": "DAY"}, {"limit": 5000, "period": "WEEK"},
        {"limit": 9000, "period": "MONTH"}]}"#;
    let same = tollgate.feed(&["plan", "put", "free", "-"], json).done();
    assert_eq!(same, "the plan `free` is that already, version 1");
    tollgate.run(&["plan", "put", "quota", "--per-day", "5"]).done();
    let put = |more: &[&str]| tollgate.run(&[&["plan", "put", "free"], more].concat());
    for (more, said) in [
        (&[][..], "give limits, such as `--rate 5 --burst 10 --per-day 1000`, or a FILE"),
        (&["--clear", "day"], "invalid value 'day' for '--clear <LIMIT>'"),
        (&["--enforce", "--no-enforce"], "cannot be used with"),
        (&["--rate", "5/y", "--burst", "5"], "the unit must be `s`, `min`, `h` or `d`"),
        (&["-", "--per-day", "5"], "cannot be used with"),
    ] {
        let answer = put(more);
        assert_eq!(answer.code, 2, "{more:?}");
        assert!(answer.err.contains(said), "{more:?}: {}", answer.err);
    }
    let new = |more: &[&str]| tollgate.run(&[&["plan", "put", "new"], more].concat()).failed(2);
    for flag in ["--rate", "--burst"] {
        assert_eq!(
            new(&[flag, "5"]),
            "the plan has no rate yet: give both `--rate` and `--burst`, such as `--rate 5 \
             --burst 10`"
        );
    }
    assert_eq!(
        new(&["--no-enforce"]),
        "there is no such plan yet: give limits, such as `--rate 5 --burst 10 --per-day 1000`, or \
         a FILE"
    );
    let slow = put(&["--rate", "1/d", "--burst", "1000"]).failed(2);
    assert!(slow.starts_with("`throttle.burstLimit` takes longer than 366 days"), "{slow}");
}

#[test]
fn flags_change_what_they_name_and_keep_the_rest() {
    let tollgate = with_table();
    let plan = json!({
        "name": "Gold", "description": "for partners",
        "throttle": {"rateLimit": "100/min", "burstLimit": 20},
        "quota": [
            {"limit": 1000, "period": "DAY"},
            {"limit": 5000, "period": "WEEK", "startDay": "SUNDAY"},
        ],
        "meters": {
            "pages": {"quota": {"limit": 7, "period": "DAY"}, "enforce": false},
            "tokens": {"quota": {"limit": 900, "period": "MONTH"}},
        },
        "apiStages": [{"apiId": "a1", "stage": "prod",
            "throttle": {"/pets/GET": {"rateLimit": 0.1, "burstLimit": 2}}}],
        "failure": "open",
    });
    tollgate.feed(&["plan", "put", "gold", "-"], &plan.to_string()).done();
    let put = |more: &[&str]| tollgate.run(&[&["plan", "put", "gold"], more].concat()).done();
    let stored = || tollgate.run(&["plan", "show", "gold", "--json"]).json()["plan"].clone();

    let rest = "rates of methods, limits of pages, limits of tokens";
    let kept = format!("rate, daily quota, weekly quota, {rest}");
    let dry = put(&["--no-enforce", "--dry-run"]);
    assert_eq!(dry, format!("would store the plan `gold`; kept: {kept}; nothing was done"));
    assert_eq!(stored(), plan);
    let said = put(&["--no-enforce"]);
    assert_eq!(said, format!("stored the plan `gold`, version 2; kept: {kept}"));
    let mut wanted = plan.clone();
    wanted["enforce"] = false.into();
    wanted["meters"]["pages"].as_object_mut().unwrap().remove("enforce");
    assert_eq!(stored(), wanted);

    // A number changes nothing beside it, not even of its own quota.
    let said = put(&["--burst", "30", "--per-week", "6000", "--clear", "per-day"]);
    assert_eq!(
        said,
        format!("stored the plan `gold`, version 3; kept: {rest}, `\"enforce\": false`")
    );
    wanted["throttle"]["burstLimit"] = 30.into();
    wanted["quota"] = json!({"limit": 6000, "period": "WEEK", "startDay": "SUNDAY"});
    assert_eq!(stored(), wanted);
    let json = put(&["--enforce", "--rate", "5", "--per-month", "9000", "--json"]);
    let kept = ["weekly quota", "rates of methods", "limits of pages", "limits of tokens"];
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, json!({"plan": "gold", "version": 4, "changed": true, "kept": kept}));
    wanted.as_object_mut().unwrap().remove("enforce");
    wanted["throttle"]["rateLimit"] = 5.into();
    wanted["quota"] = json!([wanted["quota"], {"limit": 9000, "period": "MONTH"}]);
    assert_eq!(stored(), wanted);

    // A file is the whole plan.
    tollgate.feed(&["plan", "put", "gold", "-"], r#"{"unlimited": true}"#).done();
    assert_eq!(put(&["--per-day", "9"]), "stored the plan `gold`, version 6");
    assert_eq!(stored(), json!({"quota": {"limit": 9, "period": "DAY"}}));
    let last = tollgate.run(&["plan", "put", "gold", "--clear", "per-day,rate"]).failed(2);
    assert!(last.starts_with("`throttle` is missing: a plan needs"), "{last}");
}

#[test]
fn an_import_names_what_stored_plans_lose() {
    let tollgate = with_table();
    let tried = r#"{"name": "Free", "quota": [{"limit": 9, "period": "DAY"},
        {"limit": 90, "period": "MONTH", "startDay": 3}], "enforce": false,
        "meters": {"tokens": {"quota": {"limit": 9, "period": "DAY"}}}}"#;
    tollgate.feed(&["plan", "put", "a1b2c3", "-"], tried).done();
    let import = |more: &[&str]| {
        let answer = tollgate.feed(&[&["plan", "import", "-"], more].concat(), EXPORT);
        assert_eq!(answer.code, 0);
        answer.err
    };
    let lost = "what the file does not have: several quotas, a `startDay`, `meters`, `enforce`";
    let plan = "tollgate: the plan `a1b2c3`";
    assert_eq!(import(&["--dry-run"]), format!("{plan} would lose {lost}\n"));
    assert_eq!(import(&[]), format!("{plan} loses {lost}\n"));
    assert_eq!(import(&[]), "");
}

#[test]
fn a_plan_that_only_reports_and_a_start_day_are_listed() {
    let tollgate = with_table();
    let put = |id, json: Value| tollgate.feed(&["plan", "put", id, "-"], &json.to_string()).done();
    let week = json!({"limit": 500, "period": "WEEK", "startDay": "SUNDAY"});
    let month = json!({"limit": 9000, "period": "MONTH", "startDay": 15});
    let tokens = json!({"tokens": {"quota": {"limit": 9, "period": "DAY"}, "enforce": false}});
    put("a", json!({"quota": [week, month], "enforce": false}));
    put("b", json!({"quota": {"limit": 5, "period": "WEEK"}, "meters": tokens}));
    put("c", json!({"quota": {"limit": 5, "period": "WEEK", "startDay": "TUESDAY"}}));
    insta::assert_snapshot!(tollgate.run(&["plan", "list"]).done(), @r"
    PLAN  RATE  BURST  QUOTA                                             METERS  ENFORCE     VERSION
    a     -     -      500 weekly from Sunday, 9000 monthly from day 15  -       no          1
    b     -     -      5 weekly                                          tokens  not tokens  1
    c     -     -      5 weekly from Tuesday                             -       -           1
    ");
    let listed = tollgate.run(&["plan", "list", "--json"]).json();
    assert_eq!(listed["plans"][0]["plan"]["enforce"], false);
    assert_eq!(listed["plans"][0]["plan"]["quota"][0], week);
    assert_eq!(listed["plans"][1]["plan"]["meters"], tokens);
}

#[test]
fn a_rate_above_the_highest_is_said_to_count_as_that() {
    let tollgate = with_table();
    let note = "tollgate: the plan `fast` has the highest rate, 1000000000 a second; a higher one \
                counts as that\n";
    let put = ["plan", "put", "fast", "--burst", "9", "--rate"];
    for (rate, said) in [("1e30", note), ("1000000001", note), ("5e8", "")] {
        let answer = tollgate.run(&[&put[..], &[rate]].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, said), "{rate}");
    }
    let method = r#"{"items": [{"id": "fast", "throttle": {"rateLimit": 1, "burstLimit": 1},
        "apiStages": [{"apiId": "a", "stage": "s",
            "throttle": {"/x/GET": {"rateLimit": 1e12, "burstLimit": 1}}}]}]}"#;
    let answer = tollgate.feed(&["plan", "import", "-"], method);
    assert_eq!((answer.code, answer.err.as_str()), (0, note));
}
