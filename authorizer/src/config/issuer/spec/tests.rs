//! The checks that an `[[issuer]]` table becomes, and its mistakes.

use serde_json::json;

use super::*;
use crate::config::Passed;

const POOL: &str = "user_pool = \"us-east-1_abc\"\ntoken_use = \"access\"\nclients = [\"c\"]\n";

const OTHER: &str =
    "url = \"https://id.example/realms/a/\"\ntoken_use = \"any\"\naudiences = [\"https://api\"]\n";

const KEYS: &str = r#"jwks = '{"keys":[{"kty":"RSA","kid":"k","e":"AQAB","n":"MODULUS"}]}'"#;

fn resolve(text: &str) -> Result<Issuer, String> {
    let spec: IssuerSpec = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    spec.resolve().map_err(|found| found.message)
}

fn checks(text: &str) -> Arc<Checks> {
    resolve(text).unwrap().checks
}

/// A bundle's line, with a modulus of the right length.
fn keys() -> String {
    KEYS.replace("MODULUS", &format!("{}xQ", "xcXF".repeat(85)))
}

fn passed(name: &str, claim: &str) -> Passed {
    Passed { name: name.into(), claim: claim.into(), as_json: false }
}

#[test]
fn what_is_not_written_has_a_strict_default() {
    let checks = checks(POOL);
    assert_eq!(checks.issuer, "us-east-1_abc");
    assert_eq!(checks.algorithms, [Algorithm::RS256]);
    assert_eq!((checks.leeway, checks.max_lifetime, checks.max_age), (0, None, None));
    assert!(checks.principal.is("sub"));
    assert_eq!(checks.audiences, None);
    assert!(checks.cognito);
    let names: Vec<_> = checks.context.iter().map(|passed| passed.name.as_str()).collect();
    assert_eq!(names, ["issuer", "sub", "clientId", "scope", "groups"]);
    let claims = [&checks.scopes_claim, &checks.groups_claim, &checks.client_claim];
    assert_eq!(claims, ["scope", "cognito:groups", "client_id"]);
}

#[test]
fn an_issuer_says_where_it_keeps_scopes_groups_and_the_client() {
    let checks = checks(&format!(
        "{OTHER}scopes_claim = \"scp\"\ngroups_claim = \"roles\"\nclient_claim = \"azp\"\n"
    ));
    let claims = [&checks.scopes_claim, &checks.groups_claim, &checks.client_claim];
    assert_eq!(claims, ["scp", "roles", "azp"]);
    assert_eq!(
        checks.context.get(3..),
        Some(&[passed("scope", "scp"), passed("groups", "roles")][..])
    );
    for (fields, says) in [
        ("scopes_claim = \"\"", "`scopes_claim` is empty"),
        ("groups_claim = \"\"", "`groups_claim` is empty"),
        ("client_claim = \"\"", "`client_claim` is empty"),
        ("client_claim = \"aud\"", "list those in `audiences`"),
        ("groups_claim = \"scope\"", "`scopes_claim` and `groups_claim` are both `scope`"),
    ] {
        assert!(resolve(&format!("{OTHER}{fields}\n")).unwrap_err().contains(says), "{fields}");
    }
}

