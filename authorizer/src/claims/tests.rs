//! Payloads as issuers make them, with some members changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::algorithm::Algorithm;
use crate::config::{Accepted, FirstOf, TokenUse};
use crate::refusal::Code;
use crate::token::Compact;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";

/// Checks of a pool's access tokens.
pub(crate) fn checks() -> Checks {
    Checks {
        issuer: "us-east-1_abc".into(),
        has_tenants: false,
        cognito: true,
        algorithms: vec![Algorithm::RS256],
        token_use: TokenUse::Access,
        clients: Some(these(&["client"])),
        audiences: None,
        unbound_clients: Vec::new(),
        scopes_claim: "scope".into(),
        groups_claim: "cognito:groups".into(),
        client_claim: "client_id".into(),
        any_scope: Vec::new(),
        all_scopes: Vec::new(),
        any_group: Vec::new(),
        all_groups: Vec::new(),
        required_claims: Vec::new(),
        leeway: 0,
        max_lifetime: None,
        max_age: None,
        bound_tokens: BoundTokens::Refuse,
        needs_sub: true,
        principal: FirstOf::one("sub"),
        context: vec![
            passed("sub", "sub", false),
            passed("clientId", "client_id", false),
            passed("scope", "scope", false),
            passed("groups", "cognito:groups", false),
        ],
        claim_paths: Arc::default(),
    }
}

/// A claim to pass on.
fn passed(name: &str, claim: &str, as_json: bool) -> Passed {
    Passed { name: name.into(), claim: claim.into(), as_json }
}

fn these(names: &[&str]) -> Accepted {
    Accepted::These(names.iter().map(|name| (*name).to_owned()).collect())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Checks of a pool's ID tokens.
fn for_id() -> Checks {
    Checks { token_use: TokenUse::Id, ..checks() }
}

/// Checks of the tokens of an issuer that is not Cognito.
fn for_other(token_use: TokenUse) -> Checks {
    Checks { cognito: false, token_use, ..checks() }
}

/// An access token as Cognito makes it, with some members changed; null removes one.
fn payload(changes: &Value) -> Map<String, Value> {
    let mut members = json!({
        "sub": "user", "iss": ISSUER, "client_id": "client", "token_use": "access",
        "scope": "orders/read orders/write", "cognito:groups": ["admins", "staff"],
        "auth_time": NOW - 10, "iat": NOW - 10, "exp": NOW + 60, "jti": "j",
        "origin_jti": "o", "username": "alice",
    });
    let members = members.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), value.clone())
        };
    }
    members.clone()
}

fn check_with(checks: &Checks, changes: &Value) -> Result<Claims, Refusal> {
    check_members(checks, payload(changes))
}

/// The same for a payload that may hold null.
fn check_members(checks: &Checks, members: Map<String, Value>) -> Result<Claims, Refusal> {
    Claims::check(
        Payload::of(members),
        false,
        &[&Arc::new(checks.clone())],
        Duration::from_secs(NOW),
    )
}

/// A payload in which one claim is null.
fn with_null(claim: &str) -> Map<String, Value> {
    let mut members = payload(&json!({}));
    members.insert(claim.into(), Value::Null);
    members
}

fn check(changes: &Value) -> Result<Claims, Refusal> {
    check_with(&checks(), changes)
}

fn passes(checks: &Checks, changes: &Value) -> bool {
    let outcome = check_with(checks, changes);
    assert!(outcome.as_ref().err().is_none_or(|refusal| refusal.code() == Code::Claim));
    outcome.is_ok()
}

/// An ID token as Cognito makes it.
fn id(more: &Value) -> Value {
    let mut changes = json!({"token_use": "id", "aud": "client", "client_id": null, "scope": null});
    changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    changes
}

#[test]
fn takes_a_cognito_access_token_and_reads_it() {
    let claims = check(&json!({})).unwrap();
    assert_eq!((claims.subject(), claims.principal()), (Some("user"), "user"));
    assert_eq!(claims.client(), Some("client"));
    assert_eq!(claims.scopes().unwrap(), ["orders/read", "orders/write"]);
    assert_eq!(claims.groups().unwrap(), ["admins", "staff"]);
    assert_eq!((claims.expires_at(), claims.began()), (NOW + 60, Some(NOW - 20)));
    assert_eq!((claims.jti(), claims.origin_jti()), (Some("j"), Some("o")));
    assert_eq!(claims.issuer(), "us-east-1_abc");
    assert_eq!(claims.qualified("user"), "us-east-1_abc#user");
    let shown = format!("{claims:?}");
    assert!(!shown.contains("user") && !shown.contains("admins"), "{shown}");
}

#[test]
fn takes_a_machine_s_token() {
    let machine = json!({"username": null, "cognito:groups": null, "origin_jti": null,
        "sub": "client"});
    let claims = check(&machine).unwrap();
    assert_eq!((claims.groups().unwrap().len(), claims.origin_jti()), (0, None));
}

// ------------------------------------------------------------------------------------- times

