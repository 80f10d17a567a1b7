//! The configuration: one TOML file, or two environment variables.
//!
//! `reference.toml` of this crate has every field, and a test checks that.
//! `AUTHORIZER_CONFIG` is a path or the text itself. `USER_POOL_ID` and `CLIENT_IDS` alone make an
//! authorizer that accepts every valid access token of these clients. Every check is on unless the
//! configuration turns it off by name. A missing required check is an error.

mod callers;
mod claim_paths;
mod fields;
mod file;
mod first_of;
mod issuer;
mod jwks;
mod lint;
mod metrics;
mod mistake;
mod parents;
mod policy;
mod response;
mod revocation;
mod shape;
mod source;
mod throttle;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use ::policy::{Code, RuleSpec, Rules};

pub use callers::{CallersConfig, KeysConfig, Prefer, Require};
pub(crate) use claim_paths::{ClaimPath, resolve as resolve_claim_paths};
use file::{File, Tables};
pub use first_of::FirstOf;
use issuer::IssuerSpec;
pub(crate) use issuer::Passed;
pub use issuer::{
    Accepted, BoundTokens, Checks, Identity, Issuer, TokenUse, is_reserved_for_keys,
    is_reserved_in_context,
};
pub use metrics::MetricsConfig;
use mistake::{Mistake, Wrong, one_line};
pub use parents::ParentConfig;
pub use response::{HttpForm, HttpUnauthorized, ResponseConfig};
pub use revocation::{RevocationConfig, RevocationFailure};
pub(crate) use source::API_KEY;
pub use source::{Scheme, TokenSource};
pub(crate) use throttle::UNKNOWN_KEY;
pub use throttle::{PlanChoice, Refuse, ThrottleConfig};

/// The longest configuration, in bytes.
const MAX_CONFIG: usize = 256 * 1024;

/// The rule for a pool from the environment variables: the same as API Gateway's own Cognito
/// authorizer.
const OPEN_RULE: &str = r#"
name = "every valid token"
allow = ["ANY /*"]
everyone = true
"#;

/// The configuration of an authorizer.
#[derive(Debug)]
pub struct Config {
    /// Issuers whose tokens are accepted; empty if callers have only API keys.
    pub issuers: Vec<Issuer>,
    /// The credentials that callers need.
    pub callers: CallersConfig,
    /// The table of API keys; `None` if keys are not looked at.
    pub keys: Option<KeysConfig>,
    /// Rules that allow and deny routes.
    pub rules: Rules,
    /// Names for claims that are inside objects.
    pub(crate) claim_paths: Arc<[ClaimPath]>,
    /// The place of the token in a request.
    pub token: TokenSource,
    /// The form of responses to HTTP APIs.
    pub response: ResponseConfig,
    /// Rate limits and quotas; `None` for no limits.
    pub throttle: Option<ThrottleConfig>,
    /// The table of revocations; `None` if tokens are valid until they expire.
    pub revocation: Option<RevocationConfig>,
    /// Metrics in the log.
    pub metrics: MetricsConfig,
}

/// A mistake in a configuration, and its place.
///
/// Displayed as one line: `place:line: mistake and fix`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    place: String,
    message: String,
}

