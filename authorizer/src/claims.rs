//! What a verified token says, checked against what the configuration asks.

mod audience;
mod caller;
mod times;

use std::fmt;
use std::sync::Arc;

use policy::Caller;
use serde_json::{Map, Value};

use crate::config::Checks;
use crate::refusal::Refusal;

pub use caller::assumed_caller;

/// The longest claim that is taken as a name, in bytes: of a subject, a principal, a token.
///
/// It becomes `principalId` and part of a table's key.
const MAX_NAME: usize = 256;

/// The longest claim that is passed on to a backend, in bytes.
const MAX_CONTEXT: usize = 4_096;

/// The claims of a token whose signature, issuer, audience and times were checked.
#[derive(Clone)]
pub struct Claims {
    members: Map<String, Value>,
    checks: Arc<Checks>,
    /// The claim that names the client.
    client: String,
    expires_at: u64,
    issued_at: Option<u64>,
}

/// Claims are never shown: they are personal, and what they name can be sensitive.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.checks.issuer)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Claims {
    /// Checks the payload of a token whose signature was verified.
    ///
    /// `marked` says whether the header's `typ` is an access token's (RFC 9068 section 2.1).
    /// `issuer` is the configured text that the token's `iss` was looked up by; `now` is in Unix
    /// seconds. A time equal to `now` has expired (RFC 7519 section 4.1.4: "on or after").
    ///
    /// # Errors
    ///
    /// `claim`, for a claim that is missing, of a type that RFC 7519 does not give it, or of a
    /// value that the configuration does not allow.
    pub(crate) fn check(
        members: Map<String, Value>,
        marked: bool,
        issuer: &str,
        checks: &Arc<Checks>,
        now: u64,
    ) -> Result<Self, Refusal> {
        if members.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(Refusal::claim("the issuer is another"));
        }
        let times = times::read(&members)?;
        times.check(checks, now)?;
        let client = audience::check(&members, marked, checks)?;
        check_names(&members, checks)?;
        let claims = Self {
            members,
            checks: Arc::clone(checks),
            client: client.to_owned(),
            expires_at: times.exp,
            issued_at: times.iat,
        };
        claims.check_rights()?;
        claims.check_required()?;
        Ok(claims)
    }

    /// Checks again what the passing of time can change.
    ///
    /// # Errors
    ///
    /// `claim`: the token has expired since, say, or the clock was set back.
    pub(crate) fn check_again(&self, now: u64) -> Result<(), Refusal> {
        times::read(&self.members)?.check(&self.checks, now)
    }

    /// The issuer's short name in the configuration: a pool's id, say.
    ///
    /// It is stable over the issuer's several spellings and Regions.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.checks.issuer
    }

    /// A name of this token's, told apart from the same name of another issuer: `issuer#name`.
    ///
    /// Buckets and revocations are kept by such names, so that two issuers' equal subjects share
    /// neither. An issuer's name holds no `#`, so that no two pairs make one text.
    #[must_use]
    pub fn qualified(&self, name: &str) -> String {
        format!("{}#{name}", self.issuer())
    }

    /// Who calls: the claim that the configuration says, `sub` unless it says otherwise.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.text(&self.checks.principal).unwrap_or_default()
    }

    /// Who the token is about: the `sub` claim.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// When the token ends, in Unix seconds.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// When the token was made, in Unix seconds, where it says so.
    #[must_use]
    pub const fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The token's own name, where it has one.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.text("jti")
    }

    /// The name of the sign-in that the token comes from; the same over refreshes (Cognito).
    #[must_use]
    pub fn origin_jti(&self) -> Option<&str> {
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
    /// The claim that was checked against the configuration: the issuer's `client_claim`, or the
    /// audience of an ID token and of a token that names its client nowhere else. An audience of
    /// several is taken only where audiences are configured and clients are not; it names no
    /// client.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        audience::client_of(&self.members, &self.client)
    }

    /// The scopes, of the claim that the issuer keeps them in: a text or a list of texts.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        caller::scopes(&self.members, &self.checks.scopes_claim)
    }

    /// The user's groups, of the claim that the issuer keeps them in.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        caller::groups(&self.members, &self.checks.groups_claim)
    }

    /// The caller as rules see it, at no known address.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller::new(&self.members)
            .with_issuer(Some(self.issuer()))
            .with_client(self.client())
            .with_scopes(self.scopes())
            .with_groups(self.groups())
    }

    /// What the backend is told of the caller: names and values, in the configured order.
    ///
    /// Values are texts, numbers and booleans, since API Gateway answers 500 for any other. A
    /// list of texts without spaces is joined by spaces, as scopes are. A claim that is missing,
    /// empty, of another form, or longer than 4096 bytes is left out: cut, it would mean
    /// something else. `client_id` is the client that was checked, whichever claim names it.
    pub fn context(&self) -> impl Iterator<Item = (&str, Value)> {
        self.checks.context.iter().filter_map(|(name, claim)| {
            let value = match claim.as_str() {
                "client_id" => self.client().map(Value::from),
                claim => self.members.get(claim).and_then(flat),
            };
            value.map(|value| (name.as_str(), value))
        })
    }

    /// Checks scopes and groups: their types, and what the configuration asks of them.
    fn check_rights(&self) -> Result<(), Refusal> {
        let checks = &self.checks;
        caller::check_types(&self.members, checks)?;
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
            Some(Value::Array(values)) => values.iter().any(|value| allowed.contains(value)),
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

/// Whether `held` has one of `any`, where any is asked for, and every one of `all`.
fn has<'a>(held: impl FnOnce() -> Vec<&'a str>, any: &[String], all: &[String]) -> bool {
    if any.is_empty() && all.is_empty() {
        return true;
    }
    let held = held();
    let holds = |name: &String| held.contains(&name.as_str());
    (any.is_empty() || any.iter().any(holds)) && all.iter().all(holds)
}

/// Checks the claims that names are made of.
fn check_names(members: &Map<String, Value>, checks: &Checks) -> Result<(), Refusal> {
    let named = |claim: &str| match members.get(claim) {
        Some(Value::String(name)) => Some(is_name(name)),
        Some(_) => Some(false),
        None => None,
    };
    if named("sub") != Some(true) {
        return Err(Refusal::claim("`sub` is missing or not usable"));
    }
    if named(&checks.principal) != Some(true) {
        return Err(Refusal::claim("the principal's claim is missing or not usable"));
    }
    // Of another type they could not be revoked.
    if named("jti") == Some(false) || named("origin_jti") == Some(false) {
        return Err(Refusal::claim("`jti` or `origin_jti` is not usable"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}

/// A claim as a backend can be told it.
fn flat(value: &Value) -> Option<Value> {
    let flat = match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => value.clone(),
        Value::Array(list) => {
            let whole = |item: &Value| {
                let text = item.as_str().filter(|text| !text.is_empty());
                text.filter(|text| !text.contains(char::is_whitespace)).map(str::to_owned)
            };
            Value::from(list.iter().map(whole).collect::<Option<Vec<_>>>()?.join(" "))
        }
        Value::Null | Value::Object(_) => return None,
    };
    let fits = |text: &str| !text.is_empty() && text.len() <= MAX_CONTEXT;
    flat.as_str().is_none_or(fits).then_some(flat)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::checks as checks_for_tests;
