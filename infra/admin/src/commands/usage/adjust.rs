//! `tollgate usage adjust`.

use std::num::NonZeroI64;

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

/// Change what is left of a subject's quota in this day, week or month.
///
/// `--amount=-500` leaves 500 less, which count as used. `--amount=+500` leaves 500 more, and at
/// most as many as are used; `usage grant` gives more than the quota. Rates and other quotas stay.
/// Authorizers apply it within a second.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Adjust {
    #[command(flatten)]
    who: Who,
    /// Amount with its sign, such as -500 or +500.
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true, value_parser = signed)]
    amount: NonZeroI64,
    /// Quota that is changed; by default the only one of the meter.
    #[arg(long, alias = "period", value_enum)]
    by: Option<By>,
    /// Meter of the plan, such as tokens; by default requests.
    #[arg(long, value_parser = meter)]
    meter: Option<Meter>,
    /// Name of this change, random by default. A second one with the same name and period, or a
    /// grant's, changes nothing, so it is safe to repeat.
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

impl Adjust {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let Self { who, amount, by, meter, id, confirm } = self;
        let found = who.find(context)?;
        found.require_seen(context, confirm).await?;
        let plan = plan_of(context, &found).await?;
        let (subject, now) = (found.subject, context.now());
        let name = subject.as_str();
        let meter = of_plan(&plan, meter)?;
        let quota = quota(&plan, meter, by.map(Period::from))?;
        let window = quota.window(now).of(meter);
        let (at, change) = (label(&window), format!("{:+}", amount.get()));
        if confirm.dry_run() {
            let left = context.buckets().usage(&subject).await?.remaining(&plan, quota, &window);
            return context.would(&format!(
                "change what is left to `{name}` by {change} {meter} for {at}, now {left}"
            ));
        }
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let adjusted = context.buckets().adjust(&subject, &window, amount, &id, now).await;
        let (history, changed) = adjusted.map_err(|error| ask_again(error, &id))?;
        let (used, left) = (history.used(&window), history.remaining(&plan, quota, &window));
        let text = if changed {
            format!("`{name}` has {left} {meter} left for {at} ({change}), {used} used; id {id}")
        } else {
            format!("`{id}` was made before, so nothing changed: `{name}` has {left} left for {at}")
        };
        let json = json!({
            "subject": name, "meter": meter.as_str(), "period": quota.period(), "of": at,
            "amount": amount, "used": used, "remaining": left, "id": id, "changed": changed,
        });
        context.output.print(text, &json)
    }
}

/// An amount with its sign. Without one, it could be taken for either direction.
fn signed(text: &str) -> Result<NonZeroI64, String> {
    let number = text.starts_with(['+', '-']).then(|| text.parse().ok()).flatten();
    number.filter(|number: &NonZeroI64| number.get().unsigned_abs() <= MOST_AMOUNT).ok_or_else(
        || {
            format!(
                "write a whole number with its sign, such as -500 or +500: from 1 to {MOST_AMOUNT} \
                 less or more"
            )
        },
    )
}

const EXAMPLES: &str = "\
Examples:
  tollgate usage adjust 'us-east-1_abcDEF123#client1' --amount=-500
  tollgate usage adjust client1 --amount=+120 --by month --id ticket-4712 --config FILE
  tollgate usage adjust client1 --amount=-90000 --meter tokens --by month --config FILE";
