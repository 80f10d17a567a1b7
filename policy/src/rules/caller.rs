//! Who is calling, as far as rules care.

use std::fmt;

use serde_json::{Map, Value};

/// A caller whose token has been verified, borrowed from its claims.
///
/// Scopes, groups and client are given apart from the claims, since each issuer keeps them in
/// claims of its own. Debug shows how many there are and no value.
#[derive(Clone)]
pub struct Caller<'a> {
    client: Option<&'a str>,
    scopes: Vec<&'a str>,
    groups: Vec<&'a str>,
    claims: &'a Map<String, Value>,
}

impl<'a> Caller<'a> {
    /// A caller with these claims, and no client, scope or group.
    #[must_use]
    pub fn new(claims: &'a Map<String, Value>) -> Self {
        Self { client: None, scopes: Vec::new(), groups: Vec::new(), claims }
    }

    /// Sets the client that the token was issued to, where it names one.
    #[must_use]
    pub fn with_client(self, client: Option<&'a str>) -> Self {
        Self { client, ..self }
    }

    /// Sets the scopes that the token carries, one an item.
    #[must_use]
    pub fn with_scopes(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { scopes: scopes.into_iter().collect(), ..self }
    }

    /// Sets the groups that the caller is in.
    #[must_use]
    pub fn with_groups(self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        Self { groups: groups.into_iter().collect(), ..self }
    }

    pub(crate) fn is_client(&self, client: &str) -> bool {
        self.client == Some(client)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(&scope)
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.contains(&group)
    }

    /// Whether a claim is one of the values, or a list of strings with one of them in it.
    pub(crate) fn claims_one_of(&self, claim: &str, values: &[String]) -> bool {
        match self.claims.get(claim) {
            Some(Value::String(claimed)) => values.contains(claimed),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).any(|c| values.iter().any(|v| v == c))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("has_client", &self.client.is_some())
            .field("scopes", &self.scopes.len())
            .field("groups", &self.groups.len())
            .field("claims", &self.claims.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_claim_matches_as_a_string_or_a_list_of_strings_alone() {
        let values = ["gold".to_owned(), "1".to_owned(), "true".to_owned(), String::new()];
        for (claim, matches) in [
            (json!("gold"), true),
            (json!(["iron", "gold"]), true),
            (json!("Gold"), false),
            (json!("gold iron"), false),
            (json!(["iron"]), false),
            (json!([]), false),
            (json!(["gold", 1]), false),
            (json!([["gold"]]), false),
            (json!({ "gold": "gold" }), false),
            (json!(1), false),
            (json!(true), false),
            (json!(null), false),
        ] {
            let claims = claims(json!({ "plan": claim }));
            let caller = Caller::new(&claims);
            assert_eq!(caller.claims_one_of("plan", &values), matches, "{claim}");
            assert!(!caller.claims_one_of("other", &values));
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let claims = claims(json!({ "sub": "secret-sub" }));
        let caller = Caller::new(&claims)
            .with_client(Some("secret-client"))
            .with_scopes(["secret-scope"])
            .with_groups(["secret-group"]);
        let shown = format!("{caller:?}");
        assert_eq!(shown, "Caller { has_client: true, scopes: 1, groups: 1, claims: 1, .. }");
    }
}
