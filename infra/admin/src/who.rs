//! The subject that a command is about.

use authorizer::{Config, EVERYONE, Issuer, assumed_subject, decode, is_of_parent};
use clap::Args;
use serde_json::{Map, Value, json};
use throttle::Subject;

use crate::args::{ConfigFile, check_subject, subject};
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::output::note;
use crate::read::secret;

#[derive(Args, Debug)]
pub(crate) struct Who {
    /// Subject, such as `us-east-1_abcDEF123#client1`. With `--config` the claim's value is enough.
    #[arg(value_parser = subject, required_unless_present = "token")]
    subject: Option<Subject>,
    /// Take the subject from a token on standard input, as the authorizer does. Nothing is
    /// verified.
    // Checked by hand, because an error of the parser would repeat a token that is typed here.
    #[arg(long, value_name = "-")]
    token: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
}

/// A subject, and the configuration that it was found by.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) subject: Subject,
    pub(crate) config: Option<Config>,
    /// The claims of the token that it was found by.
    pub(crate) claims: Option<Map<String, Value>>,
}

impl Who {
    /// Takes the word in the subject's place if a token names the subject.
    pub(crate) fn word_beside_token(&mut self) -> Option<Subject> {
        if self.token.is_some() { self.subject.take() } else { None }
    }

    /// Refuses a subject that can only be a mistake.
    pub(crate) fn check(self) -> Result<Self, Error> {
        self.subject.as_ref().map_or(Ok(()), |subject| check_subject(subject.as_str()))?;
        Ok(self)
    }

    /// Finds the subject; with a configuration, checks that its limits are in this table.
    pub(crate) fn find(self, context: &Context) -> Result<Found, Error> {
        let Self { subject, token, config } = self;
        if subject.is_some() && token.is_some() {
            let message = "a subject cannot be used with `--token -`: give one of the two";
            return Err(Error::misuse(message));
        }
        let config = match (&token, &config.config) {
            (None, None) => None,
            _ => Some(config.read()?),
        };
        if let Some(config) = &config {
            check_table(config, context)?;
        }
        let (claims, subject) = match (token.as_deref(), subject, &config) {
            (Some("-"), None, Some(config)) => {
                let claims = claims(config)?;
                let subject = assumed(config, &claims)?;
                (Some(claims), subject)
            }
            (None, Some(subject), Some(config)) => (None, of_claim(config, subject)?),
            (None, Some(subject), None) => (None, subject),
            _ => {
                return Err(Error::misuse(
                    "a token is read from standard input alone: pipe it in, with `--token -`",
                ));
            }
        };
        Ok(Found { subject, config, claims })
    }
}

impl Found {
    /// Requires confirmation for a subject that has never been seen, because it may be a typo.
    ///
    /// A subject from a token needs none. With `--dry-run` there is a note instead.
    pub(crate) async fn require_seen(
        &self,
        context: &Context,
        confirm: Confirm,
    ) -> Result<(), Error> {
        if self.claims.is_some() || confirm.is_sure() || is_seen(context, &self.subject).await? {
            return Ok(());
        }
        let name = self.subject.as_str();
        let mut why = format!(
            "`{name}` has never been seen in `{}`: it has no requests, no plan and no key",
            context.table
        );
        if !name.contains('#') && !name.starts_with("key-") {
            why.push_str(" (a caller's subject is ISSUER#CLAIM)");
        }
        why.push_str(&hint(name));
        if confirm.dry_run() {
            note(format_args!("{why}; this needs --yes"));
            return Ok(());
        }
        confirm.insist(&why, "check its spelling, find it by `--token -`, or add --yes")
    }
}

/// Names the subject that `*` may stand for, after a message that nothing is known of it.
pub(crate) fn hint(name: &str) -> String {
    if name == "*" { format!("; all callers are `{EVERYONE}`") } else { String::new() }
}

/// Refuses a table that authorizers with this configuration do not count in.
fn check_table(config: &Config, context: &Context) -> Result<(), Error> {
    match &config.throttle {
        Some(throttle) if throttle.table != context.table => Err(Error::misuse(format!(
            "the configuration's limits are in the table `{0}`, not `{1}`: add `--table {0}`",
            throttle.table, context.table
        ))),
        Some(_) => Ok(()),
        None => Err(Error::misuse(
            "the configuration has no [throttle], so no authorizer counts by it: name the subject \
             without `--config`",
        )),
    }
}

/// Reads the claims of the token on standard input.
fn claims(config: &Config) -> Result<Map<String, Value>, Error> {
    let wrong = |refusal| Error::misuse(format!("standard input holds no token: {refusal}"));
    let mut claims = decode(&secret("token")?).map_err(wrong)?.claims;
    config.resolve_claim_paths(&mut claims);
    Ok(claims)
}

/// Completes a claim's value to a subject. A subject that begins with an issuer stays, and so do
/// `everyone` and a parent by a claim, which begins with `#`.
fn of_claim(config: &Config, subject: Subject) -> Result<Subject, Error> {
    let Some(throttle) = &config.throttle else { return Ok(subject) };
    let names = || config.issuers.iter().map(|issuer| issuer.checks.issuer.as_str());
    let prefix = subject.as_str().split_once('#').map(|(name, _)| name.to_owned());
    let is_whole =
        |issuer: &Issuer| prefix.as_deref().and_then(|it| issuer.stored_name(it)) == prefix;
    let by_claim = throttle.subject_claims().next().is_some();
    if !by_claim
        || is_of_parent(subject.as_str())
        || prefix.is_some() && config.issuers.iter().any(is_whole)
    {
        return Ok(subject);
    }
    let has_tenants = |issuer: &&Issuer| issuer.stored_name(&issuer.checks.issuer).is_none();
    if let Some(issuer) = config.issuers.iter().find(has_tenants) {
        let name = &issuer.checks.issuer;
        return Err(Error::misuse(format!(
            "the issuer `{name}` has many tenants: write `{name}/TENANT-ID#{}`",
            subject.as_str()
        )));
    }
    if config.issuers.len() > 1 {
        let names: Vec<_> = names().map(|name| format!("`{name}#{}`", subject.as_str())).collect();
        return Err(Error::misuse(format!(
            "the configuration has several issuers: write {}",
            names.join(" or ")
        )));
    }
    let claim = throttle.subject.claims().next().unwrap_or_default();
    let claims = json!({ claim: subject.as_str() });
    claims.as_object().map_or(Ok(subject), |claims| assumed(config, claims))
}

fn assumed(config: &Config, claims: &Map<String, Value>) -> Result<Subject, Error> {
    assumed_subject(claims, config)
        .map_err(|refusal| Error::refused(format!("no subject is found: {}", refusal.detail())))
}

/// Returns whether the table has a bucket, an assignment or a key of this subject.
async fn is_seen(context: &Context, subject: &Subject) -> Result<bool, Error> {
    let name = subject.as_str();
    // A damaged item is one too.
    let is_damaged = |error: &table::Error| matches!(error, table::Error::Damaged(_));
    match context.assignments().get(name).await {
        Ok(None) => {}
        Err(error) if !is_damaged(&error) => return Err(error.into()),
        _ => return Ok(true),
    }
    match context.buckets().get(subject).await {
        Ok(None) => {}
        Err(error) if !is_damaged(&error) => return Err(error.into()),
        _ => return Ok(true),
    }
    let keys = context.keys();
    let mut from = None;
    loop {
        let page = keys.list(from.as_deref()).await?;
        if page.items.iter().any(|key| key.details.subject == name) {
            return Ok(true);
        }
        from = page.next;
        if from.is_none() {
            return Ok(false);
        }
    }
}
