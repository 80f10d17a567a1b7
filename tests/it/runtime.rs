//! The authorizer's executable over a real Runtime API: its log, panics, concurrency.

mod function;
pub(crate) mod issuer;
mod table;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use function::{Ended, Function};
use issuer::{Issuer, KID};
use table::{REVOKED, Table};

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders";

/// Texts in tokens and in the table that must not be in any log.
const SECRETS: [&str; 11] = [
    "alice",
    REVOKED,
    "secret-client",
    "secret-scope",
    "secret-jti",
    "secret-tenant",
    "secret-key-holder",
    "staff-group",
    KID,
    "a-key-that-nobody-has",
    "panic-text",
];

fn config(issuer: &Issuer, more: &str) -> (&'static str, String) {
    let text = format!(
        "[[issuer]]\nname = \"issuer\"\nurl = \"{url}\"\nclients = [\"secret-client\"]\n\
         token_use = \"access\"\n\
         [[rule]]\nname = \"readers\"\nallow = [\"GET /orders\"]\nany_scope = [\"orders/read\"]\n\
         {more}",
        url = issuer.url
    );
    ("AUTHORIZER_CONFIG", text)
}

fn limits(subject: &str) -> String {
    format!(
        "[throttle]\ntable = \"tollgate\"\nsubject = \"{subject}\"\nplan = {{ default = \"free\" }}\n\
         refuse = \"deny\"\ntimeout_ms = 5000\nregion = \"eu-west-1\"\n\
         [revocation]\ntable = \"tollgate\"\ntimeout_ms = 5000\n"
    )
}

fn token_event(token: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": ARN})
}

fn request(token: &str, key: &str) -> Value {
    let headers = json!({"authorization": format!("Bearer {token}"), "x-api-key": key});
    json!({"type": "REQUEST", "methodArn": ARN, "headers": headers})
}

