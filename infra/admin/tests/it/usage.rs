//! Usage: shown, exported, granted and reset; and the plans of subjects.

use serde_json::{Value, json};
use throttle::{Clock, Period, SystemClock};

use crate::proxy::Proxy;
use crate::support::{Tollgate, fill, serve_database, with_table};

const FREE: &str = r#"{"quota": {"limit": 100, "period": "DAY"}}"#;

/// A table in which three subjects used the plan `free`, and one another.
fn with_usage() -> (Tollgate, String) {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    tollgate.feed(&["plan", "put", "free", "-"], FREE).done();
    fill(
        &database,
        [
            json!({"pk": "BUCKET#pool#maria", "pv": "1.free", "d20261118": 12, "d20261119": 100,
                "d20261120": 85, "d20261121": -15, "gd20261121": 20, "m202611": 182, "w2026-47": 182}),
            json!({"pk": "BUCKET#=1+1,\"x\"", "pv": "1.free", "d20261120": 3}),
            json!({"pk": "BUCKET#<b>", "pv": "1.free", "d20261121": 4}),
            json!({"pk": "BUCKET#other", "pv": "1.gold", "d20261121": 999}),
        ],
    );
    (tollgate, url)
}

const NOVEMBER: [&str; 4] = ["--from", "2026-11-18", "--to", "2026-11-21"];

fn november<'a>(line: &[&'a str]) -> Vec<&'a str> {
    [line, &NOVEMBER[..]].concat()
}

#[test]
fn usage_is_shown_with_bars() {
    let (tollgate, _) = with_usage();
    insta::assert_snapshot!(tollgate.run(&november(&["usage", "show", "pool#maria"])).done());
    assert_eq!(
        tollgate.run(&november(&["usage", "show", "pool#maria", "--json"])).json(),
        json!({"usagePlanId": "free", "startDate": "2026-11-18", "endDate": "2026-11-21",
            "values": {"pool#maria": [[12, 88], [100, 0], [85, 15], [5, 115]]}})
    );
    let by = |by: &str| {
        let line = ["usage", "show", "pool#maria", "--by", by, "--to", "2026-11-21"];
        tollgate.run(&line).done()
    };
    let weeks = by("week");
    assert_eq!(weeks.lines().count(), 2 + 1 + 13, "{weeks}");
    assert!(weeks.lines().last().unwrap().starts_with("2026-W47  182   -"), "{weeks}");
    let months = by("month");
    assert_eq!(months.lines().count(), 2 + 1 + 13, "{months}");
    assert!(months.lines().last().unwrap().starts_with("2026-11  182   -"), "{months}");
    let other = [
        "usage",
        "show",
        "pool#maria",
        "--plan",
        "free",
        "--by",
        "month",
        "--from",
        "2026-09-01",
        "--to",
        "2026-09-02",
    ];
    assert_eq!(
        tollgate.run(&other).err,
        "tollgate: requests by month are not counted: the plan `free` has no quota for a month\n"
    );
    assert!(!weeks.contains('\u{1b}'), "colours are for a terminal alone");
}

#[test]
fn each_meter_is_shown_exported_and_granted() {
    let (tollgate, _) = with_usage();
    let plan = r#"{"quota": {"limit": 100, "period": "DAY"}, "meters": {
        "tokens": {"throttle": {"rateLimit": 100, "burstLimit": 900},
            "quota": [{"limit": 9000, "period": "DAY"}, {"limit": 50000, "period": "MONTH"}]}}}"#;
    tollgate.feed(&["plan", "put", "free", "-"], plan).done();
    let listed = tollgate.run(&["plan", "list"]).done();
    assert_eq!(
        listed,
        "PLAN  RATE  BURST  QUOTA      METERS  VERSION\n\
         free  -     -      100 daily  tokens  2"
    );
    let shown = tollgate.run(&["plan", "show", "free", "--json"]).json();
    assert_eq!(shown["plan"], serde_json::from_str::<Value>(plan).unwrap());

    let tokens = ["usage", "show", "pool#maria", "--meter", "tokens"];
    let granted = ["usage", "grant", "pool#maria", "700", "--by", "day", "--meter", "tokens"];
    let granted = tollgate.run(&[&granted[..], &["--id", "1"]].concat()).done();
    let today = Period::Day.window(SystemClock::new().now()).counter.to_string();
    assert!(granted.starts_with("granted `pool#maria` 700 tokens for "), "{granted} {today}");
    let json = tollgate.run(&[&tokens[..], &["--json"]].concat()).json();
    let days = json["values"]["pool#maria"].as_array().unwrap().clone();
    assert_eq!(json["meter"], "tokens");
    assert_eq!(days.last().unwrap(), &json!([0, 9_700]));

    let requests = tollgate.run(&november(&["usage", "show", "pool#maria"])).done();
    assert!(requests.starts_with("pool#maria, plan free, requests\n"), "{requests}");
    assert!(requests.ends_with("The plan has other meters: --meter tokens"), "{requests}");
    let subject = tollgate.run(&["subject", "show", "pool#maria"]).done();
    assert!(subject.contains("tokens-monthly  0 used, 50000 left"), "{subject}");

    let unknown = tollgate.run(&["usage", "show", "pool#maria", "--meter", "token"]).failed(1);
    assert!(
        unknown.contains("the plan `free` has no meter `token`: it has `requests`, `tokens`"),
        "{unknown}"
    );
}

