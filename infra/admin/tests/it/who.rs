//! Subjects: found by a token or a claim, and refused if they were never seen.

use authorizer::{Authorizer, Config};
use serde_json::{Value, json};
use throttle::{Clock, MemoryStore, Plan, PlanId, SystemClock};

use crate::confirm::type_to;
use crate::issuer::Issuer;
use crate::support::{PLAN, Tollgate, fill, serve_database, with_table};

const LIMITS: &str = "[throttle]\ntable = \"tollgate\"\nsubject = \"sub\"\n\
                      plan = { assigned = true, default = \"free\" }\nrefuse = \"deny\"\n";

/// A configuration with these limits, in a file.
fn file(config: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, config).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

fn with_plans() -> Tollgate {
    let tollgate = with_table();
    for plan in ["free", "gold"] {
        tollgate.feed(&["plan", "put", plan, "-"], PLAN).done();
    }
    tollgate
}

#[test]
fn a_subject_that_was_never_seen_is_a_typo_until_confirmed() {
    let tollgate = with_plans();
    let unseen = "`pool#mria` has never been seen in `tollgate`: it has no requests, no plan and no \
                  key";
    let fix = "; check its spelling, find it by `--token -`, or add --yes";
    let lines = [
        &["subject", "assign", "pool#mria", "gold"][..],
        &["usage", "grant", "pool#mria", "5", "--by", "month"],
    ];
    for line in lines {
        assert_eq!(tollgate.run(line).failed(1), format!("{unseen}{fix}"));
        let dry = tollgate.run(&[line, &["--dry-run"]].concat());
        let noted = format!("tollgate: {unseen}; this needs --yes\n");
        // A grant also needs a plan with a quota.
        match line[0] {
            "usage" => assert!(dry.code == 1 && dry.err.starts_with(&noted), "{}", dry.err),
            _ => assert_eq!((dry.code, dry.err), (0, noted)),
        }
        let question = format!("{unseen}. Type yes to do it all the same: ");
        let refused = format!("{question}tollgate: not confirmed: nothing was done\n");
        assert_eq!(type_to(&tollgate, line, "y\n"), (1, refused));
        tollgate.run(&["subject", "show", "pool#mria"]).failed(1);
    }
    assert_eq!(type_to(&tollgate, lines[0], "yes\n").0, 0);
    // Now it has been seen.
    assert_eq!(tollgate.run(lines[0]).done(), "`pool#mria` is under `gold` already");
    tollgate.run(lines[1]).done();
    let other = ["usage", "grant", "pool#paul", "5", "--by", "month", "--yes"];
    assert!(tollgate.run(&other).failed(1).starts_with("`pool#paul` has no plan, so no quota: "));
    let said = tollgate.run(&["subject", "assign", "mria", "gold"]).failed(1);
    assert!(said.contains("no key (a caller's subject is ISSUER#CLAIM); check"), "{said}");
}

#[test]
fn a_key_makes_a_subject_seen() {
    let tollgate = with_plans();
    tollgate.run(&["key", "create", "--subject", "acme", "--json"]).json();
    tollgate.run(&["subject", "assign", "acme", "gold"]).done();
    let key = tollgate.run(&["key", "create", "--json"]).json();
    tollgate.run(&["subject", "assign", key["subject"].as_str().unwrap(), "gold"]).done();
}

