//! A token's claims as rules see them: the issuer, the client, scopes and groups apart.

use policy::Caller;
use serde_json::{Map, Value};

use crate::config::{Checks, Issuer};
use crate::refusal::Refusal;

/// The scopes of a token: a text with spaces between them (RFC 8693 section 4.2), or a list.
pub(super) fn scopes<'m>(members: &'m Map<String, Value>, claim: &str) -> Vec<&'m str> {
    match members.get(claim) {
        Some(Value::String(scopes)) => scopes.split(' ').filter(|s| !s.is_empty()).collect(),
        Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The user's groups: a list, as Cognito puts them into `cognito:groups`.
pub(super) fn groups<'m>(members: &'m Map<String, Value>, claim: &str) -> Vec<&'m str> {
    match members.get(claim) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Refuses scopes and groups of a type that their claims don't have.
///
/// A type that is not understood may hold the very group that a rule denies.
pub(super) fn check_types(members: &Map<String, Value>, checks: &Checks) -> Result<(), Refusal> {
    let of_texts =
        |list: &Value| list.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let scopes = members.get(&checks.scopes_claim);
    if scopes.is_some_and(|scopes| !scopes.is_string() && !of_texts(scopes)) {
        return Err(Refusal::claim("the scopes are neither a text nor a list of texts"));
    }
    if members.get(&checks.groups_claim).is_some_and(|groups| !of_texts(groups)) {
        return Err(Refusal::claim("the groups are not a list of texts"));
    }
    Ok(())
}

/// The caller that rules would see behind a good token with these claims; nothing is verified.
///
/// For an operator who asks what rules say of somebody, never for a request. The issuer is the
/// one that `iss` names; without `iss` it is the only one that there is. The client is what the
/// issuer's `client_claim` says, or `aud` of an ID token and of claims without the other.
///
/// # Errors
///
/// `claim` for an issuer whose tokens are not taken, for claims without `iss` where several are,
/// and for scopes or groups of a type that no good token has.
pub fn assumed_caller<'a>(
    members: &'a Map<String, Value>,
    issuers: &'a [Issuer],
) -> Result<Caller<'a>, Refusal> {
    let issuer = match (members.get("iss"), issuers) {
        (None, [only]) => only,
        (None, _) => return Err(Refusal::claim("no `iss` says which issuer's claims these are")),
        (Some(iss), all) => {
            let named = |issuer: &&Issuer| issuer.identities.iter().any(|known| *iss == *known.iss);
            let unknown = Refusal::claim("`iss` names no issuer whose tokens are taken");
            all.iter().find(named).ok_or(unknown)?
        }
    };
    let checks = &issuer.checks;
    check_types(members, checks)?;
    let is_id = members.get("token_use").is_some_and(|said| said == "id");
    let client = checks.client_claim.as_str();
    let named = if is_id || !members.contains_key(client) { "aud" } else { client };
    Ok(Caller::new(members)
        .with_issuer(Some(&checks.issuer))
        .with_client(super::audience::client_of(members, named))
        .with_scopes(scopes(members, &checks.scopes_claim))
        .with_groups(groups(members, &checks.groups_claim)))
}

#[cfg(test)]
mod tests {
    use policy::{MethodArn, RuleSpec, Rules, Verdict};
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    /// A pool, another issuer, and both.
    fn issuers(of: &[&str]) -> Vec<Issuer> {
        let rule = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";
        Config::parse(&format!("{}{rule}", of.concat()), "test").unwrap().issuers
    }

    const POOL: &str = "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = \"any\"\n\
                        token_use = \"any\"\n";

    const OTHER: &str = "[[issuer]]\nname = \"other\"\nurl = \"https://id.example\"\n\
                         clients = \"any\"\ntoken_use = \"any\"\ngroups_claim = \"roles\"\n\
                         scopes_claim = \"scp\"\nclient_claim = \"azp\"\n";

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
            (json!({"aud": ["c"]}), true),
            (json!({"aud": ["c", "d"]}), false),
            (json!({}), false),
        ] {
            let issuers = issuers(&[POOL]);
            let caller = assumed_caller(claims.as_object().unwrap(), &issuers).unwrap();
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
            json!({"scope": ["a", 1]}),
            json!({"scope": 1}),
            json!({"scope": null}),
            json!({"cognito:groups": "a"}),
            json!({"cognito:groups": ["a", 1]}),
        ] {
            let issuers = issuers(&[POOL]);
            assert!(assumed_caller(claims.as_object().unwrap(), &issuers).is_err(), "{claims}");
        }
    }

    #[test]
    fn each_issuer_s_claims_are_read_where_it_keeps_them() {
        let rule: RuleSpec = toml::from_str(
            "name = \"r\"\nallow = [\"GET /x\"]\nclients = [\"c\"]\nall_scopes = [\"s\", \"t\"]\n\
             all_groups = [\"g\"]\nissuers = [\"other\"]",
        )
        .unwrap();
        let rules = Rules::compile(vec![rule]).unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
        let arn = MethodArn::parse(arn).unwrap();
        let both = issuers(&[POOL, OTHER]);
        let pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";
        for (claims, is_met) in [
            (json!({"iss": "https://id.example", "azp": "c", "scp": "s t", "roles": ["g"]}), true),
            (
                json!({"iss": "https://id.example", "azp": "c", "scp": ["s", "t"], "roles": ["g"]}),
                true,
            ),
            (
                json!({"iss": "https://id.example", "azp": "c", "scp": ["s t"], "roles": ["g"]}),
                false,
            ),
            (
                json!({"iss": "https://id.example", "client_id": "c", "scope": "s t",
                    "cognito:groups": ["g"]}),
                false,
            ),
            (
                json!({"iss": pool, "client_id": "c", "scope": "s t", "cognito:groups": ["g"]}),
                false,
            ),
        ] {
            let caller = assumed_caller(claims.as_object().unwrap(), &both).unwrap();
            assert_eq!(rules.verdict(&caller, &arn).is_authorized(), is_met, "{claims}");
        }
        for claims in [
            json!({}),
            json!({"iss": "https://id.example/"}),
            json!({"iss": ["https://id.example"]}),
        ] {
            assert!(assumed_caller(claims.as_object().unwrap(), &both).is_err(), "{claims}");
        }
    }
}
