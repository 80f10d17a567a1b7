//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use throttle::PlanId;

/// Looks after Tollgate's table: its shape and the usage plans in it.
///
/// Region and credentials are the AWS SDK's (AWS_REGION, AWS_PROFILE, ...). Exits with 0 when
/// done, 1 when refused or not found, 2 when misused, 3 when the table can't be had.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The table itself.
    #[command(subcommand)]
    Table(Table),
    /// Usage plans, in API Gateway's own JSON.
    #[command(subcommand)]
    Plan(Plan),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Create the table, or check the one that is there.
    #[command(after_help = "Example:\n  tollgate table create --table tollgate-dev")]
    Create,
    /// Show whether the table is there and right.
    #[command(after_help = "Example:\n  tollgate table status --json")]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// Store a plan, new or over the one of its name.
    #[command(after_help = PUT_EXAMPLES)]
    Put {
        /// The plan's name, as tokens and configurations have it.
        #[arg(value_parser = plan_id)]
        id: PlanId,
        /// A file of API Gateway's JSON, or - for standard input.
        file: PathBuf,
    },
    /// Print a plan as API Gateway's JSON.
    #[command(after_help = "Example:\n  tollgate plan show free > free.json")]
    Show {
        /// The plan's name.
        #[arg(value_parser = plan_id)]
        id: PlanId,
    },
    /// List all plans. Reads the whole table.
    #[command(after_help = "Example:\n  tollgate plan list --json")]
    List,
}

const EXAMPLES: &str = "\
Examples:
  tollgate table create
  tollgate plan put free plan.json
  tollgate plan list --table tollgate-dev
  tollgate table status --endpoint-url http://127.0.0.1:8000";

const PUT_EXAMPLES: &str = r#"Examples:
  tollgate plan put free plan.json
  echo '{"throttle": {"rateLimit": 10, "burstLimit": 20}}' | tollgate plan put free -
  aws apigateway get-usage-plan --usage-plan-id abc123 | tollgate plan put gold -"#;

fn plan_id(text: &str) -> Result<PlanId, String> {
    PlanId::new(text).map_err(|error| error.to_string())
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