#[test]
fn usage_is_exported() {
    let (tollgate, _) = with_usage();
    let line = november(&["usage", "export", "free"]);
    insta::assert_snapshot!(tollgate.run(&line).done());
    let json = tollgate.run(&[&line[..], &["--json"]].concat()).json();
    let usage: throttle::Usage = serde_json::from_value(json).unwrap();
    assert_eq!(usage.values.len(), 3);
    assert_eq!(usage.values["<b>"][3], [4, 96]);

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let html = file("usage.html");
    let said = tollgate.run(&[&line[..], &["--html", &html]].concat()).done();
    assert_eq!(said, format!("wrote `{html}`: 3 subjects"));
    let page = std::fs::read_to_string(html).unwrap();
    assert_eq!(page.matches("<h1>Usage of plan free</h1>").count(), 1);
    assert!(page.contains("18 Nov 2026 to 21 Nov 2026, by day, in UTC"), "{page}");
    assert!(page.contains("<dt>Requests in all</dt><dd>209</dd>"), "{page}");
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.find("pool#maria") < page.find("=1+1"), "who used most comes first");
    let svg = file("usage.svg");
    tollgate.run(&[&line[..], &["--svg", &svg, "--json"]].concat()).json();
    insta::assert_snapshot!(std::fs::read_to_string(&svg).unwrap());
    tollgate.run(&november(&["usage", "show", "pool#maria", "--svg", &svg])).done();
    let picture = std::fs::read_to_string(&svg).unwrap();
    for part in ["Usage of pool#maria", "18 Nov", "80 % of the quota used", "quota reached"] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    let nowhere = ["--svg", "/nowhere/x.svg"];
    let said = tollgate.run(&[&line[..], &nowhere].concat()).failed(2);
    assert!(said.starts_with("can't write `/nowhere/x.svg`: "), "{said}");
}

#[test]
fn a_damaged_bucket_is_left_out_and_told() {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    tollgate.feed(&["plan", "put", "free", "-"], FREE).done();
    fill(
        &database,
        [
            json!({"pk": "BUCKET#a", "pv": "1.free", "d20261121": "many"}),
            json!({"pk": "BUCKET#b", "pv": "1.free", "d20261121": 7}),
        ],
    );
    let answer = tollgate.run(&november(&["usage", "export", "free"]));
    assert_eq!(answer.code, 1);
    assert!(answer.out.contains("b,free,2026-11-21,7,93,0"), "{}", answer.out);
    assert!(answer.err.starts_with("tollgate: damaged buckets were left out: 1"), "{}", answer.err);
    let said = tollgate.run(&["usage", "show", "a"]).failed(1);
    assert!(said.contains("`d20261121` is not a whole number"), "{said}");
}

#[test]
fn nothing_used_and_wrong_days_are_told() {
    let tollgate = with_table();
    tollgate.feed(&["plan", "put", "free", "-"], FREE).done();
    let said = tollgate.run(&["usage", "show", "nobody"]).failed(1);
    assert!(said.starts_with("`nobody` has used nothing, and is assigned no plan"), "{said}");
    let said = tollgate.run(&november(&["usage", "show", "nobody", "--plan", "free"])).done();
    assert!(said.ends_with("2026-11-21  0     100   -"), "{said}");
    for (line, says) in [
        (&["--from", "2026-11-21", "--to", "2026-11-20"][..], "`--from` and `--to`: the end is"),
        (&["--from", "2020-01-01", "--to", "2026-11-20"], "`--from` and `--to`: is of more than"),
    ] {
        let line = [&["usage", "export", "free"], line].concat();
        let said = tollgate.run(&line).failed(2);
        assert!(said.starts_with(says), "{said}");
    }
    for line in [
        &["usage", "show", "a", "--from", "21.11.2026"][..],
        &["usage", "show", "a", "--by", "year"],
        &["usage", "show", "a", "--html", "a", "--svg", "b"],
        &["usage", "grant", "a", "0", "--by", "day"],
        &["usage", "grant", "a", "5"],
    ] {
        assert_eq!(tollgate.run(line).code, 2, "{line:?}");
    }
}

