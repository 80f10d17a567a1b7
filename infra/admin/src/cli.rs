//! What can be typed.

use std::future::Future;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    key::Key, plan::Plan, policy::Policy, subject::Subject, table::Table, usage::Usage,
};
use crate::desk::Desk;
use crate::exit::Failed;
use crate::output::Output;

/// Looks after Tollgate: its table, plans, keys, usage and revocations, and a configuration's rules.
///
/// Region and credentials are the AWS SDK's (AWS_REGION, AWS_PROFILE, ...). Exits with 0 when
/// done, 1 when refused or not found, 2 when misused, 3 when the table can't be had.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The table's name.
    #[arg(long, global = true, env = "TOLLGATE_TABLE", default_value = "tollgate")]
    pub(crate) table: String,
    /// Where DynamoDB is, such as http://127.0.0.1:8000; the region's own unless set.
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint_url: Option<String>,
    /// Print one line of JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Common {
    /// How the answer is wanted.
    pub(crate) fn output(&self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Table(Table),
    #[command(subcommand)]
    Plan(Plan),
    #[command(subcommand)]
    Key(Key),
    #[command(subcommand)]
    Subject(Subject),
    #[command(subcommand)]
    Usage(Usage),
    #[command(subcommand)]
    Policy(Policy),
}

impl Cli {
    /// Does what was typed.
    pub(crate) fn run(self) -> Result<(), Failed> {
        let Self { common, command } = self;
        match command {
            Command::Table(it) => wait(async { it.run(&Desk::open(&common).await).await }),
            Command::Plan(it) => wait(async { it.run(&Desk::open(&common).await).await }),
            Command::Key(it) => wait(async { it.run(&Desk::open(&common).await).await }),
            Command::Subject(it) => wait(async { it.run(&Desk::open(&common).await).await }),
            Command::Usage(it) => wait(async { it.run(&Desk::open(&common).await).await }),
            Command::Policy(it) => it.run(common.output()),
        }
    }
}

fn wait(work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::unavailable(format!("can't start: {error}")))?;
    runtime.block_on(work)
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

const EXAMPLES: &str = "\
Examples:
  tollgate table create
  tollgate plan put free plan.json
  tollgate plan list --table tollgate-dev
  tollgate policy lint tollgate.toml
  tollgate table status --endpoint-url http://127.0.0.1:8000";
