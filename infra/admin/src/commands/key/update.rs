//! `tollgate key update`.

use clap::{Args, ValueEnum};

use super::create::label;
use super::rights::Rights;
use super::{Which, json, text};
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;
use crate::time::{Until, parse_until};

/// Change a key's rights, name, description or expiry.
///
/// A flag that may be repeated replaces all values of its kind; --clear removes them. Authorizers
/// notice when their cached copy expires: after a minute, unless configured.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Update {
    #[command(flatten)]
    which: Which,
    /// Name of the key, for people.
    #[arg(long)]
    name: Option<String>,
    /// Description, for people.
    #[arg(long)]
    description: Option<String>,
    /// Expiry: a day in UTC, or a length of time such as 90d.
    #[arg(long, value_name = "DAY|LENGTH", value_parser = parse_until)]
    expires: Option<Until>,
    /// Remove these: scopes, groups, context, stages, name, description, expiry.
    #[arg(
        long,
        value_enum,
        value_name = "FIELD",
        value_delimiter = ',',
        hide_possible_values = true
    )]
    clear: Vec<Field>,
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    dry: Dry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Field {
    Scopes,
    Groups,
    Context,
    Stages,
    Name,
    Description,
    Expiry,
}

impl Update {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { which, name, description, expires, clear, rights, dry } = self;
        let is_nothing = name.is_none() && description.is_none() && expires.is_none();
        if is_nothing && clear.is_empty() && rights.are_none() {
            return Err(Error::misuse(
                "nothing is to be changed: give `--scope`, `--group`, `--context`, `--stage`, \
                 `--name`, `--description`, `--expires` or `--clear`",
            ));
        }
        let (now, record) = (context.now(), which.record(context).await?);
        let mut details = record.details.clone();
        for field in clear {
            match field {
                Field::Scopes => details.rights.scopes.clear(),
                Field::Groups => details.rights.groups.clear(),
                Field::Context => details.rights.context.clear(),
                Field::Stages => details.rights.stages.clear(),
                Field::Name => details.name = None,
                Field::Description => details.description = None,
                Field::Expiry => details.expires = None,
            }
        }
        rights.apply(&mut details.rights)?;
        details.name = label("--name", name)?.or(details.name);
        details.description = label("--description", description)?.or(details.description);
        if let Some(expires) = expires {
            details.expires = Some(expires.after(now)?.into());
        }
        if dry.dry_run {
            return context.would("change the key");
        }
        let record = if details == record.details {
            record
        } else {
            context.keys().update(&record, details).await?
        };
        context.output.print(text(&record, now), &json(&record, now))
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key update 55ddd3ecfee1… --scope orders/read --scope orders/write
  tollgate key update 55ddd3ecfee1… --clear groups,expiry
  printenv API_KEY | tollgate key update - --stage prod";
