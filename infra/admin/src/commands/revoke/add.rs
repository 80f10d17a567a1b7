//! `tollgate revoke token`, `session`, `user` and `client`: they differ in the claim alone.

use std::path::PathBuf;
use std::time::Duration;

use authorizer::{Config, decode};
use clap::Args;
use serde_json::{Map, Value, json};
use throttle::table::RevocationKind;
use throttle::{Revocable, Revocation, Timestamp};

use crate::args::config;
use crate::ask::Dry;
use crate::desk::Desk;
use crate::exit::Failed;
use crate::read::secret;
use crate::time::{moment, parse_length};

#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The claim's value, or - to read a token from standard input and take it from there.
    id: String,
    /// The issuer's short name in the configuration: a user pool's id, say.
    #[arg(long, value_name = "NAME", required_unless_present = "config")]
    issuer: Option<String>,
    /// The authorizer's configuration, to find the issuer's short name in.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For how long: until every token that is meant has expired. A day unless given, 30 days for
    /// a session.
    #[arg(long = "for", value_name = "LENGTH", value_parser = parse_length)]
    length: Option<Duration>,
    /// Why, for whoever lists revocations.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

impl Add {
    pub(crate) async fn run(self, desk: &Desk, kind: RevocationKind) -> Result<(), Failed> {
        let Self { id, issuer, config: file, length, reason, dry } = self;
        let config = file.as_deref().map(config).transpose()?;
        let claims = match id.as_str() {
            "-" => Some(token()?),
            _ => None,
        };
        let issuer = match issuer {
            Some(issuer) => short_name(config.as_ref(), issuer)?,
            None => find(config.as_ref(), claims.as_ref())?,
        };
        let id = match &claims {
            Some(claims) => claim(claims, kind, client_claim(config.as_ref(), &issuer))?,
            None => id,
        };
        if id.is_empty() {
            return Err(Failed::misuse(format!("no {} is named: give its id", kind.name())));
        }

        let now = desk.now();
        let length = length.unwrap_or(match kind {
            RevocationKind::Session => MONTH,
            _ => DAY,
        });
        if length.is_zero() {
            return Err(Failed::misuse("`--for` must be more than no time: give `24h`, say"));
        }
        let until = now.saturating_add(length);
        let target = Revocable::new(kind, &issuer, &id);
        let mut revocation = Revocation::new(target, now, until);
        if let Some(reason) = reason {
            revocation = revocation
                .with_reason(reason)
                .map_err(|error| Failed::misuse(format!("`--reason` {error}")))?;
        }
        if dry.dry_run {
            let what = format!("revoke {target} until {}", moment(revocation.expires()));
            return desk.would(&what);
        }
        let stored = desk.revocations().put(&revocation).await?;
        let text = format!("revoked {target} until {}", moment(stored.expires()));
        let json = json!({
            "id": target.to_string(),
            "issuedBefore": stored.issued_before().map(Timestamp::as_secs),
            "expires": stored.expires().as_secs(),
            "reason": stored.reason(),
        });
        desk.output.print(text, &json)
    }
}

/// The claims of a token on standard input; nothing is verified.
fn token() -> Result<Map<String, Value>, Failed> {
    let refused = |refusal| Failed::misuse(format!("standard input holds no token: {refusal}"));
    Ok(decode(&secret("token")?).map_err(refused)?.claims)
}

/// What the token says that is revoked of it.
fn claim(
    claims: &Map<String, Value>,
    kind: RevocationKind,
    client: &str,
) -> Result<String, Failed> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let (name, found) = match kind {
        RevocationKind::Token => ("jti", text("jti")),
        RevocationKind::Session => ("origin_jti", text("origin_jti")),
        RevocationKind::User => ("sub", text("sub")),
        RevocationKind::Client => (client, text(client).or_else(|| text("aud"))),
    };
    found.ok_or_else(|| {
        Failed::refused(format!("the token has no `{name}`: revoke it by another of its claims"))
    })
}

/// The claim in which an issuer's tokens name their client.
fn client_claim<'a>(config: Option<&'a Config>, issuer: &str) -> &'a str {
    let issuers = config.map(|config| config.issuers.as_slice()).unwrap_or_default();
    let known = issuers.iter().find(|known| known.checks.issuer == issuer);
    known.map_or("client_id", |known| &known.checks.client_claim)
}

/// The short name of an issuer, which may be given by one of its `iss` where it is configured.
fn short_name(config: Option<&Config>, given: String) -> Result<String, Failed> {
    let Some(config) = config else { return Ok(given) };
    let known = config.issuers.iter().find(|issuer| {
        issuer.checks.issuer == given || issuer.identities.iter().any(|it| it.iss == given)
    });
    known
        .map(|issuer| issuer.checks.issuer.clone())
        .ok_or_else(|| Failed::refused(format!("the configuration has no issuer `{given}`")))
}

/// The issuer of the token, or the only one that there is.
fn find(config: Option<&Config>, claims: Option<&Map<String, Value>>) -> Result<String, Failed> {
    let issuers = config.map(|config| config.issuers.as_slice()).unwrap_or_default();
    let iss = claims.and_then(|claims| claims.get("iss")).and_then(Value::as_str);
    let mut fits = issuers.iter().filter(|issuer| match claims {
        Some(_) => issuer.identities.iter().any(|it| Some(it.iss.as_str()) == iss),
        None => true,
    });
    match (fits.next(), fits.next(), claims) {
        (Some(issuer), None, _) => Ok(issuer.checks.issuer.clone()),
        (None, _, Some(_)) => Err(Failed::refused(
            "the token's issuer is not configured: no authorizer with this configuration takes it",
        )),
        _ => Err(Failed::misuse("the configuration has several issuers: name one by `--issuer`")),
    }
}

/// As long as a token of Cognito's may last.
const DAY: Duration = Duration::from_secs(86_400);
/// As long as a session of Cognito's lasts unless it is configured.
const MONTH: Duration = Duration::from_secs(30 * 86_400);
