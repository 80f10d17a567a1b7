//! `tollgate key`.

mod assign;
mod create;
mod csv;
pub(crate) mod import;
mod json;
mod list;
mod rights;
mod rotate;
mod show;
mod switch;
mod update;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use table::{Digest, Key as Secret, KeyRecord};
use throttle::Timestamp;

use crate::context::Context;
use crate::error::Error;
use crate::layout::facts;
use crate::read::secret;
use crate::time::{moment, seconds};

/// Create, list, change, rotate and import API keys, of which the table has digests.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    /// Disable a key.
    ///
    /// Authorizers notice when their cached copy expires: after a minute, unless configured.
    #[command(after_help = DISABLE)]
    Disable(switch::Switch),
    /// Enable a key that was disabled.
    ///
    /// Authorizers notice when their cached copy expires: after a minute, unless configured.
    #[command(after_help = ENABLE)]
    Enable(switch::Switch),
    Update(update::Update),
    Rotate(rotate::Rotate),
    Assign(assign::Assign),
    Import(import::Import),
}

impl Key {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Create(it) => it.run(context).await,
            Self::List(it) => it.run(context).await,
            Self::Show(it) => it.run(context).await,
            Self::Disable(it) => it.run(context, false).await,
            Self::Enable(it) => it.run(context, true).await,
            Self::Update(it) => it.run(context).await,
            Self::Rotate(it) => it.run(context).await,
            Self::Assign(it) => it.run(context).await,
            Self::Import(it) => it.run(context).await,
        }
    }
}

#[derive(Args, Debug)]
struct Which {
    /// The key's id (`key list`), or - to read the key from standard input.
    // Parsed later: an error of the command line would repeat what may be a key.
    #[arg(value_name = "ID")]
    key: String,
}

impl Which {
    fn digest(&self) -> Result<Digest, Error> {
        if self.key == "-" {
            let key = Secret::parse(secret("key")?)
                .map_err(|error| Error::misuse(format!("the key on standard input {error}")))?;
            return Ok(key.digest());
        }
        self.key.parse().map_err(|_| {
            Error::misuse(
                "that is not a key's id: give the 64 hexadecimal digits that `tollgate key list` \
                 shows, or - to read the key itself from standard input",
            )
        })
    }

    async fn record(&self, context: &Context) -> Result<KeyRecord, Error> {
        let found = context.keys().get(&self.digest()?).await?;
        found.ok_or_else(|| missing(context))
    }
}

/// The key does not exist. The message omits the id, because it may be a key typed by mistake.
fn missing(context: &Context) -> Error {
    let table = &context.table;
    Error::refused(format!(
        "there is no such key in `{table}`: `tollgate key list` shows the ids; give - to read a \
         key itself from standard input"
    ))
}

/// The state of a key, in one word.
fn state(record: &KeyRecord, now: Timestamp) -> &'static str {
    match (record.details.enabled, record.details.is_valid(now)) {
        (false, _) => "disabled",
        (true, true) => "enabled",
        (true, false) => "expired",
    }
}

fn text(record: &KeyRecord, now: Timestamp) -> String {
    let details = &record.details;
    let or_dash = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
    let plan = match details.plans.as_slice() {
        [] => "the subject's".to_owned(),
        [plan] => plan.clone(),
        [plan, others @ ..] => format!("{plan} (also on {})", others.join(", ")),
    };
    let rights = &details.rights;
    let values: Vec<String> =
        rights.context.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let rights = [
        ("scopes", rights.scopes.join(" ")),
        ("groups", rights.groups.join(", ")),
        ("context", values.join(", ")),
        ("stages", rights.stages.join(", ")),
    ];
    let rows = [
        ("id", record.digest.to_string()),
        ("subject", details.subject.clone()),
        ("plan", plan),
        ("state", state(record, now).to_owned()),
        ("expires", details.expires.map_or_else(|| "never".to_owned(), moment)),
        ("name", or_dash(&details.name)),
        ("description", or_dash(&details.description)),
        ("created", moment(record.created)),
        ("version", record.version.to_string()),
    ];
    // Rights that the key lacks are left out.
    let rights = rights.into_iter().filter(|(_, value)| !value.is_empty());
    let (head, tail) = rows.split_at(3);
    let rows = head.iter().cloned().chain(rights).chain(tail.iter().cloned());
    facts(&rows.map(|(name, value)| [name.to_owned(), value]).collect::<Vec<_>>())
}

fn json(record: &KeyRecord, now: Timestamp) -> Value {
    let details = &record.details;
    json!({
        "id": record.digest.to_string(),
        "subject": details.subject,
        "plan": details.plan(),
        "plans": details.plans,
        "scopes": details.rights.scopes,
        "groups": details.rights.groups,
        "context": details.rights.context,
        "stages": details.rights.stages,
        "state": state(record, now),
        "expires": details.expires.map(seconds),
        "name": details.name,
        "description": details.description,
        "created": seconds(record.created),
        "version": record.version,
    })
}

/// Shows a new key once. If it cannot be shown, it is deleted again.
async fn reveal(
    context: &Context,
    secret: &Secret,
    record: &KeyRecord,
    more: &str,
) -> Result<(), Error> {
    let now = context.now();
    let said = format!(
        "key          {}\n{}\n\n{more}\
         Copy the key now: it is not stored and cannot be shown again.",
        secret.expose(),
        text(record, now)
    );
    let mut json = json(record, now);
    if let Some(members) = json.as_object_mut() {
        members.insert("key".to_owned(), secret.expose().into());
    }
    let Err(error) = context.output.print(said, &json) else { return Ok(()) };
    let left = match context.keys().delete(&record.digest).await {
        Ok(_) => "it was deleted again",
        Err(_) => "it is still in the table, and its text is lost",
    };
    let why = match error.line() {
        line if line.is_empty() => "the output was closed".to_owned(),
        line => line,
    };
    Err(Error::unavailable(format!("the key couldn't be shown, so {left}: {why}")))
}

const DISABLE: &str = "\
Examples:
  tollgate key disable 55ddd3ecfee1…
  printenv API_KEY | tollgate key disable -";
const ENABLE: &str = "\
Examples:
  tollgate key enable 55ddd3ecfee1…
  printenv API_KEY | tollgate key enable -";
