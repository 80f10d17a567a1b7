//! The claims of a verified token, checked against the configuration.

mod caller;
mod times;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use policy::{Caller, is_elsewhere};
use serde_json::{Map, Value};

use crate::config::{BoundTokens, Checks, Passed, resolve_claim_paths};
use crate::refusal::Refusal;
use crate::token::Payload;
use times::Times;

pub(crate) use caller::assumed_issuer;
pub use caller::{assumed_caller, assumed_client};

/// The longest principal or token name, in bytes.
///
/// The principal becomes `principalId` and part of a table's key.
const MAX_NAME: usize = 256;

/// The longest claim that is passed on to a backend, in bytes.
const MAX_CONTEXT: usize = 4_096;

/// The claims of a token whose signature, issuer, audience and times were checked.
///
/// [`Verifier::verify`](crate::Verifier::verify) returns them. They were valid then; the token ends
/// at [`expires_at`](Self::expires_at). Debug output hides them.
#[derive(Clone)]
pub struct Claims {
    members: Map<String, Value>,
    checks: Arc<Checks>,
    /// The claim that names the client.
    client: String,
    /// The issuer's name in the keys of limits and revocations.
    issuer: String,
    times: Times,
}

/// Hides the claims, because they are personal.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer)
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

impl Claims {
    /// Checks the payload of a token whose signature was verified.
    ///
    /// `is_access_token` is true if the header's `typ` marks one. `tables` has the checks of each
    /// table of the token's issuer, `now` is the time since the Unix epoch.
    ///
    /// # Errors
    ///
    /// `claim` if a claim is missing, has a type that RFC 7519 does not allow, or a value that the
    /// configuration does not allow.
    pub(crate) fn check(
        payload: Payload,
        is_access_token: bool,
        tables: &[&Arc<Checks>],
        now: Duration,
    ) -> Result<Self, Refusal> {
        let times = Times::read(&payload.text)?;
        let mut members = payload.members;
        if let Some(checks) = tables.first() {
            resolve_claim_paths(&mut members, &checks.claim_paths);
        }
        let (checks, client) = table_of(&members, is_access_token, tables)?;
        times.check(checks, now)?;
        // Rules use whole seconds: a fraction is cut off, so that the token ends earlier.
        if let Some(exp) = members.get_mut("exp") {
            *exp = times.expires_at().into();
        }
        check_binding(&members, checks)?;
        check_names(&members, checks)?;
        let client = client.to_owned();
        let issuer = checks.stored_name(&members);
        let claims = Self { members, checks: Arc::clone(checks), client, issuer, times };
        claims.check_rights()?;
        claims.check_required()?;
        Ok(claims)
    }

    /// Checks the times again. No other check depends on the time.
    ///
    /// # Errors
    ///
    /// `claim` if the token has expired since, or the clock was set back.
    pub(crate) fn check_again(&self, now: Duration) -> Result<(), Refusal> {
        self.times.check(&self.checks, now)
    }

    /// The issuer's short name in the configuration, such as a pool's id, and the tenant's id if
    /// the issuer has many tenants.
    ///
    /// All spellings and Regions of the issuer have the same name.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns `issuer#name`, which differs from the same name of another issuer.
    ///
    /// The authorizer names buckets and revocations like this, so equal subjects of two issuers do
    /// not share them, and a service on the same table can share the authorizer's buckets.
    /// An issuer's name never contains `#`.
    #[must_use]
    pub fn qualified(&self, name: &str) -> String {
        format!("{}#{name}", self.issuer)
    }

