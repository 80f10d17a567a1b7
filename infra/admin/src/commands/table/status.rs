//! `tollgate table status`.

use serde_json::json;

use crate::context::Context;
use crate::error::Error;

pub(crate) async fn run(context: &Context) -> Result<(), Error> {
    let name = &context.table;
    let status = table::check(&context.client, name).await?;
    let state = if status.active { "active" } else { "not active" };
    let expiry = if status.expiring { "on" } else { "off: run `tollgate table create`" };
    let text = format!(
        "table   {name}\nstate   {state}\nexpiry  {expiry}\nitems   about {}",
        status.items
    );
    let json = json!({
        "table": name,
        "active": status.active,
        "expiring": status.expiring,
        "items": status.items,
    });
    context.output.print(text, &json)
}
