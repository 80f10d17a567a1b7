//! The commands, a file each.

mod plan;
mod table;

use std::time::Duration;

use throttle::Plans;
use throttle::dynamo::{Client, Connect};

use crate::cli::{Cli, Command, Common, Plan, Table};
use crate::exit::Failed;
use crate::output::Output;

/// The table that a command works on, and how it answers.
#[derive(Debug)]
struct Desk {
    client: Client,
    table: String,
    output: Output,
}

impl Desk {
    async fn open(common: Common) -> Self {
        let mut connect =
            Connect::new().operation_timeout(PATIENCE).connect_timeout(CONNECT_PATIENCE);
        if let Some(url) = common.endpoint_url {
            connect = connect.endpoint(url);
        }
        let output = if common.json { Output::Json } else { Output::Text };
        Self { client: connect.client().await, table: common.table, output }
    }

    fn plans(&self) -> Plans {
        Plans::new(self.client.clone(), self.table.clone())
    }
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::unavailable(format!("can't start: {error}")))?;
    runtime.block_on(async {
        let desk = Desk::open(cli.common).await;
        match cli.command {
            Command::Table(Table::Create) => table::create::run(&desk).await,
            Command::Table(Table::Status) => table::status::run(&desk).await,
            Command::Plan(Plan::Put { id, file }) => plan::put::run(&desk, &id, &file).await,
            Command::Plan(Plan::Show { id }) => plan::show::run(&desk, &id).await,
            Command::Plan(Plan::List) => plan::list::run(&desk).await,
        }
    })
}

/// A person waits longer than a request does.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
