//! Configurations as they are written, and their mistakes.

use std::time::Duration;

use super::*;

const GOOD: &str = r#"[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["client1"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders", "GET /orders/*"]
any_scope = ["orders/read"]

[throttle]
table = "tollgate"
subject = "client_id"
plan = { claim = "custom:plan", default = "free" }
refuse = "unknown-key"
failure = "closed"
api_key = "a-key-of-twenty-chars"
"#;

fn error(text: &str) -> String {
    Config::parse(text, "tollgate.toml").unwrap_err().to_string()
}

#[test]
fn reads_the_shape_of_the_documentation() {
    let config = Config::parse(GOOD, "tollgate.toml").unwrap();
    let names: Vec<_> = config.issuers[0].identities.iter().map(|i| i.iss.as_str()).collect();
    assert_eq!(
        names,
        [
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
            "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
        ]
    );
    let throttle = config.throttle.unwrap();
    assert_eq!(
        (throttle.refuse, throttle.failure),
        (Refuse::UnknownKey, ::throttle::FailurePolicy::Closed)
    );
    assert_eq!(throttle.timeout(), Duration::from_millis(500), "unless it is said");
    assert!(!format!("{throttle:?}").contains("a-key-of-twenty-chars"));
}

#[test]
fn a_subject_is_needed_where_something_uses_it() {
    let needs = |text: &str| {
        Config::parse(text, "t").unwrap().issuers.iter().all(|issuer| issuer.checks.needs_sub)
    };
    assert!(!needs(GOOD), "only the principal");
    assert!(needs(&GOOD.replace("\"client_id\"", "\"sub\"")), "a limit");
    assert!(!needs(&GOOD.replace("\"client_id\"", "\"username\"")));
    assert!(needs(&format!("{GOOD}[revocation]\ntable = \"tab\"\n")), "a revocation");
    assert!(needs(&GOOD.replace("\"GET /orders/*\"", "\"GET /orders/{sub}\"")), "a path");
    assert!(!needs(&GOOD.replace("\"GET /orders/*\"", "\"GET /orders/{username}\"")));
    let deny = GOOD.replace("any_scope", "deny = [\"GET /users/{sub}/*\"]\nany_scope");
    assert!(needs(&deny), "a deny too");
}

/// A service needs no `sub`, unless it reads one.
#[test]
fn issuers_alone_have_the_settings_of_the_other_tables() {
    let text = format!("{GOOD}[jwks]\nproxy = true\n[claim_paths]\ntenant = [\"org\", \"id\"]\n");
    for text in [text.clone(), text.replace("\"client_id\"", "\"sub\"")] {
        let issuers = Config::parse_issuers(&text, "t").unwrap();
        let issuer = &issuers[0];
        assert!(issuer.identities.iter().all(|identity| identity.proxy));
        assert!(!issuer.checks.needs_sub);
        assert_eq!(issuer.checks.claim_paths.len(), 1);
    }
}

#[test]
fn refuses_an_issuer_that_stands_twice() {
    let twice = format!(
        "{GOOD}\n[[issuer]]\nurl = \"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123\"\n\
         clients = \"any\"\ntoken_use = \"any\"\n"
    );
    let text = error(&twice);
    assert!(
        text.starts_with("tollgate.toml:19: ") && text.contains("duplicate issuer `"),
        "{text}"
    );
}

#[test]
fn refuses_a_name_that_two_issuers_share() {
    let other = "[[issuer]]\nurl = \"https://i.example\"\nclients = \"any\"\n\
                 token_use = \"any\"\n";
    assert!(Config::parse(&format!("{GOOD}\n{other}"), "x").is_ok());
    let text = error(&format!("{GOOD}\n{other}name = \"us-east-1_abcDEF123\"\n"));
    assert!(text.starts_with("tollgate.toml:23: ") && text.contains("share limits"), "{text}");
}

