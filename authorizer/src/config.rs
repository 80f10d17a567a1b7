//! The configuration: one TOML file, or two environment variables.
//!
//! `reference.toml` of this crate has every field, and a test checks that.
//! `AUTHORIZER_CONFIG` is a path or the text itself. `USER_POOL_ID` and `CLIENT_IDS` alone make an
//! authorizer that accepts every valid access token of these clients. Every check is on unless the
//! configuration turns it off by name. A missing required check is an error.

mod callers;
mod claim_paths;
mod fields;
mod first_of;
mod issuer;
mod jwks;
mod lint;
mod metrics;
mod parents;
mod policy;
mod response;
mod revocation;
mod shape;
mod source;
mod throttle;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use ::policy::{Code, RuleSpec, Rules};
use serde::Deserialize;
use toml::de::DeTable;

use callers::CallersSpec;
pub use callers::{CallersConfig, KeysConfig, Prefer, Require};
pub(crate) use claim_paths::{ClaimPath, resolve as resolve_claim_paths};
pub use first_of::FirstOf;
use issuer::IssuerSpec;
pub(crate) use issuer::Passed;
pub use issuer::{
    Accepted, BoundTokens, Checks, Identity, Issuer, TokenUse, is_reserved_for_keys,
    is_reserved_in_context,
};
use jwks::JwksConfig;
pub use metrics::MetricsConfig;
pub use parents::ParentConfig;
use policy::PolicyConfig;
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

/// The configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    issuer: Vec<IssuerSpec>,
    #[serde(default)]
    rule: Vec<RuleSpec>,
    #[serde(default)]
    claim_paths: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    policy: PolicyConfig,
    #[serde(default)]
    jwks: JwksConfig,
    #[serde(default)]
    token: TokenSource,
    #[serde(default)]
    response: ResponseConfig,
    #[serde(default)]
    metrics: MetricsConfig,
    #[serde(default)]
    callers: CallersSpec,
    keys: Option<KeysConfig>,
    throttle: Option<ThrottleConfig>,
    revocation: Option<RevocationConfig>,
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
        parse(text, place, Tables::All, File::judge)
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
        parse(text, place, Tables::Issuers, File::judge_issuers)
    }
}

/// The tables that a configuration must have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tables {
    All,
    /// Only issuers, for tokens that are verified without an authorizer.
    Issuers,
}

/// Reads a configuration's text, and checks its tables by `judge`.
fn parse<T>(
    text: &str,
    place: &str,
    tables: Tables,
    judge: impl FnOnce(File, &DeTable<'_>) -> Result<T, Wrong>,
) -> Result<T, ConfigError> {
    let error = |Wrong { at, message }: Wrong| ConfigError {
        place: match at {
            Some(offset) => format!("{place}:{}", line_of(text, offset)),
            None => place.to_owned(),
        },
        message,
    };
    if text.len() > MAX_CONFIG {
        return Err(error(Wrong::file(format!("longer than {MAX_CONFIG} bytes"))));
    }
    let unreadable = |found: toml::de::Error| {
        let at = found.span().map(|span| span.start);
        error(Wrong { at, message: one_line(found.message()) })
    };
    let written = DeTable::parse(text).map_err(|found| {
        let at = found.span().map(|span| span.start);
        error(Wrong { at, message: not_toml(text, &found) })
    })?;
    shape::check(written.get_ref(), tables).map_err(error)?;
    let file = File::deserialize(toml::de::Deserializer::from(written.clone()));
    judge(file.map_err(unreadable)?, written.get_ref()).map_err(error)
}

/// A mistake in a file, and its byte offset if it has one.
struct Wrong {
    at: Option<usize>,
    message: String,
}

impl Wrong {
    fn file(message: impl Into<String>) -> Self {
        Self { at: None, message: message.into() }
    }

    fn at(offset: usize) -> impl FnOnce(String) -> Self {
        move |message| Self { at: Some(offset), message }
    }
}

/// A mistake in a table: the field, and the item of its list, that it is about.
///
/// Without a field it is about the whole table.
#[derive(Debug)]
struct Mistake {
    field: String,
    item: String,
    message: String,
}

impl Mistake {
    fn of(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), item: String::new(), message: message.into() }
    }

    fn of_item(field: &str, item: &str, message: impl Into<String>) -> Self {
        Self { item: item.to_owned(), ..Self::of(field, message) }
    }

    fn of_table(message: impl Into<String>) -> Self {
        Self::of("", message)
    }

    /// Adds the place of the mistake in the file.
    fn placed(self, file: &DeTable<'_>, table: (&str, usize)) -> Wrong {
        let at = shape::place(file, table, &self.field, &self.item);
        Wrong { at, message: self.message }
    }
}

