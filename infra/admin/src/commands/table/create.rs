//! `tollgate table create`.

use serde_json::json;

use crate::context::Context;
use crate::error::Error;

pub(crate) async fn run(context: &Context) -> Result<(), Error> {
    let name = &context.table;
    let created = table::create(&context.client, name).await?;
    let text = if created {
        format!("created the table `{name}`")
    } else {
        format!("the table `{name}` is there already")
    };
    context.output.print(text, &json!({"table": name, "created": created}))
}
