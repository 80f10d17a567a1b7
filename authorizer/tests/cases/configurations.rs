//! Configurations of earlier versions, which must still be read and mean the same.

use throttle::FailurePolicy;
use tollgate_authorizer::{Accepted, Config, Refuse, TokenUse};

use crate::{files, stem};

fn read(name: &str) -> Config {
    let file = files("configurations").into_iter().find(|file| stem(file) == name).unwrap();
    Config::read(&file).unwrap()
}

#[test]
fn configurations_of_earlier_versions_are_still_read() {
    let files = files("configurations");
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let read = Config::read(&file);
        assert!(read.is_ok(), "{read:?}");
    }
}

/// Each field of the old reference that was left out there can still be written.
#[test]
fn each_field_of_the_old_reference_is_still_known() {
    let file = files("configurations").into_iter().find(|file| stem(file) == "reference").unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let fields: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# ").filter(|field| field.contains(" = ")))
        .filter(|field| {
            let name = field.split(" = ").next().unwrap();
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        .collect();
    assert!(fields.len() > 25, "{fields:?}");
    for field in fields {
        let written = text.replacen(&format!("\n# {field}\n"), &format!("\n{field}\n"), 1);
        assert_ne!(written, text);
        let Err(error) = Config::parse(&written, "test") else { continue };
        let error = error.to_string();
        assert!(
            !error.contains("unknown field") && !error.contains("invalid type"),
            "{field}: {error}"
        );
    }
}

#[test]
fn an_old_configuration_means_what_it_meant() {
    let config = read("every-field");
    let [main, second, third] = &config.issuers[..] else { panic!("three issuers") };
    let names: Vec<&str> = main.identities.iter().map(|identity| identity.iss.as_str()).collect();
    assert_eq!(
        names,
        [
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
            "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123",
            "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_abcDEF123",
        ]
    );
    let checks = &main.checks;
    assert_eq!((checks.issuer.as_str(), checks.leeway), ("main", 30));
    assert_eq!((checks.max_lifetime, checks.max_age), (Some(3_600), Some(86_400)));
    assert_eq!(checks.token_use, TokenUse::Any);
    assert_eq!(second.checks.issuer, "id.example/realms/a");
    assert_eq!(second.checks.clients, Some(Accepted::Any));
    assert!(third.identities.iter().all(|identity| identity.bundle.is_some()));
    assert!(config.issuers.iter().flat_map(|one| &one.identities).all(|i| i.jwks_uri.is_some()));
    let throttle = config.throttle.unwrap();
    assert!(throttle.subject.claims().eq(["sub"]));
    assert_eq!(throttle.refuse, Refuse::Context);
    assert!(matches!(throttle.failure, FailurePolicy::Local(_)));
    assert_eq!(config.revocation.unwrap().cache().as_secs(), 0);
}
