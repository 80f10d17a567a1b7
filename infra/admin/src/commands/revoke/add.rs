//! `tollgate revoke token`, `session`, `user` and `client`: they differ in the claim alone.

use std::time::Duration;

use authorizer::{Config, Issuer, decode};
use clap::Args;
use serde_json::{Map, Value, json};
use table::{Revocable, Revocation, RevocationKind};
use throttle::Timestamp;

use crate::args::{ConfigFile, issuer};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::read::secret;
use crate::time::{moment, parse_length, seconds};

#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The claim's value, or - to read a token from standard input and take it from there.
    id: String,
    /// The issuer's short name in the configuration: a user pool's id, say. Needed without a
    /// configuration, and with one of several issuers.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Length of the revocation. The default outlasts every token that it is about: for a user, a
    /// client or a session the issuer's `refresh_token_days` (30) plus the longest life of a token
    /// (`max_lifetime_seconds`, else 24 hours); for a token that life alone. A shorter length gives
    /// a warning, because a refresh token then brings the user back.
    #[arg(long = "for", value_name = "LENGTH", value_parser = parse_length)]
    length: Option<Duration>,
    /// Reason, shown in lists of revocations.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

impl Add {
    pub(crate) async fn run(self, context: &Context, kind: RevocationKind) -> Result<(), Error> {
        let Self { id, issuer: name, config, length, reason, dry } = self;
        let config = config.read_if_named()?;
        let claims = match id.as_str() {
            "-" => Some(token()?),
            _ => None,
        };
        if let Some(config) = &config {
            check_table(config, context)?;
        }
        let issuer = match (&config, &name) {
            (Some(config), Some(name)) => Some(named(config, name, claims.as_ref())?),
            (Some(config), None) => Some(find(config, claims.as_ref())?),
            (None, Some(_)) => None,
            (None, None) => {
                return Err(Error::misuse("no issuer is named: give `--issuer` or `--config`"));
            }
        };
        let id = match &claims {
            Some(claims) => claim(claims, kind, client_claim(issuer))?,
            None => id,
        };
        if id.is_empty() {
            return Err(Error::misuse(format!("no {} is named: give its id", kind.name())));
        }

        let now = context.now();
        let needed = needed(kind, issuer, claims.as_ref(), now);
        let length = length.unwrap_or(needed);
        if length.is_zero() {
            return Err(Error::misuse("`--for` must be more than no time: give `24h`, say"));
        }
        let is_checked = issuer.is_some();
        let issuer = issuer.map(|issuer| issuer.checks.issuer.clone()).or(name).unwrap_or_default();
        let until = now.saturating_add(length);
        let target = Revocable::new(kind, &issuer, &id);
        let mut revocation = Revocation::new(target, now, until);
        if let Some(reason) = reason {
            revocation = revocation
                .with_reason(reason)
                .map_err(|error| Error::misuse(format!("`--reason` {error}")))?;
        }
        if dry.dry_run {
            let what = format!("revoke {target} until {}", moment(revocation.expires()));
            context.would(&what)?;
        } else {
            revoke(context, &revocation).await?;
        }
        if !is_checked {
            note("the issuer's name is not checked: name a configuration by `--config`");
        }
        if length < needed {
            let end = moment(now.saturating_add(needed));
            let kind = kind.name();
            note(format!("tokens of this {kind} can last until {end}, after the revocation ends"));
        }
        Ok(())
    }
}

/// Refuses to write a revocation to a table that authorizers with this configuration do not read.
fn check_table(config: &Config, context: &Context) -> Result<(), Error> {
    match &config.revocation {
        Some(revocation) if revocation.table == context.table => Ok(()),
        Some(revocation) => Err(Error::misuse(format!(
            "the configuration's table of revocations is `{}`, not `{}`: add `--table {}`",
            revocation.table, context.table, revocation.table
        ))),
        None => {
            note("the configuration has no `[revocation]`: authorizers with it look none up");
            Ok(())
        }
    }
}