#[test]
fn expires_at_the_very_second() {
    assert!(check(&json!({"exp": NOW + 1})).is_ok());
    assert!(check(&json!({"exp": NOW})).is_err());
    assert!(check(&json!({"exp": NOW - 1})).is_err());
}

#[test]
fn leeway_moves_each_bound_by_exactly_itself() {
    let lenient = Checks { leeway: 5, max_age: Some(20), ..checks() };
    let passes = |changes: Value| passes(&lenient, &changes);
    assert!(passes(json!({"exp": NOW - 4})));
    assert!(!passes(json!({"exp": NOW - 5})));
    assert!(passes(json!({"nbf": NOW + 5})));
    assert!(!passes(json!({"nbf": NOW + 6})));
    assert!(passes(json!({"auth_time": NOW - 25})));
    assert!(!passes(json!({"auth_time": NOW - 26})));
}

#[test]
fn refuses_times_of_any_form_but_seconds() {
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in [
            json!("1800000060"),
            json!(true),
            json!([NOW + 60]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(1e19),
            json!(1e300),
            json!(253_402_300_800_u64),
            json!(u64::MAX),
        ] {
            assert!(check(&json!({ name: value })).is_err(), "{name} {value}");
        }
        let is_needed = name == "exp";
        assert_eq!(check_members(&checks(), with_null(name)).is_err(), is_needed, "{name} null");
    }
    assert!(check(&json!({"exp": 253_402_300_799_u64})).is_ok());
    assert!(check(&json!({"exp": null})).is_err(), "missing");
    assert!(check(&json!({"iat": null, "auth_time": null})).is_ok(), "these may be missing");
}

/// The outcome for an access token whose payload has one time written as this very text.
fn check_written(checks: &Checks, name: &str, text: &str) -> Result<Claims, Refusal> {
    let mut members = payload(&json!({}));
    members.remove(name);
    let rest = Value::Object(members).to_string();
    let text = format!("{{\"{name}\":{text},{}", rest.trim_start_matches('{'));
    let parts = format!("eyJraWQiOiJrIiwiYWxnIjoiUlMyNTYifQ.{}.YQ", URL_SAFE_NO_PAD.encode(text));
    let payload = Compact::split(&parts).unwrap().payload().unwrap();
    Claims::check(payload, false, &[&Arc::new(checks.clone())], Duration::from_secs(NOW))
}

#[test]
fn a_time_with_a_fraction_is_rounded_against_the_caller() {
    let strict = Checks { max_age: Some(20), ..checks() };
    // The first that passes and the last that does not, or the other way round.
    for (name, passes, fails) in [
        ("exp", "1800000001.0", "1800000000.999999"),
        ("exp", "1.800000001e9", "1800000000.99999999999999"),
        ("nbf", "1800000000.0", "1800000000.000001"),
        ("nbf", "18000000000e-1", "1800000000.00000000000001"),
        ("iat", "1800000010.0", "1800000010.000001"),
        ("auth_time", "1800000010.0", "1800000010.000001"),
        ("auth_time", "1799999980.0", "1799999979.999999"),
    ] {
        let outcome = check_written(&strict, name, passes);
        assert!(outcome.is_ok(), "{name} {passes}: {outcome:?}");
        let outcome = check_written(&strict, name, fails);
        assert_eq!(outcome.err().map(Refusal::code), Some(Code::Claim), "{name} {fails}");
    }
    let claims = check_written(&strict, "exp", "1800000060.9").unwrap();
    assert_eq!(claims.expires_at(), NOW + 60);
    assert_eq!(claims.members()["exp"], NOW + 60, "as rules see it");
    let claims = check_written(&strict, "iat", "1799999990.9").unwrap();
    assert_eq!(claims.began(), Some(NOW - 20));
}

#[test]
fn a_lifetime_between_equal_fractions_is_exact() {
    let short = Checks { max_lifetime: Some(60), ..checks() };
    let lives = |exp: f64| {
        let changes = json!({"iat": 1_799_999_999.25, "exp": exp, "auth_time": null});
        check_with(&short, &changes).is_ok()
    };
    assert!(lives(1_800_000_059.25));
    assert!(!lives(1_800_000_059.375));
}

#[test]
fn refuses_what_is_not_valid_yet_or_issued_in_the_future() {
    assert!(check(&json!({"nbf": NOW})).is_ok());
    assert!(check(&json!({"nbf": NOW + 1})).is_err());
    // An issuer's clock may be ten seconds ahead, or more where that is configured.
    for name in ["iat", "auth_time"] {
        for (leeway, most) in [(0, 10), (5, 10), (11, 11), (300, 300)] {
            let lenient = Checks { leeway, ..checks() };
            assert!(passes(&lenient, &json!({ name: NOW + most })), "{name} {leeway}");
            assert!(!passes(&lenient, &json!({ name: NOW + most + 1 })), "{name} {leeway}");
        }
    }
}

