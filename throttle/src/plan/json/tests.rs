//! Plans that are read, refused and written back.

use super::*;
use crate::rate::RateError;

fn refused(json: &str) -> String {
    Plan::from_json(json).unwrap_err().to_string()
}

#[test]
fn an_exported_plan_reads_and_writes_back() {
    let exported = r#"{
        "id": "abc123", "name": "Gold", "description": "paying", "tags": {"team": "x"},
        "apiStages": [{"apiId": "a1b2", "stage": "prod",
            "throttle": {"/pets/GET": {"rateLimit": 2.5, "burstLimit": 5}}}],
        "throttle": {"rateLimit": 100.0, "burstLimit": 200},
        "quota": {"limit": 50000, "offset": 10, "period": "MONTH"}
    }"#;
    let plan = Plan::from_json(exported).unwrap();
    assert_eq!(plan.name(), Some("Gold"));
    assert_eq!(plan.throttle().unwrap().burst(), 200);
    let quota = plan.quotas()[0];
    assert_eq!((quota.limit(), quota.offset(), quota.period()), (50_000, 10, Period::Month));
    let stage = &plan.api_stages()[0];
    assert_eq!((stage.api_id(), stage.stage()), ("a1b2", "prod"));
    assert_eq!(stage.throttle()["/pets/GET"].rate().to_string(), "2.5/s");
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(
        written,
        concat!(
            r#"{"name":"Gold","description":"paying","throttle":{"rateLimit":100,"burstLimit":200},"#,
            r#""quota":{"limit":50000,"offset":10,"offsetMeans":"requests","period":"MONTH"},"#,
            r#""apiStages":[{"apiId":"a1b2","stage":"prod","#,
            r#""throttle":{"/pets/GET":{"rateLimit":2.5,"burstLimit":5}}}]}"#
        )
    );
    assert_eq!(Plan::from_json(&written).unwrap(), plan);
}

#[test]
fn rates_with_units_and_several_quotas_write_back() {
    let json = concat!(
        r#"{"throttle":{"rateLimit":"100/min","burstLimit":1},"#,
        r#""quota":[{"limit":5,"period":"DAY"},{"limit":20,"period":"WEEK"}]}"#
    );
    let plan = Plan::from_json(json).unwrap();
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
}

#[test]
fn meters_read_and_write_back() {
    let json = concat!(
        r#"{"quota":{"limit":5,"period":"DAY"},"meters":{"images":{"quota":["#,
        r#"{"limit":1,"period":"DAY"},{"limit":9,"period":"WEEK"}]},"#,
        r#""tokens":{"throttle":{"rateLimit":"100000/min","burstLimit":200000},"#,
        r#""quota":{"limit":5000000,"period":"MONTH"}}}}"#
    );
    let plan = Plan::from_json(json).unwrap();
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    let tokens = plan.meter(Meter::new("tokens").unwrap()).unwrap();
    assert_eq!(tokens.throttle().unwrap().burst(), 200_000);
    // Named meters alone are a plan.
    let alone = r#"{"meters":{"t":{"quota":{"limit":1,"period":"DAY"}}}}"#;
    assert_eq!(serde_json::to_string(&Plan::from_json(alone).unwrap()).unwrap(), alone);
}

