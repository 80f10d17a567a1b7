//! `tollgate plan show`.

use clap::Args;
use serde_json::json;
use throttle::PlanId;

use crate::args::plan_id;
use crate::context::Context;
use crate::error::Error;

/// Print a plan as API Gateway's JSON.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  tollgate plan show free > free.json")]
pub(crate) struct Show {
    /// The plan's name.
    #[arg(value_parser = plan_id)]
    id: PlanId,
}

impl Show {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let record = context.plan(&self.id).await?;
        let text = serde_json::to_string_pretty(&record.plan);
        let text = text.map_err(|error| Error::refused(format!("can't show the plan: {error}")))?;
        let json = json!({
            "id": record.id.as_str(),
            "version": record.version,
            "created": record.created.as_secs(),
            "plan": serde_json::to_value(&record.plan).unwrap_or_default(),
        });
        context.output.print(text, &json)
    }
}