/// The issuer of this name. A token on standard input must be one of its tokens.
fn named<'a>(
    config: &'a Config,
    name: &str,
    claims: Option<&Map<String, Value>>,
) -> Result<&'a Issuer, Error> {
    let named = issuer(config, name)?;
    match claims.and_then(|claims| claims.get("iss")).and_then(Value::as_str) {
        Some(iss) if named.identities.iter().all(|it| it.iss != iss) => {
            Err(Error::misuse(format!("the token is not one of the issuer `{name}`")))
        }
        _ => Ok(named),
    }
}

/// Stores a revocation, and prints what is stored then.
async fn revoke(context: &Context, revocation: &Revocation) -> Result<(), Error> {
    let stored = context.revocations().put(revocation).await?;
    let target = stored.target();
    let text = format!("revoked {target} until {}", moment(stored.expires()));
    let json = json!({
        "id": target.to_string(),
        "issuedBefore": stored.issued_before().map(seconds),
        "expires": seconds(stored.expires()),
        "reason": stored.reason(),
    });
    context.output.print(text, &json)
}

/// Returns the time until no token can be accepted of what is revoked.
///
/// Without a configuration Cognito's defaults count.
fn needed(
    kind: RevocationKind,
    issuer: Option<&Issuer>,
    claims: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Duration {
    if kind != RevocationKind::Token {
        return issuer.map_or_else(sign_in, Issuer::longest_sign_in);
    }
    let longest = issuer.map_or(Issuer::TOKEN_LIFETIME, Issuer::longest_token);
    // Nothing bounds the life of some issuers' tokens, but this token states its own.
    let leeway = issuer.map_or(0, |issuer| issuer.checks.leeway);
    let exp = claims.and_then(|claims| claims.get("exp")).and_then(Value::as_f64);
    let left = exp.filter(|exp| (0.0..LAST).contains(exp)).map(|exp| {
        let end = Duration::from_secs_f64(exp).saturating_add(Duration::from_secs(leeway));
        end.saturating_sub(Duration::from_nanos(now.as_nanos()))
    });
    left.map_or(longest, |left| left.max(longest))
}

/// The time for which a sign-in can bring tokens by Cognito's defaults.
fn sign_in() -> Duration {
    DAY.saturating_mul(u32::try_from(Issuer::REFRESH_TOKEN_DAYS).unwrap_or(u32::MAX))
        .saturating_add(Issuer::TOKEN_LIFETIME)
}

/// The claims of a token on standard input; nothing is verified.
fn token() -> Result<Map<String, Value>, Error> {
    let refused = |refusal| Error::misuse(format!("standard input holds no token: {refusal}"));
    Ok(decode(&secret("token")?).map_err(refused)?.claims)
}

/// Returns the token's claim that the revocation names.
fn claim(claims: &Map<String, Value>, kind: RevocationKind, client: &str) -> Result<String, Error> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let (name, found) = match kind {
        RevocationKind::Token => ("jti", text("jti")),
        RevocationKind::Session => ("origin_jti", text("origin_jti")),
        RevocationKind::User => ("sub", text("sub")),
        RevocationKind::Client => (client, text(client).or_else(|| text("aud"))),
    };
    found.ok_or_else(|| {
        Error::refused(format!("the token has no `{name}`: revoke it by another of its claims"))
    })
}

/// The claim in which an issuer's tokens name their client.
fn client_claim(issuer: Option<&Issuer>) -> &str {
    issuer.map_or("client_id", |issuer| &issuer.checks.client_claim)
}

/// The issuer of the token, or the only one of the configuration.
fn find<'a>(config: &'a Config, claims: Option<&Map<String, Value>>) -> Result<&'a Issuer, Error> {
    let several = "the configuration has several issuers: name one by `--issuer`";
    let Some(claims) = claims else {
        let [only] = config.issuers.as_slice() else { return Err(Error::misuse(several)) };
        return Ok(only);
    };
    let iss = claims.get("iss").and_then(Value::as_str);
    let is_its = |issuer: &&Issuer| issuer.identities.iter().any(|it| Some(it.iss.as_str()) == iss);
    config.issuers.iter().find(is_its).ok_or_else(|| {
        Error::refused(
            "the token's issuer is not configured: no authorizer with this configuration takes it",
        )
    })
}

const DAY: Duration = Duration::from_secs(86_400);

/// The end of the year 9999, the last time of a token, in Unix seconds.
const LAST: f64 = 253_402_300_800.0;
