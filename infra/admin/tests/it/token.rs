//! Tokens: inspected, revoked; key sets fetched.

use serde_json::{Value, json};
use throttle::{Clock, SystemClock};

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
        assert!(
            answer.err.starts_with(&format!("tollgate: the token is refused, {says}")),
            "{}",
            answer.err
        );
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
    assert!(
        answer.err.starts_with("tollgate: the token can't be verified, unavailable: "),
        "{}",
        answer.err
    );
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
    let said = tollgate.run(&other).failed(1);
    assert_eq!(said, "the configuration has no issuer `other`: name one of `acme`");
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
        let says = format!("the token is refused, revoked: the token is revoked, by its {kind}\n");
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
    let unchecked = tollgate.run(&["revoke", "user", "maria", "--json", "--issuer", "acme"]);
    let said = "tollgate: the issuer's name is not checked: name a configuration by `--config`\n";
    assert_eq!((unchecked.code, unchecked.err.as_str()), (0, said));
    let id = serde_json::from_str::<Value>(&unchecked.out).unwrap()["id"].clone();
    assert_eq!(by(&["--config", path(&file)]), id);
    assert_eq!(by(&["--config", path(&file), "--issuer", &issuer.url]), id);
    let listed = tollgate.run(&["revoke", "list"]).done();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(!listed.contains("maria"), "{listed}");
}

#[test]
fn a_revocation_outlasts_every_token_that_it_is_about() {
    const DAY: u64 = 86_400;
    let (tollgate, issuer, file) = with_issuer();
    let token = issuer.token(&json!({}));
    let long = issuer.token(&json!({"exp": 4_000_000_000_u64}));
    let lasts = |line: &[&str], token: &str| {
        let now = SystemClock::new().now().as_secs();
        let answer = tollgate.feed(&[&["revoke"], line, &["--json"]].concat(), token);
        assert_eq!(answer.code, 0, "{}", answer.err);
        let json: Value = serde_json::from_str(&answer.out).unwrap();
        tollgate.run(&["revoke", "undo", json["id"].as_str().unwrap()]).done();
        let lasts = json["expires"].as_u64().unwrap() - now;
        // The clock goes on, and an end is rounded up.
        (lasts - lasts % 60, answer.err.contains("the revocation ends before"))
    };
    let configured = |more: &str| {
        let text = issuer.config().replace("token_use", &format!("{more}\ntoken_use"));
        std::fs::write(&file, text).unwrap();
        ["--config", path(&file)]
    };
    for (more, days, token_lasts) in [
        ("", 31, DAY),
        ("refresh_token_days = 3650", 3_651, DAY),
        ("refresh_token_days = 0", 1, DAY),
        ("refresh_token_days = 90\nmax_lifetime_seconds = 3600", 90, 3_600),
        ("max_lifetime_seconds = 3600\nleeway_seconds = 300", 30, 3_900),
    ] {
        let config = configured(more);
        for kind in ["user", "client", "session"] {
            let sign_in = if token_lasts < DAY { days * DAY + token_lasts } else { days * DAY };
            assert_eq!(
                lasts(&[&[kind, "x"], &config[..]].concat(), ""),
                (sign_in, false),
                "{more}"
            );
            assert_eq!(lasts(&[&[kind, "-"], &config[..]].concat(), &token), (sign_in, false));
        }
        for id in ["x", "-"] {
            let line = [&["token", id], &config[..]].concat();
            assert_eq!(lasts(&line, &token), (token_lasts, false), "{more}");
        }
        // A token that lives longer than its issuer's should is revoked to its end.
        let (left, _) = lasts(&[&["token", "-"], &config[..]].concat(), &long);
        assert!(left > 365 * DAY, "{left}");
        for (kind, short) in
            [("user", "23h"), ("client", "23h"), ("session", "23h"), ("token", "1m")]
        {
            let line = [&[kind, "x", "--for", short], &config[..]].concat();
            assert!(lasts(&line, "").1, "a warning: {kind} {short} {more}");
        }
        let line = [&["user", "x", "--for", "4000d"], &config[..]].concat();
        assert_eq!(lasts(&line, ""), (4_000 * DAY, false), "{more}");
    }
    // Without a configuration Cognito's defaults count.
    for (kind, days) in [("user", 31), ("client", 31), ("session", 31), ("token", 1)] {
        assert_eq!(lasts(&[kind, "x", "--issuer", "acme"], ""), (days * DAY, false), "{kind}");
        let short = [kind, "x", "--issuer", "acme", "--for", "23h"];
        assert_eq!(lasts(&short, ""), (23 * 3_600, true), "{kind}");
    }
}