#[test]
fn everything_that_is_written_is_taken() {
    let text = format!(
        "{POOL}name = \"main\"\nreplica_regions = [\"us-west-2\"]\ndomain_suffix = \"x.example\"\n\
         algorithms = [\"ES384\", \"EdDSA\"]\naudiences = [\"https://api\"]\n\
         unbound_clients = [\"c\"]\nany_scope = [\"a\"]\nall_scopes = [\"b\"]\n\
         any_group = [\"g\"]\nall_groups = [\"h\"]\nleeway_seconds = 300\n\
         max_lifetime_seconds = 3600\nmax_age_seconds = 60\nprincipal = \"username\"\n\
         required_claims = {{ email_verified = true, tier = [\"gold\", 1] }}\n\
         context = {{ who = \"username\" }}\n"
    );
    let issuer = resolve(&text).unwrap();
    let names: Vec<_> = issuer.identities.iter().map(|found| found.iss.as_str()).collect();
    assert_eq!(
        names,
        [
            "https://cognito-idp.us-east-1.x.example/us-east-1_abc",
            "https://issuer-cognito-idp.us-east-1.x.example/us-east-1_abc",
            "https://cognito-idp.us-west-2.x.example/us-east-1_abc",
        ]
    );
    let prefetched: Vec<_> = issuer.identities.iter().map(|found| found.prefetch).collect();
    assert_eq!(prefetched, [true, false, true]);
    let checks = issuer.checks;
    assert_eq!(checks.issuer, "main");
    assert_eq!(checks.algorithms, ["ES384", "EdDSA"].map(|name| Algorithm::of_name(name).unwrap()));
    assert_eq!(checks.clients, Some(Accepted::These(vec!["c".into()])));
    assert_eq!(checks.audiences, Some(Accepted::These(vec!["https://api".into()])));
    assert_eq!(checks.unbound_clients, ["c"]);
    assert_eq!(
        (&checks.any_scope[..], &checks.all_scopes[..]),
        (&["a".into()][..], &["b".into()][..])
    );
    assert_eq!(
        (&checks.any_group[..], &checks.all_groups[..]),
        (&["g".into()][..], &["h".into()][..])
    );
    assert_eq!((checks.leeway, checks.max_lifetime, checks.max_age), (300, Some(3600), Some(60)));
    assert!(checks.principal.is("username"));
    assert_eq!(checks.context, [passed("who", "username")]);
    assert_eq!(
        checks.required_claims,
        [
            ("email_verified".to_owned(), vec![json!(true)]),
            ("tier".to_owned(), vec![json!("gold"), json!(1)]),
        ]
    );
}

#[test]
fn another_issuer_is_named_by_its_url_and_finds_its_keys_where_it_is_told() {
    let issuer = resolve(OTHER).unwrap();
    assert_eq!(issuer.checks.issuer, "id.example/realms/a");
    assert!(!issuer.checks.cognito);
    let [identity] = &issuer.identities[..] else { panic!("one name") };
    assert_eq!(identity.iss, "https://id.example/realms/a/");
    let address = |identity: &Identity| identity.jwks_uri.as_ref().unwrap().to_string();
    assert_eq!(address(identity), "https://id.example/realms/a/.well-known/jwks.json");
    let told = resolve(&format!("{OTHER}jwks_uri = \"https://keys.example/j\"\n")).unwrap();
    assert_eq!(address(&told.identities[0]), "https://keys.example/j");
}

#[test]
fn an_issuer_may_be_named_by_an_http_url_where_its_keys_are_not_fetched_from_one() {
    let issuer = |more: &str| {
        let url = "http://keycloak:8080/realms/a";
        resolve(&format!("url = \"{url}\"\ntoken_use = \"any\"\nclients = \"any\"\n{more}"))
    };
    for uri in ["https://kc.example/keys", "http://127.0.0.1:8080/keys"] {
        let issuer = issuer(&format!("jwks_uri = \"{uri}\"")).unwrap();
        let [identity] = &issuer.identities[..] else { panic!("one name") };
        assert_eq!(identity.iss, "http://keycloak:8080/realms/a");
        assert_eq!(identity.jwks_uri.as_ref().unwrap().as_str(), uri);
        assert!(identity.prefetch);
    }
    let bundled = issuer(&keys()).unwrap();
    let [identity] = &bundled.identities[..] else { panic!("one name") };
    assert_eq!(identity.jwks_uri, None);
    assert!(identity.bundle.is_some() && !identity.prefetch);
    for more in ["", "jwks_uri = \"http://keycloak:8080/keys\""] {
        let error = issuer(more).unwrap_err();
        assert!(error.contains("keys are not fetched from") && error.contains("set `jwks_uri`"));
    }
    assert!(issuer(&format!("{}\njwks_uri = \"http://keycloak:8080/keys\"", keys())).is_err());
}

#[test]
fn an_issuer_s_default_port_may_be_written() {
    let text = "url = \"https://id.example:443/realms/a\"\ntoken_use = \"any\"\nclients = \"any\"";
    let issuer = resolve(text).unwrap();
    assert_eq!(issuer.identities[0].iss, "https://id.example:443/realms/a");
    assert_eq!(
        issuer.identities[0].jwks_uri.as_ref().unwrap().as_str(),
        "https://id.example/realms/a/.well-known/jwks.json"
    );
    assert_eq!(issuer.checks.issuer, "id.example:443/realms/a");
}

