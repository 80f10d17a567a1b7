//! Tokens: inspected, revoked; key sets fetched.

use serde_json::{Value, json};

use crate::issuer::Issuer;
use crate::support::{Tollgate, serve, with_table};

/// A table, an issuer, and a configuration of it in a file.
fn with_issuer() -> (Tollgate, Issuer, tempfile::NamedTempFile) {
    let (tollgate, issuer) = (with_table(), Issuer::start());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, issuer.config()).unwrap();
    (tollgate, issuer, file)
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

#[test]
fn a_good_token_is_shown_with_its_claims() {
    let (tollgate, issuer, file) = with_issuer();
    let line = ["token", "inspect", "--config", path(&file)];
    let token = issuer.token(&json!({}));
    let said = tollgate.feed(&line, &token).done();
    for part in ["signature   ok", "revocation  ok", "\"sub\": \"maria\"", "exp       is 20"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!said.contains(signature));
    let json = tollgate.feed(&[&line[..], &["--json"]].concat(), &token).json();
    assert_eq!((&json["good"], &json["refusal"]), (&json!(true), &Value::Null));
    assert_eq!(json["claims"]["jti"], "j1");
}

#[test]
fn what_fails_of_a_token_is_said() {
    let (tollgate, issuer, file) = with_issuer();
    let line = ["token", "inspect", "--config", path(&file), "--json"];
    let good = issuer.token(&json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let elsewhere = Issuer::start();
    for (token, check, says) in [
        (issuer.token(&json!({"exp": 1_600_000_000})), "claims", "claim: the token has expired"),
        (issuer.token(&json!({"client_id": "other"})), "claims", "claim: "),
        (issuer.token(&json!({"iss": "https://evil"})), "issuer", "claim: the issuer is not"),
        (format!("{signed}.{}", "A".repeat(86)), "signature", "signature: "),
        (elsewhere.token(&json!({"iss": issuer.url})), "signature", "signature: "),
    ] {
        let answer = tollgate.feed(&line, &token);
        assert_eq!(answer.code, 1, "{check}: {}", answer.err);
        assert!(answer.err.starts_with(&format!("tollgate: refused, {says}")), "{}", answer.err);
        let json: Value = serde_json::from_str(&answer.out).unwrap();
        let checks = json["checks"].as_object().unwrap();
        let failed: Vec<_> = checks
            .iter()
            .filter(|(_, result)| result.as_str().unwrap().starts_with("FAILED: "))
            .map(|(check, _)| check.as_str())
            .collect();
        assert_eq!(failed, [check], "{json}");
        let order = ["form", "header", "issuer", "key", "signature", "claims", "revocation"];
        let after = order.iter().skip_while(|name| **name != check).skip(1);
        assert!(after.clone().all(|name| checks[*name] == "-"), "{json}");
        assert!(order.iter().take_while(|name| **name != check).all(|name| checks[*name] == "ok"));
    }
    for wrong in ["", "secret", "secret.secret.secret", "two tokens", &"a".repeat(20_000)] {
        let answer = tollgate.feed(&line, wrong);
        assert!(answer.code == 1 || answer.code == 2, "{}", answer.err);
        assert!(answer.out.is_empty() && !answer.err.contains("secret"), "{}", answer.err);
        assert_eq!(answer.err.lines().count(), 1);
    }
}

#[test]
fn keys_that_can_t_be_had_are_not_the_token_s_fault() {
    let (tollgate, issuer, file) = with_issuer();
    std::fs::write(
        &file,
        issuer.config().replace("url =", "jwks_uri = \"http://127.0.0.1:1/\"\nurl ="),
    )
    .unwrap();
    let line = ["token", "inspect", "--config", path(&file)];
    let answer = tollgate.feed(&line, &issuer.token(&json!({})));
    assert_eq!(answer.code, 3, "{}", answer.err);
    assert!(answer.err.starts_with("tollgate: can't be verified, unavailable: "), "{}", answer.err);
    let said = tollgate.run(&["keys", "fetch", "--config", path(&file)]).failed(3);
    assert!(said.contains("the connection failed"), "{said}");
}

#[test]
fn a_key_set_is_fetched_to_be_bundled() {
    let (tollgate, issuer, file) = with_issuer();
    let line = ["keys", "fetch", "--config", path(&file)];
    let printed = tollgate.run(&line).done();
    let set: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(set["keys"][0]["kid"], "k1");
    let out = tempfile::NamedTempFile::new().unwrap();
    let said = tollgate.run(&[&line[..], &["--issuer", "acme", "--out", path(&out)]].concat());
    assert!(said.done().starts_with("wrote the key set of `http://127.0.0.1:"));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), printed);
    // What was fetched is a bundle.
    let bundled =
        issuer.config().replace("url =", &format!("jwks_file = \"{}\"\nurl =", path(&out)));
    std::fs::write(&file, bundled).unwrap();
    tollgate.run(&["policy", "check", path(&file)]).done();
    let other = [&line[..], &["--issuer", "other"]].concat();
    assert_eq!(tollgate.run(&other).failed(1), "the configuration has no such issuer");
}

