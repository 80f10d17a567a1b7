//! `tollgate plan show`.

use serde_json::json;
use throttle::PlanId;

use crate::commands::Desk;
use crate::exit::Failed;

pub(crate) async fn run(desk: &Desk, id: &PlanId) -> Result<(), Failed> {
    let Some(record) = desk.plans().get(id).await? else {
        return Err(Failed::refused(format!("there is no plan `{id}` in `{}`", desk.table)));
    };
    let text = serde_json::to_string_pretty(&record.plan);
    let text = text.map_err(|error| Failed::refused(format!("can't show the plan: {error}")))?;
    let json = json!({
        "id": record.id.as_str(),
        "version": record.version,
        "created": record.created.as_secs(),
        "plan": serde_json::to_value(&record.plan).unwrap_or_default(),
    });
    desk.output.print(text, &json)
}