    /// The caller's name: the claim that the configuration names, `sub` by default.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.checks.principal.value(&self.members).and_then(Value::as_str).unwrap_or_default()
    }

    /// The `sub` claim; `None` if the token has none, where the configuration does not need it.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The end of the token, in Unix seconds, rounded down.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.times.expires_at()
    }

    /// The moment that revocations compare, in Unix seconds; `None` if the token has no `iat`.
    pub(crate) fn began(&self) -> Option<u64> {
        self.times.began(&self.checks)
    }

    /// The token's own name, if it has one.
    pub(crate) fn jti(&self) -> Option<&str> {
        self.text("jti")
    }

    /// The name of the sign-in that the token comes from; the same over refreshes (Cognito).
    pub(crate) fn origin_jti(&self) -> Option<&str> {
        self.text("origin_jti")
    }

    /// All members of the payload.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// A claim's text; `None` where it is missing or not a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// The application that the token was issued to.
    ///
    /// It comes from the claim that was checked against the configuration: the issuer's
    /// `client_claim`, or the audience if the token is an ID token or names its client nowhere
    /// else. An audience with several entries names no client. If the client comes from the
    /// audience, such a token is accepted only if `audiences` is configured and `clients` is not.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        caller::client_of(&self.members, &self.client)
    }

    /// The scopes, from the issuer's scopes claim; `None` if they cannot be understood.
    #[must_use]
    pub fn scopes(&self) -> Option<Vec<&str>> {
        caller::scopes(&self.members, &self.checks.scopes_claim)
    }

    /// The user's groups, from the issuer's groups claim; `None` if they cannot be understood.
    #[must_use]
    pub fn groups(&self) -> Option<Vec<&str>> {
        caller::groups(&self.members, &self.checks.groups_claim)
    }

    /// The caller as rules see it, at no known address.
    pub(crate) fn caller(&self) -> Caller<'_> {
        caller::caller(&self.members, &self.checks, &self.client)
    }

    /// The context that the backend receives: names and values, in the configured order.
    ///
    /// Values are texts, numbers and booleans, because API Gateway answers 500 for any other. A
    /// list of texts without spaces is joined by spaces, and so are scopes and groups; where the
    /// configuration asks for it, a list is passed on as JSON text. A claim that is missing, empty,
    /// of another form, not understood or longer than 4096 bytes is left out; it is not cut,
    /// because that would change its meaning. `client_id` is always the client that was checked.
    pub(crate) fn context(&self) -> impl Iterator<Item = (&str, Value)> {
        let Checks { scopes_claim, groups_claim, .. } = &*self.checks;
        self.checks.context.iter().filter_map(move |Passed { name, claim, as_json }| {
            let value = match claim {
                claim if *as_json => self.listed(claim).and_then(|list| as_text(&list)),
                claim if claim == "client_id" => self.client().map(Value::from),
                claim if claim == scopes_claim => self.scopes().as_deref().and_then(joined),
                claim if claim == groups_claim => self.groups().as_deref().and_then(joined),
                claim => self.members.get(claim).and_then(flat),
            };
            value.map(|value| (name.as_str(), value))
        })
    }

    /// A claim as a list: the names of scopes or groups, or a list of one value.
    fn listed(&self, claim: &str) -> Option<Vec<Value>> {
        let Checks { scopes_claim, groups_claim, .. } = &*self.checks;
        let values = |names: Vec<&str>| names.into_iter().map(Value::from).collect();
        if claim == scopes_claim {
            return self.scopes().map(values);
        }
        if claim == groups_claim {
            return self.groups().map(values);
        }
        match self.members.get(claim)? {
            _ if is_elsewhere(&self.members, claim) => None,
            Value::Array(list) => Some(list.clone()),
            Value::Null | Value::Object(_) => None,
            one => Some(vec![one.clone()]),
        }
    }

    /// Checks the scopes and groups that the configuration requires.
    fn check_rights(&self) -> Result<(), Refusal> {
        let checks = &self.checks;
        if !has(|| self.scopes(), &checks.any_scope, &checks.all_scopes) {
            return Err(Refusal::claim("the token lacks a scope that every caller needs"));
        }
        if !has(|| self.groups(), &checks.any_group, &checks.all_groups) {
            return Err(Refusal::claim("the token lacks a group that every caller needs"));
        }
        Ok(())
    }

    fn check_required(&self) -> Result<(), Refusal> {
        let fits = |claim: &str, allowed: &[Value]| match self.members.get(claim) {
            _ if is_elsewhere(&self.members, claim) => false,
            Some(Value::Array(values)) => {
                is_uniform(values) && values.iter().any(|value| allowed.contains(value))
            }
            Some(value) => allowed.contains(value),
            None => false,
        };
        if self.checks.required_claims.iter().all(|(claim, allowed)| fits(claim, allowed)) {
            Ok(())
        } else {
            Err(Refusal::claim("a claim that every caller needs is missing or another"))
        }
    }
}

