//! `tollgate doctor`.

use std::time::Duration;

use authorizer::{Config, HttpForm, HttpUnauthorized, fetch_keys};
use clap::Args;
use serde_json::json;
use table::{Failure, SchemaError};
use throttle::{Plan, Quota};

use crate::args::ConfigFile;
use crate::commands::plan::all;
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Check configuration, credentials, table, clock and key endpoints, each with a remedy.
///
/// Without a configuration, in a file or in the environment, only the table's side is checked.
/// Exits with 1 if something is wrong, with 3 if something is unavailable.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
}

/// One check's result.
struct Finding {
    check: String,
    state: State,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ok,
    Skipped,
    Warning,
    Wrong,
    Unavailable,
}

impl State {
    const fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Wrong => "WRONG",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

impl Finding {
    fn new(check: impl Into<String>, state: State, text: impl Into<String>) -> Self {
        Self { check: check.into(), state, text: text.into() }
    }
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut findings = Vec::new();
        let config = self.configuration(context, &mut findings);
        of_table(context, &mut findings).await;
        if let Some(config) = &config {
            of_plans(context, config, &mut findings).await;
            findings.extend(of_cached_denials(config));
        }
        for issuer in config.iter().flat_map(|config| &config.issuers) {
            // The other spellings of a pool's name may have no keys; that is not an error.
            for identity in &issuer.identities {
                let Some(place) = &identity.jwks_uri else {
                    let text = "they come from the configuration alone";
                    findings.push(Finding::new("keys", State::Ok, text));
                    continue;
                };
                if !identity.prefetch {
                    continue;
                }
                findings.push(match fetch_keys(identity).await {
                    Ok(set) => {
                        let text = format!("usable: {} at `{place}`", set.usable);
                        Finding::new("keys", State::Ok, text)
                    }
                    Err(error) => {
                        let remedy = "check the issuer in the configuration, and the network";
                        let text = format!("`{place}`: {error}: {remedy}");
                        Finding::new("keys", State::Unavailable, text)
                    }
                });
            }
        }
        print(context, &findings)
    }

    fn configuration(&self, context: &Context, findings: &mut Vec<Finding>) -> Option<Config> {
        let config = match self.config.read_if_named() {
            Ok(Some(config)) => config,
            Ok(None) => {
                let text = "none is named: give one by `--config`, or set AUTHORIZER_CONFIG";
                findings.push(Finding::new("configuration", State::Skipped, text));
                return None;
            }
            Err(error) => {
                findings.push(Finding::new("configuration", State::Wrong, error.line()));
                return None;
            }
        };
        let warnings = config.lint().len();
        let text =
            format!("issuers: {}; findings of `policy lint`: {warnings}", config.issuers.len());
        findings.push(Finding::new("configuration", State::Ok, text));
        if let Some(throttle) = config.throttle.as_ref().filter(|it| it.table != context.table) {
            let text = format!(
                "the configuration's table is `{}`, and `{}` is looked at: add `--table`",
                throttle.table, context.table
            );
            findings.push(Finding::new("table's name", State::Wrong, text));
        }
        Some(config)
    }
}

async fn of_table(context: &Context, findings: &mut Vec<Finding>) {
    let status = table::check(&context.client, &context.table).await;
    let answered = |text: &str| Finding::new("credentials", State::Ok, text);
    match status {
        Ok(status) => {
            findings.push(answered("DynamoDB takes them"));
            let name = &context.table;
            findings.push(match (status.active, status.expiring) {
                (true, true) => {
                    Finding::new("table", State::Ok, format!("`{name}` is there and right"))
                }
                (true, false) => Finding::new(
                    "table",
                    State::Wrong,
                    format!("`{name}` keeps what has expired: run `tollgate table create`"),
                ),
                (false, _) => Finding::new(
                    "table",
                    State::Unavailable,
                    format!("`{name}` is not active yet: try again in a minute"),
                ),
            });
        }
        Err(SchemaError::Failure(failure)) => {
            let (check, state) = match &failure {
                Failure::Denied { .. } | Failure::Unconfigured => ("credentials", State::Wrong),
                failure if failure.may_pass() => ("table", State::Unavailable),
                _ => ("table", State::Wrong),
            };
            findings.push(Finding::new(check, state, failure.to_string()));
            return;
        }
        Err(error) => {
            findings.push(answered("DynamoDB takes them"));
            let mut text = error.to_string();
            if matches!(error, SchemaError::Missing { .. }) {
                text.push_str(" (`tollgate table create`)");
            }
            findings.push(Finding::new("table", State::Wrong, text));
        }
    }
    findings.push(match table::clock_offset(&context.client, context.now()).await {
        Ok(Some(offset)) if offset <= MOST_OFF => {
            let text = format!("within {} s of DynamoDB's", offset.as_secs());
            Finding::new("clock", State::Ok, text)
        }
        Ok(Some(offset)) => {
            let text = format!(
                "{} s off DynamoDB's: set it by a time server, or limits are off by as much",
                offset.as_secs()
            );
            Finding::new("clock", State::Wrong, text)
        }
        Ok(None) => Finding::new("clock", State::Skipped, "the endpoint doesn't say the time"),
        Err(failure) => Finding::new("clock", State::Unavailable, failure.to_string()),
    });
}

