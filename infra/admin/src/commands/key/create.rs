//! `tollgate key create`.

use clap::Args;
use throttle::{Key, KeyDetails, NameError, PlanId, Subject};

use super::reveal;
use crate::args::{plan_id, subject};
use crate::ask::Dry;
use crate::desk::Desk;
use crate::exit::Failed;
use crate::time::{Until, parse_until};

/// Make a key and show it, this once.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// Subject whose requests are counted; by default the key itself.
    #[arg(long, value_parser = subject)]
    subject: Option<Subject>,
    /// The plan; the one that the subject is assigned unless given.
    #[arg(long, value_parser = plan_id)]
    plan: Option<PlanId>,
    /// Name of the key, for people.
    #[arg(long)]
    name: Option<String>,
    /// Description, for people.
    #[arg(long)]
    description: Option<String>,
    /// From when on it may no longer be used: a day in UTC, or a length of time.
    #[arg(long, value_name = "DAY|LENGTH", value_parser = parse_until)]
    expires: Option<Until>,
    /// Make it disabled: `key enable` lets it in.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    dry: Dry,
}

impl Create {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        let now = desk.now();
        let key = Key::generate().map_err(|error| Failed::unavailable(error.to_string()))?;
        let owner = self.subject.unwrap_or_else(|| key.digest().subject());
        let mut details = KeyDetails::new(owner).with_enabled(!self.disabled);
        if let Some(plan) = self.plan {
            desk.plan(&plan).await?;
            details = details.with_plan(plan);
        }
        let wrong = |flag: &'static str| {
            move |error: NameError| Failed::misuse(format!("`{flag}` {error}"))
        };
        if let Some(name) = self.name {
            details = details.with_name(name).map_err(wrong("--name"))?;
        }
        if let Some(description) = self.description {
            details = details.with_description(description).map_err(wrong("--description"))?;
        }
        if let Some(expires) = self.expires {
            details = details.with_expiry(expires.after(now)?);
        }
        if self.dry.dry_run {
            return desk.would("make a key");
        }
        let record = desk.keys().import(&key, details, now).await?;
        reveal(desk, &key, &record, "").await
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate key create --plan gold --name \"Maria's laptop\" --expires 90d
  tollgate key create --subject maria --expires 2027-01-01
  tollgate key create --plan free --json | jq -r .key";
