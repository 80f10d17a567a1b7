//! The command line.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::time::timeout;

use crate::commands::completion::Completion;
use crate::commands::console::Console;
use crate::commands::doctor::Doctor;
use crate::commands::import::Import;
use crate::commands::init::Init;
use crate::commands::key::Key;
use crate::commands::keys::Keys;
use crate::commands::man::Man;
use crate::commands::plan::Plan;
use crate::commands::policy::Policy;
use crate::commands::revoke::Revoke;
use crate::commands::subject::Subject;
use crate::commands::table::Table;
use crate::commands::token::Token;
use crate::commands::usage::Usage;
use crate::context::{Common, Context};
use crate::error::Error;
use crate::output;

/// Manages Tollgate's plans, keys, usage and revocations.
///
/// Region and credentials are those of the AWS SDK (AWS_REGION, AWS_PROFILE, …). Exit codes: 0
/// done; 1 refused or not found; 2 wrong command line or file; 3 table unavailable.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version = VERSION, max_term_width = 80, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Init),
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
    Revoke(Revoke),
    #[command(subcommand)]
    Policy(Policy),
    #[command(subcommand)]
    Token(Token),
    #[command(subcommand)]
    Keys(Keys),
    Import(Import),
    Doctor(Doctor),
    Console(Console),
    Completion(Completion),
    Man(Man),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<(), Error> {
        let Self { common, command } = self;
        let output = common.output();
        match command {
            Command::Init(it) => it.run(&common),
            Command::Policy(it) => it.run(output),
            Command::Completion(it) => it.run(Self::command()),
            Command::Man(it) => it.run(Self::command(), output),
            Command::Keys(it) => wait(it.run(output)),
            Command::Console(it) => it.run(&common),
            command => wait(async {
                let context = Context::open(&common).await;
                command.at(&context).await.map_err(|error| context.name_table(error))
            }),
        }
    }
}

impl Command {
    /// Runs a command that needs the table.
    async fn at(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Table(it) => it.run(context).await,
            Self::Plan(it) => it.run(context).await,
            Self::Key(it) => it.run(context).await,
            Self::Subject(it) => it.run(context).await,
            Self::Usage(it) => it.run(context).await,
            Self::Revoke(it) => it.run(context).await,
            Self::Token(it) => it.run(context).await,
            Self::Import(it) => it.run(context).await,
            Self::Doctor(it) => it.run(context).await,
            // These need no table: `run` has handled them.
            Self::Init(_)
            | Self::Policy(_)
            | Self::Keys(_)
            | Self::Console(_)
            | Self::Completion(_)
            | Self::Man(_) => Ok(()),
        }
    }
}

fn wait(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::unavailable(format!("can't start: {error}")))?;
    runtime.block_on(async {
        let mut work = pin!(work);
        match timeout(QUIET, &mut work).await {
            Ok(done) => done,
            Err(_) => {
                output::still_working();
                work.await
            }
        }
    })
}

/// The version, with the commit if `tests/scripts/release` built it.
const VERSION: &str = match option_env!("TOLLGATE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Nothing is silent for longer.
const QUIET: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  tollgate init
  tollgate table create
  tollgate plan put free --rate 5 --burst 10 --per-day 1000
  tollgate plan list --table tollgate-dev
  tollgate key create --plan free --name \"Maria's laptop\"
  tollgate usage show 'us-east-1_abcDEF123#client1'
  tollgate policy lint tollgate.toml
  echo \"$TOKEN\" | tollgate token inspect --config tollgate.toml
  tollgate doctor --endpoint-url http://127.0.0.1:8000";
