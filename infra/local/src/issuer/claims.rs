//! The claims of tokens, member by member.
//!
//! Sources: for Cognito the developer guide's pages "Understanding user pool JSON web tokens", on
//! the access token and on the ID token, and for client credentials its page on machine identities;
//! for other issuers RFC 9068 section 2.2 and OpenID Connect Core section 2.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Form;

/// The scope of every access token that comes from a password instead of an OAuth 2.0 grant.
pub(super) const SIGN_IN_SCOPE: &str = "aws.cognito.signin.user.admin";

/// The names that an app client's or a user's own claims can't take, with Cognito.
pub(super) const FIXED: [&str; 15] = [
    "aud",
    "auth_time",
    "client_id",
    "cognito:groups",
    "cognito:username",
    "exp",
    "iat",
    "iss",
    "jti",
    "origin_jti",
    "scope",
    "sub",
    "token_use",
    "username",
    "version",
];

/// The same with other issuers, beside the names in their [`Form`].
pub(super) const FIXED_OIDC: [&str; 7] = ["aud", "auth_time", "exp", "iat", "iss", "jti", "sub"];

/// The facts that a token is made of.
pub(super) struct Facts<'a> {
    pub(super) form: &'a Form,
    pub(super) iss: &'a str,
    pub(super) sub: &'a str,
    pub(super) client: &'a str,
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) auth_time: u64,
    pub(super) scopes: String,
    /// `None` for a machine client.
    pub(super) user: Option<Person<'a>>,
}

/// The user of a token.
pub(super) struct Person<'a> {
    pub(super) username: &'a str,
    pub(super) groups: &'a [String],
    pub(super) origin_jti: &'a str,
    /// The scopes that a hosted sign-in was granted.
    pub(super) granted: Option<&'a str>,
    /// The value that a hosted sign-in wants to see in its ID token.
    pub(super) nonce: Option<&'a str>,
}

impl Facts<'_> {
    /// An access token's claims; of two claims with one name the later layer's counts.
    pub(super) fn access(&self, layers: &[&Map<String, Value>]) -> Map<String, Value> {
        let form = self.form;
        let mut claims = self.common(layers);
        claims.insert(form.client_claim.clone(), self.client.into());
        if form.is_cognito {
            claims.insert("client_id".to_owned(), self.client.into());
            claims.insert("token_use".to_owned(), "access".into());
            claims.insert("version".to_owned(), 2.into());
            if let Some(Person { username, .. }) = self.user {
                claims.insert("username".to_owned(), username.into());
            }
        }
        self.add_scopes(&mut claims);
        // Cognito binds tokens of machine clients to nothing.
        if let Some(audience) = &form.audience
            && (self.user.is_some() || !form.is_cognito)
        {
            claims.insert("aud".to_owned(), audience.as_str().into());
        }
        form.nest(&mut claims);
        claims
    }

    /// An ID token's claims: only users have one.
    pub(super) fn id(&self, layers: &[&Map<String, Value>]) -> Map<String, Value> {
        let mut claims = self.common(layers);
        claims.insert("aud".to_owned(), self.client.into());
        if let Some(nonce) = self.user.as_ref().and_then(|user| user.nonce) {
            claims.insert("nonce".to_owned(), nonce.into());
        }
        if self.form.is_cognito {
            claims.insert("token_use".to_owned(), "id".into());
            if claims.contains_key("email") {
                claims.entry("email_verified").or_insert(true.into());
            }
            if let Some(Person { username, .. }) = self.user {
                claims.insert("cognito:username".to_owned(), username.into());
            }
        } else {
            // Some issuers write what a user may do into ID tokens too: `roles`, say.
            self.add_scopes(&mut claims);
        }
        self.form.nest(&mut claims);
        claims
    }

    fn common(&self, layers: &[&Map<String, Value>]) -> Map<String, Value> {
        let mut claims: Map<String, Value> =
            layers.iter().flat_map(|layer| (*layer).clone()).collect();
        claims.insert("iss".to_owned(), self.iss.into());
        claims.insert("sub".to_owned(), self.sub.into());
        claims.insert("iat".to_owned(), self.iat.into());
        claims.insert("exp".to_owned(), self.exp.into());
        claims.insert("auth_time".to_owned(), self.auth_time.into());
        claims.insert("jti".to_owned(), Uuid::new_v4().to_string().into());
        if let Some(Person { groups, origin_jti, .. }) = self.user {
            if self.form.is_cognito {
                claims.insert("origin_jti".to_owned(), origin_jti.into());
            }
            if !groups.is_empty() {
                claims.insert(self.form.groups_claim.clone(), json!(groups));
            }
        }
        claims
    }

    fn add_scopes(&self, claims: &mut Map<String, Value>) {
        let is_sign_in = self.form.is_cognito && self.user.is_some();
        let granted = self.user.as_ref().and_then(|user| user.granted);
        let own = granted.or_else(|| is_sign_in.then_some(SIGN_IN_SCOPE));
        let all = own.into_iter().chain((!self.scopes.is_empty()).then_some(&*self.scopes));
        let scopes = all.collect::<Vec<_>>().join(" ");
        if !scopes.is_empty() {
            claims.insert(self.form.scopes_claim.clone(), scopes.into());
        }
    }
}