impl File {
    /// Checks the issuers, as far as they do not depend on other tables.
    fn judge_issuers(self, file: &DeTable<'_>) -> Result<Vec<Issuer>, Wrong> {
        let claim_paths = claim_paths(self.claim_paths, file)?;
        let mut issuers = issuers(self.issuer, file)?;
        complete(&mut issuers, false, &claim_paths, &self.jwks);
        Ok(issuers)
    }

    /// Checks the tables, each by itself and then together.
    fn judge(self, file: &DeTable<'_>) -> Result<Config, Wrong> {
        let Self { issuer, rule, claim_paths, policy, jwks, token, response, metrics, .. } = self;
        let Self { callers, keys, throttle, revocation, .. } = self;
        let claim_paths = self::claim_paths(claim_paths, file)?;
        let mut issuers = issuers(issuer, file)?;
        let rules = rules(rule, policy, response.http, &issuers, file)?;
        if let Some(table) = &throttle {
            let ids_only = !issuers.is_empty()
                && issuers.iter().all(|issuer| issuer.checks.token_use == TokenUse::Id);
            let has_client = |claim: &str| claim == "client_id" && ids_only;
            let checked = if table.parent_claims().any(has_client) {
                Err(Mistake::of_item(
                    "parents",
                    "client_id",
                    "`client_id` in `parents` is not in ID tokens, and only ID tokens are \
                     accepted: name another claim",
                ))
            } else if let Some(claim) = table.parent_claims().next()
                && issuers.is_empty()
            {
                let message = format!(
                    "`{}` in `parents` is a claim of tokens, and there is no [[issuer]]: remove it, \
                     and assign parents to the subjects of keys",
                    claim.escape_debug()
                );
                Err(Mistake::of_item("parents", claim, message))
            } else if table.subject.is("client_id") && ids_only {
                Err(Mistake::of(
                    "subject",
                    "`subject = \"client_id\"` is not in ID tokens, and only ID tokens are \
                     accepted: name another claim, for example `sub`",
                ))
            } else {
                throttle::check(table)
            };
            checked.map_err(|found| found.placed(file, ("throttle", 0)))?;
        }
        if let Some(table) = &keys {
            let checked = table.check(throttle.as_ref());
            checked.map_err(|found| found.placed(file, ("keys", 0)))?;
        }
        let by_key = throttle.as_ref().filter(|throttle| throttle.counts_by_api_key());
        let keys = keys.or_else(|| by_key.map(KeysConfig::of_limits));
        let callers = callers.resolve(&issuers, keys.is_some(), throttle.as_ref());
        let callers = callers.map_err(|found| found.placed(file, ("callers", 0)))?;
        token.check(&callers).map_err(|found| found.placed(file, ("token", 0)))?;
        if let Some(table) = &revocation {
            table.check().map_err(|found| found.placed(file, ("revocation", 0)))?;
        }
        let needs_sub = revocation.is_some()
            || throttle.as_ref().is_some_and(|throttle| {
                throttle.subject.is("sub") || throttle.parent_claims().any(|claim| claim == "sub")
            })
            || rules.fills("sub");
        complete(&mut issuers, needs_sub, &claim_paths, &jwks);
        Ok(Config {
            issuers,
            callers,
            keys,
            rules,
            claim_paths,
            token,
            response,
            throttle,
            revocation,
            metrics,
        })
    }
}

/// Checks the names for claims that are inside objects.
fn claim_paths(
    written: BTreeMap<String, Vec<String>>,
    file: &DeTable<'_>,
) -> Result<Arc<[ClaimPath]>, Wrong> {
    let checked = claim_paths::check(written);
    Ok(checked.map_err(|found| found.placed(file, ("claim_paths", 0)))?.into())
}

/// Sets the parts of issuers that come from other tables.
fn complete(
    issuers: &mut [Issuer],
    needs_sub: bool,
    claim_paths: &Arc<[ClaimPath]>,
    jwks: &JwksConfig,
) {
    for issuer in issuers {
        let checks = Arc::make_mut(&mut issuer.checks);
        checks.needs_sub = needs_sub;
        checks.claim_paths = Arc::clone(claim_paths);
        for identity in &mut issuer.identities {
            identity.proxy = jwks.proxy;
        }
    }
}

