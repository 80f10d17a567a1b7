//! `tollgate key list`.

use clap::Args;
use table::KeyRecord;
use throttle::{PlanId, Subject, Timestamp};

use super::{json, state};
use crate::args::{plan_id, subject};
use crate::context::Context;
use crate::error::Error;
use crate::listing::Listing;
use crate::pages::each_page;
use crate::time::moment;

/// List keys. Reads the whole table.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    /// Only keys of this subject.
    #[arg(long, value_parser = subject)]
    subject: Option<Subject>,
    /// Only keys that have this plan as their own.
    #[arg(long, value_parser = plan_id)]
    plan: Option<PlanId>,
    /// Only keys that are enabled and have not expired.
    #[arg(long)]
    usable: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (keys, now) = (context.keys(), context.now());
        let headings = ["ID", "STATE", "EXPIRES", "PLAN", "SUBJECT", "NAME"];
        let mut listing = Listing::new(context.output, "keys", headings);
        each_page(
            "keys",
            async |from| keys.list(from.as_deref()).await,
            |mut page| {
                page.items.retain(|record| self.wants(record, now));
                page.items.sort_by_key(|record| record.digest);
                let rows: Vec<_> =
                    page.items.iter().map(|record| (row(record, now), json(record, now))).collect();
                listing.page(&rows, page.damaged)
            },
        )
        .await?;
        listing.end("keys")
    }

    fn wants(&self, record: &KeyRecord, now: Timestamp) -> bool {
        let details = &record.details;
        self.subject.as_ref().is_none_or(|subject| details.subject == subject.as_str())
            && self.plan.as_ref().is_none_or(|plan| details.plan() == Some(plan.as_str()))
            && (!self.usable || details.is_valid(now))
    }
}

fn row(record: &KeyRecord, now: Timestamp) -> [String; 6] {
    let details = &record.details;
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        record.digest.to_string(),
        state(record, now).to_owned(),
        details.expires.map_or_else(|| "never".to_owned(), moment),
        or_dash(details.plan()),
        details.subject.clone(),
        or_dash(details.name.as_deref()),
    ]
}

const EXAMPLES: &str = "\
Examples:
  tollgate key list --plan gold
  tollgate key list --subject maria --usable
  tollgate key list --json | jq '.keys | length'";