#[test]
fn a_grant_counts_once_even_where_its_answer_was_lost() {
    let (tollgate, url) = with_usage();
    let grant = |tollgate: &Tollgate, more: &[&str]| {
        tollgate.run(&[&["usage", "grant", "pool#maria", "500", "--by", "day"], more].concat())
    };
    assert!(grant(&tollgate, &["--dry-run"]).done().ends_with("nothing was done"));
    let json = grant(&tollgate, &["--id", "ticket-1", "--json"]).json();
    assert_eq!((&json["granted"], &json["id"]), (&json!(500), &json!("ticket-1")));
    assert_eq!(json["changed"], true);
    let json = grant(&tollgate, &["--id", "ticket-1", "--json"]).json();
    assert_eq!((&json["granted"], &json["changed"]), (&json!(500), &json!(false)));
    let said = grant(&tollgate, &["--id", "ticket-1"]).done();
    assert!(said.starts_with("`ticket-1` was granted before, so nothing changed:"), "{said}");
    assert_eq!(grant(&tollgate, &["--json"]).json()["granted"], 1000);

    let proxy = Proxy::before(&url, |operation, _| {
        (operation == "UpdateItem").then_some((500, "InternalServerError"))
    });
    let said = grant(&Tollgate::at(&proxy.url), &["--id", "ticket-2"]).failed(3);
    assert!(said.starts_with("ask again with `--id ticket-2`, so that it counts once: "), "{said}");
    let said = grant(&tollgate, &["--id", ""]).failed(2);
    assert!(said.starts_with("the grant's id is empty"), "{said}");
}

#[test]
fn a_subject_is_put_under_a_plan_and_shown() {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    for plan in ["free", "gold"] {
        tollgate.feed(&["plan", "put", plan, "-"], FREE).done();
    }
    let run = |line: &[&str]| tollgate.run(&[&["subject"], line].concat());
    assert!(run(&["show", "maria"]).failed(1).starts_with("nothing is known of `maria`"));
    assert!(run(&["assign", "maria", "silver"]).failed(1).contains("no plan `silver`"));
    assert!(run(&["assign", "maria", "gold", "--dry-run"]).out.ends_with("nothing was done\n"));
    assert_eq!(run(&["assign", "maria", "gold", "--yes"]).done(), "`maria` is under `gold`");
    assert_eq!(run(&["assign", "maria", "gold"]).done(), "`maria` is under `gold` already");
    assert_eq!(
        run(&["assign", "maria", "free", "--if-version", "0"]).failed(1),
        "the assignment has version 1: somebody has changed it; look at it again"
    );
    let today = Period::Day.window(SystemClock::new().now()).counter.to_string();
    fill(&database, [json!({"pk": "BUCKET#maria", "pv": "1.free", (today): 30})]);
    insta::assert_snapshot!(run(&["show", "maria"]).done(), @r"
    subject     maria
    assigned    gold
    last under  free
    daily       30 used, 70 left
    ");
    let json = run(&["show", "maria", "--json"]).json();
    assert_eq!(json["quotas"][0]["remaining"], 70);
    assert_eq!((&json["assigned"], &json["version"]), (&json!("gold"), &json!(1)));

    assert!(run(&["reset", "maria"]).failed(2).contains("can't be undone: add --yes"));
    assert!(run(&["reset", "maria", "--dry-run"]).done().ends_with("nothing was done"));
    assert_eq!(run(&["reset", "maria", "--yes"]).done(), "forgot all that `maria` used");
    assert_eq!(
        run(&["reset", "maria", "--yes"]).failed(1),
        "`maria` has used nothing: check its spelling"
    );
    assert!(run(&["unassign", "maria", "--dry-run"]).done().ends_with("nothing was done"));
    assert_eq!(run(&["unassign", "maria", "--json"]).json()["plan"], Value::Null);
    assert_eq!(
        run(&["unassign", "maria"]).failed(1),
        "`maria` has no assignment: check its spelling"
    );
}

#[test]
fn what_is_left_is_adjusted_for_a_period_with_a_start_day() {
    let (tollgate, _) = with_usage();
    let plan = r#"{"quota": {"limit": 100, "period": "DAY"}, "meters": {"tokens": {"quota": [
        {"limit": 9000, "period": "WEEK", "startDay": "SUNDAY"},
        {"limit": 50000, "period": "MONTH", "startDay": 28}]}}}"#;
    tollgate.feed(&["plan", "put", "free", "-"], plan).done();
    let adjust = |line: &[&str]| tollgate.run(&[&["usage", "adjust"], line].concat());
    let maria = |line: &[&str]| adjust(&[&["pool#maria"], line].concat());
    let said = maria(&["--amount=-30", "--id", "a"]).done();
    assert!(said.starts_with("`pool#maria` has 70 requests left for "), "{said}");
    assert!(said.ends_with(" (-30), 30 used; id a"), "{said}");
    let again = maria(&["--amount", "-30", "--id", "a"]).done();
    assert!(again.starts_with("`a` was made before, so nothing changed"), "{again}");
    let json = maria(&["--amount=+10", "--json"]).json();
    assert_eq!(
        (&json["remaining"], &json["used"], &json["amount"]),
        (&json!(80), &json!(20), &json!(10))
    );
    let dry = maria(&["--amount=-5", "--dry-run"]).done();
    assert!(dry.contains("by -5 requests for ") && dry.contains(", now 80"), "{dry}");
    let more = maria(&["--amount=+21"]).failed(1);
    assert!(more.starts_with("20 are used in this period: `--amount` is at most +20; "), "{more}");

    let tokens = |line: &[&str]| maria(&[&["--meter", "tokens"], line].concat());
    let several = tokens(&["--amount=-5"]).failed(2);
    assert!(several.contains("add `--by week` or `--by month`"), "{several}");
    let json = tokens(&["--amount=-500", "--by", "month", "--json"]).json();
    assert_eq!((&json["remaining"], &json["meter"]), (&json!(49_500), &json!("tokens")));
    let first = json["of"].as_str().unwrap();
    assert!(first.ends_with("-28"), "the first day of the period: {first}");
    let shown = tollgate.run(&["subject", "show", "pool#maria"]).done();
    assert!(shown.contains("tokens-monthly  500 used, 49500 left"), "{shown}");
    let usage = ["usage", "show", "pool#maria", "--meter", "tokens", "--by", "month"];
    let usage = tollgate.run(&usage).done();
    assert!(usage.contains(&format!("{first}  500   49500")), "{usage}");
    let granted = ["usage", "grant", "pool#maria", "7", "--by", "month", "--meter", "tokens"];
    let granted = tollgate.run(&granted).done();
    assert!(granted.contains(&format!("7 tokens for {first}, 7 in all")), "{granted}");

    assert!(
        tokens(&["--amount=-5", "--period", "day"])
            .failed(1)
            .contains("no quota of tokens for a day")
    );
    for wrong in ["5", "+0", "-", "+1.5", "+9999999999999999"] {
        let said = maria(&[&format!("--amount={wrong}")]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}");
        let says = "a whole number with its sign, such as -500 or +500: from 1 to 1000000000000000";
        assert!(said.err.contains(says), "{wrong}: {}", said.err);
    }
    for wrong in ["0", "-1", "1000000000000001", "many"] {
        let said = tollgate.run(&["usage", "grant", "pool#maria", "--by=day", "--", wrong]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}");
        let says = "write a whole number from 1 to 1000000000000000";
        assert!(said.err.contains(says), "{wrong}: {}", said.err);
    }
    assert!(adjust(&["nobody", "--amount=-1"]).failed(1).contains("has never been seen"));
    assert!(maria(&["--meter", "token", "--amount=-1"]).failed(1).contains("has no meter `token`"));
}

