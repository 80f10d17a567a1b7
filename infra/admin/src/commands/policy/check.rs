//! `tollgate policy check`.

use std::path::{Path, PathBuf};

use authorizer::{Config, Issuer, Require, ThrottleConfig};
use clap::Args;
use serde_json::{Value, json};
use throttle::PlanId;

use super::operations;
use crate::args::Source;
use crate::error::Error;
use crate::layout::{facts, list};
use crate::output::Output;

/// Check a configuration, and show its parts and policy sizes.
///
/// With `--openapi`, show instead which operations of an API no caller, some callers or every caller
/// may call. `every`: each caller whose credential is accepted, whose claims fit into paths.
/// Requests without a credential are named apart: `also without a credential`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// OpenAPI 3 description of the API (YAML or JSON, one file).
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        if self.source.file == Path::new("-") && self.openapi.as_deref() == Some(Path::new("-")) {
            return Err(Error::misuse("standard input can't be both: give `--openapi` a file"));
        }
        let config = self.source.config()?;
        match &self.openapi {
            Some(file) => operations::show(&config, file, output),
            None => output.print(text(&config), &json(&config)),
        }
    }
}

fn text(config: &Config) -> String {
    let rules = &config.rules;
    let (greatest, limit) = (rules.greatest_document(), rules.document_limit());
    let mut sizes = vec![["RULE", "POLICY"].map(str::to_owned).to_vec()];
    sizes.extend(
        rules.sizes().map(|(rule, bytes)| vec![rule.to_owned(), format!("about {bytes} bytes")]),
    );

    let plan = |config: &ThrottleConfig| {
        let assigned = config.plan.assigned.then(|| "the subject's assignment".to_owned());
        let claim = config.plan.claim.as_ref();
        let claim = claim.map(|claim| format!("the claim `{claim}`"));
        let default = config.plan.default.as_ref().map(|plan| format!("`{}`", plan.as_str()));
        assigned.into_iter().chain(claim).chain(default).collect::<Vec<_>>().join(", else ")
    };
    let subject = |config: &ThrottleConfig| match config.counts_by_api_key() {
        true => "by the API key".to_owned(),
        false if config.counts_by_address() => "by the source address".to_owned(),
        false => format!("by the claim {}", config.subject),
    };
    let callers = match config.callers.require {
        Require::Token => "a token",
        Require::Key => "an API key",
        Require::Either => "a token or an API key",
        Require::Both => "a token and an API key",
    };
    let public = if config.rules.has_anonymous() { ", or none" } else { "" };
    let limits = match &config.throttle {
        Some(throttle) => format!(
            "table `{}`, {}, plan by {}",
            &throttle.table,
            subject(throttle),
            plan(throttle)
        ),
        None => "none".to_owned(),
    };
    let parents = config.throttle.iter().flat_map(|throttle| &throttle.parents).map(|parent| {
        let name = match parent.claim() {
            Some(claim) => format!("the claim `{claim}`"),
            None => "all callers".to_owned(),
        };
        let plan = parent.plan.as_ref().map(|plan| format!(" (plan `{plan}`)"));
        name + &plan.unwrap_or_default()
    });
    let parents = parents.collect::<Vec<_>>().join(", then ");
    let metrics = match config.metrics.enabled {
        true => format!("namespace `{}`", config.metrics.namespace),
        false => "off".to_owned(),
    };
    let mut described: Vec<_> =
        config.issuers.iter().map(|issuer| ["issuer".to_owned(), one_issuer(issuer)]).collect();
    described.extend([["callers".to_owned(), format!("{callers}{public}")]]);
    if config.callers.takes_tokens() {
        described.push(["token".to_owned(), token(config)]);
    }
    described.push(["limits".to_owned(), limits]);
    if !parents.is_empty() {
        described.push(["parents".to_owned(), parents]);
    }
    described.extend([
        ["metrics".to_owned(), metrics],
        [
            "policy".to_owned(),
            format!("about {greatest} bytes for who meets every rule, of {limit}"),
        ],
    ]);
    format!("{}\n\n{}", facts(&described), list(&sizes))
}

/// The places of the token.
fn token(config: &Config) -> String {
    let header = format!("header `{}`", config.token.header());
    match config.token.cookie() {
        Some(cookie) => format!("{header} or cookie `{cookie}`"),
        None => header,
    }
}

fn one_issuer(issuer: &Issuer) -> String {
    let names: Vec<_> = issuer.identities.iter().map(|it| format!("`{}`", &it.iss)).collect();
    names.join(", ")
}

fn json(config: &Config) -> Value {
    let rules = &config.rules;
    let issuer = |issuer: &Issuer| {
        let names: Vec<_> = issuer.identities.iter().map(|it| it.iss.as_str()).collect();
        json!({"name": issuer.checks.issuer, "iss": names})
    };
    let sizes = rules.sizes().map(|(rule, bytes)| json!({"name": rule, "bytes": bytes}));
    json!({
        "issuers": config.issuers.iter().map(issuer).collect::<Vec<_>>(),
        "rules": sizes.collect::<Vec<_>>(),
        "document": {"greatest": rules.greatest_document(), "limit": rules.document_limit()},
        "token": config.callers.takes_tokens().then(|| json!({"header": config.token.header()})),
        "throttle": config.throttle.as_ref().map(|throttle| json!({
            "table": throttle.table,
            "subject": throttle.subject,
            "plan": {
                "assigned": throttle.plan.assigned,
                "claim": throttle.plan.claim,
                "default": throttle.plan.default.as_ref().map(PlanId::as_str),
            },
            "parents": throttle.parents.iter().map(|it| json!({
                "parent": it.name(), "plan": it.plan.as_ref().map(PlanId::as_str),
            })).collect::<Vec<_>>(),
        })),
        "metrics": config.metrics.enabled.then_some(&config.metrics.namespace),
    })
}

const EXAMPLES: &str = "\
Examples:
  tollgate policy check tollgate.toml
  tollgate policy check tollgate.toml --openapi openapi.yaml";
