//! `tollgate policy import`.

mod rules;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::rules::{Rule, rules};
use crate::error::Error;
use crate::openapi::{Api, Operation, Security};
use crate::output::{Output, note};
use crate::read::place;

/// Import rules from an OpenAPI 3 description (YAML or JSON, one file).
///
/// Prints `[[rule]]` tables. Each operation is allowed to callers with the scopes of its `security`;
/// one whose `security` is `[]` or has `{}` is also allowed without a credential (`anonymous = true`).
/// A path parameter becomes `/*`, if that allows no operation with other needs. What rules cannot
/// express is left out and listed in comments, so that nothing is allowed that the description does
/// not allow.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The OpenAPI description, or - for standard input.
    file: PathBuf,
}

impl Import {
    pub(crate) fn run(self, output: Output) -> Result<(), Error> {
        let api = Api::read(&self.file)?;
        let (rules, mut left_out) = rules(&api);
        left_out.extend(loading_error(&rules));
        let mut remarks = api.remarks.clone();
        let is_by_key =
            |it: &Operation| matches!(it.security, Security::Needs { by_key: true, .. });
        if api.operations.iter().any(is_by_key) {
            remarks.push(
                "callers need an API key: add `[keys]` with the table; with an [[issuer]], \
                 `require = \"key\"` in [callers] too"
                    .to_owned(),
            );
        }
        for operation in &api.operations {
            if let Some(cost) = operation.cost.filter(|cost| *cost != 1) {
                remarks.push(format!(
                    "{} {}: costs {cost}; the authorizer charges 1, so charge the rest in the \
                     backend (`Request::cost` of tollgate-throttle)",
                    operation.method, operation.path
                ));
            }
        }
        let text = text(&place(&self.file), &rules, &left_out, &remarks);
        let json = json!({
            "operations": api.operations.len(),
            "rules": rules.iter().map(Rule::json).collect::<Vec<_>>(),
            "left_out": left_out,
            "remarks": remarks,
        });
        output.print(text.trim_end(), &json)?;
        if !left_out.is_empty() {
            note(format!("left out: {} (see the comments at the end)", left_out.len()));
        }
        Ok(())
    }
}

/// Returns why the authorizer would refuse the rules, such as a policy that gets too long.
fn loading_error(rules: &[Rule]) -> Option<String> {
    let specs = rules.iter().map(Rule::spec).collect::<Option<Vec<_>>>()?;
    policy::Rules::compile(specs).err().map(|error| format!("the rules do not load: {error}"))
}

fn text(place: &str, rules: &[Rule], left_out: &[String], remarks: &[String]) -> String {
    let mut text = format!("# Rules from {}\n", place.escape_debug());
    for rule in rules {
        text.push('\n');
        text.push_str(&rule.toml());
    }
    for (title, lines) in [("Left out", left_out), ("Remarks", remarks)] {
        if !lines.is_empty() {
            text.push_str(&format!("\n# {title}:\n"));
            let lines = lines.iter().map(|line| format!("# - {}\n", visible(line)));
            text.push_str(&lines.collect::<String>());
        }
    }
    text
}

/// Escapes what a comment cannot show; texts within it may be escaped already.
fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        '\\' | '"' | '\'' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

impl Security {
    /// Returns the reasons why rules do not express it, if they do not.
    fn reasons(&self) -> Vec<String> {
        match self {
            Self::Public => Vec::new(),
            Self::Unstated => vec![
                "has no `security`: write `security: []` if it needs no credential, or give its \
                 route no authorizer"
                    .to_owned(),
            ],
            Self::Needs { unexpressed, .. } => unexpressed.clone(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate policy import openapi.yaml >> tollgate.toml
  tollgate policy check tollgate.toml --openapi openapi.yaml
  tollgate policy import openapi.json --json | jq '.left_out[]'";