#[test]
fn a_plan_that_is_tried_is_put_and_shown() {
    let (tollgate, _) = with_usage();
    let put = ["plan", "put", "free", "--rate", "5", "--burst", "10", "--no-enforce"];
    tollgate.run(&put).done();
    let shown = tollgate.run(&["plan", "show", "free", "--json"]).json();
    assert_eq!(shown["plan"]["enforce"], false);
    assert!(tollgate.run(&put).done().contains("is that already"));
    let subject = tollgate.run(&["subject", "show", "pool#maria"]).done();
    assert!(subject.contains("limits      not enforced: they only report"), "{subject}");
}

#[test]
fn a_grant_needs_a_quota_of_its_period_and_meter() {
    let (tollgate, _) = with_usage();
    let grant = |line: &[&str]| tollgate.run(&[&["usage", "grant"], line].concat());
    for (line, says) in [
        (
            &["pool#maria", "5", "--by", "month"][..],
            "the plan `free` has no quota of requests for a month: give `--by day`",
        ),
        (
            &["pool#maria", "5", "--by", "day", "--meter", "tokens"],
            "the plan `free` has no meter `tokens`: it has `requests`",
        ),
        (
            &["nobody", "5", "--by", "day", "--yes"],
            "`nobody` has no plan, so no quota: assign one first, or name the configuration with \
             the default plan by `--config`",
        ),
    ] {
        assert_eq!(grant(line).failed(1), says);
        let dry = grant(&[line, &["--dry-run"]].concat());
        assert!(dry.code == 1 && dry.err.contains(says), "{}", dry.err);
    }
    let json = tollgate.run(&["usage", "show", "pool#maria", "--json"]).json();
    let today = json["values"]["pool#maria"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(today, json!([0, 100]), "nothing was granted");
}
