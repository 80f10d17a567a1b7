//! The `[token]` table: the place of the token in a request.

use serde::{Deserialize, Deserializer, de};

use super::{CallersConfig, Mistake};

/// The header that API Gateway reads API keys from.
pub(crate) const API_KEY: &str = "x-api-key";

/// The place of the token in a request.
///
/// Does not apply to TOKEN events: API Gateway chooses the header and puts the token into the
/// event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSource {
    #[serde(deserialize_with = "header")]
    header: String,
    /// The word before the token in the header.
    scheme: Scheme,
    /// The cookie that may have the token instead.
    #[serde(deserialize_with = "cookie")]
    cookie: Option<String>,
    /// The query parameter that may have a WebSocket's token instead.
    #[serde(deserialize_with = "parameter")]
    pub(crate) query: Option<String>,
    /// The subprotocol before a WebSocket's token: the token is the subprotocol offered next.
    #[serde(deserialize_with = "subprotocol")]
    pub(crate) subprotocol: Option<String>,
}

/// The word before the token in its header.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `Bearer`, in any case (RFC 6750 section 2.1).
    Bearer,
    /// None: the value is the token.
    None,
}

impl Default for TokenSource {
    fn default() -> Self {
        let (header, scheme) = ("authorization".into(), Scheme::Bearer);
        Self { header, scheme, cookie: None, query: None, subprotocol: None }
    }
}

impl TokenSource {
    /// Checks that the token and the API key are not in one header.
    pub(super) fn check(&self, callers: &CallersConfig) -> Result<(), Mistake> {
        if self.header == API_KEY && callers.takes_tokens() && callers.takes_keys() {
            let message = "`header` is where API Gateway has the API key, and callers may send one: \
                           name another header";
            return Err(Mistake::of("header", message));
        }
        Ok(())
    }

    /// The header that has the token after its scheme; in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The word before the token in the header.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The cookie that may have the token instead of the header.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }
}

fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if !is_http_token(&name) {
        return Err(de::Error::custom(
            "`header` is not a header's name: write one such as `authorization`",
        ));
    }
    Ok(name.to_ascii_lowercase())
}

fn cookie<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    // RFC 6265 section 4.1.1: a cookie's name is a token.
    if !is_http_token(&name) {
        return Err(de::Error::custom(
            "`cookie` is not a cookie's name: write one such as `session`",
        ));
    }
    Ok(Some(name))
}

fn parameter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(de::Error::custom(
            "`query` is not a parameter's name: write one such as `access_token`",
        ));
    }
    Ok(Some(name))
}

fn subprotocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if !is_http_token(&name) {
        return Err(de::Error::custom(
            "`subprotocol` is not a subprotocol's name: write one such as `bearer`",
        ));
    }
    Ok(Some(name))
}

/// Returns true for a token of HTTP (RFC 9110 section 5.6.2): a name of a header or subprotocol.
fn is_http_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