#[test]
fn a_revocation_compares_the_sign_in_less_what_clocks_may_differ() {
    let began = |leeway, changes: Value| {
        check_with(&Checks { leeway, ..checks() }, &changes).unwrap().began()
    };
    assert_eq!(began(0, json!({"auth_time": NOW - 50})), Some(NOW - 60));
    assert_eq!(
        began(0, json!({"auth_time": NOW - 50 })),
        began(10, json!({"auth_time": NOW - 50}))
    );
    assert_eq!(began(20, json!({"auth_time": NOW - 50})), Some(NOW - 70));
    assert_eq!(began(0, json!({"auth_time": null})), Some(NOW - 20), "issued ten ago");
    assert_eq!(began(0, json!({"auth_time": NOW})), Some(NOW - 20), "never later than `iat`");
    assert_eq!(began(0, json!({"auth_time": 1_799_999_950.9})), Some(NOW - 60));
    assert_eq!(began(0, json!({"auth_time": null, "iat": 1_799_999_990.9})), Some(NOW - 20));
    assert_eq!(began(0, json!({"auth_time": 0})), Some(0));
    assert_eq!(began(0, json!({"iat": null})), None);
}

#[test]
fn a_lifetime_and_a_sign_in_can_be_bounded() {
    let short = Checks { max_lifetime: Some(70), ..checks() };
    assert!(passes(&short, &json!({})), "from iat to exp: 70");
    assert!(!passes(&short, &json!({"exp": NOW + 61})));
    assert!(!passes(&short, &json!({"iat": null})));
    let recent = Checks { max_age: Some(10), ..checks() };
    assert!(passes(&recent, &json!({})), "10 ago");
    assert!(!passes(&recent, &json!({"auth_time": NOW - 11})));
    assert!(!passes(&recent, &json!({"auth_time": null})));
}

// ------------------------------------------------------------------- issuer, use, client, aud

#[test]
fn tells_access_from_id_tokens() {
    assert!(check(&id(&json!({}))).is_err(), "an ID token where access is asked");
    assert!(passes(&for_id(), &id(&json!({}))));
    assert!(!passes(&for_id(), &json!({})), "an access token where ID is asked");
    for wrong in [json!("Access"), json!(["access"]), json!(1), json!("")] {
        assert!(check(&json!({ "token_use": wrong })).is_err(), "{wrong}");
    }
    assert!(check(&json!({"token_use": null})).is_err());
}

#[test]
fn takes_any_use_only_where_the_configuration_says_so() {
    let any = Checks { token_use: TokenUse::Any, ..checks() };
    assert!(passes(&any, &json!({})));
    assert!(passes(&any, &id(&json!({}))));
    assert!(!passes(&any, &json!({"token_use": null})), "a pool's tokens all say it");
    let other = for_other(TokenUse::Any);
    assert!(passes(&other, &json!({"token_use": null})), "another issuer's don't");
    let unnamed = json!({"token_use": null, "client_id": null, "aud": ["client"]});
    assert!(passes(&other, &unnamed));
    assert!(!passes(&other, &json!({"token_use": "refresh"})));
    assert!(!passes(&other, &json!({"token_use": 1})));
}

#[test]
fn another_issuer_s_access_token_is_known_by_its_type() {
    let access = Arc::new(for_other(TokenUse::Access));
    let check = |changes: &Value, marked| {
        Claims::check(Payload::of(payload(changes)), marked, &[&access], Duration::from_secs(NOW))
            .is_ok()
    };
    assert!(check(&json!({"token_use": null}), true));
    assert!(!check(&json!({"token_use": null}), false), "it may be an ID token");
    assert!(!check(&json!({"token_use": "id"}), true));
    assert!(check(&json!({}), false), "or where it says so, as an emulator of Cognito does");

    let any = Arc::new(for_other(TokenUse::Any));
    let both = Payload::of(payload(&id(&json!({}))));
    assert!(Claims::check(both.clone(), false, &[&any], Duration::from_secs(NOW)).is_ok());
    assert!(
        Claims::check(both, true, &[&any], Duration::from_secs(NOW)).is_err(),
        "one thing or the other"
    );

    let id = Arc::new(for_other(TokenUse::Id));
    let aud = json!({"token_use": null, "client_id": null, "aud": "client"});
    let check = |marked| {
        Claims::check(Payload::of(payload(&aud)), marked, &[&id], Duration::from_secs(NOW)).is_ok()
    };
    assert!(check(false));
    assert!(!check(true), "an access token where ID is asked");
}

#[test]
fn judges_a_token_by_the_client_claim_of_its_kind() {
    for wrong in [json!("other"), json!(["client"]), json!(1), json!("client "), json!("")] {
        assert!(check(&json!({ "client_id": wrong })).is_err(), "{wrong}");
    }
    assert!(check(&json!({"client_id": null})).is_err());
    assert!(check(&json!({"client_id": null, "aud": "client"})).is_err(), "aud of access tokens");
    assert!(!passes(&for_id(), &id(&json!({"client_id": "client", "aud": "other"}))));
    assert!(!passes(&for_id(), &id(&json!({"aud": ["client", 1]}))));
    assert!(!passes(&for_id(), &id(&json!({"aud": null}))));
}

