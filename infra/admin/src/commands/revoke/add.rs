//! `tollgate revoke token`, `session`, `user` and `client`: they differ in the claim alone.

use std::time::Duration;

use authorizer::{Config, Issuer, assumed_client, decode};
use clap::Args;
use serde_json::{Map, Value, json};
use table::{Revocable, Revocation, RevocationKind};
use throttle::Timestamp;
use uuid::Uuid;

use crate::args::{ConfigFile, issuer};
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::read::secret;
use crate::time::{moment, parse_length, seconds};

#[derive(Args, Debug)]
pub(crate) struct Add {
    /// The claim's value, or - to take it from a token on standard input.
    id: String,
    /// Issuer, by its short name in the configuration, such as a user pool's id. Required without a
    /// configuration, and if it has several issuers.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Length of the revocation, such as 90d. By default it outlasts every token: for `token` the
    /// longest life of a token (`max_lifetime_seconds`, else 24 hours); for the others
    /// `refresh_token_days` (30) plus that life. A shorter length gives a warning. It does not
    /// shorten a longer revocation.
    #[arg(long = "for", value_name = "LENGTH", value_parser = parse_length)]
    length: Option<Duration>,
    /// Reason, shown in lists of revocations.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

impl Add {
    pub(crate) async fn run(self, context: &Context, kind: RevocationKind) -> Result<(), Error> {
        let Self { id, issuer: name, config, length, reason, confirm } = self;
        let config = config.read_if_named()?;
        let mut claims = match id.as_str() {
            "-" => Some(token()?),
            _ => None,
        };
        if let Some(config) = &config {
            check_table(config, context)?;
            if let Some(claims) = &mut claims {
                config.resolve_claim_paths(claims);
            }
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
            Some(claims) => claim(claims, kind, issuer)?,
            None => bare(id, kind, issuer, confirm)?,
        };
        if id.is_empty() {
            return Err(Error::misuse(format!("no {} is named: give its id", kind.name())));
        }

        let now = context.now();
        let needed = needed(kind, issuer, claims.as_ref(), now);
        let unbound = kind == RevocationKind::Token
            && claims.is_none()
            && length.is_none()
            && issuer.is_none_or(|issuer| !issuer.bounds_token_life());
        let length = length.unwrap_or(needed);
        if length.is_zero() {
            return Err(Error::misuse(
                "`--for` must be longer than 0: give a length such as `24h`",
            ));
        }
        let is_checked = issuer.is_some();
        let issuer = match issuer {
            Some(issuer) => stored_name(issuer, name.as_deref(), claims.as_ref())?,
            None => name.unwrap_or_default(),
        };
        let until = now.saturating_add(length);
        let target = Revocable::new(kind, &issuer, &id);
        let mut revocation = Revocation::new(target, now, until);
        if let Some(reason) = reason {
            revocation = revocation
                .with_reason(reason)
                .map_err(|error| Error::misuse(format!("`--reason` {error}")))?;
        }
        let stored = if confirm.dry_run() {
            let joined = joined(context, revocation).await?;
            context.would(&format!("revoke {target} until {}", moment(joined.expires())))?;
            joined
        } else {
            revoke(context, &revocation).await?
        };
        let (asked, until) = (now.saturating_add(length), Timestamp::from(stored.expires()));
        if until > asked.saturating_add(ROUNDED) {
            note(format_args!(
                "it is revoked for longer already, and `--for` does not shorten that: `tollgate \
                 revoke undo {target}` first"
            ));
        }
        if !is_checked {
            note("the issuer's name is not checked: name a configuration by `--config`");
        }
        let end = now.saturating_add(needed);
        if until < end {
            let kind = kind.name();
            note(format_args!(
                "tokens of this {kind} can be valid until {}, and the revocation ends before",
                moment(end)
            ));
        } else if unbound {
            note(format_args!(
                "if the token lives longer than {}, it is accepted again after {}: no \
                 `max_lifetime_seconds` bounds its life; pipe the token in (`-`), or give `--for`",
                days(length),
                moment(until)
            ));
        }
        Ok(())
    }
}

/// The claim's value in what was typed. A user may also be named by the subject.
///
/// A user name revokes nothing, so a pool's user who is not named by a UUID needs `--yes`.
fn bare(
    id: String,
    kind: RevocationKind,
    issuer: Option<&Issuer>,
    confirm: Confirm,
) -> Result<String, Error> {
    let Some(issuer) = issuer.filter(|_| kind == RevocationKind::User) else { return Ok(id) };
    let of_subject = id.strip_prefix(&issuer.checks.issuer).and_then(|rest| rest.strip_prefix('#'));
    let id = of_subject.map(str::to_owned).unwrap_or(id);
    if issuer.is_user_pool() && Uuid::parse_str(&id).is_err() {
        let why = format!("`{id}` is not a `sub` of a user pool, which is a UUID");
        confirm.insist(&why, "give the user's `sub`, not the user name, or add --yes")?;
    }
    Ok(id)
}

/// The revocation that would be stored: one that has not ended is never weakened.
async fn joined(context: &Context, revocation: Revocation) -> Result<Revocation, Error> {
    let stored = context.revocations().get(&revocation.target()).await?;
    let stored = stored.filter(|stored| stored.is_live(revocation.revoked_at()));
    Ok(match stored {
        Some(stored) => revocation.join(&stored),
        None => revocation,
    })
}

/// A length of time in days or hours, rounded down.
fn days(length: Duration) -> String {
    let hours = length.as_secs() / 3_600;
    match (hours / 24, hours) {
        (0, 1) => "an hour".to_owned(),
        (0, hours) => format!("{hours} hours"),
        (1, _) => "a day".to_owned(),
        (days, _) => format!("{days} days"),
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
            note(
                "this revokes nothing yet: the configuration has no `[revocation]`, so its \
                 authorizers do not look revocations up",
            );
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
    match claims {
        Some(claims) if claims.contains_key("iss") && !named.is_of(claims) => Err(Error::misuse(
            format!("the token's issuer is not `{name}`: name its issuer, or leave `--issuer` out"),
        )),
        _ => Ok(named),
    }
}

/// The name that the issuer's revocations are stored under.
fn stored_name(
    issuer: &Issuer,
    name: Option<&str>,
    claims: Option<&Map<String, Value>>,
) -> Result<String, Error> {
    if let Some(claims) = claims {
        return Ok(issuer.checks.stored_name(claims));
    }
    let short = issuer.checks.issuer.as_str();
    issuer.stored_name(name.unwrap_or(short)).ok_or_else(|| {
        Error::misuse(format!(
            "the issuer `{short}` has many tenants: name one by `--issuer {short}/TENANT-ID`"
        ))
    })
}

/// Stores a revocation, and prints what is stored then.
async fn revoke(context: &Context, revocation: &Revocation) -> Result<Revocation, Error> {
    let stored = context.revocations().put(revocation).await?;
    let target = stored.target();
    let text = format!("revoked {target} until {}", moment(stored.expires()));
    let json = json!({
        "id": target.to_string(),
        "issuedBefore": stored.issued_before().map(seconds),
        "expires": seconds(stored.expires()),
        "reason": stored.reason(),
    });
    context.output.print(text, &json)?;
    Ok(stored)
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
fn claim(
    claims: &Map<String, Value>,
    kind: RevocationKind,
    issuer: Option<&Issuer>,
) -> Result<String, Error> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let (name, found) = match kind {
        RevocationKind::Token => ("jti", text("jti")),
        RevocationKind::Session => ("origin_jti", text("origin_jti")),
        RevocationKind::User => ("sub", text("sub")),
        RevocationKind::Client => match issuer {
            Some(issuer) => (issuer.checks.client_claim.as_str(), assumed_client(claims, issuer)),
            None if text("token_use") == Some("id") => ("aud", text("aud")),
            None => ("client_id", text("client_id").or_else(|| text("aud"))),
        },
    };
    found.map(str::to_owned).ok_or_else(|| {
        Error::refused(format!("the token has no `{name}`: revoke it by another of its claims"))
    })
}

/// The issuer of the token, or the only one of the configuration.
fn find<'a>(config: &'a Config, claims: Option<&Map<String, Value>>) -> Result<&'a Issuer, Error> {
    let several = "the configuration has several issuers: name one by `--issuer`";
    let Some(claims) = claims else {
        let [only] = config.issuers.as_slice() else { return Err(Error::misuse(several)) };
        return Ok(only);
    };
    config.issuers.iter().find(|issuer| issuer.is_of(claims)).ok_or_else(|| {
        Error::refused(
            "no issuer of the configuration issued the token, so its authorizers refuse it already: \
             give the configuration that accepts it",
        )
    })
}

/// A stored end is rounded up to a second.
const ROUNDED: Duration = Duration::from_secs(1);

const DAY: Duration = Duration::from_secs(86_400);

/// The end of the year 9999, the last time of a token, in Unix seconds.
const LAST: f64 = 253_402_300_800.0;
