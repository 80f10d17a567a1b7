//! An `[[issuer]]` table as it is written, and its checks.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::accepted::{self, Accepted, Names, Required};
use super::context::Context;
use super::{BoundTokens, Checks, Identity, Issuer, TokenUse, address, pool, tenants};
use crate::algorithm::Algorithm;
use crate::config::{FirstOf, Mistake};
use crate::jwks::{Bundle, MAX_BODY};

/// The largest leeway, in seconds. More is likely a mistake in the unit.
const MAX_LEEWAY: u64 = 300;

/// The largest lifetime or age, in seconds: ten years, Cognito's maximum for refresh tokens.
const MAX_SPAN: u64 = 315_360_000;

/// The longest life of a refresh token, in days: ten years, Cognito's maximum.
const MAX_REFRESH_DAYS: u64 = 3_650;

/// The longest `iss` that is not a URL, in bytes.
const MAX_ISS: usize = 256;

/// The longest name of an issuer, in bytes: it is part of a table's keys.
const MAX_NAME: usize = 128;

/// An `[[issuer]]` table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct IssuerSpec {
    name: Option<String>,
    user_pool: Option<String>,
    replica_regions: Option<Names>,
    domain_suffix: Option<String>,
    url: Option<String>,
    iss: Option<String>,
    #[serde(default, deserialize_with = "accepted::tenants")]
    tenants: Option<Accepted>,
    jwks_uri: Option<String>,
    jwks: Option<String>,
    jwks_file: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    token_use: TokenUse,
    #[serde(default, deserialize_with = "accepted::clients")]
    clients: Option<Accepted>,
    #[serde(default, deserialize_with = "accepted::audiences")]
    audiences: Option<Accepted>,
    unbound_clients: Option<Names>,
    scopes_claim: Option<String>,
    groups_claim: Option<String>,
    client_claim: Option<String>,
    any_scope: Option<Names>,
    all_scopes: Option<Names>,
    any_group: Option<Names>,
    all_groups: Option<Names>,
    #[serde(default, deserialize_with = "accepted::required_claims")]
    required_claims: Required,
    #[serde(default)]
    leeway_seconds: u64,
    max_lifetime_seconds: Option<u64>,
    max_age_seconds: Option<u64>,
    #[serde(default)]
    bound_tokens: BoundTokens,
    refresh_token_days: Option<u64>,
    principal: Option<FirstOf>,
    context: Option<Context>,
}

