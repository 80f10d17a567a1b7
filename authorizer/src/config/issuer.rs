//! The issuers whose tokens are accepted, and the checks on these tokens.

mod accepted;
mod address;
mod context;
mod pool;
mod spec;
mod tables;
mod tenants;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::config::{ClaimPath, FirstOf};
use crate::tenant;

pub use crate::jwks::Identity;
pub use accepted::Accepted;
pub(crate) use context::Passed;
pub use context::{is_reserved_for_keys, is_reserved_in_context};
pub(super) use spec::IssuerSpec;
pub(super) use tables::check_pair;

/// One configured issuer: its names, and the checks on its tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Each accepted spelling of `iss`, with its key set. A Cognito pool has two or more.
    pub identities: Vec<Identity>,
    /// The checks on its tokens.
    pub checks: Arc<Checks>,
    /// The longest life of its refresh tokens, in days.
    pub(crate) refresh_token_days: u64,
}

impl Issuer {
    /// Returns true if a token with these claims is of this issuer.
    #[must_use]
    pub fn is_of(&self, claims: &Map<String, Value>) -> bool {
        let iss = claims.get("iss").and_then(Value::as_str);
        let is_its = |iss| self.identities.iter().any(|it| it.is(iss, tenant::tid_of(claims)));
        iss.is_some_and(is_its)
    }

    /// Returns true if a token can belong to both, because they are two tables of one issuer.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_shared = |one: &Identity| other.identities.iter().any(|it| one.overlaps(it));
        self.identities.iter().any(is_shared)
    }

    /// Returns the issuer's name in the keys of limits and revocations, if `name` is this issuer's
    /// short name or one of its `iss`. For an issuer with many tenants, `name` is `NAME/TID` or the
    /// `iss` of a tenant.
    #[must_use]
    pub fn stored_name(&self, name: &str) -> Option<String> {
        let short = &self.checks.issuer;
        if !self.checks.has_tenants {
            let is_its = short == name || self.identities.iter().any(|it| it.iss == name);
            return is_its.then(|| short.clone());
        }
        let tid = name.strip_prefix(short.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let tid = tid.filter(|tid| tenant::is_uuid(tid));
        let tid = tid.or_else(|| self.identities.iter().find_map(|it| it.tenant_of(name)));
        tid.map(|tid| format!("{short}/{tid}"))
    }

    /// The longest life of a refresh token if the configuration does not state it: Cognito's
    /// default.
    pub const REFRESH_TOKEN_DAYS: u64 = 30;

    /// The longest life of a token if `max_lifetime_seconds` does not bound it: Cognito's maximum.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(DAY);

    /// Returns the longest time for which a token that exists now is accepted.
    #[must_use]
    pub fn longest_token(&self) -> Duration {
        let lifetime = self.checks.max_lifetime.map_or(Self::TOKEN_LIFETIME, Duration::from_secs);
        lifetime.saturating_add(Duration::from_secs(self.checks.leeway))
    }

    /// Returns true if no token of this issuer can live longer than
    /// [`longest_token`](Self::longest_token): `max_lifetime_seconds` bounds it, or Cognito does.
    #[must_use]
    pub fn bounds_token_life(&self) -> bool {
        self.checks.max_lifetime.is_some() || self.checks.cognito
    }

    /// Returns true for a Cognito user pool, whose users have UUIDs as `sub`.
    #[must_use]
    pub fn is_user_pool(&self) -> bool {
        self.checks.cognito
    }

    /// Returns the longest time for which tokens of a sign-in that exists now are accepted: the
    /// life of the refresh token, plus the life of a token that it gets at its last moment.
    #[must_use]
    pub fn longest_sign_in(&self) -> Duration {
        let refresh = Duration::from_secs(self.refresh_token_days.saturating_mul(DAY));
        refresh.saturating_add(self.longest_token())
    }
}

/// The seconds of a day.
const DAY: u64 = 86_400;

/// The checks on a token after its signature, and the claims to read from it.
///
/// Times are in seconds.
#[derive(Clone, Debug)]
pub struct Checks {
    /// The issuer's short name, which is part of every subject and revocation of its tokens.
    pub issuer: String,
    /// True if the issuer has many tenants, each with its own limits and revocations.
    pub(crate) has_tenants: bool,
    /// True for a Cognito pool, whose tokens all state their use.
    pub(crate) cognito: bool,
    /// The algorithms that it may sign with; never empty.
    pub(crate) algorithms: Vec<Algorithm>,
    /// The kinds of token that are accepted.
    pub token_use: TokenUse,
    /// The applications whose tokens are accepted; `None`: `audiences` alone decides.
    pub clients: Option<Accepted>,
    /// The audiences whose tokens are accepted; `None`: only tokens without an audience.
    pub(crate) audiences: Option<Accepted>,
    /// The clients whose access tokens may lack an audience, even if `audiences` requires one.
    pub(crate) unbound_clients: Vec<String>,
    /// The claim that holds the scopes: a text with spaces between them, or a list of texts.
    pub(crate) scopes_claim: String,
    /// The claim that holds the user's groups: a list of texts, or one group as a text.
    pub(crate) groups_claim: String,
    /// The claim that names the client of an access token (RFC 9068 section 2.2: `client_id`).
    pub client_claim: String,
    /// Scopes of which a token must have at least one; empty: none is required.
    pub(crate) any_scope: Vec<String>,
    /// Scopes that a token must have.
    pub(crate) all_scopes: Vec<String>,
    /// Groups of which a token's user must be in at least one; empty: none is required.
    pub(crate) any_group: Vec<String>,
    /// Groups that a token's user must be in.
    pub(crate) all_groups: Vec<String>,
    /// Required claims, each with its allowed values.
    pub(crate) required_claims: Vec<(String, Vec<Value>)>,
    /// Clock-skew leeway for each time. Default 0.
    pub leeway: u64,
    /// The longest time from `iat` to `exp`; `None`: `iat` may be missing.
    pub max_lifetime: Option<u64>,
    /// The longest time since the user signed in (`auth_time`).
    pub max_age: Option<u64>,
    /// The treatment of tokens that are bound to a key of the caller.
    pub(crate) bound_tokens: BoundTokens,
    /// The claim that names the caller: the policy's `principalId`.
    pub(crate) principal: FirstOf,
    /// True if a revocation, a limit or a path uses `sub`: a token without it is then refused.
    pub(crate) needs_sub: bool,
    /// The claims that the backend receives.
    pub(crate) context: Vec<Passed>,
    /// Names for claims that are inside objects.
    pub(crate) claim_paths: Arc<[ClaimPath]>,
}

impl Checks {
    /// Returns the name of a token's issuer in the keys of limits and revocations.
    ///
    /// If the issuer has many tenants, each counts as a separate issuer: `name/tid`.
    #[must_use]
    pub fn stored_name(&self, claims: &Map<String, Value>) -> String {
        match tenant::tid_of(claims).filter(|_| self.has_tenants) {
            Some(tid) => format!("{}/{tid}", self.issuer),
            None => self.issuer.clone(),
        }
    }
}

/// The treatment of a sender-constrained token: one with the claim `cnf` (RFC 7800).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum BoundTokens {
    /// It is refused, because the proof that the caller holds the key is not checked.
    #[default]
    Refuse,
    /// It is accepted like any other, because something in front of the API checks the proof.
    Accept,
}

/// Kind of token that is accepted: Cognito's `token_use`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// Access tokens.
    Access,
    /// ID tokens.
    Id,
    /// Both, and tokens that do not state their use.
    Any,
}