/// Checks the default plan against the table's other plans.
async fn of_plans(context: &Context, config: &Config, findings: &mut Vec<Finding>) {
    let Some(limits) = config.throttle.as_ref().filter(|it| it.table == context.table) else {
        return;
    };
    let Some(default) = &limits.plan.default else { return };
    // If the plans cannot be read, the finding on the table says why.
    let Ok((plans, _)) = all(context).await else { return };
    let Some(record) = plans.iter().find(|record| record.id == *default) else {
        let text =
            format!("the default plan `{default}` is missing: `tollgate plan put {default} FILE`");
        findings.push(Finding::new("plans", State::Wrong, text));
        return;
    };
    // A caller whose claim names no plan is under the default plan.
    let stricter = plans
        .iter()
        .filter(|other| limits.plan.claim.is_some() && exceeds(&record.plan, &other.plan));
    let stricter: Vec<_> = stricter.map(|other| format!("`{}`", other.id)).collect();
    findings.push(if stricter.is_empty() {
        Finding::new("plans", State::Ok, format!("the default plan is `{default}`"))
    } else {
        let text = format!(
            "the default plan `{default}` is more generous than {}: a caller whose claim names no \
             plan gets more; make the strictest plan the default",
            stricter.join(", ")
        );
        Finding::new("plans", State::Warning, text)
    });
}

/// Returns whether a plan allows more than another: at once, over time, or in any period.
fn exceeds(plan: &Plan, other: &Plan) -> bool {
    if plan.is_closed() {
        return false;
    }
    let rate = match (plan.throttle(), other.throttle()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(plan), Some(other)) => {
            plan.burst() > other.burst() || plan.rate().interval() < other.rate().interval()
        }
    };
    let quota = |other: &Quota| {
        let same = plan.quotas().iter().find(|quota| quota.period() == other.period());
        same.is_none_or(|quota| quota.limit() > other.limit())
    };
    rate || other.quotas().iter().any(quota)
}

/// Warns of an HTTP API that may cache a denial for longer than it is true.
fn of_cached_denials(config: &Config) -> Option<Finding> {
    let response = &config.response;
    let denies =
        response.http == HttpForm::Simple && response.http_unauthorized == HttpUnauthorized::Deny;
    denies.then(|| {
        let text = "if the HTTP API caches results, a token of a key that was published less than \
                    ten seconds ago can be denied until the cache time ends: set the cache time to \
                    0, or publish keys before they sign";
        Finding::new("cached denials", State::Warning, text)
    })
}

fn print(context: &Context, findings: &[Finding]) -> Result<(), Error> {
    let rows: Vec<_> = findings
        .iter()
        .map(|it| [it.check.clone(), it.state.text().to_owned(), it.text.clone()])
        .collect();
    let worst = findings.iter().map(|it| it.state).max().unwrap_or(State::Ok);
    let listed: Vec<_> = findings
        .iter()
        .map(|it| json!({"check": it.check, "state": it.state.text().to_lowercase(), "text": it.text}))
        .collect();
    let json = json!({"well": worst < State::Wrong, "checks": listed});
    context.output.print(output::table(&rows), &json)?;
    let wrong = findings.iter().filter(|it| it.state >= State::Wrong).count();
    match worst {
        State::Unavailable => Err(Error::unavailable(format!("checks that failed: {wrong}"))),
        State::Wrong => Err(Error::refused(format!("checks that failed: {wrong}"))),
        State::Ok | State::Skipped | State::Warning => Ok(()),
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate doctor --config tollgate.toml
  tollgate doctor --endpoint-url http://127.0.0.1:9402";

/// By how much a clock may be off: answers say whole seconds, and take a moment.
const MOST_OFF: Duration = Duration::from_secs(2);
