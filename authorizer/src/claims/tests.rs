//! Payloads as issuers make them, with some members changed.

use serde_json::json;

use super::*;
use crate::algorithm::Algorithm;
use crate::config::{Accepted, TokenUse};
use crate::refusal::Code;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";

/// What is asked of a pool's access tokens.
pub(crate) fn checks() -> Checks {
    let pair = |name: &str, claim: &str| (name.to_owned(), claim.to_owned());
    Checks {
        issuer: "us-east-1_abc".into(),
        cognito: true,
        algorithms: vec![Algorithm::Rs256],
        token_use: TokenUse::Access,
        clients: Some(these(&["client"])),
        audiences: None,
        unbound_clients: Vec::new(),
        any_scope: Vec::new(),
        all_scopes: Vec::new(),
        any_group: Vec::new(),
        all_groups: Vec::new(),
        required_claims: Vec::new(),
        leeway: 0,
        max_lifetime: None,
        max_age: None,
        principal: "sub".into(),
        context: vec![
            pair("sub", "sub"),
            pair("clientId", "client_id"),
            pair("scope", "scope"),
            pair("groups", "cognito:groups"),
        ],
    }
}

fn these(names: &[&str]) -> Accepted {
    Accepted::These(names.iter().map(|name| (*name).to_owned()).collect())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What is asked of a pool's ID tokens.
fn for_id() -> Checks {
    Checks { token_use: TokenUse::Id, ..checks() }
}

/// What is asked of the tokens of an issuer that is not Cognito.
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
    Claims::check(payload(changes), false, ISSUER, &Arc::new(checks.clone()), NOW)
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
    assert_eq!((claims.subject(), claims.principal()), ("user", "user"));
    assert_eq!(claims.client(), Some("client"));
    assert_eq!(claims.scopes(), ["orders/read", "orders/write"]);
    assert_eq!(claims.groups(), ["admins", "staff"]);
    assert_eq!((claims.expires_at(), claims.issued_at()), (NOW + 60, Some(NOW - 10)));
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
    assert_eq!((claims.groups().len(), claims.origin_jti()), (0, None));
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
    assert!(passes(json!({"nbf": NOW + 5, "iat": NOW + 5, "auth_time": NOW + 5})));
    for name in ["nbf", "iat", "auth_time"] {
        assert!(!passes(json!({ name: NOW + 6 })), "{name}");
    }
    assert!(passes(json!({"auth_time": NOW - 25})));
    assert!(!passes(json!({"auth_time": NOW - 26})));
}

#[test]
fn refuses_times_of_any_form_but_whole_seconds() {
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in [
            json!("1800000060"),
            json!(true),
            json!([NOW + 60]),
            json!({}),
            json!(-1),
            json!(1e19),
            json!(1e300),
            json!(1_800_000_060.5),
            json!(1_800_000_000.0),
            json!(253_402_300_800_u64),
            json!(u64::MAX),
        ] {
            assert!(check(&json!({ name: value })).is_err(), "{name} {value}");
        }
        let mut members = payload(&json!({}));
        members.insert(name.into(), Value::Null);
        let outcome = Claims::check(members, false, ISSUER, &Arc::new(checks()), NOW);
        assert_eq!(outcome.err().map(Refusal::code), Some(Code::Claim), "{name} null");
    }
    assert!(check(&json!({"exp": 253_402_300_799_u64})).is_ok());
    assert!(check(&json!({"exp": null})).is_err(), "missing");
    assert!(check(&json!({"iat": null, "auth_time": null})).is_ok(), "these may be missing");
}

#[test]
fn refuses_what_is_not_valid_yet_or_issued_in_the_future() {
    assert!(check(&json!({"nbf": NOW, "iat": NOW, "auth_time": NOW})).is_ok());
    for name in ["nbf", "iat", "auth_time"] {
        assert!(check(&json!({ name: NOW + 1 })).is_err(), "{name}");
    }
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
fn takes_an_issuer_by_its_exact_text_alone() {
    for issuer in [
        json!(format!("{ISSUER}/")),
        json!(ISSUER.to_uppercase()),
        json!([ISSUER]),
        json!(format!("{ISSUER}x")),
        json!("https://evil.example/us-east-1_abc"),
        json!(1),
        json!(ISSUER.replace("https://", "https://evil@")),
    ] {
        assert!(check(&json!({ "iss": issuer })).is_err(), "{issuer}");
    }
    assert!(check(&json!({"iss": null})).is_err());
}

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
        Claims::check(payload(changes), marked, ISSUER, &access, NOW).is_ok()
    };
    assert!(check(&json!({"token_use": null}), true));
    assert!(!check(&json!({"token_use": null}), false), "it may be an ID token");
    assert!(!check(&json!({"token_use": "id"}), true));
    assert!(check(&json!({}), false), "or where it says so, as an emulator of Cognito does");

    let any = Arc::new(for_other(TokenUse::Any));
    let both = payload(&id(&json!({})));
    assert!(Claims::check(both.clone(), false, ISSUER, &any, NOW).is_ok());
    assert!(Claims::check(both, true, ISSUER, &any, NOW).is_err(), "one thing or the other");

    let id = Arc::new(for_other(TokenUse::Id));
    let aud = json!({"token_use": null, "client_id": null, "aud": "client"});
    let check = |marked| Claims::check(payload(&aud), marked, ISSUER, &id, NOW).is_ok();
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
    assert!(!passes(&for_id(), &id(&json!({"aud": []}))));
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
        let outcome = Claims::check(members, false, ISSUER, &Arc::new(bound.clone()), NOW);
        assert!(outcome.is_err(), "{wrong}");
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
        json!([]),
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
        (json!(true), json!({"gold": 1}), false),
        (json!(true), json!(null), false),
    ] {
        let changes = json!({"email_verified": verified, "tier": tier});
        assert_eq!(passes(&asked, &changes), fits, "{changes}");
    }
}

#[test]
fn scopes_and_groups_of_odd_types_are_refused() {
    for changes in [
        json!({"scope": ["orders/read"]}),
        json!({"scope": 1}),
        json!({"cognito:groups": "admins"}),
        json!({"cognito:groups": ["admins", 1]}),
        json!({"cognito:groups": {}}),
    ] {
        assert!(check(&changes).is_err(), "{changes}");
    }
    assert!(check(&json!({"cognito:groups": [], "scope": ""})).is_ok());
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
    }
    assert!(check(&json!({"sub": null})).is_err());
    assert!(check(&json!({"jti": null, "origin_jti": null})).is_ok());
}

#[test]
fn the_principal_is_the_claim_that_was_chosen() {
    let by_name = Checks { principal: "username".into(), ..checks() };
    let claims = check_with(&by_name, &json!({})).unwrap();
    assert_eq!((claims.principal(), claims.subject()), ("alice", "user"));
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
    let told = Checks { context: vec![("x".into(), "x".into())], ..checks() };
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
    let mut members = payload(&json!({}));
    members.insert("x".into(), Value::Null);
    let claims = Claims::check(members, false, ISSUER, &Arc::new(told), NOW).unwrap();
    assert_eq!(claims.context().count(), 0, "null");
}