/// Checks each issuer, that no two have the same name, and the pairs that have the same URL.
fn issuers(specs: Vec<IssuerSpec>, file: &DeTable<'_>) -> Result<Vec<Issuer>, Wrong> {
    let mut issuers: Vec<Issuer> = Vec::with_capacity(specs.len());
    for (position, spec) in specs.into_iter().enumerate() {
        let wrong = |found: Mistake| found.placed(file, ("issuer", position));
        let issuer = spec.resolve().map_err(wrong)?;
        for earlier in &issuers {
            issuer::check_pair(earlier, &issuer).map_err(wrong)?;
        }
        let name = &issuer.checks.issuer;
        if issuers.iter().any(|other| other.checks.issuer == *name) {
            let message = format!(
                "duplicate issuer name `{name}`: callers of both would share limits; give one \
                 another `name`"
            );
            return Err(wrong(Mistake::of("name", message)));
        }
        issuers.push(issuer);
    }
    Ok(issuers)
}

/// Compiles the rules.
fn rules(
    mut specs: Vec<RuleSpec>,
    policy: PolicyConfig,
    http: HttpForm,
    issuers: &[Issuer],
    file: &DeTable<'_>,
) -> Result<Rules, Wrong> {
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    for (position, spec) in specs.iter_mut().enumerate() {
        name_issuers(spec, issuers).map_err(|found| found.placed(file, ("rule", position)))?;
    }
    let rules = Rules::compile_within(specs, policy.document_limit);
    let rules =
        rules.and_then(|rules| if policy.deny_rest { rules.denying_rest() } else { Ok(rules) });
    let rules = rules.map_err(|found| {
        // If two rules have the same name, the second is wrong.
        let position = names.iter().rposition(|name| name == found.rule()).unwrap_or(0);
        let (field, item) = found.place();
        let message = one_line(&found.to_string());
        Mistake::of_item(field, item, message).placed(file, ("rule", position))
    })?;
    if http == HttpForm::Simple
        && let Some((name, field)) = rules.conditioned().next()
    {
        let position = names.iter().position(|other| other == name).unwrap_or(0);
        let message = format!(
            "rule `{}` has `{field}`, which a cached simple response would lose: set \
             `http = \"iam\"` in [response], or remove `{field}`",
            name.escape_debug()
        );
        return Err(Mistake::of(field, message).placed(file, ("rule", position)));
    }
    Ok(rules)
}

/// Replaces issuers' URLs in a rule by their names.
///
/// A pool has several URLs: a rule for one of them must apply to all.
fn name_issuers(rule: &mut RuleSpec, issuers: &[Issuer]) -> Result<(), Mistake> {
    let Some(written) = &mut rule.issuers else { return Ok(()) };
    let mut named = Vec::new();
    for written in written.iter() {
        let name = |issuer: &&Issuer| issuer.checks.issuer == *written;
        let url = |issuer: &&Issuer| issuer.identities.iter().any(|known| known.iss == *written);
        // A URL can have several tables, and stands for all of them.
        let found: Vec<&Issuer> = match issuers.iter().find(name) {
            Some(issuer) => vec![issuer],
            None => issuers.iter().filter(url).collect(),
        };
        if found.is_empty() {
            let names: Vec<String> =
                issuers.iter().map(|issuer| format!("`{}`", issuer.checks.issuer)).collect();
            let message = format!(
                "`{}` in `issuers` of rule `{}` is not an [[issuer]] here: write {}, or its URL",
                written.escape_debug(),
                rule.name.escape_debug(),
                names.join(", ")
            );
            return Err(Mistake::of_item("issuers", written, message));
        }
        named.extend(found.into_iter().map(|issuer| issuer.checks.issuer.clone()));
    }
    *written = named;
    Ok(())
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

/// Returns the line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Returns the message for a text that is not TOML.
fn not_toml(text: &str, found: &toml::de::Error) -> String {
    let message = one_line(found.message());
    let key = found.span().and_then(|span| text.get(span)).unwrap_or_default();
    if message == "duplicate key" {
        return format!("duplicate field `{}`: remove one", key.escape_debug());
    }
    let message = match message.strip_prefix("string values must be quoted") {
        Some(_) => "a text must be in quotes",
        None => &message,
    };
    format!("not TOML: {message}")
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod mistake_tests;

#[cfg(test)]
mod provider_tests;

#[cfg(test)]
mod reference_tests;

#[cfg(test)]
mod tests;