#[test]
fn what_is_revoked_no_longer_counts() {
    let (tollgate, issuer, file) = with_issuer();
    let token = issuer.token(&json!({}));
    let inspect = || tollgate.feed(&["token", "inspect", "--config", path(&file)], &token);
    let revoke = |line: &[&str]| {
        tollgate.feed(&[&["revoke"], line, &["--config", path(&file)]].concat(), &token)
    };
    for kind in ["token", "session", "user", "client"] {
        inspect().done();
        let dry = revoke(&[kind, "-", "--dry-run"]).done();
        assert!(dry.ends_with("nothing was done"), "{dry}");
        inspect().done();
        let id = revoke(&[kind, "-", "--reason", "leaked", "--json"]).json()["id"].clone();
        let id = id.as_str().unwrap();
        assert!(id.starts_with(&format!("{kind}#")), "{id}");
        let answer = inspect();
        assert_eq!(answer.code, 1, "{kind}");
        let says = format!("refused, revoked: the token was taken back, by its {kind}\n");
        assert!(answer.err.ends_with(&says), "{}", answer.err);
        let listed = tollgate.run(&["revoke", "list", "--json"]).json();
        assert_eq!(listed["revocations"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&listed["revocations"][0]["id"], &listed["revocations"][0]["reason"]),
            (&json!(id), &json!("leaked"))
        );
        tollgate.run(&["revoke", "undo", id, "--dry-run"]).done();
        tollgate.run(&["revoke", "undo", id]).done();
        assert!(tollgate.run(&["revoke", "undo", id]).failed(1).contains("is not revoked"));
    }
    // By its name, by the issuer's short name or its `iss`: the same.
    let by = |line: &[&str]| {
        tollgate.run(&[&["revoke", "user", "maria", "--json"], line].concat()).json()["id"].clone()
    };
    let id = by(&["--issuer", "acme"]);
    assert_eq!(by(&["--config", path(&file)]), id);
    assert_eq!(by(&["--config", path(&file), "--issuer", &issuer.url]), id);
    let listed = tollgate.run(&["revoke", "list"]).done();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(!listed.contains("maria"), "{listed}");
}

#[test]
fn what_can_t_be_revoked_is_told() {
    let (tollgate, issuer, file) = with_issuer();
    let bare = issuer.token(&json!({"origin_jti": null}));
    let from_token = ["revoke", "session", "-", "--config", path(&file)];
    let said = tollgate.feed(&from_token, &bare).failed(1);
    assert!(said.starts_with("the token has no `origin_jti`"), "{said}");
    let stranger = issuer.token(&json!({"iss": "https://elsewhere"}));
    let said = tollgate.feed(&from_token, &stranger).failed(1);
    assert!(said.starts_with("the token's issuer is not configured"), "{said}");
    assert!(tollgate.feed(&from_token, "secret").failed(2).contains("no token"));
    for (line, code) in [
        (&["user", "maria"][..], 2),
        (&["user", "", "--issuer", "acme"], 2),
        (&["user", "maria", "--issuer", "acme", "--for", "0s"], 2),
        (&["user", "maria", "--issuer", "acme", "--for", "soon"], 2),
        (&["user", "maria", "--issuer", "acme", "--reason", "a\nb"], 2),
        (&["user", "maria", "--issuer", "other", "--config", path(&file)], 1),
        (&["undo", "maria"], 2),
    ] {
        let answer = tollgate.run(&[&["revoke"], line].concat());
        assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{line:?}: {}", answer.err);
    }
    assert_eq!(tollgate.run(&["revoke", "list", "--json"]).json()["revocations"], json!([]));
}

#[test]
fn the_environment_s_configuration_is_taken_where_no_file_is_given() {
    let issuer = Issuer::start();
    let mut tollgate = Tollgate::at(&serve());
    let said = tollgate.run(&["keys", "fetch"]).failed(2);
    assert!(said.contains("no configuration: set AUTHORIZER_CONFIG"), "{said}");
    tollgate.environment.push(("AUTHORIZER_CONFIG", issuer.config()));
    assert!(tollgate.run(&["keys", "fetch"]).done().contains("\"k1\""));
}