#[test]
fn a_client_is_one_in_whichever_claim() {
    let any = Checks { clients: Some(Accepted::Any), ..for_id() };
    let unsaid = json!({"token_use": null, "client_id": null, "aud": ["client"]});
    for (checks, changes) in [
        (for_id(), id(&json!({"aud": ["client"]}))),
        (any.clone(), id(&json!({"aud": ["client"]}))),
        (for_other(TokenUse::Any), unsaid),
    ] {
        let claims = check_with(&checks, &changes).unwrap();
        assert_eq!(claims.client(), Some("client"), "or it could not be revoked or denied");
        assert_eq!(claims.context().find(|(name, _)| *name == "clientId").unwrap().1, "client");
    }
    for aud in [json!(["client", "other"]), json!(["other", "client"]), json!(["client", "client"])]
    {
        assert!(!passes(&for_id(), &id(&json!({ "aud": aud }))), "{aud}");
        assert!(!passes(&any, &id(&json!({ "aud": aud }))), "{aud}");
        let unsaid = json!({"token_use": null, "client_id": null, "aud": aud});
        assert!(!passes(&for_other(TokenUse::Any), &unsaid), "{aud}");
    }
    let bound = Checks {
        clients: None,
        audiences: Some(these(&["https://api"])),
        ..for_other(TokenUse::Access)
    };
    assert!(passes(&bound, &json!({"aud": "https://api"})));
    for wrong in [json!(["client"]), json!(1), json!(""), json!(null)] {
        let mut members = payload(&json!({"aud": "https://api"}));
        members.insert("client_id".into(), wrong.clone());
        assert!(check_members(&bound, members).is_err(), "{wrong}");
    }
}

#[test]
fn a_security_event_is_no_token() {
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for checks in [for_other(TokenUse::Id), for_other(TokenUse::Any)] {
        let plain = json!({"token_use": null, "client_id": null, "aud": "client"});
        assert!(passes(&checks, &plain));
        let mut told = plain.clone();
        told["events"] = logout.clone();
        assert!(!passes(&checks, &told), "a logout token is made like an ID token");
        told["events"] = json!({"https://schemas.openid.net/secevent/risc/event-type/x": {}});
        assert!(!passes(&checks, &told));
        told["events"] = json!(["mine"]);
        assert!(passes(&checks, &told), "another's claim of that name");
    }
    assert!(!passes(&checks(), &json!({ "events": logout })));
}

#[test]
fn reads_the_client_from_the_claim_that_was_checked() {
    let both = id(&json!({"client_id": "other"}));
    assert_eq!(check_with(&for_id(), &both).unwrap().client(), Some("client"));
    let other = for_other(TokenUse::Any);
    let plain = json!({"token_use": null, "client_id": null, "aud": "client"});
    assert_eq!(check_with(&other, &plain).unwrap().client(), Some("client"));
    assert!(!passes(&other, &json!({"token_use": null, "client_id": 1, "aud": "client"})));
    let bound = Checks { clients: None, audiences: Some(these(&["https://api"])), ..other };
    let api = json!({"token_use": null, "client_id": null, "aud": "https://api"});
    assert_eq!(check_with(&bound, &api).unwrap().client(), None, "a resource is no client");
}

#[test]
fn any_client_must_be_spelled_out() {
    let open = Checks { clients: Some(Accepted::Any), ..checks() };
    assert!(passes(&open, &json!({"client_id": "other"})));
    assert!(passes(&open, &json!({"client_id": null})));
    assert!(!passes(&open, &json!({"client_id": 1})), "but it is a text");
    assert!(!passes(&open, &json!({"client_id": ""})), "and a name");
}

#[test]
fn a_token_that_is_bound_to_a_resource_is_taken_for_that_one_alone() {
    let api = Checks { audiences: Some(these(&["https://api", "https://api/v2"])), ..checks() };
    assert!(passes(&api, &json!({"aud": "https://api"})));
    assert!(passes(&api, &json!({"aud": ["https://other", "https://api/v2"]})));
    for wrong in [
        json!("https://api/"),
        json!("https://API"),
        json!(["https://other"]),
        json!(["https://api", 1]),
        json!(1),
        json!({"https://api": true}),
        json!(""),
    ] {
        assert!(!passes(&api, &json!({ "aud": wrong })), "{wrong}");
    }
    assert!(!passes(&api, &json!({})), "bound to nothing");
    assert!(!passes(&api, &json!({"aud": "https://api", "client_id": "other"})), "both hold");
    assert!(!passes(&checks(), &json!({"aud": "https://api"})), "for somebody else's resource");

    let any = Checks { audiences: Some(Accepted::Any), ..checks() };
    assert!(passes(&any, &json!({"aud": "https://other"})) && passes(&any, &json!({})));
    assert!(!passes(&any, &json!({"aud": 1})), "but it is a text, or several");
}