#[test]
fn a_wrong_meter_is_named() {
    let with = |meters: &str| refused(&format!(r#"{{"meters": {meters}}}"#));
    let one = r#"{"quota": {"limit": 1, "period": "DAY"}}"#;
    for name in ["", "requests", "Tokens", "a b", "a.b", "abcdefghijklmnopq"] {
        let said = with(&format!(r#"{{"{name}": {one}}}"#));
        assert!(said.starts_with(&format!("`meters[{name:?}]` must have 1 to 16")), "{said}");
    }
    for (meters, said) in [
        (r#"{"t": {}}"#.to_owned(), r#"`meters["t"]` limits nothing"#),
        (format!(r#"{{"t": {one}, "t": {one}}}"#), r#"`meters["t"]` is a duplicate: keep one"#),
        (
            r#"{"t": {"throttle": {"rateLimit": -1, "burstLimit": 1}}}"#.to_owned(),
            r#"`meters["t"].throttle.rateLimit` must not be negative"#,
        ),
        (
            r#"{"t": {"quota": {"limit": 1e99, "period": "DAY"}}}"#.to_owned(),
            r#"`meters["t"].quota.limit` must be a whole number"#,
        ),
        (r#"{"t": {"limit": 1}}"#.to_owned(), r#"`meters["t"]` can't be read: unknown field"#),
        ("[]".to_owned(), "`plan` can't be read: invalid type: sequence"),
        (
            format!(r#"{{"a": {one}, "b": {one}, "c": {one}, "d": {one}}}"#),
            "`meters` has more than 3 meters: keep at most 3 besides requests",
        ),
    ] {
        assert!(with(&meters).starts_with(said), "{}", with(&meters));
    }
    let said = refused(&format!(r#"{{"unlimited": true, "meters": {{"t": {one}}}}}"#));
    assert!(said.starts_with("`unlimited` contradicts"), "{said}");
}

#[test]
fn meters_that_would_not_fit_an_item_are_refused() {
    let meter = |name: &str| {
        format!(
            r#""{name}": {{"throttle": {{"rateLimit": 1, "burstLimit": 1}}, "quota": [
                {{"limit": 1, "period": "DAY"}}, {{"limit": 1, "period": "WEEK"}},
                {{"limit": 1, "period": "MONTH"}}]}}"#
        )
    };
    let plan = |names: [&str; 3]| format!(r#"{{"meters": {{{}}}}}"#, names.map(meter).join(","));
    assert!(Plan::from_json(plan(["tokens", "images", "io"])).is_ok());
    let long = ["abcdefghijklmnop", "bcdefghijklmnopq", "cdefghijklmnopqr"];
    let said = refused(&plan(long));
    assert!(said.starts_with("`meters` can take ") && said.contains("shorter names"), "{said}");
}

#[test]
fn a_failure_policy_reads_and_writes_back() {
    let with =
        |failure: &str| format!(r#"{{"quota":{{"limit":5,"period":"DAY"}},"failure":{failure}}}"#);
    for failure in [r#""closed""#, r#""open""#, r#"{"local":"1/10"}"#] {
        let plan = Plan::from_json(with(failure)).unwrap();
        assert!(plan.failure().is_some());
        assert_eq!(serde_json::to_string(&plan).unwrap(), with(failure));
    }
    for failure in [r#""shut""#, r#""local""#, r#"{"local":"0/1"}"#, r#"{"local":"3/2"}"#, "1"] {
        assert_eq!(
            refused(&with(failure)),
            r#"`failure` must be `closed`, `open`, or a share such as `{"local": "1/10"}` of at most 1"#
        );
    }
}

#[test]
fn a_share_of_a_plan_has_at_least_one_of_everything_and_0_of_0() {
    let closed = Plan::from_json(
        r#"{"throttle": {"rateLimit": 0, "burstLimit": 9}, "quota": {"limit": 0, "period": "DAY"}}"#,
    );
    let closed = closed.unwrap();
    let share = closed.share("1/10".parse().unwrap());
    assert!(share.throttle().unwrap().is_closed() && share.quotas()[0].limit() == 0);

    let plan = Plan::from_json(
        r#"{"throttle": {"rateLimit": 10, "burstLimit": 25},
            "quota": [{"limit": 105, "offset": 19, "period": "DAY"}, {"limit": 9, "period": "WEEK"}],
            "apiStages": [{"apiId": "a", "stage": "s",
                "throttle": {"/a/GET": {"rateLimit": 5, "burstLimit": 3}}}]}"#,
    );
    let share = plan.unwrap().share("1/10".parse().unwrap());
    assert_eq!(
        serde_json::to_string(&share).unwrap(),
        concat!(
            r#"{"throttle":{"rateLimit":1,"burstLimit":2},"#,
            r#""quota":[{"limit":10,"offset":1,"period":"DAY"},{"limit":1,"period":"WEEK"}],"#,
            r#""apiStages":[{"apiId":"a","stage":"s","#,
            r#""throttle":{"/a/GET":{"rateLimit":0.5,"burstLimit":1}}}]}"#
        )
    );
}

#[test]
fn a_wrong_field_is_named() {
    let throttle = |rate: &str, burst: &str| {
        refused(&format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#))
    };
    assert_eq!(
        throttle("1e-8", "1"),
        "`throttle.rateLimit` must be 0, or at least one in 366 days"
    );
    assert_eq!(throttle("true", "1"), format!("`throttle.rateLimit` {}", RateError::Malformed));
    assert_eq!(throttle("null", "1"), format!("`throttle.rateLimit` {}", RateError::Malformed));
    for burst in ["-1", "1.5", "1e3", "\"9\"", "null", "2147483648", "[1]"] {
        assert_eq!(
            throttle("1", burst),
            "`throttle.burstLimit` must be a whole number from 0 to 2147483647"
        );
    }
    assert!(throttle("0.001", "100000000").starts_with("`throttle.burstLimit` takes longer"));
    let quota = |quota: &str| refused(&format!(r#"{{"quota": {quota}}}"#));
    assert!(quota(r#"{"limit": -1, "period": "DAY"}"#).starts_with("`quota.limit` must be"));
    assert!(quota(r#"{"limit": 1, "period": "HOUR"}"#).starts_with("`quota.period` must be"));
    assert!(quota(r#"{"limit": 1, "period": 5}"#).starts_with("`quota.period` must be"));
    assert_eq!(
        quota(r#"{"limit": 9, "offset": 9, "period": "DAY"}"#),
        "`quota.offset` must be below `limit`"
    );
    assert!(
        quota(r#"[{"limit": 9, "period": "DAY"}, {"limit": 8, "period": "DAY"}]"#)
            .starts_with("`quota[1].period` has two")
    );
    assert!(quota(r#"{"limit": 1}"#).starts_with("`quota` can't be read: missing field `period`"));
    assert!(
        refused(r#"{"quota": {"limit": 1, "period": "DAY"}, "apiStages": [{"apiId": "a", "stage": "s", "throttle": {"/a/GET": {"rateLimit": -1, "burstLimit": 1}}}]}"#)
            .starts_with(r#"`apiStages[0].throttle["/a/GET"].rateLimit` must not be negative"#)
    );
}

#[test]
fn a_plan_may_have_rates_of_methods_alone() {
    let json = concat!(
        r#"{"apiStages":[{"apiId":"a","stage":"s","throttle":"#,
        r#"{"*/*":{"rateLimit":"100/min","burstLimit":2},"//GET":{"rateLimit":0.25,"burstLimit":1},"#,
        r#""/a/{b+}/ANY":{"rateLimit":3,"burstLimit":1}}}]}"#
    );
    let plan = Plan::from_json(json).unwrap();
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
}

#[test]
fn a_stage_or_method_that_cannot_count_is_refused() {
    let stages = |stages: &str| refused(&format!(r#"{{"apiStages": [{stages}]}}"#));
    let rate = r#"{"rateLimit": 1, "burstLimit": 1}"#;
    for method in ["", "/", "GET", "pets/GET", "/pets/get", "/pets", "/pets/*", "*/GET", "*"] {
        let stage =
            format!(r#"{{"apiId": "a", "stage": "s", "throttle": {{"{method}": {rate}}}}}"#);
        let start = format!("`apiStages[0].throttle[{method:?}]` must be a path and a verb");
        assert!(stages(&stage).starts_with(&start), "{}", stages(&stage));
    }
    let twice =
        format!(r#"{{"apiId": "a", "stage": "s", "throttle": {{"*/*": {rate}, "*/*": {rate}}}}}"#);
    assert_eq!(stages(&twice), r#"`apiStages[0].throttle["*/*"]` is a duplicate: keep one"#);
    let stage = r#"{"apiId": "a", "stage": "s"}"#;
    let with_rate = format!(r#"{{"apiId": "a", "stage": "s", "throttle": {{"*/*": {rate}}}}}"#);
    let two = format!("{stage}, {with_rate}");
    assert_eq!(stages(&two), "`apiStages[1]` is a duplicate: keep one");
    // The same again is one.
    assert!(stages(&format!("{stage}, {stage}")).starts_with("`throttle` is missing"));
    assert!(stages(r#"{"apiId": "a", "stage": "s", "throttle": []}"#).contains("a rate and burst"));
}

#[test]
fn a_plan_without_limits_says_so() {
    let plan = Plan::from_json(r#"{"unlimited": true, "throttle": null}"#).unwrap();
    assert!(plan.is_unlimited() && !plan.is_closed());
    assert_eq!(serde_json::to_string(&plan).unwrap(), r#"{"unlimited":true}"#);
    let stage = r#""apiStages": [{"apiId": "a", "stage": "s", "throttle": {}}]"#;
    for none in [r#""quota": []"#, r#""quota": { }, "throttle": {}"#] {
        let json = format!(r#"{{"unlimited": true, {stage}, {none}}}"#);
        assert!(Plan::from_json(json).unwrap().is_unlimited(), "{none}");
    }
    for limit in [
        r#""throttle": {"rateLimit": 1, "burstLimit": 1}"#,
        r#""quota": {"limit": 1, "period": "DAY"}"#,
        r#""apiStages": [{"apiId": "a", "stage": "s",
            "throttle": {"*/*": {"rateLimit": 0, "burstLimit": 0}}}]"#,
    ] {
        let said = refused(&format!(r#"{{"unlimited": true, {limit}}}"#));
        assert_eq!(said, "`unlimited` contradicts the plan's limits: remove it, or the limits");
        let json = format!(r#"{{"unlimited": false, {limit}}}"#);
        assert!(!Plan::from_json(json).unwrap().is_unlimited(), "{limit}");
    }
    let said = refused(r#"{"unlimited": false}"#);
    assert!(said.ends_with(r#"write `"unlimited": true` for a plan without limits"#), "{said}");
}

#[test]
fn a_quota_may_start_on_a_day() {
    for (quota, start) in [
        (r#"{"limit":9,"period":"MONTH","startDay":15}"#, 15),
        (r#"{"limit":9,"period":"MONTH","startDay":28}"#, 28),
        (r#"{"limit":9,"period":"WEEK","startDay":"SUNDAY"}"#, 7),
        (
            r#"{"limit":9,"offset":3,"offsetMeans":"requests","period":"WEEK","startDay":"FRIDAY"}"#,
            5,
        ),
        (r#"{"limit":9,"period":"WEEK"}"#, 1),
    ] {
        let json = format!(r#"{{"quota":{quota}}}"#);
        let plan = Plan::from_json(&json).unwrap();
        assert_eq!(plan.quotas()[0].start_day(), start, "{json}");
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    }
    let first = |rest| format!(r#"{{"quota":{{"limit":9,"period":{rest}}}}}"#);
    for (rest, plain) in
        [(r#""MONTH","startDay":1"#, r#""MONTH""#), (r#""WEEK","startDay":"MONDAY""#, r#""WEEK""#)]
    {
        assert_eq!(Plan::from_json(first(rest)), Plan::from_json(first(plain)));
    }
    for (rest, said) in [
        (r#""MONTH","startDay":0"#, "must be a whole number from 1 to 28"),
        (r#""MONTH","startDay":29"#, "must be a whole number from 1 to 28"),
        (r#""MONTH","startDay":1.5"#, "must be a whole number from 1 to 28"),
        (r#""MONTH","startDay":"15""#, "must be a whole number from 1 to 28"),
        (r#""MONTH","startDay":99999999999999999999"#, "must be a whole number from 1 to 28"),
        (r#""WEEK","startDay":7"#, "must be a day from `MONDAY` to `SUNDAY`"),
        (r#""WEEK","startDay":"Sunday""#, "must be a day from `MONDAY` to `SUNDAY`"),
        (r#""WEEK","startDay":SUNDAY"#, "can't be read"),
        (r#""DAY","startDay":1"#, "must be left out: a day starts at midnight, in UTC"),
    ] {
        let error = refused(&first(rest));
        assert!(error.contains(said), "{rest}: {error}");
    }
}

#[test]
fn an_offset_of_aws_may_be_a_day() {
    let read = |quota: &str| {
        let json = format!(r#"{{"quota":{{"limit":900,{quota}}}}}"#);
        let plan = Plan::from_aws_json(json, Some(OffsetMeans::Day))?;
        let quota = plan.quotas()[0];
        Ok::<_, PlanError>((quota.start_day(), quota.offset()))
    };
    for (quota, start, offset) in [
        (r#""period":"WEEK","offset":0"#, 7, 0),
        (r#""period":"WEEK","offset":1"#, 1, 0),
        (r#""period":"WEEK","offset":6"#, 6, 0),
        (r#""period":"MONTH","offset":0"#, 1, 0),
        (r#""period":"MONTH","offset":27"#, 28, 0),
        (r#""period":"DAY","offset":0"#, 1, 0),
        (r#""period":"WEEK","offset":2,"offsetMeans":"requests""#, 1, 2),
        (r#""period":"WEEK","startDay":"TUESDAY""#, 2, 0),
    ] {
        assert_eq!(read(quota), Ok((start, offset)), "{quota}");
    }
    for (quota, range) in [
        (r#""period":"WEEK","offset":7"#, "0, for Sunday, to 6"),
        (r#""period":"MONTH","offset":28"#, "0, for the first, to 27"),
        (r#""period":"DAY","offset":5"#, "0"),
    ] {
        let said = format!("`quota.offset` as a day must be {range}");
        assert_eq!(read(quota).unwrap_err().to_string(), said);
    }
    let two = read(r#""period":"WEEK","offset":2,"startDay":"TUESDAY""#).unwrap_err();
    assert_eq!(two.to_string(), "`quota.offset` is a day, and `startDay` is one too: keep one");
}

#[test]
fn enforcement_is_the_plans_unless_a_meter_has_its_own() {
    let meters = r#""meters":{"a":{"quota":{"limit":1,"period":"DAY"}},"b":{"quota":{"limit":1,"period":"DAY"},"enforce":OTHER}}"#;
    for (plan, other) in [(true, "false"), (false, "true")] {
        let own = if plan { "" } else { r#","enforce":false"# };
        let json = format!("{{{}{own}}}", meters.replace("OTHER", other));
        let read = Plan::from_json(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let enforced = read.every_meter().map(|(_, limits)| limits.is_enforced());
        assert_eq!(enforced.collect::<Vec<_>>(), [plan, plan, !plan]);
        assert_eq!(read.is_enforced(), plan);
    }
    for json in [
        r#"{"unlimited": true, "enforce": "no"}"#,
        r#"{"unlimited": true, "enforce": 0}"#,
        r#"{"unlimited": true, "enforce": false, "enforce": true}"#,
        r#"{"meters": {"a": {"quota": {"limit": 1, "period": "DAY"}, "enforce": "no"}}}"#,
    ] {
        assert!(refused(json).contains("can't be read: "), "{json}");
    }
}

#[test]
fn zero_is_closed_and_writes_back() {
    for json in [
        r#"{"throttle":{"rateLimit":0,"burstLimit":9}}"#,
        r#"{"throttle":{"rateLimit":9,"burstLimit":0}}"#,
        r#"{"throttle":{"rateLimit":0,"burstLimit":0}}"#,
        r#"{"quota":{"limit":0,"period":"DAY"}}"#,
    ] {
        let plan = Plan::from_json(json).unwrap();
        assert!(plan.is_closed(), "{json}");
        assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    }
    let method = r#"{"apiStages":[{"apiId":"a","stage":"s","throttle":{"//GET":{"rateLimit":0,"burstLimit":0}}}]}"#;
    let plan = Plan::from_json(method).unwrap();
    assert!(!plan.is_closed() && !plan.is_unlimited());
    assert!(plan.method("a", "s", "//GET").unwrap().is_closed());
    assert_eq!(serde_json::to_string(&plan).unwrap(), method);
}

#[test]
fn an_offset_that_aws_allows_needs_a_meaning() {
    let plan = |limit: u64, offset: u64, period: &str, more: &str| {
        format!(
            r#"{{"quota": {{"limit": {limit}, "offset": {offset}, "period": "{period}"{more}}}}}"#
        )
    };
    let offset = |json: &str, means| {
        let plan = Plan::from_aws_json(json, means).map_err(|error| error.problem.clone())?;
        // The stored form reads back under every meaning.
        let stored = serde_json::to_string(&plan).unwrap();
        for means in [None, Some(OffsetMeans::Requests), Some(OffsetMeans::Ignore)] {
            let again = Plan::from_aws_json(&stored, means);
            if is_offset_of_aws(plan.quotas()[0].offset(), plan.quotas()[0].period())
                || means != Some(OffsetMeans::Ignore)
            {
                assert_eq!(again.as_ref(), Ok(&plan), "{stored}");
            }
        }
        Ok(plan.quotas()[0].offset())
    };
    let (requests, ignore) = (Some(OffsetMeans::Requests), Some(OffsetMeans::Ignore));
    for (period, most) in [("WEEK", 6), ("MONTH", 27)] {
        for number in [1, most] {
            let json = plan(100, number, period, "");
            assert_eq!(offset(&json, None), Err(Problem::Offset), "{json}");
            assert_eq!(offset(&json, requests), Ok(number));
            assert_eq!(offset(&json, ignore), Ok(0));
            let json = plan(100, number, period, r#", "offsetMeans": "requests""#);
            assert_eq!(
                [None, requests, ignore].map(|it| offset(&json, it)),
                [(); 3].map(|()| Ok(number))
            );
        }
        // Days can't be meant.
        let json = plan(100, most + 1, period, "");
        assert_eq!(
            [None, requests, ignore].map(|it| offset(&json, it)),
            [Ok(most + 1), Ok(most + 1), Ok(0)]
        );
        assert_eq!(offset(&plan(100, 0, period, ""), None), Ok(0));
    }
    assert_eq!(offset(&plan(500, 1, "DAY", ""), None), Ok(1));
    // AWS's own: a limit of 5 and an offset of 6.
    assert_eq!(offset(&plan(5, 6, "WEEK", ""), None), Err(Problem::Offset));
    assert_eq!(offset(&plan(5, 6, "WEEK", ""), requests), Err(Problem::WholeOffset));
    assert_eq!(offset(&plan(5, 6, "WEEK", ""), ignore), Ok(0));
    let other = plan(5, 1, "WEEK", r#", "offsetMeans": "days""#);
    assert_eq!(
        refused(&other),
        "`quota.offsetMeans` must be `requests`; for a day, write `startDay` instead of `offset`"
    );
    // As plans are stored that were written before there was a choice.
    assert_eq!(Plan::from_json(plan(5, 1, "WEEK", "")).unwrap().quotas()[0].offset(), 1);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let json = "\u{feff}{\"quota\": {\"limit\": 1, \"period\": \"DAY\"}}";
    assert!(Plan::from_json(json).is_ok());
    assert!(refused("\u{feff}\u{feff}{}").starts_with("`plan` can't be read"));
}

#[test]
fn what_limits_nothing_or_is_misspelt_is_refused() {
    assert!(refused("{}").starts_with("`throttle` is missing"));
    assert!(refused(r#"{"quota": []}"#).starts_with("`throttle` is missing"));
    assert!(refused(r#"{"throtle": {}}"#).contains("unknown field `throtle`"));
    assert!(refused(r#"{"throttle": 1, "throttle": 2}"#).contains("duplicate field `throttle`"));
    assert!(refused("").starts_with("`plan` can't be read"));
    assert!(refused("[]").starts_with("`plan` can't be read"));
    assert_eq!(refused(&" ".repeat(MAX_JSON + 1)), "`plan` is longer than 65536 bytes");
    assert!(Plan::from_json(b"\xff").is_err());
}
