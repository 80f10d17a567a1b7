//! The form of an issuer's tokens: Cognito's, or that of another OpenID Connect issuer.

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
        }
    }
}

impl Form {
    /// Returns true if the issuer writes this claim itself.
    #[must_use]
    pub fn is_fixed(&self, claim: &str) -> bool {
        let fixed: &[&str] = if self.is_cognito { &FIXED } else { &FIXED_OIDC };
        let own = [&self.scopes_claim, &self.groups_claim, &self.client_claim];
        fixed.contains(&claim) || own.into_iter().any(|name| name == claim)
    }
}
