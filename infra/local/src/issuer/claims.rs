//! The claims of Cognito's tokens, member by member.
//!
//! Sources: the developer guide's pages "Understanding user pool JSON web tokens", on the access
//! token and on the ID token; for client credentials its page on machine identities.

use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Claims beyond the fixed ones, by name.
pub(super) type Extra<'a> = BTreeMap<&'a str, &'a Value>;

/// The names that an app client's or a user's own claims can't take.
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

/// An access token. The members that are absent for a machine client are options.
#[derive(Serialize)]
pub(super) struct Access<'a> {
    pub(super) sub: &'a str,
    #[serde(rename = "cognito:groups", skip_serializing_if = "<[String]>::is_empty")]
    pub(super) groups: &'a [String],
    pub(super) iss: &'a str,
    pub(super) version: u8,
    pub(super) client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin_jti: Option<&'a str>,
    pub(super) token_use: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) scope: &'a str,
    pub(super) auth_time: u64,
    pub(super) exp: u64,
    pub(super) iat: u64,
    pub(super) jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<&'a str>,
    #[serde(flatten)]
    pub(super) extra: Extra<'a>,
}

/// An ID token: only users have one.
#[derive(Serialize)]
pub(super) struct Id<'a> {
    pub(super) sub: &'a str,
    #[serde(rename = "cognito:groups", skip_serializing_if = "<[String]>::is_empty")]
    pub(super) groups: &'a [String],
    pub(super) iss: &'a str,
    #[serde(rename = "cognito:username")]
    pub(super) username: &'a str,
    pub(super) origin_jti: &'a str,
    pub(super) aud: &'a str,
    pub(super) token_use: &'static str,
    pub(super) auth_time: u64,
    pub(super) exp: u64,
    pub(super) iat: u64,
    pub(super) jti: String,
    #[serde(flatten)]
    pub(super) extra: Extra<'a>,
}

/// All claims of `layers` by name; of two with one name the later layer's counts.
pub(super) fn extra<'a>(layers: &[&'a Map<String, Value>]) -> Extra<'a> {
    layers
        .iter()
        .flat_map(|claims| claims.iter())
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}
