//! The API key that a request came with.

use std::fmt;

use serde_json::Value;

use super::members::Members;

/// The header that API Gateway looks for keys in.
const HEADER: &str = "x-api-key";

/// The longest key that API Gateway has, in bytes.
const MAX_KEY: usize = 128;

/// An API key as a caller sent it: not looked up, and never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ApiKey<'a>(&'a str);

impl<'a> ApiKey<'a> {
    /// The key itself, to be digested and looked up; it must not be logged.
    #[must_use]
    pub const fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(_)")
    }
}

/// The one key of an event; two that differ are none.
pub(super) fn of(members: Members<'_>) -> Option<ApiKey<'_>> {
    let sent = members.header(HEADER).ok()?;
    let taken = members
        .get("requestContext")
        .and_then(|context| context.get("identity")?.get("apiKey"))
        .and_then(Value::as_str);
    let key = match (sent, taken) {
        (Some(sent), Some(taken)) if sent != taken => return None,
        (sent, taken) => sent.or(taken)?,
    };
    (!key.is_empty() && key.len() <= MAX_KEY).then_some(ApiKey(key))
}