#[test]
fn rules_name_issuers_by_name_or_url() {
    let other = "[[issuer]]\nname = \"partner\"\nurl = \"https://i.example\"\n\
                 clients = \"any\"\ntoken_use = \"any\"\n";
    let with = |issuers: &str| {
        format!("{GOOD}\n{other}").replace(
            "any_scope = [\"orders/read\"]\n",
            &format!("any_scope = [\"orders/read\"]\n{issuers}\n"),
        )
    };
    let any_issuer = |text: &str| {
        let findings = Config::parse(text, "x").unwrap().lint();
        findings.iter().any(|finding| finding.code == Code::AnyIssuer)
    };
    assert!(any_issuer(&with("")) && !any_issuer(GOOD));
    for (written, is_pool, is_partner) in [
        ("\"us-east-1_abcDEF123\"", true, false),
        ("\"https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123\"", true, false),
        ("\"partner\"", false, true),
        ("\"https://i.example\", \"us-east-1_abcDEF123\"", true, true),
    ] {
        let text = with(&format!("issuers = [{written}]"));
        assert!(!any_issuer(&text), "{written}");
        let rules = Config::parse(&text, "x").unwrap().rules;
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders";
        let arn = ::policy::MethodArn::parse(arn).unwrap();
        for (issuer, expected) in [("us-east-1_abcDEF123", is_pool), ("partner", is_partner)] {
            let claims = serde_json::Map::new();
            let caller = ::policy::Caller::new(&claims);
            let caller = caller.with_scopes(["orders/read"]).with_issuer(Some(issuer));
            assert_eq!(
                rules.evaluate(&caller, &arn).verdict.is_authorized(),
                expected,
                "{written}"
            );
        }
    }
    let text = error(&with("issuers = [\"https://i.example/\"]"));
    assert!(text.starts_with("tollgate.toml:10: `https://i.example/` in `issuers`"), "{text}");
    assert!(text.contains("write `us-east-1_abcDEF123`, `partner`, or its URL"), "{text}");
}

#[test]
fn the_rest_is_denied_where_the_file_says_so() {
    let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders";
    let arn = ::policy::MethodArn::parse(arn).unwrap();
    let claims = serde_json::Map::new();
    let caller = ::policy::Caller::new(&claims).with_scopes(["orders/read"]);
    for (said, is_denied) in [("", false), ("deny_rest = false", false), ("deny_rest = true", true)]
    {
        let config = Config::parse(&format!("{GOOD}[policy]\n{said}\n"), "x").unwrap();
        let document = config.rules.evaluate(&caller, &arn).document.unwrap().to_json();
        assert_eq!(document.contains("NotResource"), is_denied, "{said}");
    }
    let dated = GOOD.replace("any_scope =", "until_exp = true\nany_scope =");
    let text = error(&format!("{dated}[policy]\ndeny_rest = true\n"));
    assert!(text.starts_with("tollgate.toml:9: rule `readers` has `until_exp`"), "{text}");
}

#[test]
fn refuses_conditions_that_a_simple_answer_would_lose() {
    for field in ["until_exp = true", "source_ips = [\"10.0.0.0/8\"]"] {
        let rule = format!(
            "\n[[rule]]\nname = \"office\"\nallow = [\"GET /x\"]\neveryone = true\n{field}\n"
        );
        let (name, _) = field.split_once(" = ").unwrap();
        assert!(Config::parse(&format!("{GOOD}{rule}"), "x").is_ok(), "{field}");
        let text = error(&format!("{GOOD}{rule}[response]\nhttp = \"simple\"\n"));
        assert!(text.starts_with("tollgate.toml:23: rule `office` has"), "{text}");
        assert!(text.contains(&format!("or remove `{name}`")), "{text}");
    }
    assert!(Config::parse(&format!("{GOOD}[response]\nhttp = \"simple\"\n"), "x").is_ok());
}

#[test]
fn refuses_a_file_without_issuers_or_rules() {
    assert!(error("rule = []\nissuer = []").contains("no issuer"));
    assert!(error("rule = []").contains("no issuer: add an [[issuer]] table"));
    assert!(error("").contains("no issuer: add an [[issuer]] table"));
    let no_rules = GOOD.split("[[rule]]").next().unwrap();
    assert!(error(no_rules).contains("no rule, so no caller may call anything: add"));
    assert!(error(&format!("rule = []\n{no_rules}")).contains("no caller may call"));
}

#[test]
fn a_pool_and_its_clients_alone_suffice() {
    let config = Config::from_pool("eu-west-1_Ab9", "one, two,one").unwrap();
    let Some(Accepted::These(clients)) = &config.issuers[0].checks.clients else { panic!("any") };
    assert_eq!(clients, &["one", "two"]);
    assert_eq!(config.issuers[0].checks.token_use, TokenUse::Access);
    for (pool, clients) in [
        ("eu-west-1_Ab9", ""),
        ("eu-west-1_Ab9", " , "),
        ("nonsense", "one"),
        ("eu-west-1_A\"\nx = 1", "one"),
    ] {
        let text = Config::from_pool(pool, clients).unwrap_err().to_string();
        assert!(text.starts_with("USER_POOL_ID and CLIENT_IDS"), "{text}");
    }
}

#[test]
fn tells_a_path_from_a_text() {
    assert!(Config::from_source(GOOD).is_ok());
    assert!(Config::from_source("").unwrap_err().to_string().contains("is empty"));
    let missing = Config::from_source("/nowhere/tollgate.toml").unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/tollgate.toml: cannot be read"), "{missing}");
}

#[test]
fn names_the_second_of_two_rules_with_one_name() {
    let twice =
        format!("{GOOD}\n[[rule]]\nname = \"readers\"\nallow = [\"GET /x\"]\neveryone = true\n");
    let text = error(&twice);
    assert!(text.starts_with("tollgate.toml:20: "), "{text}");
}

