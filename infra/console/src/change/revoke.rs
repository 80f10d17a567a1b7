//! Changes of revocations.

use std::time::Duration;

use authorizer::{Issuer, shell_word};
use table::{Revocable, Revocation, RevocationKind};
use throttle::Timestamp;

use super::{Change, Done};
use crate::problem::Problem;
use crate::state::{State, millis};

const HOUR: Duration = Duration::from_secs(3_600);
const DAYS: Duration = Duration::from_secs(86_400);

const KINDS: [RevocationKind; 4] =
    [RevocationKind::Token, RevocationKind::Session, RevocationKind::User, RevocationKind::Client];

/// The times of a stored revocation, in milliseconds since the Unix epoch.
pub(super) struct Times {
    pub(super) revoked: u64,
    pub(super) expires: u64,
    pub(super) issued_before: Option<u64>,
}

pub(super) fn command(change: &Change, state: &State) -> Option<String> {
    let line = match change {
        Change::Revoke { kind, issuer, id, hours, reason } => {
            let (id, issuer) = (shell_word(id), shell_word(issuer));
            let mut line = format!("revoke {} {id} --issuer {issuer}", shell_word(kind));
            if let Some(source) = state.config() {
                line.push_str(&format!(" --config {}", shell_word(&source.place)));
            }
            if let Some(hours) = hours {
                line.push_str(&format!(" --for {hours}h"));
            }
            if let Some(reason) = reason {
                line.push_str(&format!(" --reason {}", shell_word(reason)));
            }
            line
        }
        Change::RevokeUndo { id } => format!("revoke undo {}", shell_word(id)),
        _ => return None,
    };
    Some(state.command_at(state.revocation_table(), &line))
}

/// Revokes a token, session, user or client by its id at an issuer of this short name.
pub(crate) async fn revoke(
    state: &State,
    kind: &str,
    issuer: &str,
    id: &str,
    hours: Option<u32>,
    reason: Option<String>,
) -> Result<Done, Problem> {
    let kind = KINDS.into_iter().find(|known| known.name() == kind);
    let kind =
        kind.ok_or_else(|| Problem::wrong("revoke a `token`, `session`, `user` or `client`"))?;
    if issuer.is_empty() || id.is_empty() {
        return Err(Problem::wrong("name an issuer and an id"));
    }
    let configured = configured(state, issuer)?;
    let issuer = configured.map_or(issuer, |issuer| issuer.checks.issuer.as_str());
    let length = match hours {
        Some(hours) => HOUR.saturating_mul(hours.max(1)),
        None => longest(kind, configured),
    };
    let now = state.now();
    let target = Revocable::new(kind, issuer, id);
    let mut revocation = Revocation::new(target, now, now.saturating_add(length));
    if let Some(reason) = reason {
        revocation = revocation
            .with_reason(reason)
            .map_err(|error| Problem::wrong(format!("the reason {error}")))?;
    }
    let stored = state.revocations().put(&revocation).await?;
    let id = stored.target().to_string();
    Ok(Done::new(format!("revoked {id}"), Change::RevokeUndo { id }))
}

/// The issuer of this name, if there is a configuration to find it in.
fn configured<'a>(state: &'a State, name: &str) -> Result<Option<&'a Issuer>, Problem> {
    let Some(source) = state.config() else { return Ok(None) };
    let issuers = &source.config.issuers;
    let found = issuers.iter().find(|issuer| {
        issuer.checks.issuer == name || issuer.identities.iter().any(|it| it.iss == name)
    });
    found.map(Some).ok_or_else(|| {
        let names: Vec<_> = issuers.iter().map(|it| format!("`{}`", it.checks.issuer)).collect();
        Problem::wrong(format!(
            "the configuration has no issuer `{name}`: name one of {}",
            names.join(", ")
        ))
    })
}

/// The time until no token can be accepted of what is revoked.
fn longest(kind: RevocationKind, issuer: Option<&Issuer>) -> Duration {
    let days = u32::try_from(Issuer::REFRESH_TOKEN_DAYS).unwrap_or(u32::MAX);
    match (kind, issuer) {
        (RevocationKind::Token, Some(issuer)) => issuer.longest_token(),
        (RevocationKind::Token, None) => Issuer::TOKEN_LIFETIME,
        (_, Some(issuer)) => issuer.longest_sign_in(),
        (_, None) => DAYS.saturating_mul(days).saturating_add(Issuer::TOKEN_LIFETIME),
    }
}

pub(super) async fn undo(state: &State, id: &str) -> Result<Done, Problem> {
    let target: Revocable = id.parse().map_err(|_| {
        Problem::wrong("that is not a revocation's id: write KIND#DIGEST, as in the list")
    })?;
    let missing = || Problem::missing(format!("{id} is not revoked"));
    let old = state.revocations().get(&target).await?.ok_or_else(missing)?;
    if !state.revocations().delete(&target).await? {
        return Err(missing());
    }
    let undo = Change::RevokeAgain {
        id: id.to_owned(),
        revoked: millis(old.revoked_at()),
        expires: millis(old.expires()),
        issued_before: old.issued_before().map(millis),
        reason: old.reason().map(str::to_owned),
    };
    Ok(Done::new(format!("{id} is no longer revoked"), undo))
}

pub(super) async fn again(
    state: &State,
    id: &str,
    times: Times,
    reason: Option<String>,
) -> Result<Done, Problem> {
    let target: Revocable = id.parse().map_err(|_| {
        Problem::wrong("that is not a revocation's id: write KIND#DIGEST, as in the list")
    })?;
    let moment = |ms: u64| Timestamp::from_nanos(ms.saturating_mul(1_000_000));
    let mut revocation = Revocation::new(target, moment(times.revoked), moment(times.expires));
    if let Some(time) = times.issued_before {
        revocation = revocation.with_issued_before(moment(time));
    }
    if let Some(reason) = reason {
        revocation = revocation
            .with_reason(reason)
            .map_err(|error| Problem::wrong(format!("the reason {error}")))?;
    }
    state.revocations().put(&revocation).await?;
    Ok(Done::new(format!("revoked {id} again"), Change::RevokeUndo { id: id.to_owned() }))
}