#[test]
fn a_grant_is_for_the_assigned_plan_where_the_configuration_looks_it_up() {
    let (url, database) = serve_database();
    let tollgate = Tollgate::at(&url);
    tollgate.run(&["table", "create"]).done();
    for (plan, period) in [("free", "DAY"), ("gold", "WEEK")] {
        let text = json!({"quota": {"limit": 100, "period": period}}).to_string();
        tollgate.feed(&["plan", "put", plan, "-"], &text).done();
    }
    let config = Issuer::start().config();
    let of = |limits: &str| config.replace("[revocation]\ntable = \"tollgate\"\n", limits);
    let (_file, path) = file(&of(LIMITS));
    let assign = ["subject", "assign", "maria", "gold", "--yes", "--json", "--config", &path];
    let subject = tollgate.run(&assign).json()["subject"].as_str().unwrap().to_owned();
    // The last request was made under another plan.
    fill(&database, [json!({"pk": format!("BUCKET#{subject}"), "pv": "1.free"})]);

    let line = ["usage", "grant", "maria", "5", "--by", "week", "--json", "--config"];
    let grant = |path: &str| tollgate.run(&[&line[..], &[path]].concat());
    assert_eq!(grant(&path).json()["subject"], subject);
    let (_file, path) = file(&of(&LIMITS.replace("assigned = true, ", "")));
    let said = grant(&path).failed(1);
    assert!(said.contains("the plan `free` has no quota of requests for a week"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_s_subject_is_the_one_that_the_authorizer_charges() {
    let (tollgate, free) = (with_plans(), PlanId::new("free").unwrap());
    let issuer = Issuer::start();
    for (claim, claims) in [
        ("sub", json!({"sub": "maria"})),
        ("client_id", json!({})),
        ("tenant", json!({"tenant": "Ünïcode # 1"})),
    ] {
        let limits = LIMITS.replace("\"sub\"", &format!("\"{claim}\""));
        let limits = limits.replace("assigned = true, ", "");
        let config = issuer.config().replace("[revocation]\ntable = \"tollgate\"\n", &limits);
        let (_file, path) = file(&config);
        let token = issuer.token(&claims);

        let config = Config::read(path.as_ref()).unwrap();
        let store = MemoryStore::new();
        let plan = Plan::from_json(PLAN).unwrap();
        store.put_plan(free.clone(), plan, SystemClock::new().now());
        let authorizer = Authorizer::new(config, Some(store), SystemClock::new()).unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders";
        let event = json!({"type": "TOKEN", "methodArn": arn,
            "authorizationToken": format!("Bearer {token}")});
        let response = authorizer.handle(&event, "request").await.unwrap();
        let response = serde_json::to_value(&response).unwrap();
        let charged = response["context"]["subject"].as_str().unwrap().to_owned();

        let from_token = |line: &[&str]| {
            tollgate.feed(&[line, &["--token", "-", "--config", &path, "--json"]].concat(), &token)
        };
        let granted = from_token(&["usage", "grant", "5", "--by", "month"]).json();
        assert_eq!(granted["subject"], charged, "{claim}");
        let assigned: Value =
            serde_json::from_str(&from_token(&["subject", "assign", "free"]).out).unwrap();
        assert_eq!(assigned["subject"], charged);
        assert_eq!(from_token(&["subject", "show"]).json()["subject"], charged);
        let used = from_token(&["usage", "show"]).json();
        assert_eq!(used["values"].as_object().unwrap().keys().collect::<Vec<_>>(), [&charged]);
        from_token(&["subject", "unassign"]).json();
        assert_eq!(from_token(&["subject", "reset", "--yes"]).json()["subject"], charged);
    }
}

#[test]
fn a_configuration_completes_a_claim_and_a_token_needs_no_confirmation() {
    let (tollgate, issuer) = (with_plans(), Issuer::start());
    let config = format!("{}{LIMITS}", issuer.config());
    let (_file, path) = file(&config);
    let run =
        |line: &[&str], token: &str| tollgate.feed(&[line, &["--config", &path]].concat(), token);
    let token = issuer.token(&json!({"sub": "paul"}));
    let line = ["subject", "assign", "--token", "-", "gold"];
    assert_eq!(run(&line, &token).done(), "`acme#paul` is under `gold`");
    let said = run(&["subject", "assign", "maria", "gold"], "").failed(1);
    assert!(said.starts_with("`acme#maria` has never been seen"), "{said}");
    for subject in ["paul", "acme#paul"] {
        let said = run(&["subject", "show", subject], "").done();
        assert!(said.starts_with("subject     acme#paul\n"), "{said}");
    }

    let several = config.replacen(
        "[[rule]]",
        "[[issuer]]\nname = \"b\"\nurl = \"https://b.example\"\n\
        clients = \"any\"\ntoken_use = \"any\"\n\n[[rule]]",
        1,
    );
    let by_key = config.replace("subject = \"sub\"", "subject = \"api_key\"");
    let unread = config.replace("assigned = true, ", "");
    let elsewhere =
        config.replace("[throttle]\ntable = \"tollgate\"", "[throttle]\ntable = \"other\"");
    for (config, line, token, says) in [
        (&several, &["subject", "show", "paul"][..], "", "write `acme#paul` or `b#paul`"),
        (&by_key, &["subject", "show", "--token", "-"], token.as_str(), "count by API key"),
        (&by_key, &["subject", "show", "paul"], "", "nothing is known of `paul`"),
        (
            &elsewhere,
            &["subject", "show", "paul"],
            "",
            "are in the table `other`, not `tollgate`: add",
        ),
        (&issuer.config(), &["subject", "show", "paul"], "", "has no [throttle]"),
        (&config, &["subject", "show", "--token", "-"], "no-token", "holds no token"),
    ] {
        std::fs::write(&path, config).unwrap();
        let answer = run(line, token);
        assert!(answer.code > 0 && answer.err.contains(says), "{says}: {}", answer.err);
    }
    let stranger = issuer.token(&json!({"iss": "https://elsewhere"}));
    let nobody = issuer.token(&json!({"sub": null}));
    for token in [stranger, nobody] {
        std::fs::write(&path, &config).unwrap();
        let said = run(&["subject", "show", "--token", "-"], &token).failed(1);
        assert!(said.starts_with("no subject is found: "), "{said}");
    }
    std::fs::write(&path, unread).unwrap();
    let answer = run(&["subject", "assign", "paul", "gold"], "");
    assert!(answer.code == 0 && answer.err.contains("reads no assignments"), "{}", answer.err);
}

#[test]
fn a_token_is_never_repeated() {
    let (tollgate, issuer) = (with_plans(), Issuer::start());
    let (_file, path) = file(&format!("{}{LIMITS}", issuer.config()));
    let token = issuer.token(&json!({}));
    let said = tollgate.run(&["subject", "show", "--token", &token, "--config", &path]).failed(2);
    assert_eq!(said, "a token is read from standard input alone: pipe it in, with `--token -`");
    let both = ["subject", "assign", "paul", "gold", "--token", &token];
    let answer = tollgate.run(&both);
    assert!(answer.code == 2 && !answer.err.contains(&token), "{}", answer.err);
    assert!(answer.err.contains("cannot be used with"), "{}", answer.err);
}
