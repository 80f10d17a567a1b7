//! What can be typed.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use throttle::PlanId;

use crate::output::Output;

/// Looks after Tollgate: its table, the usage plans in it, and the rules of a configuration.
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

impl Common {
    /// How the answer is wanted.
    pub(crate) fn output(&self) -> Output {
        if self.json { Output::Json } else { Output::Text }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The table itself.
    #[command(subcommand)]
    Table(Table),
    /// Usage plans, in API Gateway's own JSON.
    #[command(subcommand)]
    Plan(Plan),
    /// A configuration's rules, read as the authorizer reads them. Needs no table.
    #[command(subcommand)]
    Policy(Policy),
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

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Read a whole configuration, and show what is in it and how long its policies get.
    #[command(after_help = "Example:\n  tollgate policy check tollgate.toml")]
    Check {
        #[command(flatten)]
        source: Source,
    },
    /// Show what is likely wrong with rules that can be read.
    ///
    /// Exits with 0 whatever is found, unless warnings are denied.
    #[command(after_help = LINT_EXAMPLES)]
    Lint {
        #[command(flatten)]
        source: Source,
        /// Exit with 1 where there is a warning; notes still pass.
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Show which rule lets a caller call a route, or why none does.
    ///
    /// The claims are taken for those of a good token: nothing is verified. Exits with 0 where
    /// the call is allowed, with 1 where it is not.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Show who may call what: each scope and group that a rule names against each route.
    ///
    /// `partly` is what hangs on more than the column knows: a claim, a client, a stage, another
    /// scope or group.
    #[command(after_help = "Example:\n  tollgate policy matrix tollgate.toml")]
    Matrix {
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The authorizer's configuration, or - for standard input.
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) source: Source,
    /// What is called: "GET /orders/1", or a route key, '$connect' say.
    #[arg(long)]
    pub(crate) route: String,
    /// The stage that it is called in.
    #[arg(long, default_value = "prod")]
    pub(crate) stage: String,
    /// A file with the claims of the caller's token as JSON; standard input unless given.
    #[arg(long, value_name = "FILE", default_value = "-", hide_default_value = true)]
    pub(crate) claims: PathBuf,
    /// The address that is called from, for rules with `source_ips`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source_ip: Option<IpAddr>,
}

const LINT_EXAMPLES: &str = "\
Examples:
  tollgate policy lint tollgate.toml
  tollgate policy lint tollgate.toml --deny-warnings
  tollgate policy lint tollgate.toml --json | jq '.findings[].code'";

const EXPLAIN_EXAMPLES: &str = r#"Examples:
  tollgate policy explain tollgate.toml --route "GET /orders/1" --claims claims.json
  echo '{"scope": "orders/read"}' | tollgate policy explain tollgate.toml --route "GET /orders/1"
  tollgate policy explain tollgate.toml --route '$connect' --stage dev --claims claims.json"#;

const EXAMPLES: &str = "\
Examples:
  tollgate table create
  tollgate plan put free plan.json
  tollgate plan list --table tollgate-dev
  tollgate policy lint tollgate.toml
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
