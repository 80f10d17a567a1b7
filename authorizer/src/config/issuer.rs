//! Whose tokens are taken, and what is asked of them.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::algorithm::Algorithm;

/// One configured issuer: the names it goes by, and what its tokens must satisfy.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Each spelling of `iss` that is taken, with its key set. A Cognito pool has two.
    pub identities: Vec<Identity>,
    /// What a token of this issuer must satisfy.
    pub checks: Checks,
}

/// One exact `iss` and the address of its key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The text that a token's `iss` must equal.
    pub iss: String,
    /// Where its key set is fetched: never a URL built from a token.
    pub jwks_uri: reqwest::Url,
    /// Whether its keys are fetched before the first request.
    pub prefetch: bool,
}

/// What a token must satisfy besides its signature.
#[derive(Clone, Debug)]
pub struct Checks {
    /// The algorithms that it may sign with; never empty. Default RS256 alone.
    pub algorithms: Vec<Algorithm>,
    /// Which applications' tokens are taken.
    pub clients: Clients,
    /// Which kind of token is taken.
    pub token_use: TokenUse,
    /// Seconds by which each time may be missed. Default 0.
    pub leeway: u64,
}

/// Which applications' tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Those of these client ids; never empty.
    These(Vec<String>),
    /// Those of any client of the issuer. In the file this must be spelled out: `"any"`.
    Any,
}

/// Which kind of token is taken: Cognito's `token_use`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    /// Access tokens.
    Access,
    /// ID tokens.
    Id,
    /// Both, and tokens of issuers that have no such claim.
    Any,
}

/// An `[[issuer]]` table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerSpec {
    user_pool: Option<String>,
    url: Option<String>,
    jwks_uri: Option<String>,
    #[serde(default = "default_algorithms")]
    algorithms: Vec<Algorithm>,
    clients: Clients,
    token_use: TokenUse,
    #[serde(default)]
    leeway: u64,
}

/// The largest leeway that makes sense, in seconds; more is a mistake in the unit.
const MAX_LEEWAY: u64 = 300;

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::default()]
}

impl IssuerSpec {
    /// What stands for a pool that the environment names: access tokens of these clients.
    pub(super) fn of_pool(pool: &str, clients: Vec<String>) -> Self {
        Self {
            user_pool: Some(pool.to_owned()),
            url: None,
            jwks_uri: None,
            algorithms: default_algorithms(),
            clients: Clients::These(clients),
            token_use: TokenUse::Access,
            leeway: 0,
        }
    }

    /// Works out the issuer's names and addresses.
    pub(super) fn resolve(self) -> Result<Issuer, String> {
        if self.leeway > MAX_LEEWAY {
            return Err(format!("`leeway` is in seconds, at most {MAX_LEEWAY}"));
        }
        if self.algorithms.is_empty() {
            return Err("no algorithm lets nobody in: name one, or leave `algorithms` out".into());
        }
        let identities = match (&self.user_pool, &self.url) {
            (Some(pool), None) => {
                if self.jwks_uri.is_some() {
                    return Err("`jwks_uri` goes with `url`: a user pool's is known".into());
                }
                pool_identities(pool)?
            }
            (None, Some(url)) => vec![url_identity(url, self.jwks_uri.as_deref())?],
            _ => return Err("an issuer has either `user_pool` or `url`".into()),
        };
        let checks = Checks {
            algorithms: self.algorithms,
            clients: self.clients,
            token_use: self.token_use,
            leeway: self.leeway,
        };
        Ok(Issuer { identities, checks })
    }
}

/// Both issuers of a Cognito pool: the first form, and the updated one.
fn pool_identities(pool: &str) -> Result<Vec<Identity>, String> {
    let region = region_of(pool).ok_or_else(|| {
        format!("`{}` is not a user pool's id, such as `us-east-1_abcDEF123`", pool.escape_debug())
    })?;
    let suffix = domain_suffix(region);
    // Only pools that have switched publish keys under the updated form, and the others answer
    // 403, so its keys are fetched when a token names it and not before.
    [("cognito-idp", true), ("issuer-cognito-idp", false)]
        .into_iter()
        .map(|(host, prefetch)| {
            let iss = format!("https://{host}.{region}.{suffix}/{pool}");
            let jwks_uri = key_set_of(&iss)?;
            Ok(Identity { iss, jwks_uri, prefetch })
        })
        .collect()
}

fn url_identity(url: &str, jwks_uri: Option<&str>) -> Result<Identity, String> {
    let parsed = address(url)?;
    // OpenID Connect Discovery 1.0 section 3: no query or fragment. A spelling that the parser
    // mends (a space, a capital, `..`) could never equal the `iss` of the tokens it is meant for.
    let same = parsed.as_str().trim_end_matches('/') == url.trim_end_matches('/');
    if parsed.query().is_some() || parsed.fragment().is_some() || !same {
        let shown = url.escape_debug();
        return Err(format!(
            "`{shown}` is not an issuer: write it as its tokens do, `{parsed}` say"
        ));
    }
    let jwks_uri = match jwks_uri {
        Some(uri) => address(uri)?,
        None => key_set_of(url)?,
    };
    Ok(Identity { iss: url.to_owned(), jwks_uri, prefetch: true })
}