#[test]
fn an_empty_audience_is_a_missing_one() {
    let api = Checks { audiences: Some(these(&["https://api"])), ..checks() };
    let any = Checks { audiences: Some(Accepted::Any), ..checks() };
    let machine = Checks { unbound_clients: names(&["client"]), ..api.clone() };
    for empty in [json!([]), json!("")] {
        let aud = json!({ "aud": empty });
        assert!(passes(&checks(), &aud), "{aud}: bound to nothing");
        assert!(passes(&any, &aud) && passes(&machine, &aud), "{aud}");
        assert!(!passes(&api, &aud), "{aud}: an audience is required");
        assert!(!passes(&for_id(), &id(&aud)), "{aud}: a client is required");
    }
    for other in [json!([""]), json!([[]]), json!({}), json!(0), json!(false)] {
        assert!(!passes(&checks(), &json!({ "aud": other })), "{other}");
    }
    for all in [checks(), any, machine] {
        assert!(check_members(&all, with_null("aud")).is_err(), "null is not missing");
    }
}

#[test]
fn an_access_token_whose_audience_is_its_own_client_is_bound_to_nothing() {
    let api = Checks { audiences: Some(these(&["https://api"])), ..checks() };
    let machine = Checks { unbound_clients: names(&["client"]), ..api.clone() };
    let open = Checks { clients: Some(Accepted::Any), ..checks() };
    for own in [json!("client"), json!(["client"])] {
        let aud = json!({ "aud": own });
        assert!(passes(&checks(), &aud) && passes(&open, &aud) && passes(&machine, &aud), "{aud}");
        assert!(!passes(&api, &aud), "{aud}: another audience is required");
    }
    for other in [
        json!("other"),
        json!("Client"),
        json!(["client", "https://other"]),
        json!(["client", "client"]),
        json!(["client", 1]),
    ] {
        assert!(!passes(&checks(), &json!({ "aud": other })), "{other}");
    }
    assert!(!passes(&open, &json!({"aud": "client", "client_id": null})), "of no client");

    // Only the token's own mark makes it an access token.
    let unsaid = json!({"token_use": null, "aud": "client"});
    let outcome = |token_use, marked| {
        let checks = Arc::new(for_other(token_use));
        Claims::check(Payload::of(payload(&unsaid)), marked, &[&checks], Duration::from_secs(NOW))
            .is_ok()
    };
    assert!(outcome(TokenUse::Any, true) && outcome(TokenUse::Access, true));
    assert!(!outcome(TokenUse::Any, false), "it may be an ID token");
}

#[test]
fn a_token_that_is_bound_to_a_key_is_refused_unless_the_configuration_accepts_it() {
    let accepting = Checks { bound_tokens: BoundTokens::Accept, ..checks() };
    for cnf in [json!({"jkt": "t"}), json!({"x5t#S256": "t"}), json!({"jwk": {}}), json!({})] {
        let cnf = json!({ "cnf": cnf });
        assert!(!passes(&checks(), &cnf), "{cnf}");
        assert!(passes(&accepting, &cnf), "{cnf}");
    }
    for odd in [json!("t"), json!(false), json!([]), json!(0)] {
        let odd = json!({ "cnf": odd });
        assert!(!passes(&checks(), &odd) && !passes(&accepting, &odd), "{odd}");
    }
    for checks in [checks(), accepting] {
        assert!(check_members(&checks, with_null("cnf")).is_err(), "null is not missing");
    }
}

#[test]
fn machines_that_are_named_may_come_without_an_audience() {
    let api = Checks {
        clients: Some(these(&["client", "machine"])),
        audiences: Some(these(&["https://api"])),
        unbound_clients: names(&["machine"]),
        ..checks()
    };
    assert!(passes(&api, &json!({"client_id": "machine"})));
    assert!(!passes(&api, &json!({"client_id": "client"})));
    assert!(!passes(&api, &json!({"client_id": "machine", "aud": "https://other"})));
    let id_tokens = Checks { clients: None, token_use: TokenUse::Any, ..api };
    assert!(!passes(&id_tokens, &id(&json!({"client_id": "machine", "aud": null}))));
}

#[test]
fn an_audience_alone_suffices_and_judges_id_tokens_too() {
    let alone = Checks {
        clients: None,
        audiences: Some(these(&["https://api"])),
        token_use: TokenUse::Any,
        ..checks()
    };
    assert!(passes(&alone, &json!({"client_id": "whoever", "aud": "https://api"})));
    assert!(!passes(&alone, &json!({})));
    assert!(!passes(&alone, &id(&json!({"aud": "client"}))));
    let both = Checks { clients: Some(these(&["client"])), ..alone };
    assert!(passes(&both, &id(&json!({"aud": "client"}))), "an ID token's aud is its client");
}

// -------------------------------------------------------------------------- what is asked more

#[test]
fn scopes_and_groups_can_be_asked_for() {
    for (asked, fits) in [
        (Checks { any_scope: names(&["x", "orders/write"]), ..checks() }, true),
        (Checks { any_scope: names(&["x", "orders"]), ..checks() }, false),
        (Checks { all_scopes: names(&["orders/write", "orders/read"]), ..checks() }, true),
        (Checks { all_scopes: names(&["orders/write", "x"]), ..checks() }, false),
        (Checks { any_group: names(&["x", "staff"]), ..checks() }, true),
        (Checks { any_group: names(&["Staff"]), ..checks() }, false),
        (Checks { all_groups: names(&["staff", "admins"]), ..checks() }, true),
        (Checks { all_groups: names(&["staff", "x"]), ..checks() }, false),
    ] {
        assert_eq!(passes(&asked, &json!({})), fits, "{asked:?}");
        assert!(!passes(&asked, &json!({"scope": null, "cognito:groups": null})), "{asked:?}");
    }
}