#[test]
fn bounds_what_it_reads() {
    let endless = Config::from_source("/dev/zero").unwrap_err().to_string();
    assert!(endless.contains("longer than"), "{endless}");
    let text = format!("{GOOD}{}", "#".repeat(MAX_CONFIG));
    assert!(error(&text).contains("longer than"));
}

/// The credentials that a configuration asks for.
mod callers {
    use super::super::*;

    const ISSUER: &str = "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = \"any\"\n\
                          token_use = \"access\"\n";
    const RULE: &str = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";
    const KEYS: &str = "[keys]\ntable = \"tab\"\n";
    const LIMITS: &str =
        "[throttle]\ntable = \"tab\"\nrefuse = \"deny\"\nplan = { default = \"f\" }\n";

    fn read(parts: &[&str]) -> Result<CallersConfig, String> {
        let config = Config::parse(&parts.concat(), "test");
        config.map(|config| config.callers).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_follows_from_what_is_configured() {
        let by = |subject: &str| format!("{LIMITS}subject = \"{subject}\"\n");
        let (by_key, by_sub) = (by("api_key"), by("sub"));
        for (parts, require) in [
            (vec![ISSUER, RULE], Require::Token),
            (vec![ISSUER, RULE, KEYS], Require::Token),
            (vec![RULE, KEYS], Require::Key),
            (vec![RULE, KEYS, &by_key], Require::Key),
            (vec![ISSUER, RULE, &by_key], Require::Both),
            (vec![ISSUER, RULE, KEYS, &by_sub], Require::Token),
        ] {
            assert_eq!(read(&parts).unwrap().require, require, "{parts:?}");
        }
        let implied = Config::parse(&[ISSUER, RULE, &by_key].concat(), "test").unwrap();
        assert_eq!(implied.keys.unwrap().table, "tab");
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line_and_fix() {
        let by = |subject: &str| format!("{LIMITS}subject = \"{subject}\"\n");
        let (by_key, by_sub) = (by("api_key"), by("sub"));
        let callers = |text: &str| format!("[callers]\n{text}\n");
        let (token, key, either) = (
            callers("require = \"token\""),
            callers("require = \"key\""),
            callers("require = \"either\""),
        );
        let prefers = callers("prefer = \"token\"");
        let elsewhere = KEYS.replace("\"tab\"", "\"other\"");
        for (parts, line, says) in [
            (vec![RULE], None, "no issuer: add an [[issuer]] table, or [keys]"),
            (vec![RULE, KEYS, &token], Some(8), "there is no [[issuer]]: add one"),
            (vec![RULE, KEYS, &either], Some(8), "there is no [[issuer]]: add one"),
            (vec![ISSUER, RULE, &either], Some(10), "there is no [keys]: add it"),
            (vec![ISSUER, RULE, &by_key, &either], Some(15), "needs a key from every caller"),
            (vec![ISSUER, RULE, KEYS, &by_sub, &key], Some(17), "callers have only keys"),
            (vec![ISSUER, RULE, KEYS, &prefers], Some(12), "with `require = \"either\"` only"),
            (vec![ISSUER, RULE, &elsewhere, &by_sub], Some(10), "must be the one in [throttle]"),
        ] {
            let error = read(&parts).unwrap_err();
            assert!(error.contains(says), "{parts:?}: {error}");
            if let Some(line) = line {
                assert!(error.starts_with(&format!("test:{line}: ")), "{line}: {error}");
            }
        }
        let error = read(&[RULE, "[keys]\ntable = \"tab\"\ncache_seconds = 3601\n"]).unwrap_err();
        assert!(error.starts_with("test:7: `cache_seconds` must be at most 3600"), "{error}");
    }

    #[test]
    fn a_token_and_a_key_are_not_in_one_header() {
        let header = "[token]\nheader = \"X-Api-Key\"\nscheme = \"none\"\n";
        for (require, is_refused) in
            [("token", false), ("key", false), ("either", true), ("both", true)]
        {
            let callers = format!("[callers]\nrequire = \"{require}\"\n");
            let found = read(&[ISSUER, RULE, KEYS, &callers, header]);
            assert_eq!(found.is_err(), is_refused, "{require}: {found:?}");
            if let Err(error) = found {
                assert!(error.starts_with("test:14: `header` is where API Gateway"), "{error}");
            }
        }
    }

    #[test]
    fn keys_that_no_caller_may_use_are_reported() {
        let config = Config::parse(&[ISSUER, RULE, KEYS].concat(), "test").unwrap();
        let found = config.lint().iter().any(|finding| finding.code == Code::UnusedKeys);
        assert!(found);
        let config = Config::parse(&[RULE, KEYS].concat(), "test").unwrap();
        assert!(config.lint().is_empty(), "{:?}", config.lint());
    }
}
