//! `tollgate policy evaluate`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use authorizer::{is_duplicate_member, strict_json};
use clap::Args;
use policy::MethodArn;
use policy::iam::{Outcome, Policy, Request};
use serde_json::{Value, json};

use super::explain::arn_of;
use crate::error::Error;
use crate::output::Output;
use crate::read::{place, read};

/// Show what an IAM policy decides on a route, as API Gateway reads it.
///
/// The policy may be of any authorizer: a policy document, or a response with `policyDocument`. API,
/// account and stage are those of its resources; where these have a wildcard, any.
///
/// A Deny that matches wins over every Allow. Conditions other than `IpAddress` on `aws:SourceIp`
/// and `DateLessThan` on `aws:CurrentTime`, `NotAction` and variables are refused. An API's own
/// resource policy is not looked at. Exits with 0 if the call is allowed, with 1 if it is not.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Evaluate {
    /// The policy as JSON, or - for standard input.
    document: PathBuf,
    /// Call to judge: "GET /orders/1", or a route key such as '$connect'.
    #[arg(long, required_unless_present = "method_arn", conflicts_with = "method_arn")]
    route: Option<String>,
    /// Call to judge, as API Gateway names it: arn:aws:execute-api:…/prod/GET/orders/1.
    #[arg(long, value_name = "ARN")]
    method_arn: Option<String>,
    /// Stage of the API; needed if the policy names several.
    #[arg(long, conflicts_with = "method_arn")]
    stage: Option<String>,
    /// Address of the caller, for conditions on `aws:SourceIp`.
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<IpAddr>,
    /// Time of the call, in seconds since 1970, for conditions on `aws:CurrentTime`.
    #[arg(long, value_name = "SECONDS")]
    time: Option<i64>,
}

impl Evaluate {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let document = document(&self.document)?;
        let policy: Policy = serde_json::from_value(document.clone()).map_err(|error| {
            Error::misuse(format!(
                "{}: not a policy that can be judged: {error}",
                place(&self.document)
            ))
        })?;
        let arn = match (&self.method_arn, &self.route) {
            (Some(arn), _) => arn.clone(),
            (None, route) => {
                let api = Api::of(&document, self.stage.as_deref())?;
                arn_of(route.as_deref().unwrap_or_default(), &api.prefix, &api.stage)?
            }
        };
        let parsed = MethodArn::parse(&arn)
            .map_err(|error| Error::misuse(format!("`--route` or `--method-arn`: {error}")))?;
        let mut request = Request::new(&arn);
        if let Some(address) = self.source_ip {
            request = request.from(address);
        }
        if let Some(time) = self.time {
            request = request.at(time);
        }
        let (outcome, statement) = policy.judge(&request);
        let by = statement.map(|at| format!("statement {at}")).unwrap_or_default();
        let (word, text) = match outcome {
            Outcome::Allow => ("allowed", format!("allowed by {by}")),
            Outcome::ExplicitDeny => ("denied", format!("denied by {by}")),
            Outcome::ImplicitDeny => ("unmatched", "denied: no statement matches".to_owned()),
        };
        let json = json!({"arn": arn, "outcome": word, "statement": statement});
        output.print(format!("{:#}: {text}", parsed.target()), &json)?;
        match outcome {
            Outcome::Allow => Ok(()),
            Outcome::ExplicitDeny | Outcome::ImplicitDeny => Err(Error::refused(text)),
        }
    }
}

/// The most bytes of a document; API Gateway takes 8192, and what is around it in a response.
const MOST: usize = 256 * 1024;

/// Reads a policy document, alone or in an authorizer's response.
fn document(file: &Path) -> Result<Value, Error> {
    let wrong = |what: String| Error::misuse(format!("{}: {what}", place(file)));
    let content = read(file, MOST as u64)?;
    if content.len() > MOST {
        return Err(wrong(format!("longer than {MOST} bytes: give one policy")));
    }
    let value = strict_json(&content).map_err(|error| {
        let what = if is_duplicate_member(&error) { "a duplicate member" } else { "not JSON" };
        wrong(format!("{what}, at line {}, column {}", error.line(), error.column()))
    })?;
    match value {
        Value::Object(mut response) if response.contains_key("policyDocument") => {
            Ok(response.remove("policyDocument").unwrap_or_default())
        }
        value @ Value::Object(_) => Ok(value),
        _ => Err(wrong("not a JSON object: give a policy with `Version` and `Statement`".into())),
    }
}

/// The API and stage whose routes a policy is about.
struct Api {
    /// The ARN up to the `/` before the stage.
    prefix: String,
    stage: String,
}

impl Api {
    /// Finds the one API and stage that the policy's resources name.
    fn of(document: &Value, stage: Option<&str>) -> Result<Self, Error> {
        let resources = resources(document);
        let mut parts = resources
            .iter()
            .map(|resource| {
                let mut colons = resource.splitn(6, ':');
                let head: Vec<&str> = colons.by_ref().take(5).collect();
                let mut slashes = colons.next().unwrap_or_default().split('/');
                let api = slashes.next().unwrap_or_default();
                (head, api, slashes.next().unwrap_or_default())
            })
            .collect::<Vec<_>>();
        parts.sort_unstable();
        let one = |found: Vec<&str>, other: &str, what: &str, fix: &str| {
            let named = |text: &&str| !text.is_empty() && !text.contains(['*', '?']);
            let found: BTreeSet<&str> = found.into_iter().filter(named).collect();
            match found.len() {
                0 => Ok(other.to_owned()),
                1 => Ok(found.into_iter().collect()),
                _ => Err(Error::misuse(format!("the policy names several {what}: {fix}"))),
            }
        };
        let at = |position: usize| {
            parts.iter().filter_map(|(head, ..)| head.get(position).copied()).collect::<Vec<_>>()
        };
        let arn = "give one call by `--method-arn`";
        let apis = parts.iter().map(|(_, api, _)| *api).collect();
        let stages = parts.iter().map(|(.., stage)| *stage).collect();
        let prefix = format!(
            "arn:{}:execute-api:{}:{}:{}",
            one(at(1), "aws", "partitions", arn)?,
            one(at(3), "us-east-1", "regions", arn)?,
            one(at(4), "123456789012", "accounts", arn)?,
            one(apis, "a1b2c3d4e5", "APIs", arn)?,
        );
        let stage = match stage {
            Some(stage) => stage.to_owned(),
            None => one(stages, "prod", "stages", "say which by `--stage`")?,
        };
        Ok(Self { prefix, stage })
    }
}

/// The resources of every statement.
fn resources(document: &Value) -> Vec<&str> {
    let statements: Vec<&Value> = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        one => one.into_iter().collect(),
    };
    let mut found = Vec::new();
    for statement in statements {
        for field in ["Resource", "NotResource"] {
            match statement.get(field) {
                Some(Value::Array(items)) => found.extend(items.iter().filter_map(Value::as_str)),
                one => found.extend(one.and_then(Value::as_str)),
            }
        }
    }
    found
}

const EXAMPLES: &str = r#"Examples:
  tollgate policy evaluate policy.json --route "GET /orders/1"
  tollgate policy evaluate response.json --route '$connect' --stage dev
  tollgate policy evaluate policy.json --method-arn "$ARN" --time 1763724000"#;
