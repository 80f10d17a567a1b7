//! `tollgate revoke list`.

use clap::Args;
use serde_json::{Value, json};
use table::Revocation;

use crate::context::Context;
use crate::error::Error;
use crate::listing::Listing;
use crate::pages::each_page;
use crate::time::{moment, seconds};

/// List the revocations that have not ended. Reads the whole table.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate revoke list --json | jq '.revocations[].id'")]
pub(crate) struct List;

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let (revocations, now) = (context.revocations(), context.now());
        let headings = ["ID", "ISSUED BEFORE", "REVOKED", "UNTIL", "REASON"];
        let mut listing = Listing::new(context.output, "revocations", headings);
        each_page(
            "revocations",
            async |from| revocations.list(from.as_deref()).await,
            |mut page| {
                page.items.retain(|revocation| revocation.is_live(now));
                page.items.sort_by_key(|revocation| (revocation.revoked_at(), revocation.target()));
                let rows: Vec<_> = page.items.iter().map(|it| (row(it), json(it))).collect();
                listing.page(&rows, page.damaged)
            },
        )
        .await?;
        listing.end("revocations")
    }
}

fn row(revocation: &Revocation) -> [String; 5] {
    [
        revocation.target().to_string(),
        revocation.issued_before().map_or_else(|| "-".to_owned(), moment),
        moment(revocation.revoked_at()),
        moment(revocation.expires()),
        revocation.reason().unwrap_or("-").to_owned(),
    ]
}

fn json(revocation: &Revocation) -> Value {
    json!({
        "id": revocation.target().to_string(),
        "kind": revocation.target().kind().name(),
        "issuedBefore": revocation.issued_before().map(seconds),
        "revoked": seconds(revocation.revoked_at()),
        "expires": seconds(revocation.expires()),
        "reason": revocation.reason(),
    })
}
