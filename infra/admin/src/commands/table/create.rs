//! `tollgate table create`.

use serde_json::json;

use crate::desk::Desk;
use crate::exit::Failed;

pub(crate) async fn run(desk: &Desk) -> Result<(), Failed> {
    let name = &desk.table;
    let created = table::create(&desk.client, name).await?;
    let text = if created {
        format!("created the table `{name}`")
    } else {
        format!("the table `{name}` is there already")
    };
    desk.output.print(text, &json!({"table": name, "created": created}))
}
