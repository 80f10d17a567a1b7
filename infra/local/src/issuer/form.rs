//! The form of an issuer's tokens: Cognito's, or that of another OpenID Connect issuer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::claims::{FIXED, FIXED_OIDC};

/// The claims that an issuer writes scopes, groups and clients into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// True for a Cognito user pool; false: access tokens as in RFC 9068, without `token_use`.
    pub is_cognito: bool,
    /// The claim that holds the scopes.
    pub scopes_claim: String,
    /// The claim that holds the groups.
    pub groups_claim: String,
    /// The claim that names the client of an access token.
    pub client_claim: String,
    /// The `aud` of access tokens. Cognito writes none for a machine client.
    pub audience: Option<String>,
    /// True if `/local/token` gives a user's ID token unless it is asked for the other.
    pub prefers_id: bool,
    /// The place of each claim that is inside objects: `[claim_paths]` of the configuration.
    pub claim_paths: BTreeMap<String, Vec<String>>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            is_cognito: true,
            scopes_claim: "scope".to_owned(),
            groups_claim: "cognito:groups".to_owned(),
            client_claim: "client_id".to_owned(),
            audience: None,
            prefers_id: false,
            claim_paths: BTreeMap::new(),
        }
    }
}

impl Form {
    /// Moves each claim that has a path from its alias to that place.
    pub(super) fn nest(&self, claims: &mut Map<String, Value>) {
        for (alias, path) in &self.claim_paths {
            let Some(value) = claims.remove(alias) else { continue };
            let Some((last, objects)) = path.split_last() else { continue };
            let mut place = &mut *claims;
            for name in objects {
                let inner = place.entry(name.clone()).or_insert_with(|| json!({}));
                if !inner.is_object() {
                    *inner = json!({});
                }
                let Value::Object(inner) = inner else { return };
                place = inner;
            }
            place.insert(last.clone(), value);
        }
    }

    /// Returns true if the issuer writes this claim itself.
    #[must_use]
    pub fn is_fixed(&self, claim: &str) -> bool {
        let fixed: &[&str] = if self.is_cognito { &FIXED } else { &FIXED_OIDC };
        let own = [&self.scopes_claim, &self.groups_claim, &self.client_claim];
        fixed.contains(&claim) || own.into_iter().any(|name| name == claim)
    }
}
