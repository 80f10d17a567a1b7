//! The `[callers]` and `[keys]` tables: the credentials that callers need.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use table::connect::OPERATION_TIMEOUT;

use super::throttle::{ThrottleConfig, check_table, check_timeout};
use super::{Issuer, Mistake};

/// The default cache time of keys.
const CACHE: Duration = Duration::from_secs(60);

/// The longest cache time of keys, in seconds.
const MAX_CACHE: u64 = 3_600;

/// The credential that a caller needs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// A token. Keys are ignored.
    Token,
    /// An API key. Tokens are ignored.
    Key,
    /// A token or an API key.
    Either,
    /// A token and an API key. Rules see the token.
    Both,
}

/// The credential that counts if a request has both.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// The token. The key must be valid too.
    Token,
    /// The API key. The token must be valid too.
    Key,
}

/// The `[callers]` table, with its defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallersConfig {
    /// The credential that a caller needs.
    pub require: Require,
    /// The credential that counts if a request has both; `None` refuses such a request.
    pub prefer: Option<Prefer>,
}

/// The `[callers]` table as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallersSpec {
    require: Option<Require>,
    prefer: Option<Prefer>,
}

/// The `[keys]` table: the DynamoDB table of API keys.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The DynamoDB table's name.
    pub table: String,
    /// Time for which a key or its absence is cached, in seconds. Default 60.
    cache_seconds: Option<u64>,
    /// Time-out of one call to the table, connecting included, in milliseconds. Default 500.
    timeout_ms: Option<u64>,
}

impl fmt::Debug for KeysConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysConfig")
            .field("table", &self.table)
            .field("cache", &self.cache())
            .field("timeout", &self.timeout())
            .finish()
    }
}

impl Default for CallersConfig {
    fn default() -> Self {
        Self { require: Require::Token, prefer: None }
    }
}

impl CallersConfig {
    /// Returns true if a request's API key is a credential.
    #[must_use]
    pub fn takes_keys(&self) -> bool {
        self.require != Require::Token
    }

    /// Returns true if a request's token is a credential.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.require != Require::Key
    }
}

impl KeysConfig {
    /// Time for which a key or its absence is cached. A change takes effect in every environment
    /// within it.
    #[must_use]
    pub fn cache(&self) -> Duration {
        self.cache_seconds.map_or(CACHE, Duration::from_secs)
    }

    /// Time-out of one call to the table, connecting and one retry included.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(OPERATION_TIMEOUT, Duration::from_millis)
    }

    /// The settings for limits by API key without a `[keys]` table: keys in the limits' table.
    pub(super) fn of_limits(throttle: &ThrottleConfig) -> Self {
        let timeout_ms = u64::try_from(throttle.timeout().as_millis()).ok();
        Self { table: throttle.table.clone(), cache_seconds: None, timeout_ms }
    }

    /// Checks the fields together. A key names a plan, so it is in the table of the plans.
    pub(super) fn check(&self, throttle: Option<&ThrottleConfig>) -> Result<(), Mistake> {
        check_table(&self.table, "keys")?;
        if throttle.is_some_and(|throttle| throttle.table != self.table) {
            let message =
                "`table` in [keys] must be the one in [throttle]: a key names a plan of it";
            return Err(Mistake::of("table", message));
        }
        if self.cache_seconds.is_some_and(|seconds| seconds > MAX_CACHE) {
            let message = format!(
                "`cache_seconds` must be at most {MAX_CACHE}: a disabled key passes for that time"
            );
            return Err(Mistake::of("cache_seconds", message));
        }
        check_timeout(self.timeout_ms)
    }
}

impl CallersSpec {
    /// Fills in the defaults, and checks them against the other tables.
    pub(super) fn resolve(
        self,
        issuers: &[Issuer],
        has_keys: bool,
        throttle: Option<&ThrottleConfig>,
    ) -> Result<CallersConfig, Mistake> {
        let by_key = throttle.is_some_and(ThrottleConfig::counts_by_api_key);
        let by_claim = throttle.is_some_and(|throttle| throttle.subject_claims().next().is_some());
        let require = self.require.unwrap_or(match by_key {
            _ if issuers.is_empty() => Require::Key,
            true => Require::Both,
            false => Require::Token,
        });
        let callers = CallersConfig { require, prefer: self.prefer };
        let wrong = |message: &str| Err(Mistake::of("require", message));
        if callers.takes_tokens() && issuers.is_empty() {
            return wrong("`require` asks for a token, and there is no [[issuer]]: add one");
        }
        if callers.takes_keys() && !has_keys {
            return wrong(
                "`require` asks for an API key, and there is no [keys]: add it, with the table",
            );
        }
        if by_key && matches!(require, Require::Token | Require::Either) {
            return wrong(
                "`subject = \"api_key\"` of [throttle] needs a key from every caller: write \
                 `require = \"both\"` or `require = \"key\"`, or name a claim as `subject`",
            );
        }
        if by_claim && require == Require::Key {
            return wrong(
                "`subject` of [throttle] names a claim, and callers have only keys: write \
                 `subject = \"api_key\"`",
            );
        }
        if self.prefer.is_some() && require != Require::Either {
            let message = "`prefer` is used with `require = \"either\"` only: remove it";
            return Err(Mistake::of("prefer", message));
        }
        Ok(callers)
    }
}
