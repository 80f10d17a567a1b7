//! The configuration file: its tables, and the checks of each by itself and then together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::policy::{RuleSpec, Rules};
use serde::Deserialize;
use toml::de::DeTable;

use super::callers::CallersSpec;
use super::issuer::{self, IssuerSpec};
use super::jwks::JwksConfig;
use super::mistake::{Mistake, Wrong, line_of, not_toml, one_line};
use super::policy::PolicyConfig;
use super::{
    ClaimPath, Config, ConfigError, HttpForm, Issuer, KeysConfig, MAX_CONFIG, MetricsConfig,
    ResponseConfig, RevocationConfig, ThrottleConfig, TokenSource, TokenUse, claim_paths, shape,
    throttle,
};

/// The configuration file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
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

/// The tables that a configuration must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    All,
    /// Only issuers, for tokens that are verified without an authorizer.
    Issuers,
}

/// Reads a configuration's text, and checks its tables by `judge`.
pub(super) fn parse<T>(
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

impl File {
    /// Checks the issuers, as far as they do not depend on other tables.
    pub(super) fn judge_issuers(self, file: &DeTable<'_>) -> Result<Vec<Issuer>, Wrong> {
        let claim_paths = check_claim_paths(self.claim_paths, file)?;
        let mut issuers = issuers(self.issuer, file)?;
        complete(&mut issuers, false, &claim_paths, &self.jwks);
        Ok(issuers)
    }

    /// Checks the tables, each by itself and then together.
    pub(super) fn judge(self, file: &DeTable<'_>) -> Result<Config, Wrong> {
        let Self { issuer, rule, claim_paths, policy, jwks, token, response, metrics, .. } = self;
        let Self { callers, keys, throttle, revocation, .. } = self;
        let claim_paths = check_claim_paths(claim_paths, file)?;
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
fn check_claim_paths(
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
