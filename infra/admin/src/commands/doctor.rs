//! `tollgate doctor`.

mod parents;
mod plans;
mod report;
mod routes;

use std::path::PathBuf;
use std::time::Duration;

use authorizer::{Config, HttpForm, HttpUnauthorized, Refuse, Require, fetch_keys, shell_word};
use clap::Args;
use jiff::fmt::rfc2822;
use policy::Severity;
use table::{Failure, SchemaError};
use throttle::Timestamp;

use self::report::{Finding, Report, State};
use crate::args::ConfigFile;
use crate::context::Context;
use crate::error::Error;
use crate::layout::count;

/// Check configuration, credentials, table, plans, clocks and keys.
///
/// Each line has a result (ok, skip, warn or fail), and a command that fixes it. A configuration
/// names the tables to check; without one, `--table` does. Exits with 1 if a check failed, with 3
/// if the table is unavailable.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
    /// List every route of a CloudFormation or SAM template that the authorizer does not guard.
    /// Nothing else is checked, and nothing is called.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "openapi"])]
    template: Option<PathBuf>,
    /// The same for an OpenAPI definition, as `aws apigateway get-export` prints it.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    openapi: Option<PathBuf>,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut report = Report::new(context.output);
        if let Some(file) = self.template.as_ref().or(self.openapi.as_ref()) {
            routes::check(file, self.openapi.is_some(), &mut report)?;
            return report.end();
        }
        let config = self.configuration(context, &mut report)?;
        let tables = tables(context, config.as_ref());
        if tables.is_empty() {
            report.add(Finding::new(
                "table",
                State::Skip,
                "not needed: the configuration has no limits, no keys and no revocations",
            ))?;
        } else {
            check_tables(context, &tables, config.as_ref(), &mut report).await?;
        }
        if let Some(config) = &config {
            check_usage_key(config, &mut report)?;
            check_keys(context, config, &mut report).await?;
            check_cached_denials(config, &mut report)?;
            check_identity_sources(config, &mut report)?;
        }
        report.end()
    }

    fn configuration(
        &self,
        context: &Context,
        report: &mut Report,
    ) -> Result<Option<Config>, Error> {
        let config = match self.config.read_if_named() {
            Ok(Some(config)) => config,
            Ok(None) => {
                let finding = Finding::new("configuration", State::Skip, "none is named");
                report.add(finding.fix("tollgate doctor --config tollgate.toml"))?;
                return Ok(None);
            }
            Err(error) => {
                report.add(Finding::new("configuration", State::Fail, error.line()))?;
                return Ok(None);
            }
        };
        let (issuers, rules) = (config.issuers.len(), config.rules.sizes().count());
        let text = format!("{}, {}", count(issuers, "issuer"), count(rules, "rule"));
        report.add(Finding::new("configuration", State::Ok, text))?;
        report.add(self.rules(&config))?;
        if let Some(limits) = config.throttle.as_ref().filter(|it| it.table != context.table) {
            let text = format!(
                "the limits are in `{}`, but commands use `{}` by default",
                limits.table, context.table
            );
            let fix = format!("export TOLLGATE_TABLE={}", shell_word(&limits.table));
            report.add(Finding::new("table name", State::Warn, text).fix(fix))?;
        }
        Ok(Some(config))
    }

    /// Counts the errors and warnings of `policy lint`. A rule that never applies is an error.
    fn rules(&self, config: &Config) -> Finding {
        let findings = config.lint();
        let number = |severity| findings.iter().filter(|it| it.severity == severity).count();
        let (errors, warnings) = (number(Severity::Error), number(Severity::Warning));
        let counts = [(errors, "error"), (warnings, "warning")];
        let counts = counts.into_iter().filter(|(number, _)| *number > 0);
        let counts: Vec<String> = counts.map(|(number, thing)| count(number, thing)).collect();
        let state = match (errors, warnings) {
            (0, 0) => return Finding::new("rules", State::Ok, "`policy lint` has no warnings"),
            (0, _) => State::Warn,
            _ => State::Fail,
        };
        let file = self.config.config.as_ref();
        let file = file.map_or("FILE".to_owned(), |file| shell_word(&file.display().to_string()));
        let text = format!("`policy lint` has {}", counts.join(" and "));
        Finding::new("rules", state, text).fix(format!("tollgate policy lint {file}"))
    }
}