/// Where an issuer publishes its keys, unless it says otherwise.
fn key_set_of(iss: &str) -> Result<reqwest::Url, String> {
    address(&format!("{}/.well-known/jwks.json", iss.trim_end_matches('/')))
}

/// An https address, or an http one on this machine's loopback.
fn address(text: &str) -> Result<reqwest::Url, String> {
    let shown = text.escape_debug();
    let url = reqwest::Url::parse(text).map_err(|error| format!("`{shown}`: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address must not hold a user name or password".into());
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(url),
        ("http", Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(url),
        _ => Err(format!("`{shown}` must begin with https:// (http:// on the loopback alone)")),
    }
}

/// The region in a pool's id, where the id is of Cognito's form.
fn region_of(pool: &str) -> Option<&str> {
    let (region, name) = pool.split_once('_')?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let parts: Vec<&str> = region.split('-').collect();
    let letters = |part: &str, count: usize| {
        part.len() == count && part.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let rest = match parts.as_slice() {
        ["eusc", land, rest @ ..] if letters(land, 2) => rest,
        [land, rest @ ..] if letters(land, 2) => rest,
        _ => return None,
    };
    let rest = match rest {
        ["gov", rest @ ..] => rest,
        rest => rest,
    };
    let placed = matches!(rest, [place, number]
        if !place.is_empty()
            && place.bytes().all(|byte| byte.is_ascii_lowercase())
            && number.len() == 1
            && number.bytes().all(|byte| byte.is_ascii_digit()));
    (named && placed).then_some(region)
}

/// The domain of a region's partition.
fn domain_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else {
        "amazonaws.com"
    }
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClientsVisitor)
    }
}

struct ClientsVisitor;

impl<'de> Visitor<'de> for ClientsVisitor {
    type Value = Clients;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of client ids, or clients = \"any\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Clients, E> {
        match text {
            "any" => Ok(Clients::Any),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Clients, A::Error> {
        let mut clients = Vec::new();
        while let Some(client) = seq.next_element::<String>()? {
            if client.is_empty() {
                return Err(de::Error::custom("an empty client id"));
            }
            clients.push(client);
        }
        if clients.is_empty() {
            return Err(de::Error::custom(
                "an empty client list lets nobody in: name a client, or write clients = \"any\"",
            ));
        }
        Ok(Clients::These(clients))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_ids_of_user_pools() {
        for (pool, region) in [
            ("us-east-1_abcDEF123", "us-east-1"),
            ("us-gov-west-1_A", "us-gov-west-1"),
            ("cn-north-1_Z9", "cn-north-1"),
            ("eusc-de-east-1_x", "eusc-de-east-1"),
        ] {
            assert_eq!(region_of(pool), Some(region), "{pool}");
        }
        for pool in [
            "",
            "_",
            "us-east-1",
            "us-east-1_",
            "us-east-1_a/b",
            "us-east-1_a b",
            "US-east-1_a",
            "us-east-10_a",
            "us-east_a",
            "us--1_a",
            "usa-east-1_a",
            "us-east-1_a\n",
            "evil.example/_a",
            "us-gov-gov-west-1_a",
        ] {
            assert_eq!(region_of(pool), None, "{pool:?}");
        }
    }

    #[test]
    fn puts_a_pool_into_its_partition_s_domain() {
        for (pool, host) in [
            ("cn-north-1_Z9", "cognito-idp.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1_x", "cognito-idp.eusc-de-east-1.amazonaws.eu"),
            ("us-gov-west-1_A", "cognito-idp.us-gov-west-1.amazonaws.com"),
        ] {
            let identities = pool_identities(pool).unwrap();
            assert_eq!(identities[0].jwks_uri.host_str(), Some(host));
            assert_eq!(identities[0].iss, format!("https://{host}/{pool}"));
            let prefetched: Vec<_> = identities.iter().map(|identity| identity.prefetch).collect();
            assert_eq!(prefetched, [true, false], "few pools have switched to the second form");
        }
    }

    #[test]
    fn takes_https_anywhere_and_http_on_the_loopback_alone() {
        for good in [
            "https://id.example/x",
            "http://127.0.0.1:9000/x",
            "http://localhost:1/",
            "http://[::1]:1/",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/",
            "http://127.0.0.1.evil.example/",
            "ftp://127.0.0.1/",
            "x",
            "",
            "https://user@id.example/",
            "https://:pw@id.example/",
            "http://127.0.0.2/",
            "file:///etc/passwd",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn finds_the_key_set_below_an_issuer_or_where_it_is_told() {
        let at = |url, jwks| url_identity(url, jwks).unwrap().jwks_uri.to_string();
        assert_eq!(at("https://id.example/", None), "https://id.example/.well-known/jwks.json");
        assert_eq!(at("https://id.example", Some("https://k.example/j")), "https://k.example/j");
    }
}
