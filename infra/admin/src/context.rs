//! The context of every command at the table.

use std::ops::Deref;
use std::time::Duration;

use authorizer::{DEFAULT_TABLE, TABLE_VARIABLE};
use clap::Args;
use console::TableAt;
use serde_json::json;
use table::{Connect, Failure, Items, Revocations};
use throttle::{PlanId, PlanRecord};

use crate::error::Error;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Common {
    /// Name of the table.
    #[arg(long, global = true, env = TABLE_VARIABLE, hide_env_values = true,
        default_value = DEFAULT_TABLE, value_parser = table_name)]
    pub(crate) table: String,
    /// DynamoDB endpoint, such as http://127.0.0.1:8000; by default the region's.
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint_url: Option<String>,
    /// Print one line of JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Common {
    /// The format of the answer.
    pub(crate) fn output(&self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }
}

/// The table that a command works on, and the form of its output.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) at: TableAt,
    pub(crate) output: Output,
}

impl Context {
    pub(crate) async fn open(common: &Common) -> Self {
        let mut connect =
            Connect::new().operation_timeout(PATIENCE).connect_timeout(CONNECT_PATIENCE);
        if let Some(url) = &common.endpoint_url {
            connect = connect.endpoint(url);
        }
        let at = TableAt {
            client: connect.client().await,
            table: common.table.clone(),
            endpoint: common.endpoint_url.clone(),
        };
        Self { at, output: common.output() }
    }

    pub(crate) fn revocations(&self) -> Revocations {
        Items::new(self.client.clone(), &self.table)
    }

    /// The plan of this name, which must be there.
    pub(crate) async fn plan(&self, id: &PlanId) -> Result<PlanRecord, Error> {
        self.plans().get(id).await?.ok_or_else(|| {
            let table = &self.table;
            Error::refused(format!(
                "there is no plan `{id}` in `{table}`: `tollgate plan list` shows the plans"
            ))
        })
    }

    /// The error with a missing table's name and the command that creates it.
    pub(crate) fn name_table(&self, error: Error) -> Error {
        let (table, create) = (&self.table, self.command("table create"));
        let words = format!(
            "there is no table `{table}` in this region and account; create it with `{create}`"
        );
        error.reworded(&Failure::NoTable.to_string(), &words)
    }

    /// Answers a dry run: what would be done.
    pub(crate) fn would(&self, what: &str) -> Result<(), Error> {
        let text = format!("would {what}; nothing was done");
        self.output.print(text, &json!({"dryRun": true, "would": what}))
    }
}

impl Deref for Context {
    type Target = TableAt;

    fn deref(&self) -> &TableAt {
        &self.at
    }
}

fn table_name(text: &str) -> Result<String, String> {
    table::check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn endpoint(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("write a URL such as http://127.0.0.1:8000".to_owned()),
    }
}

/// A person waits longer than a request does.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