impl Config {
    /// Reads the configuration that the environment names.
    ///
    /// Logs a warning for each rule that all of several issuers, or all tenants of an issuer, can
    /// meet.
    ///
    /// # Errors
    ///
    /// No configuration is named, the file cannot be read, or it has a mistake.
    pub fn from_env() -> Result<Self, ConfigError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // An empty AUTHORIZER_CONFIG is a mistake, because the pool's open rule must not replace
        // the file.
        let source = std::env::var("AUTHORIZER_CONFIG").ok();
        let config = match (source, variable("USER_POOL_ID"), variable("CLIENT_IDS")) {
            (Some(source), None, None) => Self::from_source(&source),
            (None, Some(pool), Some(clients)) => Self::from_pool(&pool, &clients),
            (source, ..) => Err(ConfigError {
                place: "environment".into(),
                message: match source {
                    Some(_) => {
                        "both AUTHORIZER_CONFIG and USER_POOL_ID or CLIENT_IDS are set: \
                                keep one, because the others would be ignored"
                    }
                    None => {
                        "no configuration: set AUTHORIZER_CONFIG to a TOML file or its text, \
                             or both USER_POOL_ID and CLIENT_IDS"
                    }
                }
                .into(),
            }),
        }?;
        for finding in config.lint() {
            match finding.code {
                Code::AnyIssuer => tracing::warn!(%finding, "a rule trusts every issuer"),
                Code::AnyTenant => tracing::warn!(%finding, "a rule trusts every tenant"),
                _ => {}
            }
        }
        Ok(config)
    }

    /// Reads a configuration from a path, or from the text itself.
    ///
    /// A text with a line break or a bracket is a configuration, any other a path.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it has a mistake.
    pub fn from_source(source: &str) -> Result<Self, ConfigError> {
        if source.is_empty() {
            return Err(ConfigError {
                place: "AUTHORIZER_CONFIG".into(),
                message: "is empty: give a path or the text, or unset it".into(),
            });
        }
        if source.contains(['\n', '[']) {
            return Self::parse(source, "AUTHORIZER_CONFIG");
        }
        Self::read(Path::new(source))
    }

    /// Reads a configuration from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it has a mistake.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string().escape_debug().to_string();
        match read(path, MAX_CONFIG) {
            Ok(text) => Self::parse(&text, &place),
            Err(message) => Err(ConfigError { place, message }),
        }
    }

    /// Makes the configuration of one Cognito pool: every valid access token, every route.
    ///
    /// `clients` are separated by commas or spaces.
    ///
    /// # Errors
    ///
    /// The pool's id is invalid, or `clients` names none.
    pub fn from_pool(pool: &str, clients: &str) -> Result<Self, ConfigError> {
        let error =
            |message: String| ConfigError { place: "USER_POOL_ID and CLIENT_IDS".into(), message };
        // A set, because naming a client twice is allowed.
        let clients: BTreeSet<String> = clients
            .split([',', ' '])
            .filter(|client| !client.is_empty())
            .map(str::to_owned)
            .collect();
        let clients: Vec<String> = clients.into_iter().collect();
        if clients.is_empty() {
            return Err(error("an empty client list refuses every caller: name a client".into()));
        }
        let issuer = IssuerSpec::of_pool(pool, clients).map_err(error)?;
        let issuer = issuer.resolve().map_err(|found| error(found.message))?;
        let rule: RuleSpec =
            toml::from_str(OPEN_RULE).map_err(|found| error(one_line(found.message())))?;
        let rules = Rules::compile(vec![rule]).map_err(|found| error(found.to_string()))?;
        Ok(Self {
            issuers: vec![issuer],
            callers: CallersConfig::default(),
            keys: None,
            rules,
            claim_paths: Arc::default(),
            token: TokenSource::default(),
            response: ResponseConfig::default(),
            throttle: None,
            revocation: None,
            metrics: MetricsConfig::default(),
        })
    }

    /// Writes the claims of `[claim_paths]` under their aliases, as the authorizer does for a token.
    ///
    /// For operators who inspect a token: call it before [`assumed_caller`](crate::assumed_caller)
    /// and similar functions.
    pub fn resolve_claim_paths(&self, claims: &mut serde_json::Map<String, serde_json::Value>) {
        resolve_claim_paths(claims, &self.claim_paths);
    }

    /// Reads a configuration's text. Errors begin with `place` and the line.
    ///
    /// # Errors
    ///
    /// Any unknown, missing, duplicate or out-of-bounds field, with its line.
    pub fn parse(text: &str, place: &str) -> Result<Self, ConfigError> {
        file::parse(text, place, Tables::All, File::judge)
    }

    /// Reads the issuers of a configuration, for a service that verifies tokens itself by a
    /// [`Verifier`](crate::Verifier).
    ///
    /// Uses the tables `[[issuer]]`, `[claim_paths]` and `[jwks]`. Rules and other tables are not
    /// needed; an authorizer's whole configuration works too. Errors begin with `place` and the
    /// line.
    ///
    /// # Errors
    ///
    /// There is no issuer, or a field is unknown, missing, duplicate or out of bounds.
    pub fn parse_issuers(text: &str, place: &str) -> Result<Vec<Issuer>, ConfigError> {
        file::parse(text, place, Tables::Issuers, File::judge_issuers)
    }
}

/// Reads at most `most` bytes of a file and one more.
///
/// If the file is longer, the caller sees that and refuses it. A device may have no end.
fn read(path: &Path, most: usize) -> Result<String, String> {
    let unreadable = |error: std::io::Error| {
        let error = error.to_string();
        let reason = error.split_once(" (os error").map_or(&*error, |(reason, _)| reason);
        format!("cannot be read: {reason}")
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(most as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod mistake_tests;

#[cfg(test)]
mod provider_tests;

#[cfg(test)]
mod reference_tests;

#[cfg(test)]
mod tests;
