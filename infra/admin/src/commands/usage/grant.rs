//! `tollgate usage grant`.

use std::num::NonZeroU64;

use clap::Args;
use serde_json::json;
use throttle::{Meter, Period};
use uuid::Uuid;

use super::{By, MOST_AMOUNT, ask_again, label, of_plan, plan_of, quota};
use crate::args::meter;
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::who::Who;

/// Allow a subject more requests, or more of a meter, in this day, week or month.
///
/// The unused rest lapses when the period ends. Authorizers apply a grant within a second. A
/// subject that has never been seen needs `--yes`, because it may be misspelt.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, allow_missing_positional = true)]
pub(crate) struct Grant {
    #[command(flatten)]
    who: Who,
    /// Number of requests to add, or the amount of the meter.
    #[arg(value_parser = extra)]
    extra: NonZeroU64,
    /// Quota that the requests are added to.
    #[arg(long, value_enum)]
    by: By,
    /// Meter of the plan that is granted, such as tokens; by default requests.
    #[arg(long, value_parser = meter)]
    meter: Option<Meter>,
    /// Name of this grant, random by default. A second grant with the same name and period changes
    /// nothing, so it is safe to repeat.
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

impl Grant {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { who, extra, by, meter, id, confirm } = self;
        let found = who.find(context)?;
        found.require_seen(context, confirm).await?;
        let plan = plan_of(context, &found).await?;
        let subject = found.subject;
        let (period, now, name) = (Period::from(by), context.now(), subject.as_str());
        let meter = of_plan(&plan, meter)?;
        let window = quota(&plan, meter, Some(period))?.window(now).of(meter);
        let at = label(&window);
        if confirm.dry_run() {
            return context.would(&format!("grant `{name}` {extra} {meter} for {at}"));
        }
        // Only a grant that is named can have been made before.
        let before = match &id {
            Some(_) => context.buckets().get(&subject).await?,
            None => None,
        };
        let before = before.map_or(0, |bucket| bucket.history.granted(&window));
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let granted = context.buckets();
        let granted = granted.grant_of(&subject, &window, extra, &id, now).await;
        let history = granted.map_err(|error| ask_again(error, &id))?;
        let total = history.granted(&window);
        let changed = total != before;
        let text = if changed {
            format!("granted `{name}` {extra} {meter} for {at}, {total} in all; id {id}")
        } else {
            format!("`{id}` was granted before, so nothing changed: `{name}` has {total} for {at}")
        };
        let mut json = json!({
            "subject": name, "period": period, "of": at, "extra": extra, "granted": total,
            "used": history.used(&window), "id": id, "changed": changed,
        });
        if !meter.is_requests()
            && let Some(members) = json.as_object_mut()
        {
            members.insert("meter".to_owned(), meter.as_str().into());
        }
        context.output.print(text, &json)
    }
}

fn extra(text: &str) -> Result<NonZeroU64, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU64| number.get() <= MOST_AMOUNT);
    number.ok_or_else(|| format!("write a whole number from 1 to {MOST_AMOUNT}"))
}

const EXAMPLES: &str = "\
Examples:
  tollgate usage grant 'us-east-1_abcDEF123#client1' 500 --by day
  tollgate usage grant client1 9000 --by month --id ticket-4711 --config FILE
  tollgate usage grant client1 500000 --by month --meter tokens --config FILE
  echo \"$TOKEN\" | tollgate usage grant --token - 500 --by day --config FILE";