#[test]
fn claims_can_be_asked_for() {
    let asked = Checks {
        required_claims: vec![
            ("email_verified".into(), vec![json!(true)]),
            ("tier".into(), vec![json!("gold"), json!(1)]),
        ],
        ..checks()
    };
    for (verified, tier, fits) in [
        (json!(true), json!("gold"), true),
        (json!(true), json!(1), true),
        (json!(true), json!(["free", "gold"]), true),
        (json!("true"), json!("gold"), false),
        (json!(false), json!("gold"), false),
        (json!(null), json!("gold"), false),
        (json!(true), json!("free"), false),
        (json!(true), json!("1"), false),
        (json!(true), json!([["gold"]]), false),
        (json!(true), json!(["gold", ["x"]]), false),
        (json!(true), json!(["gold", {"not": "gold"}]), false),
        (json!(true), json!(["gold", null]), false),
        (json!(true), json!(["gold", 1]), false),
        (json!(true), json!([1, 2]), true),
        (json!(true), json!({"gold": 1}), false),
        (json!(true), json!(null), false),
    ] {
        let changes = json!({"email_verified": verified, "tier": tier});
        assert_eq!(passes(&asked, &changes), fits, "{changes}");
    }
}

#[test]
fn scopes_and_groups_that_cannot_be_understood_satisfy_nothing() {
    for (claim, value) in [
        ("scope", json!(["orders/read", 1])),
        ("scope", json!([["orders/read"]])),
        ("scope", json!(1)),
        ("scope", json!("orders/read,orders/write")),
        ("cognito:groups", json!("admins;staff")),
        ("cognito:groups", json!("[\"admins\"]")),
        ("cognito:groups", json!(["admins", 1])),
        ("cognito:groups", json!({})),
        ("_claim_names", json!({"scope": "s", "cognito:groups": "s"})),
    ] {
        let changes = json!({ claim: value });
        let claims = check(&changes).unwrap();
        let unclear = [claims.scopes().is_none(), claims.groups().is_none()];
        let expected = [claim != "cognito:groups", claim != "scope"];
        assert_eq!(unclear, expected, "{changes}");
        let told: Vec<&str> = claims.context().map(|(name, _)| name).collect();
        assert_eq!(told.contains(&"scope"), !expected[0], "{changes}: {told:?}");
        assert_eq!(told.contains(&"groups"), !expected[1], "{changes}: {told:?}");
        let asked = if expected[0] {
            Checks { any_scope: names(&["orders/read"]), ..checks() }
        } else {
            Checks { all_groups: names(&["admins"]), ..checks() }
        };
        assert!(!passes(&asked, &changes), "{changes}");
    }
    let none = check(&json!({"cognito:groups": [], "scope": ""})).unwrap();
    assert_eq!((none.scopes(), none.groups()), (Some(vec![]), Some(vec![])));
    for claim in ["cognito:groups", "scope"] {
        assert!(check_members(&checks(), with_null(claim)).is_ok(), "{claim}");
    }
    let listed = check(&json!({"scope": ["a", "b"], "cognito:groups": "admins"})).unwrap();
    assert_eq!((listed.scopes(), listed.groups()), (Some(vec!["a", "b"]), Some(vec!["admins"])));
}

#[test]
fn rules_deny_a_caller_whose_groups_or_scopes_cannot_be_understood() {
    let rules = |requirement: &str| {
        let specs = [
            "name = \"open\"\nallow = [\"GET /x\"]\neveryone = true".to_owned(),
            format!("name = \"closed\"\ndeny = [\"GET /x\"]\n{requirement}"),
        ];
        policy::Rules::compile(specs.iter().map(|spec| toml::from_str(spec).unwrap()).collect())
    };
    let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
    let arn = policy::MethodArn::parse(arn).unwrap();
    let entra = Checks { groups_claim: "groups".into(), ..checks() };
    let is_allowed = |requirement: &str, changes: &Value| {
        let claims = check_with(&entra, changes).unwrap();
        rules(requirement).unwrap().evaluate(&claims.caller(), &arn).verdict.is_authorized()
    };
    let (groups, scopes) = ("any_group = [\"banned\"]", "any_scope = [\"banned\"]");
    for changes in [json!({}), json!({"groups": "staff"}), json!({"groups": ["a,b"]})] {
        assert!(is_allowed(groups, &changes) && is_allowed(scopes, &changes), "{changes}");
    }
    for changes in [
        json!({"groups": "banned"}),
        json!({"groups": "staff,banned"}),
        json!({"groups": "[\"banned\"]"}),
        json!({"groups": {"banned": true}}),
        json!({"hasgroups": true}),
        json!({"groups:src1": {"endpoint": "https://graph.example/me/getMemberObjects"}}),
        json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}),
    ] {
        assert!(!is_allowed(groups, &changes), "{changes}");
        assert!(is_allowed(scopes, &changes), "{changes}");
    }
    assert!(!is_allowed(scopes, &json!({"scope": "a,banned"})));
    assert!(!is_allowed(scopes, &json!({"scope": {"banned": true}})));
}

