//! The `[token]` table: the place of the token in a request.

use serde::{Deserialize, Deserializer, de};

/// The place of the token in a request.
///
/// A TOKEN event states its token, whichever header API Gateway reads it from. This is for the
/// other kinds of events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSource {
    #[serde(deserialize_with = "header")]
    header: String,
    /// The query parameter that may have a WebSocket's token instead.
    #[serde(deserialize_with = "parameter")]
    pub(crate) query: Option<String>,
    /// The subprotocol before a WebSocket's token: the token is the subprotocol offered next.
    #[serde(deserialize_with = "subprotocol")]
    pub(crate) subprotocol: Option<String>,
}

impl Default for TokenSource {
    fn default() -> Self {
        Self { header: "authorization".into(), query: None, subprotocol: None }
    }
}

impl TokenSource {
    /// The header that has the token after `Bearer`; in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
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