/// Each code with an event that ends by it, in order.
fn events(issuer: &Issuer, table: &Table) -> Vec<(&'static str, Value)> {
    let good = issuer.token(&json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let key = table.good.expose();
    let none = json!({"kid": KID, "alg": "none"});
    let other = json!({"kid": "secret-key-id-of-another", "alg": "RS256"});
    let forbidden = ARN.replace("GET", "POST");
    let mut with_other_arn = request(&good, key);
    with_other_arn["methodArn"] = forbidden.into();
    vec![
        ("allowed", request(&good, key)),
        ("allowed", request(&good, key)),
        ("throttled", request(&good, key)),
        ("forbidden", with_other_arn),
        ("malformed", request(&format!("{good}.more"), key)),
        ("malformed", request(&format!("{good} {good}"), key)),
        ("malformed", request("alice-is-no-token", key)),
        ("malformed", json!({"type": "REQUEST", "methodArn": good, "headers": {}})),
        ("header", request(&issuer.sign(&none, &json!({})), key)),
        ("key", request(&issuer.sign(&other, &json!({})), key)),
        ("signature", request(&format!("{signed}.{}", "A".repeat(342)), key)),
        ("claim", request(&issuer.token(&json!({"exp": 1_000_000_000})), key)),
        ("claim", request(&issuer.token(&json!({"client_id": "secret-client-2"})), key)),
        ("revoked", request(&issuer.token(&json!({"sub": REVOKED})), key)),
        ("api_key", request(&good, "a-key-that-nobody-has")),
        ("api_key", request(&good, table.disabled.expose())),
        ("config", token_event(&good)),
        ("config", json!({"type": good, "headers": {"x-api-key": key}})),
    ]
}

/// Fails where the log has anything of what an event or the table holds.
fn must_not_tell(ended: &Ended, events: &[(&str, Value)], table: &Table, level: &str) {
    let tokens = events.iter().flat_map(|(_, event)| {
        let members = ["/authorizationToken", "/headers/authorization", "/methodArn", "/type"];
        members.into_iter().filter_map(|name| event.pointer(name)?.as_str())
    });
    // By parts, since a log might cut a token.
    let parts = tokens.flat_map(|text| text.split(['.', ' '])).filter(|part| part.len() > 16);
    let parts = parts.filter(|part| !ARN.contains(part));
    let keys = [table.good.expose(), table.disabled.expose()];
    let secrets: BTreeSet<&str> = parts.chain(keys).chain(SECRETS).collect();
    assert!(secrets.len() > SECRETS.len() + keys.len(), "{secrets:?}");
    for secret in secrets {
        let lines: Vec<_> = ended.text.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{level}: `{secret}` in {lines:?}");
    }
}

#[tokio::test]
async fn no_level_tells_of_a_token_a_claim_or_a_key() {
    let issuer = Issuer::start().await;
    let mut seen = BTreeSet::new();
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        let table = Table::serve("issuer").await;
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let events = events(&issuer, &table);
        let outage = [("unavailable", events[0].1.clone())];
        for (url, events) in [(table.url.clone(), &events[..]), (format!("http://{dead}"), &outage)]
        {
            let mut variables = vec![config(&issuer, &limits("api_key"))];
            variables.extend(Table::variables(&url));
            // What people turn on when they look for something, too.
            variables.push(("AWS_LAMBDA_LOG_LEVEL", level.to_owned()));
            variables.push(("RUST_LOG", "trace".to_owned()));
            variables.push(("RUST_BACKTRACE", "1".to_owned()));
            let function = Function::start(tests::authorizer(), &variables, 1).await;
            for (number, (_, event)) in events.iter().enumerate() {
                function.invoke(&format!("request-{number}"), event).await;
            }
            let ended = function.end(Signal::SIGTERM).await;
            let codes: Vec<_> = ended.lines().iter().map(|line| line["code"].clone()).collect();
            let expected: Vec<_> = events.iter().map(|(code, _)| *code).collect();
            assert_eq!(codes, expected, "{level}\n{}", ended.text);
            seen.extend(expected);
            must_not_tell(&ended, events, &table, level);
        }
        let charged = [table.has_charged("eu-west-1#").await, table.has_charged("").await];
        assert_eq!(charged, [true, false], "the Region's own bucket");
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[tokio::test]
async fn a_panic_costs_one_invocation_only() {
    let issuer = Issuer::start().await;
    let variables =
        [config(&issuer, &limits("client_id")), ("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned())];
    let variables: Vec<_> = variables
        .into_iter()
        .map(|(name, value)| (name, value.split("[revocation]").next().unwrap().to_owned()))
        .collect();
    let function = Function::start(tests::panicking(), &variables, 1).await;
    let event = token_event(&issuer.token(&json!({})));
    for number in 0..4 {
        let answer = function.invoke(&format!("request-{number}"), &event).await;
        // The store panics at every other write.
        if number % 2 == 0 {
            assert!(answer.is_error, "{answer:?}");
            let said = json!({
                "errorType": "panic", "errorMessage": "the authorizer failed: panic",
            });
            assert_eq!(answer.body, said);
        } else {
            assert_eq!(answer.body["policyDocument"]["Statement"][0]["Effect"], "Allow");
        }
    }
    let ended = function.end(Signal::SIGTERM).await;
    assert_eq!(ended.status.signal(), Some(15), "one process all the time: {:?}", ended.status);
    let codes: Vec<_> = ended.lines().iter().map(|line| line["code"].clone()).collect();
    assert_eq!(codes, ["panic", "allowed", "panic", "allowed"], "{}", ended.text);
    assert!(ended.text.contains("the authorizer panicked"), "its place is told: {}", ended.text);
    for secret in SECRETS {
        assert!(!ended.text.contains(secret), "`{secret}` in {}", ended.text);
    }
}

#[tokio::test]
async fn an_invocation_leaves_nothing_in_memory() {
    let issuer = Issuer::start().await;
    let variables = [config(&issuer, ""), ("AWS_LAMBDA_LOG_LEVEL", "INFO".to_owned())];
    let function = Function::start(tests::authorizer(), &variables, 1).await;
    let event = token_event(&issuer.token(&json!({})));
    let mut resident = Vec::new();
    for round in 0..2 {
        for number in 0..2_000 {
            let answer = function.invoke(&format!("id-{round}-{number}"), &event).await;
            assert!(!answer.is_error, "{answer:?}");
        }
        resident.push(function.resident());
    }
    // Each came with 4 kB that are different every time: 8 MB in a round.
    let grown = resident[1].saturating_sub(resident[0]);
    assert!(grown < 2_000, "{resident:?} kB");
    drop(function.end(Signal::SIGTERM).await);
}

#[tokio::test]
async fn several_invocations_in_one_environment_do_not_mix() {
    const AT_ONCE: u32 = 4;
    let issuer = Issuer::start().await;
    let variables = [config(&issuer, ""), ("AWS_LAMBDA_LOG_LEVEL", "INFO".to_owned())];
    let function = Function::start(tests::authorizer(), &variables, AT_ONCE).await;
    for round in 0..5 {
        // The Runtime API takes no answer of a round before all of them are there.
        let calls = (0..AT_ONCE).map(async |caller| {
            let name = format!("caller-{round}-{caller}");
            let token = match caller {
                0 => issuer.token(&json!({"sub": name, "exp": 1_000_000_000})),
                _ => issuer.token(&json!({"sub": name})),
            };
            let answer = function.invoke(&format!("id-{name}"), &token_event(&token)).await;
            if caller == 0 {
                assert!(answer.is_error, "{answer:?}");
                assert_eq!(answer.body["errorMessage"], "Unauthorized");
            } else {
                assert_eq!(answer.body["principalId"], name, "its own caller's");
            }
        });
        futures_util::future::join_all(calls).await;
    }
    let ended = function.end(Signal::SIGTERM).await;
    assert_eq!(ended.status.signal(), Some(15), "it ran until the signal");
    let lines = ended.lines();
    let ids: BTreeSet<_> = lines.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (20, 20), "{}", ended.text);
    for line in &lines {
        let first = line["request_id"].as_str().unwrap().ends_with("-0");
        assert_eq!(line["code"], if first { "claim" } else { "allowed" }, "{line}");
    }
    let subjects: BTreeSet<_> = lines.iter().filter_map(|line| line["sub"].as_str()).collect();
    assert_eq!(subjects.len(), 15, "each line has its own caller: {subjects:?}");
    assert_eq!(lines.iter().filter(|line| line.get("ColdStarts").is_some()).count(), 1);
}
