//! `tollgate usage grant`.

use std::num::NonZeroU64;

use clap::Args;
use serde_json::json;
use throttle::{Period, Subject};
use uuid::Uuid;

use super::{By, label};
use crate::args::subject;
use crate::confirm::Dry;
use crate::context::Context;
use crate::error::Error;

/// Give a subject more requests than its quota, for the current day, week or month.
///
/// The unused rest lapses when the period ends. Authorizers apply a grant within a second.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Grant {
    /// Subject whose requests are counted.
    #[arg(value_parser = subject)]
    subject: Subject,
    /// Number of requests.
    extra: NonZeroU64,
    /// Quota that they are added to.
    #[arg(long, value_enum)]
    by: By,
    /// Name of this grant; random unless given. A second grant of the same name and period changes
    /// nothing.
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    dry: Dry,
}

impl Grant {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { subject, extra, by, id, dry } = self;
        let (period, now, name) = (Period::from(by), context.now(), subject.as_str());
        let window = period.window(now);
        let at = label(&window);
        if dry.dry_run {
            return context.would(&format!("grant `{name}` {extra} requests for {at}"));
        }
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let granted = context.buckets().grant(&subject, period, extra, &id, now).await;
        let history = granted.map_err(|error| {
            let error = Error::from(error);
            // It may have been made all the same.
            match error.code() {
                3 => {
                    error.after(format_args!("ask again with `--id {id}`, so that it counts once"))
                }
                _ => error,
            }
        })?;
        let total = history.granted(&window);
        let text = format!("granted `{name}` {extra} requests for {at}, {total} in all; id {id}");
        let json = json!({
            "subject": name, "period": period, "of": at, "extra": extra, "granted": total,
            "used": history.used(&window), "id": id,
        });
        context.output.print(text, &json)
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate usage grant 'us-east-1_abcDEF123#client1' 500 --by day
  tollgate usage grant maria 10000 --by month --id ticket-4711";