#[test]
fn scopes_groups_and_the_client_are_read_where_the_issuer_keeps_them() {
    let asked = Checks {
        scopes_claim: "scp".into(),
        groups_claim: "roles".into(),
        client_claim: "azp".into(),
        all_scopes: names(&["a", "b"]),
        any_group: names(&["g"]),
        ..checks()
    };
    let good = json!({"client_id": null, "azp": "client", "scp": ["a", "b"], "roles": ["g"]});
    let claims = check_with(&asked, &good).unwrap();
    assert_eq!(claims.client(), Some("client"));
    assert_eq!((claims.scopes(), claims.groups()), (Some(vec!["a", "b"]), Some(vec!["g"])));
    let caller = format!("{:?}", claims.caller());
    assert!(caller.contains("has_issuer: true, clients: 1, scopes: 2, groups: 1"), "{caller}");
    for changes in [
        // The claims of other issuers mean nothing here.
        json!({"azp": null, "client_id": "client"}),
        json!({"scp": null, "scope": "a b"}),
        json!({"roles": null, "cognito:groups": ["g"]}),
        json!({"azp": "another"}),
        json!({"azp": ["client"]}),
        json!({"scp": {"a": true}}),
        json!({"roles": "g,h"}),
    ] {
        let mut members = good.as_object().unwrap().clone();
        members.extend(changes.as_object().unwrap().clone());
        assert!(check_with(&asked, &Value::Object(members)).is_err(), "{changes}");
    }
}

#[test]
fn refuses_names_that_can_t_be_used() {
    for claim in ["sub", "jti", "origin_jti"] {
        assert!(check(&json!({ claim: "s".repeat(MAX_NAME) })).is_ok());
        for name in [
            json!(""),
            json!(1),
            json!(["user"]),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("s".repeat(MAX_NAME + 1)),
        ] {
            assert!(check(&json!({ claim: name })).is_err(), "{claim} {name}");
        }
        let is_needed = claim == "sub";
        assert_eq!(check(&json!({ claim: null })).is_err(), is_needed, "{claim}");
        assert_eq!(check_members(&checks(), with_null(claim)).is_err(), is_needed, "{claim}");
    }
}

#[test]
fn a_subject_that_nothing_uses_may_be_missing_or_long() {
    let by_client = Checks { principal: FirstOf::one("client_id"), ..checks() };
    let unused = Checks { needs_sub: false, ..by_client.clone() };
    let missing = json!({"sub": null});
    let claims = check_with(&unused, &missing).unwrap();
    assert_eq!((claims.subject(), claims.principal()), (None, "client"));
    assert!(check_members(&unused, with_null("sub")).is_ok());
    assert!(!passes(&by_client, &missing), "a revocation, a limit or a path uses it");
    assert!(!passes(&Checks { needs_sub: false, ..checks() }, &missing), "the principal is `sub`");

    let long = json!({"sub": "s".repeat(2_000)});
    assert!(passes(&unused, &long) && passes(&by_client, &long));
    assert!(!passes(&checks(), &long), "the principal is bounded");
    for odd in [json!(""), json!(1), json!(["user"]), json!("a\u{0}b")] {
        assert!(!passes(&unused, &json!({ "sub": odd })), "{odd}");
    }
}

#[test]
fn the_principal_is_the_claim_that_was_chosen() {
    let by_name = Checks { principal: FirstOf::one("username"), ..checks() };
    let claims = check_with(&by_name, &json!({})).unwrap();
    assert_eq!((claims.principal(), claims.subject()), ("alice", Some("user")));
    assert!(!passes(&by_name, &json!({"username": null})));
    assert!(!passes(&by_name, &json!({"username": ["alice"]})));
    assert!(!passes(&by_name, &json!({"username": "a".repeat(MAX_NAME + 1)})));
}

// ------------------------------------------------------------------------------------ context