/// Returns the one table that accepts the token's kind, client and audience, and the claim that
/// names the client.
///
/// A token that fits two tables of its issuer is refused. The tables may read groups from different
/// claims, for example, and a deny by one of them must not be lost.
fn table_of<'c>(
    members: &Map<String, Value>,
    is_access_token: bool,
    tables: &[&'c Arc<Checks>],
) -> Result<(&'c Arc<Checks>, &'c str), Refusal> {
    let mut found = None;
    let mut refusal = Refusal::claim("the issuer is not configured");
    for &checks in tables {
        match caller::check(members, is_access_token, checks) {
            Ok(_) if found.is_some() => {
                return Err(Refusal::claim("the token fits two tables of its issuer"));
            }
            Ok(client) => found = Some((checks, client)),
            Err(other) => refusal = other,
        }
    }
    found.ok_or(refusal)
}

/// Returns true if all values are texts, or all numbers, or all booleans.
fn is_uniform(values: &[Value]) -> bool {
    values.iter().all(Value::is_string)
        || values.iter().all(Value::is_number)
        || values.iter().all(Value::is_boolean)
}

/// Returns true if `held` has one of `any`, unless that is empty, and every one of `all`.
///
/// Names that cannot be understood satisfy nothing.
fn has<'a>(held: impl FnOnce() -> Option<Vec<&'a str>>, any: &[String], all: &[String]) -> bool {
    if any.is_empty() && all.is_empty() {
        return true;
    }
    let Some(held) = held() else { return false };
    let holds = |name: &String| held.contains(&name.as_str());
    (any.is_empty() || any.iter().any(holds)) && all.iter().all(holds)
}

/// Refuses a token that is bound to a key, unless the configuration accepts it.
///
/// `cnf` names the key, and the caller must prove that it holds the key (RFC 7800; DPoP, RFC 9449;
/// mutual TLS, RFC 8705). The authorizer does not check this proof.
fn check_binding(members: &Map<String, Value>, checks: &Checks) -> Result<(), Refusal> {
    match (members.get("cnf"), checks.bound_tokens) {
        (None, _) | (Some(Value::Object(_)), BoundTokens::Accept) => Ok(()),
        (Some(_), _) => Err(Refusal::claim("the token is bound to a key (`cnf`)")),
    }
}

/// Checks the claims that become names; null counts as absent.
fn check_names(members: &Map<String, Value>, checks: &Checks) -> Result<(), Refusal> {
    let named = |claim: &str, most: usize| match members.get(claim) {
        Some(Value::String(name)) => Some(is_name(name) && name.len() <= most),
        None | Some(Value::Null) => None,
        Some(_) => Some(false),
    };
    // `sub` may have any length, unless it is the principal.
    if !named("sub", usize::MAX).unwrap_or(!checks.needs_sub) {
        return Err(Refusal::claim("`sub` is missing or not usable"));
    }
    let principal = checks.principal.value(members).and_then(Value::as_str);
    if !principal.is_some_and(|name| is_name(name) && name.len() <= MAX_NAME) {
        return Err(Refusal::claim("the principal's claim is missing or not usable"));
    }
    // Tokens whose ids have another type could not be revoked.
    if named("jti", MAX_NAME) == Some(false) || named("origin_jti", MAX_NAME) == Some(false) {
        return Err(Refusal::claim("`jti` or `origin_jti` is not usable"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// A claim in a form that the context can carry.
fn flat(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::String(text) => text_within_bounds(text.clone()),
        Value::Array(list) => joined(&list.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?),
        Value::Null | Value::Object(_) => None,
    }
}

/// The JSON text of a list of texts, numbers and booleans; `None` for an empty list.
fn as_text(list: &[Value]) -> Option<Value> {
    let is_flat = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    if list.is_empty() || !list.iter().all(is_flat) {
        return None;
    }
    serde_json::to_string(list).ok().and_then(text_within_bounds)
}

/// Names joined by spaces; `None` if one is empty or has a space in it.
fn joined(names: &[&str]) -> Option<Value> {
    let is_whole = |name: &&str| !name.is_empty() && !name.contains(char::is_whitespace);
    names.iter().all(is_whole).then(|| names.join(" ")).and_then(text_within_bounds)
}

fn text_within_bounds(text: String) -> Option<Value> {
    (!text.is_empty() && text.len() <= MAX_CONTEXT).then(|| Value::from(text))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::checks as checks_for_tests;
