//! Wrong settings for other providers' tokens: the line, the mistake and the fix.

use super::*;

const RULE: &str = "[[rule]]\nname = \"r\"\nallow = [\"GET /*\"]\neveryone = true\n";

/// The error of a configuration whose issuer begins with these lines.
fn error(issuer: &str) -> String {
    let text = format!("[[issuer]]\nclients = \"any\"\ntoken_use = \"any\"\n{issuer}\n{RULE}");
    Config::parse(&text, "t").unwrap_err().to_string()
}

/// The error of a configuration with these lines before its issuer.
fn before(lines: &str) -> String {
    let issuer = "[[issuer]]\nurl = \"https://id.example\"\nclients = \"any\"\ntoken_use = \"any\"";
    Config::parse(&format!("{lines}\n{issuer}\n{RULE}"), "t").unwrap_err().to_string()
}

#[test]
fn an_issuer_of_many_tenants_has_fixed_keys_and_tenants() {
    let many = "url = \"https://id.example/{tid}/v2\"\n";
    let keys = "jwks_uri = \"https://id.example/keys\"\n";
    for (lines, says) in [
        (format!("{many}{keys}"), "t:4: `url` has `{tid}`: list `tenants`"),
        (format!("{many}tenants = \"any\""), "t:4: an issuer with `{tid}` needs `jwks_uri`"),
        (
            format!("{many}tenants = \"any\"\njwks_uri = \"https://id.example/{{tid}}/keys\""),
            "t:6: `jwks_uri` has no placeholder",
        ),
        (format!("{many}{keys}tenants = \"all\""), "must be a list of texts, or \"any\""),
        (format!("{many}{keys}tenants = []"), "an empty list of `tenants` accepts no token"),
        (
            format!("{many}{keys}tenants = [\"11111111-2222-3333-4444-55555555ABCD\"]"),
            "t:6: `11111111-2222-3333-4444-55555555ABCD` in `tenants` is not a tenant's id",
        ),
        (format!("{many}{keys}tenants = [\"common\"]"), "write a UUID in lower case"),
        (
            format!("url = \"https://id.example\"\n{keys}tenants = \"any\""),
            "t:6: `tenants` goes with one `{tid}` in `url`",
        ),
        (
            format!("url = \"https://{{tid}}.example/{{tid}}\"\n{keys}tenants = \"any\""),
            "`tenants` goes with one `{tid}` in `url`",
        ),
        (
            format!("url = \"https://id.example/{{tenantid}}\"\n{keys}"),
            "t:4: the only placeholder in `url` is `{tid}`",
        ),
        (
            format!("url = \"http://id.example/{{tid}}/?x\"\n{keys}tenants = \"any\""),
            "is not an issuer",
        ),
    ] {
        let error = error(&lines);
        assert!(error.contains(says), "{lines}: {error}");
    }
}

#[test]
fn an_issuer_whose_name_is_not_a_url_states_its_keys() {
    for (lines, says) in [
        ("iss = \"x\"", "t:4: `iss` does not say where the keys are: add `jwks_uri`"),
        ("iss = \"\"\njwks_uri = \"https://id.example/k\"", "t:4: `iss` must be the text"),
        ("iss = \"a\\nb\"\njwks_uri = \"https://id.example/k\"", "t:4: `iss` must be the text"),
        ("iss = \"x\"\nurl = \"https://id.example\"", "one of `user_pool`, `url` and `iss`"),
        ("iss = \"x\"\ntenants = \"any\"", "`tenants` does not go with `iss`"),
        ("", "neither `user_pool` nor `url` nor `iss`"),
        ("url = \"svc@proj.example\"", "is not a URL"),
    ] {
        let error = error(lines);
        assert!(error.contains(says), "{lines}: {error}");
    }
    let text = format!(
        "[[issuer]]\niss = \"svc@proj.example\"\njwks_uri = \"https://id.example/k\"\n\
         clients = \"any\"\ntoken_use = \"any\"\n{RULE}"
    );
    let config = Config::parse(&text, "t").unwrap();
    assert_eq!(config.issuers[0].checks.issuer, "svc@proj.example");
}

#[test]
fn two_tables_of_one_issuer_are_apart_and_have_the_same_keys() {
    let table = |name: &str, more: &str| {
        format!("[[issuer]]\nname = \"{name}\"\nurl = \"https://id.example\"\n{more}\n")
    };
    let read = |one: &str, two: &str| {
        Config::parse(&format!("{}{}{RULE}", table("a", one), table("b", two)), "t")
    };
    let of = |audience: &str| format!("audiences = [\"{audience}\"]\ntoken_use = \"any\"");
    assert!(read(&of("x"), &of("y")).is_ok());
    let kind = |kind: &str| format!("clients = \"any\"\ntoken_use = \"{kind}\"");
    assert!(read(&kind("access"), &kind("id")).is_ok());
    for (one, two) in [
        (of("x"), of("x")),
        (kind("access"), kind("access")),
        (kind("access"), kind("any")),
        (of("x"), "audiences = \"any\"\ntoken_use = \"any\"".to_owned()),
    ] {
        let error = read(&one, &two).unwrap_err().to_string();
        assert!(error.contains("duplicate issuer `https://id.example`"), "{error}");
    }
    for more in ["algorithms = [\"ES256\"]", "jwks_uri = \"https://id.example/other\""] {
        let error = read(&of("x"), &format!("{}\n{more}", of("y"))).unwrap_err().to_string();
        assert!(error.contains("which need the same keys"), "{error}");
    }
    // A rule for the URL is a rule for both tables.
    let rule = RULE.replace("everyone = true", "issuers = [\"https://id.example\"]");
    let text = format!("{}{}{rule}", table("a", &of("x")), table("b", &of("y")));
    let config = Config::parse(&text, "t").unwrap();
    let needs = config.rules.needs().next().unwrap();
    assert_eq!(needs.issuers.unwrap(), ["a", "b"]);
}

