//! `tollgate key create`.

use authorizer::{is_of_parent, shell_word};
use clap::Args;
use table::{Key, KeyDetails, check_text};
use throttle::{PlanId, Subject};

use super::reveal;
use super::rights::Rights;
use crate::args::{plan_id, subject};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::output::{Output, note};
use crate::time::{Until, parse_until};

/// Create a key and print it. It cannot be shown again.
///
/// It begins with `tg_live_`, by which secret scanners find it, and ends with a checksum.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Subject that requests are counted under; by default the key itself.
    #[arg(long, value_parser = subject)]
    subject: Option<Subject>,
    /// Plan of the key; by default the one that its subject is assigned.
    #[arg(long, value_parser = plan_id)]
    plan: Option<PlanId>,
    /// Name of the key, for people.
    #[arg(long)]
    name: Option<String>,
    /// Description, for people.
    #[arg(long)]
    description: Option<String>,
    /// Expiry: a day in UTC, or a length of time such as 90d.
    #[arg(long, value_name = "DAY|LENGTH", value_parser = parse_until)]
    expires: Option<Until>,
    /// Create the key disabled; `key enable` enables it.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    dry: Dry,
}

impl Create {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let now = context.now();
        let key = Key::generate().map_err(|error| Error::unavailable(error.to_string()))?;
        let shared = self.subject.as_ref().map(|subject| subject.as_str().to_owned());
        let is_wrong = |name: &&str| is_of_parent(name) || *name == "*";
        if let Some(name) = shared.as_deref().filter(is_wrong) {
            return Err(Error::misuse(format!(
                "`{name}` is a parent's subject, which no key can have: choose another, and put it \
                 within a parent by `tollgate subject assign SUBJECT --parent PARENT`"
            )));
        }
        let subject = shared.clone().unwrap_or_else(|| key.digest().subject());
        let mut details = KeyDetails {
            name: label("--name", self.name)?,
            description: label("--description", self.description)?,
            enabled: !self.disabled,
            ..KeyDetails::new(subject)
        };
        self.rights.apply(&mut details.rights)?;
        if let Some(plan) = self.plan {
            context.plan(&plan).await?;
            details = details.with_plan(plan.as_str());
        }
        if let Some(expires) = self.expires {
            details.expires = Some(expires.after(now)?.into());
        }
        if self.dry.dry_run {
            return context.would("make a key");
        }
        let record = context.keys().put(&key, details, now).await?;
        reveal(context, &key, &record, "").await?;
        if let (Output::Text, Some(name), None) = (context.output, &shared, record.details.plan())
            && context.assignments().get(name).await?.is_none()
        {
            let line = format!("subject assign {} PLAN", shell_word(name));
            let command = context.command(&line);
            note(format_args!(
                "`{name}` is assigned no plan, so this key has the configuration's default plan; \
                 to assign one: {command}"
            ));
        }
        Ok(())
    }
}

/// Checks a text for people.
pub(super) fn label(flag: &str, text: Option<String>) -> Result<Option<String>, Error> {
    text.as_deref()
        .map_or(Ok(()), |text| check_text(text, KeyDetails::MAX_LABEL))
        .map_err(|error| Error::misuse(format!("`{flag}` {error}")))?;
    Ok(text)
}

const EXAMPLES: &str = "\
Examples:
  tollgate key create --plan gold --name \"Maria's laptop\" --expires 90d
  tollgate key create --scope orders/read --group partners --context tenant=acme
  tollgate key create --subject maria --expires 2027-01-01
  tollgate key create --plan free --json | jq -r .key";
