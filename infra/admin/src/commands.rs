//! The commands, a file each.

mod plan;
mod policy;
mod table;

use std::fs::File;
use std::future::Future;
use std::io::{Read, stdin};
use std::path::Path;
use std::time::Duration;

use throttle::Plans;
use throttle::dynamo::{Client, Connect};

use crate::cli::{Cli, Command, Common, Plan, Policy, Table};
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
        let output = common.output();
        if let Some(url) = common.endpoint_url {
            connect = connect.endpoint(url);
        }
        Self { client: connect.client().await, table: common.table, output }
    }

    fn plans(&self) -> Plans {
        Plans::new(self.client.clone(), self.table.clone())
    }
}

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<(), Failed> {
    let Cli { common, command } = cli;
    match command {
        Command::Table(command) => wait(async {
            let desk = Desk::open(common).await;
            match command {
                Table::Create => table::create::run(&desk).await,
                Table::Status => table::status::run(&desk).await,
            }
        }),
        Command::Plan(command) => wait(async {
            let desk = Desk::open(common).await;
            match command {
                Plan::Put { id, file } => plan::put::run(&desk, &id, &file).await,
                Plan::Show { id } => plan::show::run(&desk, &id).await,
                Plan::List => plan::list::run(&desk).await,
            }
        }),
        Command::Policy(command) => {
            let output = common.output();
            match command {
                Policy::Check { source } => policy::check::run(&source, output),
                Policy::Lint { source, deny_warnings } => {
                    policy::lint::run(&source, deny_warnings, output)
                }
                Policy::Explain(explain) => policy::explain::run(&explain, output),
                Policy::Matrix { source } => policy::matrix::run(&source, output),
            }
        }
    }
}

fn wait(work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::unavailable(format!("can't start: {error}")))?;
    runtime.block_on(work)
}

/// Reads a file, or standard input for `-`, up to one byte more than is taken.
///
/// Whoever parses it notices that it is too much, and the rest is never read.
fn read(file: &Path, most: u64) -> Result<Vec<u8>, Failed> {
    let mut content = Vec::new();
    let most = most.saturating_add(1);
    let read = if file == Path::new("-") {
        stdin().lock().take(most).read_to_end(&mut content)
    } else {
        File::open(file).and_then(|file| file.take(most).read_to_end(&mut content))
    };
    read.map_err(|error| Failed::misuse(format!("can't read `{}`: {error}", file.display())))?;
    Ok(content)
}

/// A person waits longer than a request does.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