#[test]
fn an_alias_is_a_new_name_and_a_path() {
    for (lines, says) in [
        (
            "roles = \"realm_access\"",
            "t:2: `roles` in [claim_paths] must be a list of texts, not a text",
        ),
        ("roles = []", "t:2: `roles` in [claim_paths] must be a path of 1 to 8 names"),
        ("roles = [\"\"]", "must be a path of 1 to 8 names"),
        ("roles = [\"a\", 1]", "must be a list of texts"),
        ("sub = [\"a\", \"b\"]", "`sub` in [claim_paths] is a claim with a meaning of its own"),
        ("tid = [\"a\", \"b\"]", "is a claim with a meaning of its own"),
        ("roles = [\"roles\", \"x\"]", "is also the first name of a path"),
        ("a = [\"x\"]\nb = [\"a\", \"y\"]", "t:2: `a` in [claim_paths] is also the first name"),
        ("\"\" = [\"x\"]", "must be a name of 1 to 128 bytes"),
    ] {
        let error = before(&format!("[claim_paths]\n{lines}"));
        assert!(error.contains(says), "{lines}: {error}");
    }
    let many: String = (0..33).map(|n| format!("a{n} = [\"x\"]\n")).collect();
    assert!(before(&format!("[claim_paths]\n{many}")).contains("more than 32 aliases"));
}

#[test]
fn lists_of_claims_and_places_of_the_token_are_checked() {
    for (lines, says) in [
        ("principal = []", "an empty list names no claim"),
        ("principal = [\"sub\", \"sub\"]", "duplicate claim `sub`"),
        ("principal = [\"\"]", "`principal` is empty"),
        ("principal = 1", "must be a text or a list of texts"),
        ("context = { a = { jsn = \"x\" } }", "must be a claim's name, or { json = \"name\" }"),
    ] {
        let error = error(&format!("url = \"https://id.example\"\n{lines}"));
        assert!(error.contains(says), "{lines}: {error}");
    }
    for (lines, says) in [
        ("[token]\nscheme = \"Basic\"", "must be \"bearer\" or \"none\""),
        ("[token]\ncookie = \"a b\"", "not a cookie's name"),
        ("[token]\ncookie = \"\"", "not a cookie's name"),
        ("[jwks]\nproxy = \"http://proxy\"", "must be true or false"),
    ] {
        let error = before(lines);
        assert!(error.contains(says), "{lines}: {error}");
    }
    let limits = "[throttle]\ntable = \"tab\"\nplan = { default = \"f\" }\nrefuse = \"deny\"\n";
    let error = before(&format!("{limits}subject = [\"api_key\", \"sub\"]"));
    assert!(error.contains("`api_key` in `subject` stands alone"), "{error}");
}

#[test]
fn a_path_into_what_users_write_is_reported() {
    let text = format!(
        "[claim_paths]\nrole = [\"user_metadata\", \"role\"]\nsafe = [\"app_metadata\", \"role\"]\n\
         [[issuer]]\nurl = \"https://id.example\"\nclients = \"any\"\ntoken_use = \"any\"\n{RULE}"
    );
    let findings = Config::parse(&text, "t").unwrap().lint();
    let found: Vec<_> = findings.iter().filter(|it| it.code == Code::ChosenClaim).collect();
    let [found] = &found[..] else { panic!("{findings:?}") };
    assert!(found.text.starts_with("`role` in [claim_paths] trusts `user_metadata`"), "{found}");
}

#[test]
fn operators_name_a_tenant_by_its_issuer() {
    let tid = "11111111-2222-3333-4444-555555555555";
    let text = format!(
        "[[issuer]]\nname = \"many\"\nurl = \"https://id.example/{{tid}}\"\ntenants = [\"{tid}\"]\n\
         jwks_uri = \"https://id.example/keys\"\nclients = \"any\"\ntoken_use = \"any\"\n\
         [[issuer]]\nname = \"one\"\nurl = \"https://one.example\"\nclients = \"any\"\n\
         token_use = \"any\"\n{RULE}"
    );
    let config = Config::parse(&text, "t").unwrap();
    let [many, one] = &config.issuers[..] else { panic!("two issuers") };
    let (stored, url) = (format!("many/{tid}"), format!("https://id.example/{tid}"));
    for (name, expected) in [
        (stored.as_str(), Some(&*stored)),
        (url.as_str(), Some(&*stored)),
        ("many", None),
        ("many/common", None),
        ("https://id.example/{tid}", None),
        ("https://id.example/99999999-2222-3333-4444-555555555555", None),
    ] {
        assert_eq!(many.stored_name(name).as_deref(), expected, "{name}");
    }
    assert_eq!(one.stored_name("one").as_deref(), Some("one"));
    assert_eq!(one.stored_name("https://one.example").as_deref(), Some("one"));
    assert_eq!(one.stored_name("many"), None);
}