#[test]
fn an_issuer_that_is_not_configured_is_not_revoked() {
    let (mut tollgate, issuer, file) = with_issuer();
    let other = "[[issuer]]\nname = \"other\"\nurl = \"https://id.example\"\nclients = \"any\"\n\
                 token_use = \"any\"\n";
    std::fs::write(&file, format!("{other}{}", issuer.config())).unwrap();
    let says = "the configuration has no issuer `acne`: name one of `other`, `acme`";
    for kind in ["user", "client", "session", "token"] {
        let line = ["revoke", kind, "x", "--issuer", "acne"];
        let with_file = [&line[..], &["--config", path(&file)]].concat();
        assert_eq!(tollgate.run(&with_file).failed(1), says, "{kind}");
        // Named by the environment, the configuration counts as well.
        tollgate.environment.push(("AUTHORIZER_CONFIG", path(&file).to_owned()));
        assert_eq!(tollgate.run(&line).failed(1), says, "{kind}");
        tollgate.run(&["revoke", kind, "x", "--issuer", "acme", "--for", "90d"]).done();
        let said = tollgate.run(&["revoke", kind, "x"]).failed(2);
        assert!(said.contains("has several issuers"), "{said}");
        tollgate.environment.pop();
    }
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
    assert!(said.starts_with("no issuer of the configuration issued the token"), "{said}");
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

#[test]
fn a_token_of_unbounded_life_is_revoked_for_a_day_and_that_is_said() {
    let (tollgate, issuer, file) = with_issuer();
    let says = "if the token lives longer than a day, it is accepted again after 20";
    let revoke = |line: &[&str], token: &str| {
        let line = [&["revoke", "token"], line, &["--config", path(&file)]].concat();
        let answer = tollgate.feed(&line, token);
        assert_eq!(answer.code, 0, "{}", answer.err);
        answer.err
    };
    assert!(revoke(&["j1"], "").contains(says));
    assert!(revoke(&["j2", "--dry-run"], "").contains(says));
    // A token states its end, and `--for` is a choice.
    assert_eq!(revoke(&["-"], &issuer.token(&json!({}))), "");
    assert_eq!(revoke(&["j3", "--for", "90d"], ""), "");
    let bounded = issuer.config().replace("token_use", "max_lifetime_seconds = 3600\ntoken_use");
    std::fs::write(&file, bounded).unwrap();
    assert_eq!(revoke(&["j4"], ""), "");
    let pool = "[[issuer]]\nuser_pool = \"us-east-1_abcDEF123\"\nclients = [\"c\"]\n\
                token_use = \"access\"\n[revocation]\ntable = \"tollgate\"\n\
                [[rule]]\nname = \"all\"\nallow = [\"GET /orders\"]\neveryone = true\n";
    std::fs::write(&file, pool).unwrap();
    assert_eq!(revoke(&["j5"], ""), "", "Cognito's tokens live for a day at most");
}

#[test]
fn a_user_name_revokes_nothing_and_is_refused_for_a_user_pool() {
    let (tollgate, _, file) = with_issuer();
    let pool = "[[issuer]]\nuser_pool = \"us-east-1_abcDEF123\"\nclients = [\"c\"]\n\
                token_use = \"access\"\n[revocation]\ntable = \"tollgate\"\n\
                [[rule]]\nname = \"all\"\nallow = [\"GET /orders\"]\neveryone = true\n";
    std::fs::write(&file, pool).unwrap();
    let revoke = |id: &str, more: &[&str]| {
        let line = [&["revoke", "user", id, "--config", path(&file), "--json"], more].concat();
        tollgate.run(&line)
    };
    let refused = revoke("maria", &[]);
    assert_eq!(
        refused.failed(1),
        "`maria` is not a `sub` of a user pool, which is a UUID; give the user's `sub`, \
         not the user name, or add --yes"
    );
    assert_eq!(revoke("maria", &["--yes"]).code, 0);

    let sub = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    let plain = revoke(sub, &[]).json()["id"].clone();
    let by_subject = revoke(&format!("us-east-1_abcDEF123#{sub}"), &[]).json()["id"].clone();
    assert_eq!(plain, by_subject, "a subject names the same user");
}

#[test]
fn a_shorter_revocation_does_not_end_a_longer_one() {
    let (tollgate, _, file) = with_issuer();
    let revoke = |more: &[&str]| {
        let line = [&["revoke", "user", "maria", "--config", path(&file), "--json"], more].concat();
        let answer = tollgate.run(&line);
        assert_eq!(answer.code, 0, "{}", answer.err);
        (serde_json::from_str::<Value>(&answer.out).unwrap(), answer.err)
    };
    let (long, said) = revoke(&["--for", "100d"]);
    assert_eq!(said, "");
    let id = long["id"].as_str().unwrap();
    let kept = format!(
        "tollgate: it is revoked for longer already, and `--for` does not shorten that: `tollgate \
         revoke undo {id}` first\n"
    );
    let (dry, said) = revoke(&["--for", "1h", "--dry-run"]);
    assert_eq!(said, kept);
    let (short, said) = revoke(&["--for", "1h"]);
    assert_eq!((&short["expires"], said.as_str()), (&long["expires"], kept.as_str()));
    let would = dry["would"].as_str().unwrap().to_owned();
    let until = tollgate.run(&["revoke", "list"]).done();
    let until = until.lines().last().unwrap().split_whitespace().nth(3).unwrap().to_owned();
    assert!(would.ends_with(&until), "{would}: {until}");
}

#[test]
fn the_client_of_an_id_token_is_its_audience() {
    let (tollgate, issuer, file) = with_issuer();
    let id = |line: &[&str], token: &str| {
        let line = [&["revoke", "client"], line, &["--json"]].concat();
        let answer = tollgate.feed(&line, token);
        assert_eq!(answer.code, 0, "{}", answer.err);
        serde_json::from_str::<Value>(&answer.out).unwrap()["id"].clone()
    };
    let config = ["--config", path(&file)];
    let web = id(&[&["web"], &config[..]].concat(), "");
    let other = json!({"token_use": "id", "aud": "web", "client_id": "other"});
    assert_eq!(id(&[&["-"], &config[..]].concat(), &issuer.token(&other)), web);
    assert_eq!(id(&["-", "--issuer", "acme"], &issuer.token(&other)), web);
    let list = json!({"token_use": "id", "aud": ["web"], "client_id": "other"});
    assert_eq!(id(&[&["-"], &config[..]].concat(), &issuer.token(&list)), web);
    let access = json!({"aud": "other"});
    assert_eq!(id(&[&["-"], &config[..]].concat(), &issuer.token(&access)), web);
}