#[test]
fn ed25519_names_the_algorithm_too() {
    let checks = checks(&format!("{POOL}algorithms = [\"Ed25519\"]"));
    assert_eq!(checks.algorithms, [Algorithm::of_name("EdDSA").unwrap()]);
    let both = resolve(&format!("{POOL}algorithms = [\"Ed25519\", \"EdDSA\"]"));
    assert!(both.unwrap_err().contains("duplicate"));
}

#[test]
fn bound_tokens_are_refused_by_default() {
    assert_eq!(checks(POOL).bound_tokens, BoundTokens::Refuse);
    let written = |value: &str| resolve(&format!("{POOL}bound_tokens = {value}"));
    assert_eq!(written("\"accept\"").unwrap().checks.bound_tokens, BoundTokens::Accept);
    assert_eq!(written("\"refuse\"").unwrap().checks.bound_tokens, BoundTokens::Refuse);
    for wrong in ["\"any\"", "true", "\"\""] {
        assert!(written(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn bounds_how_long_a_list_is() {
    let of = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("\"c{n}\"")).collect();
        resolve(&POOL.replace("\"c\"", &names.join(", ")))
    };
    assert!(of(1_000).is_ok());
    assert!(of(1_001).unwrap_err().contains("more than 1000"));
}

#[test]
fn any_is_spelled_out() {
    let any = checks("url = \"https://i.example\"\ntoken_use = \"any\"\naudiences = \"any\"");
    assert_eq!((&any.clients, &any.audiences), (&None, &Some(Accepted::Any)));
    let any = checks("url = \"https://i.example\"\ntoken_use = \"any\"\nclients = \"any\"");
    assert_eq!((&any.clients, &any.audiences), (&Some(Accepted::Any), &None));
}

#[test]
fn bundled_keys_go_to_each_name_of_the_issuer() {
    let issuer = resolve(&format!("{POOL}{}", keys())).unwrap();
    assert!(issuer.identities.iter().all(|identity| identity.bundle.is_some()));
    assert!(!format!("{issuer:?}").contains("xcXF"), "no key in Debug");

    let file = std::env::temp_dir().join(format!("tollgate-keys-{}.json", std::process::id()));
    let text = keys();
    let text = text.trim_start_matches("jwks = '").trim_end_matches('\'');
    std::fs::write(&file, text).unwrap();
    let issuer = resolve(&format!("{OTHER}jwks_file = \"{}\"", file.display())).unwrap();
    assert!(issuer.identities[0].bundle.is_some());
    std::fs::remove_file(&file).unwrap();
    assert!(resolve(&format!("{OTHER}jwks_file = \"{}\"", file.display())).is_err(), "gone");
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let long = "n".repeat(MAX_NAME + 1);
    for (base, more, says) in [
        (POOL, "url = \"https://i.example\"", "either `user_pool` or `url`"),
        ("token_use = \"any\"\nclients = \"any\"", "", "neither `user_pool` nor `url`"),
        (
            "user_pool = \"us-east-1_a\"\ntoken_use = \"access\"",
            "",
            "neither `clients` nor `audiences`",
        ),
        ("user_pool = \"us-east-1_a\"\nclients = [\"c\"]", "", "missing field `token_use`"),
        (POOL, "leeway_seconds = 301", "at most 300"),
        (POOL, "leeway_seconds = -1", "invalid value"),
        (POOL, "leeway_seconds = 0.5", "invalid type"),
        (POOL, "max_lifetime_seconds = 0", "must be 1 to"),
        (POOL, "max_age_seconds = 315360001", "must be 1 to"),
        (POOL, "algorithms = []", "an empty list of `algorithms`"),
        (POOL, "algorithms = [\"HS256\"]", "unknown algorithm `HS256`"),
        (POOL, "algorithms = [\"none\"]", "unknown algorithm `none`"),
        (POOL, "algorithms = [\"RS256\", \"RS256\"]", "duplicate"),
        (POOL, "audiences = []", "an empty list of `audiences`"),
        (POOL, "audiences = \"all\"", "audiences = \"any\""),
        (POOL, "audiences = [\"a\", \"a\"]", "duplicate"),
        (POOL, "any_scope = []", "an empty list"),
        (POOL, "all_groups = [\"\"]", "an empty name"),
        (POOL, "unbound_clients = [\"c\"]", "goes with a list of `audiences`"),
        (POOL, "audiences = \"any\"\nunbound_clients = [\"c\"]", "goes with a list"),
        (POOL, "audiences = [\"a\"]\nunbound_clients = [\"d\"]", "is not one of `clients`"),
        (POOL, "required_claims = {}", "requires nothing"),
        (POOL, "required_claims = { a = [] }", "`a` has an empty list of values"),
        (POOL, "required_claims = { a = 0.5 }", "must be a text"),
        (POOL, "required_claims = { a = [{}] }", "must be a text"),
        (POOL, "principal = \"\"", "is empty: name a claim"),
        (POOL, "context = { plan = \"p\" }", "is a name that Tollgate uses"),
        (POOL, "jwks_uri = \"https://k.example\"", "goes with `url`"),
        (POOL, "domain_suffix = \"evil.example/x\"", "the end of a host's name"),
        (POOL, "replica_regions = [\"mars\"]", "not a Region's name"),
        (POOL, "replica_regions = []", "an empty list"),
        (OTHER, "replica_regions = [\"us-west-2\"]", "goes with `user_pool`"),
        (OTHER, "domain_suffix = \"x.example\"", "goes with `user_pool`"),
        (
            OTHER,
            "jwks_uri = \"http://k.example/\"",
            "keys are not fetched from `http://k.example/`",
        ),
        (POOL, "name = \"\"", "is not a valid name of an issuer"),
        (POOL, "name = \"a b\"", "is not a valid name of an issuer"),
        (POOL, "name = \"a#b\"", "is not a valid name of an issuer"),
        (POOL, "name = \"é\"", "is not a valid name of an issuer"),
        (POOL, &format!("name = \"{long}\""), "is not a valid name of an issuer"),
        (POOL, "jwks = '{}'", "`jwks`: not a JSON object"),
        (POOL, "jwks = '{\"keys\":[]}'", "`jwks`: no key"),
        (POOL, "jwks_file = \"/nowhere/keys.json\"", "`jwks_file` `/nowhere/keys.json`: "),
        (POOL, "jwks_file = \"/dev/zero\"", "longer than"),
        (POOL, "jwks = ''\njwks_file = ''", "either `jwks` or `jwks_file`"),
        (POOL, "audience = \"any\"", "unknown field `audience`"),
    ] {
        let text = format!("{base}{}{more}", if base.ends_with('\n') { "" } else { "\n" });
        match resolve(&text) {
            Err(error) => assert!(error.contains(says), "{text}\n{error}"),
            Ok(_) => panic!("taken: {text}"),
        }
    }
}

#[test]
fn an_issuer_s_address_must_be_safe() {
    for url in ["http://i.example", "https://i.example/?x", "https://I.example", "x"] {
        let text = format!("url = \"{url}\"\ntoken_use = \"any\"\nclients = \"any\"");
        assert!(resolve(&text).is_err(), "{url}");
    }
}

#[test]
fn a_sign_in_lasts_as_long_as_its_refresh_token_and_the_token_after_it() {
    let days = |more: &str| {
        let issuer = resolve(&format!("{POOL}{more}")).unwrap();
        (issuer.longest_token().as_secs(), issuer.longest_sign_in().as_secs())
    };
    assert_eq!(days(""), (86_400, 31 * 86_400), "Cognito's default and maximum");
    assert_eq!(days("refresh_token_days = 3650\n").1, 3_651 * 86_400);
    let bounded = "refresh_token_days = 0\nmax_lifetime_seconds = 600\nleeway_seconds = 5\n";
    assert_eq!(days(bounded), (605, 605));
    let error = resolve(&format!("{POOL}refresh_token_days = 3651\n")).unwrap_err();
    assert!(error.contains("at most 3650"), "{error}");
}