/// A table to check.
struct Table {
    name: String,
    /// Its contents.
    holds: &'static str,
    has_plans: bool,
}

/// The tables that the configuration names, or without a configuration the one of the command line.
fn tables(context: &Context, config: Option<&Config>) -> Vec<Table> {
    let table = |name: &str, holds, has_plans| Table { name: name.to_owned(), holds, has_plans };
    let Some(config) = config else { return vec![table(&context.table, "", true)] };
    // The keys are in the limits' table, if there are limits.
    let limits = config.throttle.as_ref().map(|limits| limits.table.as_str());
    let limits = limits.or(config.keys.as_ref().map(|keys| keys.table.as_str()));
    let revoked = config.revocation.as_ref().map(|revocation| revocation.table.as_str());
    match (limits, revoked) {
        (Some(name), Some(other)) if name == other => {
            let holds = match config.throttle {
                Some(_) => " for limits and revocations",
                None => " for keys and revocations",
            };
            vec![table(name, holds, true)]
        }
        _ => {
            let holds = if config.throttle.is_some() { " for limits" } else { " for keys" };
            let limits = limits.map(|name| table(name, holds, true));
            let revoked = revoked.map(|name| table(name, " for revocations", false));
            limits.into_iter().chain(revoked).collect()
        }
    }
}

async fn check_tables(
    context: &Context,
    tables: &[Table],
    config: Option<&Config>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut told = false;
    for table in tables {
        let name = &table.name;
        let create = || context.command_at(name, "table create");
        let status = table::check(&context.client, name).await;
        if let Err(SchemaError::Failure(failure)) = &status {
            return report.add(of_failure(failure));
        }
        if !std::mem::replace(&mut told, true) {
            report.add(Finding::new("credentials", State::Ok, "DynamoDB accepts them"))?;
        }
        let exists = status.is_ok();
        report.add(match status {
            Ok(status) if !status.active => {
                let text = format!("`{name}` is not active yet: try again in a minute");
                Finding::new("table", State::Unavailable, text)
            }
            Ok(status) if !status.expiring => {
                let text = format!("`{name}` never deletes expired items");
                Finding::new("table", State::Fail, text).fix(create())
            }
            Ok(_) => {
                let text = format!("`{name}` exists{}, with the right schema", table.holds);
                Finding::new("table", State::Ok, text)
            }
            Err(SchemaError::Missing { .. }) => {
                let text = format!("there is no table `{name}` in this region and account");
                Finding::new("table", State::Fail, text).fix(create())
            }
            Err(error) => Finding::new("table", State::Fail, error.to_string()),
        })?;
        if exists && table.has_plans {
            plans::check(context, name, config, report).await?;
        }
    }
    report.add(match table::clock_offset(&context.client, context.now()).await {
        Ok(Some(offset)) => of_clock("DynamoDB", offset, MOST_OFF),
        Ok(None) => Finding::new("clock", State::Skip, "the endpoint does not send its time"),
        Err(failure) => of_failure(&failure),
    })
}

fn of_failure(failure: &Failure) -> Finding {
    let text = failure.to_string();
    match failure {
        Failure::Denied { .. } => {
            Finding::new("credentials", State::Fail, text).fix("aws sts get-caller-identity")
        }
        Failure::Unconfigured => Finding::new("credentials", State::Fail, text)
            .fix("export AWS_REGION=us-east-1 AWS_PROFILE=default"),
        failure if failure.may_pass() => Finding::new("table", State::Unavailable, text),
        _ => Finding::new("table", State::Fail, text),
    }
}

/// Compares this machine's clock with another.
fn of_clock(whose: &str, offset: Duration, most: Duration) -> Finding {
    let secs = offset.as_secs();
    if offset <= most {
        return Finding::new("clock", State::Ok, format!("within {secs} s of {whose}'s"));
    }
    let text = format!(
        "{secs} s from {whose}'s, more than {} s: tokens and limits are judged at the wrong time",
        most.as_secs()
    );
    Finding::new("clock", State::Fail, text).fix("sudo timedatectl set-ntp true")
}