fn context(checks: &Checks, changes: &Value) -> Vec<(String, Value)> {
    let claims = check_with(checks, changes).unwrap();
    claims.context().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn the_backend_is_told_who_calls() {
    let pair = |name: &str, value: &str| (name.to_owned(), json!(value));
    assert_eq!(
        context(&checks(), &json!({})),
        [
            pair("sub", "user"),
            pair("clientId", "client"),
            pair("scope", "orders/read orders/write"),
            pair("groups", "admins staff"),
        ]
    );
    assert_eq!(
        context(&for_id(), &id(&json!({"cognito:groups": null}))),
        [pair("sub", "user"), pair("clientId", "client")]
    );
}

#[test]
fn the_context_holds_texts_numbers_and_booleans_alone() {
    let told = Checks { context: vec![passed("x", "x", false)], ..checks() };
    for (claim, value) in [
        (json!("a b"), Some(json!("a b"))),
        (json!(1), Some(json!(1))),
        (json!(0.5), Some(json!(0.5))),
        (json!(false), Some(json!(false))),
        (json!(["a,b", "c"]), Some(json!("a,b c"))),
        (json!(["a b", "c"]), None),
        (json!(["a", ""]), None),
        (json!(["a", 1]), None),
        (json!([]), None),
        (json!(""), None),
        (json!({}), None),
        (json!("x".repeat(MAX_CONTEXT)), Some(json!("x".repeat(MAX_CONTEXT)))),
        (json!("x".repeat(MAX_CONTEXT + 1)), None),
    ] {
        let found = context(&told, &json!({ "x": claim }));
        assert_eq!(found.into_iter().map(|(_, value)| value).next(), value, "{claim}");
    }
    assert_eq!(check_members(&told, with_null("x")).unwrap().context().count(), 0, "null");
}

#[test]
fn the_backend_receives_whole_names_alone() {
    let told = |changes: Value| {
        let claims = check(&changes).unwrap();
        claims.context().find(|(name, _)| *name == "groups").map(|(_, value)| value)
    };
    assert_eq!(told(json!({"cognito:groups": "admins"})), Some(json!("admins")));
    // One group, which a backend would read as two.
    assert_eq!(told(json!({"cognito:groups": "user admins"})), None);
    assert_eq!(told(json!({"cognito:groups": ["user admins"]})), None);
}

// ------------------------------------------------------------------------- first of several claims

/// Checks whose principal is the first of these.
fn first_of(claims: &str) -> Checks {
    #[derive(serde::Deserialize)]
    struct File {
        principal: FirstOf,
    }
    let File { principal } = toml::from_str(&format!("principal = {claims}")).unwrap();
    Checks { principal, ..checks() }
}

#[test]
fn the_first_claim_that_is_present_is_the_principal() {
    let checks = first_of("[\"email\", \"username\", \"sub\"]");
    let principal = |changes: &Value| check_with(&checks, changes).unwrap().principal().to_owned();
    assert_eq!(principal(&json!({"email": "a@example.com"})), "a@example.com");
    assert_eq!(principal(&json!({})), "alice");
    assert_eq!(principal(&json!({"username": null})), "user");
    let null = check_members(&checks, with_null("email")).unwrap();
    assert_eq!(null.principal(), "alice", "null counts as absent");
}

#[test]
fn a_first_claim_that_is_not_usable_is_not_passed_over() {
    let checks = first_of("[\"email\", \"sub\"]");
    for email in
        [json!(""), json!(1), json!(["a"]), json!({}), json!("a\nb"), json!("x".repeat(257))]
    {
        assert!(!passes(&checks, &json!({"email": email})), "{email}");
    }
    assert!(!passes(&checks, &json!({"_claim_names": {"email": "src1"}})), "kept elsewhere");
    assert!(passes(&checks, &json!({"_claim_names": {"other": "src1"}})));
    let neither = first_of("[\"email\", \"upn\"]");
    assert!(!passes(&neither, &json!({})));
}

#[test]
fn a_list_is_passed_on_as_json_where_that_is_asked_for() {
    let checks = Checks {
        context: vec![
            passed("groups", "cognito:groups", true),
            passed("scope", "scope", true),
            passed("x", "x", true),
        ],
        ..checks()
    };
    let told = |changes: &Value| {
        let told = context(&checks, changes);
        told.into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let groups = |value: Value| told(&json!({"cognito:groups": value})).get("groups").cloned();
    assert_eq!(
        groups(json!(["IT Admins", "Everyone"])).as_deref(),
        Some(r#"["IT Admins","Everyone"]"#)
    );
    assert_eq!(groups(json!("IT Admins")).as_deref(), Some(r#"["IT Admins"]"#));
    assert_eq!(groups(json!([])), None);
    assert_eq!(groups(json!(["a", 1])), None, "not understood");
    assert_eq!(told(&json!({}))["scope"], r#"["orders/read","orders/write"]"#);
    let x = |value: Value| told(&json!({"x": value})).get("x").cloned();
    assert_eq!(x(json!([1, true, "a"])).as_deref(), Some(r#"[1,true,"a"]"#));
    assert_eq!(x(json!(7)).as_deref(), Some("[7]"));
    for left_out in [json!({"a": 1}), json!([["a"]]), json!([{}]), json!(["x".repeat(5_000)])] {
        assert_eq!(x(left_out.clone()), None, "{left_out}");
    }
}

// ---------------------------------------------------------------------------------------- tenants

#[test]
fn each_tenant_has_limits_and_revocations_of_its_own() {
    let tid = "11111111-2222-3333-4444-555555555555";
    let many = Checks { has_tenants: true, ..checks() };
    let claims = check_with(&many, &json!({ "tid": tid })).unwrap();
    assert_eq!(claims.issuer(), format!("us-east-1_abc/{tid}"));
    assert_eq!(claims.qualified("user"), format!("us-east-1_abc/{tid}#user"));
    let one = check_with(&checks(), &json!({ "tid": tid })).unwrap();
    assert_eq!(one.qualified("user"), "us-east-1_abc#user", "an issuer of one tenant");
}