impl IssuerSpec {
    /// Makes the table of a pool that the environment names: access tokens of these clients.
    pub(in crate::config) fn of_pool(pool: &str, clients: Vec<String>) -> Result<Self, String> {
        let mut table = toml::Table::new();
        table.insert("user_pool".into(), pool.into());
        table.insert("token_use".into(), "access".into());
        table.insert("clients".into(), clients.into());
        table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// Checks the table, and derives the issuer's names and addresses.
    pub(in crate::config) fn resolve(self) -> Result<Issuer, Mistake> {
        self.check_times()?;
        self.check_audiences()?;
        let [scopes_claim, groups_claim, client_claim] = self.rights_claims()?;
        let bundle = self.bundle()?;
        let identities = match (&self.user_pool, &self.url, &self.iss) {
            (Some(pool), None, None) => self.pool_identities(pool, bundle.as_ref())?,
            (None, Some(url), None) => vec![self.url_identity(url, bundle)?],
            (None, None, Some(iss)) => vec![self.named_identity(iss, bundle)?],
            (None, None, None) => {
                return Err(Mistake::of_table(
                    "the issuer has neither `user_pool` nor `url` nor `iss`: add one of them",
                ));
            }
            (_, _, Some(_)) => {
                let message = "an issuer has one of `user_pool`, `url` and `iss`: keep one";
                return Err(Mistake::of("iss", message));
            }
            (Some(_), Some(_), None) => {
                return Err(Mistake::of(
                    "url",
                    "an issuer has either `user_pool` or `url`: remove one",
                ));
            }
        };
        let checks = Checks {
            issuer: self.issuer_name()?,
            has_tenants: self.tenants.is_some(),
            cognito: self.user_pool.is_some(),
            algorithms: algorithms(self.algorithms)?,
            token_use: self.token_use,
            clients: self.clients,
            audiences: self.audiences,
            unbound_clients: listed(self.unbound_clients),
            any_scope: listed(self.any_scope),
            all_scopes: listed(self.all_scopes),
            any_group: listed(self.any_group),
            all_groups: listed(self.all_groups),
            required_claims: self.required_claims.into_iter().collect(),
            leeway: self.leeway_seconds,
            max_lifetime: self.max_lifetime_seconds,
            max_age: self.max_age_seconds,
            bound_tokens: self.bound_tokens,
            // Set later, because it depends on the whole configuration.
            needs_sub: true,
            claim_paths: Arc::default(),
            principal: match self.principal {
                Some(claims) if claims.claims().any(str::is_empty) => {
                    return Err(empty_claim("principal"));
                }
                Some(claims) => claims,
                None => FirstOf::one("sub"),
            },
            context: match self.context {
                Some(Context(written)) => written,
                None => Context::of(&scopes_claim, &groups_claim).0,
            },
            scopes_claim,
            groups_claim,
            client_claim,
        };
        let refresh_token_days = self.refresh_token_days.unwrap_or(Issuer::REFRESH_TOKEN_DAYS);
        Ok(Issuer { identities, checks: Arc::new(checks), refresh_token_days })
    }

    /// The claims of scopes, groups and the client; by default Cognito's.
    fn rights_claims(&self) -> Result<[String; 3], Mistake> {
        let claims = [
            ("scopes_claim", &self.scopes_claim, "scope"),
            ("groups_claim", &self.groups_claim, "cognito:groups"),
            ("client_claim", &self.client_claim, "client_id"),
        ]
        .map(|(field, written, default)| (field, written.as_deref().unwrap_or(default)));
        for (at, (field, claim)) in claims.iter().enumerate() {
            if claim.is_empty() {
                return Err(empty_claim(field));
            }
            if let Some((other, _)) = claims.iter().take(at).find(|(_, other)| other == claim) {
                let message = format!(
                    "`{other}` and `{field}` are both `{}`: name two different claims",
                    claim.escape_debug()
                );
                return Err(Mistake::of_item("", claim, message));
            }
        }
        let [.., (_, client)] = claims;
        if client == "aud" {
            let message = "`client_claim` is `aud`, the claim of audiences: list those in \
                           `audiences`, and remove it";
            return Err(Mistake::of("client_claim", message));
        }
        Ok(claims.map(|(_, claim)| claim.to_owned()))
    }

    fn check_times(&self) -> Result<(), Mistake> {
        if self.leeway_seconds > MAX_LEEWAY {
            let message = format!("`leeway_seconds` must be at most {MAX_LEEWAY} seconds");
            return Err(Mistake::of("leeway_seconds", message));
        }
        for (field, value) in [
            ("max_lifetime_seconds", self.max_lifetime_seconds),
            ("max_age_seconds", self.max_age_seconds),
        ] {
            if value.is_some_and(|seconds| !(1..=MAX_SPAN).contains(&seconds)) {
                let message =
                    format!("`{field}` must be 1 to {MAX_SPAN} seconds; remove it for no bound");
                return Err(Mistake::of(field, message));
            }
        }
        if self.refresh_token_days.is_some_and(|days| days > MAX_REFRESH_DAYS) {
            let message =
                format!("`refresh_token_days` must be at most {MAX_REFRESH_DAYS} days (ten years)");
            return Err(Mistake::of("refresh_token_days", message));
        }
        Ok(())
    }

    fn check_audiences(&self) -> Result<(), Mistake> {
        if self.clients.is_none() && self.audiences.is_none() {
            return Err(Mistake::of_table(
                "the issuer has neither `clients` nor `audiences`: list the app clients whose \
                 tokens are accepted, as in `clients = [\"1example23456789\"]`, or write \
                 `clients = \"any\"`",
            ));
        }
        let Some(Names(unbound)) = &self.unbound_clients else { return Ok(()) };
        if !matches!(self.audiences, Some(Accepted::These(_))) {
            return Err(Mistake::of(
                "unbound_clients",
                "`unbound_clients` goes with a list of `audiences`: without one no token needs an \
                 audience",
            ));
        }
        match unbound.iter().find(|id| self.clients.as_ref().is_some_and(|all| !all.has(id))) {
            Some(id) => {
                let shown = id.escape_debug();
                let message =
                    format!("`{shown}` in `unbound_clients` is not one of `clients`: add it there");
                Err(Mistake::of_item("unbound_clients", id, message))
            }
            None => Ok(()),
        }
    }

    fn bundle(&self) -> Result<Option<Bundle>, Mistake> {
        match (&self.jwks, &self.jwks_file) {
            (None, None) => Ok(None),
            (Some(text), None) => Bundle::of_text(text)
                .map(Some)
                .map_err(|error| Mistake::of("jwks", format!("`jwks`: {error}"))),
            (None, Some(path)) => crate::config::read(Path::new(path), MAX_BODY)
                .and_then(|text| Bundle::of_text(&text))
                .map(Some)
                .map_err(|error| {
                    let message = format!("`jwks_file` `{}`: {error}", path.escape_debug());
                    Mistake::of("jwks_file", message)
                }),
            (Some(_), Some(_)) => {
                let message = "an issuer has either `jwks` or `jwks_file`: remove one";
                Err(Mistake::of("jwks_file", message))
            }
        }
    }

    fn pool_identities(
        &self,
        pool: &str,
        bundle: Option<&Bundle>,
    ) -> Result<Vec<Identity>, Mistake> {
        if self.tenants.is_some() {
            let message = "`tenants` goes with `url`: remove it, because a user pool is one tenant";
            return Err(Mistake::of("tenants", message));
        }
        if self.jwks_uri.is_some() {
            let message = "`jwks_uri` goes with `url`: the address of a user pool's keys is known";
            return Err(Mistake::of("jwks_uri", message));
        }
        let suffix = self.domain_suffix.as_deref();
        if suffix.is_some_and(|suffix| !pool::is_domain(suffix)) {
            let message =
                "`domain_suffix` must be the end of a host's name, such as `amazonaws.com`";
            return Err(Mistake::of("domain_suffix", message));
        }
        let replicas = self.replica_regions.as_ref().map_or(&[][..], |Names(regions)| regions);
        pool::issuers(pool, replicas, suffix)?
            .into_iter()
            .map(|(iss, prefetch)| {
                let wrong = |message| Mistake::of("domain_suffix", message);
                let jwks_uri = Some(address::key_set_of(&iss).map_err(wrong)?);
                let bundle = bundle.cloned();
                Ok(Identity { iss, tenants: None, jwks_uri, proxy: false, prefetch, bundle })
            })
            .collect()
    }

    fn url_identity(&self, url: &str, bundle: Option<Bundle>) -> Result<Identity, Mistake> {
        for (field, given) in [
            ("replica_regions", self.replica_regions.is_some()),
            ("domain_suffix", self.domain_suffix.is_some()),
        ] {
            if given {
                let message = format!("`{field}` goes with `user_pool`: remove it");
                return Err(Mistake::of(field, message));
            }
        }
        let of_url = |message| Mistake::of("url", message);
        let tenants = tenants::check(url, self.tenants.as_ref())?;
        address::check_issuer(&tenants::sample(url)).map_err(of_url)?;
        let jwks_uri = match self.key_address()? {
            Some(uri) => Some(uri),
            // No address is built from the tenant that a token states.
            None if tenants.is_some() && bundle.is_some() => None,
            None if tenants.is_some() => return Err(tenants::no_keys()),
            // An issuer may be named by an http URL, but keys are not fetched from one.
            None if bundle.is_some() => address::key_set_of(url).ok(),
            None => Some(address::key_set_of(url).map_err(of_url)?),
        };
        let prefetch = jwks_uri.is_some();
        Ok(Identity { iss: url.to_owned(), tenants, jwks_uri, proxy: false, prefetch, bundle })
    }

    /// The identity of an issuer whose name is not a URL, so that its keys have no default address.
    fn named_identity(&self, iss: &str, bundle: Option<Bundle>) -> Result<Identity, Mistake> {
        for (field, given) in [
            ("replica_regions", self.replica_regions.is_some()),
            ("domain_suffix", self.domain_suffix.is_some()),
            ("tenants", self.tenants.is_some()),
        ] {
            if given {
                return Err(Mistake::of(
                    field,
                    format!("`{field}` does not go with `iss`: remove it"),
                ));
            }
        }
        if iss.is_empty() || iss.len() > MAX_ISS || iss.chars().any(char::is_control) {
            let message =
                format!("`iss` must be the text of `iss` in the tokens, up to {MAX_ISS} bytes");
            return Err(Mistake::of("iss", message));
        }
        let jwks_uri = self.key_address()?;
        if jwks_uri.is_none() && bundle.is_none() {
            let message =
                "`iss` does not say where the keys are: add `jwks_uri`, `jwks` or `jwks_file`";
            return Err(Mistake::of("iss", message));
        }
        let prefetch = jwks_uri.is_some();
        Ok(Identity {
            iss: iss.to_owned(),
            tenants: None,
            jwks_uri,
            proxy: false,
            prefetch,
            bundle,
        })
    }

    /// The address that `jwks_uri` states.
    fn key_address(&self) -> Result<Option<reqwest::Url>, Mistake> {
        let Some(uri) = &self.jwks_uri else { return Ok(None) };
        let wrong = |message: String| Mistake::of("jwks_uri", message);
        if uri.contains(['{', '}']) {
            return Err(wrong(
                "`jwks_uri` has no placeholder: write the one address of every tenant's keys"
                    .into(),
            ));
        }
        address::address(uri).map(Some).map_err(wrong)
    }

    /// The `name`, else the pool's id, else the URL without its scheme.
    fn issuer_name(&self) -> Result<String, Mistake> {
        let whole = self.url.as_deref().or(self.iss.as_deref()).unwrap_or_default();
        let below = whole.split_once("://").map_or(whole, |(_, rest)| rest).trim_end_matches('/');
        let name = match (&self.name, &self.user_pool) {
            (Some(name), _) => name.as_str(),
            (None, Some(pool)) => pool.as_str(),
            (None, None) => below,
        };
        // In the table's keys, `#` separates the issuer's name from the subject.
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if name.is_empty() || name.len() > MAX_NAME || !plain {
            let message = format!(
                "`{}` is not a valid name of an issuer: write `name` with 1 to {MAX_NAME} ASCII \
                 characters, without spaces and `#`",
                name.escape_debug()
            );
            return Err(Mistake::of("name", message));
        }
        Ok(name.to_owned())
    }
}

fn empty_claim(field: &str) -> Mistake {
    Mistake::of(field, format!("`{field}` is empty: name a claim, or remove it"))
}

fn listed(names: Option<Names>) -> Vec<String> {
    names.map(|Names(names)| names).unwrap_or_default()
}

fn algorithms(written: Option<Vec<Algorithm>>) -> Result<Vec<Algorithm>, Mistake> {
    let algorithms = written.unwrap_or_else(|| vec![Algorithm::RS256]);
    let wrong = |message: String| Mistake::of("algorithms", message);
    if algorithms.is_empty() {
        return Err(wrong(
            "an empty list of `algorithms` accepts no token: name one, or remove it".into(),
        ));
    }
    for (at, algorithm) in algorithms.iter().enumerate() {
        if algorithms.iter().take(at).any(|other| other == algorithm) {
            return Err(wrong(format!("duplicate `{algorithm}` in `algorithms`: remove one")));
        }
    }
    Ok(algorithms)
}

#[cfg(test)]
mod tests;