/// The key that allowed callers are put on. Only API Gateway knows its usage plans.
fn check_usage_key(config: &Config, report: &mut Report) -> Result<(), Error> {
    let Some(limits) = &config.throttle else { return Ok(()) };
    let Some(key) = limits.api_key().filter(|_| limits.refuse == Refuse::UnknownKey) else {
        return Ok(());
    };
    if EXAMPLE_KEYS.contains(&key) {
        let text = "`api_key` is the example's: on AWS every caller would get 429; set the value \
                    of a key that is in a usage plan of your API";
        let finding = Finding::new("usage key", State::Warn, text);
        return report.add(finding.fix("aws apigateway get-api-key --include-value --api-key ID"));
    }
    let text = "only API Gateway knows if `api_key` is in a usage plan of your API; if it is not, \
                every caller gets 429";
    let finding = Finding::new("usage key", State::Skip, text);
    report.add(
        finding.fix(
            "aws apigateway get-usage-plan-keys --usage-plan-id ID --query 'items[].[id,name]'",
        ),
    )
}

async fn check_keys(context: &Context, config: &Config, report: &mut Report) -> Result<(), Error> {
    for issuer in &config.issuers {
        let (name, leeway) = (&issuer.checks.issuer, issuer.checks.leeway);
        // The other spellings of a pool's name may have no keys; that is not an error.
        for identity in issuer.identities.iter().filter(|it| it.prefetch || it.jwks_uri.is_none()) {
            let Some(place) = &identity.jwks_uri else {
                let text = format!("`{name}`: from the configuration alone");
                report.add(Finding::new("keys", State::Ok, text))?;
                continue;
            };
            let set = match fetch_keys(identity).await {
                Ok(set) => set,
                Err(error) => {
                    let text = format!("`{name}`: {error}; correct the issuer or its `jwks_uri`");
                    let fix = format!("curl -i {}", shell_word(place.as_str()));
                    report.add(Finding::new("keys", State::Fail, text).fix(fix))?;
                    continue;
                }
            };
            let text = format!("`{name}`: {}", count(set.usable, "usable key"));
            report.add(Finding::new("keys", State::Ok, text))?;
            if let Some(date) = set.date.as_deref().and_then(read_date) {
                let offset = date.max(context.now()).saturating_since(date.min(context.now()));
                let most = MOST_OFF.max(Duration::from_secs(leeway));
                report.add(of_clock(&format!("`{name}`"), offset, most))?;
            }
        }
    }
    Ok(())
}

/// Reads an HTTP date (RFC 9110 section 5.6.7).
fn read_date(text: &str) -> Option<Timestamp> {
    let secs = rfc2822::parse(text).ok()?.timestamp().as_second();
    u64::try_from(secs).ok().map(Timestamp::from_secs)
}

/// Warns of an HTTP API that may cache a denial for longer than it is true.
fn check_cached_denials(config: &Config, report: &mut Report) -> Result<(), Error> {
    let response = &config.response;
    if response.http != HttpForm::Simple || response.http_unauthorized != HttpUnauthorized::Deny {
        return Ok(());
    }
    let text = "if the HTTP API caches results, a token of a key that was published less than 10 \
                seconds ago can stay denied until the cache time ends: set the cache time to 0, or \
                publish keys before they sign";
    report.add(Finding::new("cached denial", State::Warn, text))
}

/// Says how the API must call the authorizer. Only API Gateway knows if it does.
fn check_identity_sources(config: &Config, report: &mut Report) -> Result<(), Error> {
    let text = match config.callers.require {
        _ if config.rules.has_anonymous() => {
            "requests without a credential are served: API Gateway calls the authorizer for them \
             only if it is of type REQUEST, has no identity source, and its cache time is 0"
        }
        Require::Either => {
            "a token or an API key is a credential: API Gateway calls the authorizer for both only \
             if it is of type REQUEST, has no identity source, and its cache time is 0"
        }
        Require::Key | Require::Both => {
            "API keys are credentials: the authorizer must be of type REQUEST; if it caches, \
             `x-api-key` must be an identity source"
        }
        Require::Token => return Ok(()),
    };
    let finding = Finding::new("sources", State::Skip, text);
    report.add(finding.fix("aws apigateway get-authorizers --rest-api-id ID"))
}

/// The values of `api_key` in the documents.
const EXAMPLE_KEYS: [&str; 2] = ["a-key-of-20-to-128-chars", "the-usage-plans-api-key"];

/// By how much a clock may be off: answers say whole seconds, and take a moment.
const MOST_OFF: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  tollgate doctor --config tollgate.toml
  tollgate doctor --template template.yaml
  tollgate doctor --openapi api.json
  tollgate doctor --endpoint-url http://127.0.0.1:9402";
