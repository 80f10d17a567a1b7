//! A token's claims as rules see them: the client, scopes and groups apart.

use policy::Caller;
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The scopes of an access token (RFC 8693 section 4.2: one string, separated by spaces).
pub(super) fn scopes(members: &Map<String, Value>) -> Vec<&str> {
    let scope = members.get("scope").and_then(Value::as_str).unwrap_or_default();
    scope.split(' ').filter(|scope| !scope.is_empty()).collect()
}

/// The user's groups, as Cognito puts them into `cognito:groups`.
pub(super) fn groups(members: &Map<String, Value>) -> Vec<&str> {
    match members.get("cognito:groups") {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Refuses scopes and groups of a type that RFC 8693 and Cognito don't give them.
///
/// A type that is not understood may hold the very group that a rule denies.
pub(super) fn check_types(members: &Map<String, Value>) -> Result<(), Refusal> {
    if members.get("scope").is_some_and(|scope| !scope.is_string()) {
        return Err(Refusal::claim("`scope` is not a text"));
    }
    let of_texts =
        |list: &Value| list.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if members.get("cognito:groups").is_some_and(|groups| !of_texts(groups)) {
        return Err(Refusal::claim("`cognito:groups` is not a list of texts"));
    }
    Ok(())
}

/// The caller that rules would see behind a good token with these claims; nothing is verified.
///
/// For an operator who asks what rules say of somebody, never for a request. The client is
/// `client_id`, or `aud` of an ID token and of claims that have no `client_id`.
///
/// # Errors
///
/// `claim` for scopes or groups of a type that no good token has.
pub fn assumed_caller(members: &Map<String, Value>) -> Result<Caller<'_>, Refusal> {
    check_types(members)?;
    let is_id = members.get("token_use").is_some_and(|said| said == "id");
    let named = if is_id || !members.contains_key("client_id") { "aud" } else { "client_id" };
    Ok(Caller::new(members)
        .with_client(members.get(named).and_then(Value::as_str))
        .with_scopes(scopes(members))
        .with_groups(groups(members)))
}

#[cfg(test)]
mod tests {
    use policy::{MethodArn, RuleSpec, Rules, Verdict};
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_see_the_client_that_the_kind_of_token_names() {
        let rule: RuleSpec =
            toml::from_str("name = \"r\"\nallow = [\"GET /x\"]\nclients = [\"c\"]").unwrap();
        let rules = Rules::compile(vec![rule]).unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
        let arn = MethodArn::parse(arn).unwrap();
        for (claims, is_client) in [
            (json!({"client_id": "c"}), true),
            (json!({"client_id": "c", "token_use": "access", "aud": "d"}), true),
            (json!({"client_id": "c", "token_use": "id", "aud": "d"}), false),
            (json!({"token_use": "id", "aud": "c"}), true),
            (json!({"aud": "c"}), true),
            (json!({"client_id": "d", "aud": "c"}), false),
            (json!({"client_id": 1, "aud": "c"}), false),
            (json!({"aud": ["c"]}), false),
            (json!({}), false),
        ] {
            let caller = assumed_caller(claims.as_object().unwrap()).unwrap();
            let expected = if is_client {
                Verdict::Allowed { rule: "r" }
            } else {
                Verdict::Denied { rule: None }
            };
            assert_eq!(rules.verdict(&caller, &arn), expected, "{claims}");
        }
    }

    #[test]
    fn what_no_good_token_has_is_refused() {
        for claims in [
            json!({"scope": ["a"]}),
            json!({"scope": null}),
            json!({"cognito:groups": "a"}),
            json!({"cognito:groups": ["a", 1]}),
        ] {
            assert!(assumed_caller(claims.as_object().unwrap()).is_err(), "{claims}");
        }
    }
}
