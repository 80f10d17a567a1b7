//! The callers of an API's operations: `tollgate policy check --openapi`.

use std::collections::BTreeSet;
use std::path::Path;

use authorizer::Config;
use policy::access::{Change, Operation, Reach, reach};
use serde_json::{Value, json};

use super::diff::side;
use crate::error::Error;
use crate::layout::list;
use crate::openapi::{self, Api, Security};
use crate::output::Output;

/// Shows which operations no caller, some callers or every caller may call.
pub(super) fn show(config: &Config, file: &Path, output: Output) -> Result<(), Error> {
    let api = Api::read(file)?;
    let operation = |operation: &openapi::Operation| Operation {
        methods: api.methods(operation).into_iter().map(str::to_owned).collect(),
        path: operation.path.clone(),
    };
    let operations: Vec<Operation> = api.operations.iter().map(operation).collect();
    let reached = reach(&side(config), &operations)
        .map_err(|error| Error::refused(format!("the operations are not compared: {error}")))?;
    let rows: Vec<_> = api.operations.iter().zip(&reached).collect();
    output.print(text(&rows), &json(&rows))
}

fn text(rows: &[(&openapi::Operation, &Reach)]) -> String {
    if rows.is_empty() {
        return "no operations".to_owned();
    }
    let mut table = vec![["OPERATION", "CALLERS", "WHO"].map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|(operation, reach)| {
        let who = match (reach, &operation.security) {
            (Reach::Some(_), _) => who(reach).join("; "),
            (Reach::Nobody, Security::Public) => "needs no credential, so no authorizer".to_owned(),
            (Reach::Nobody | Reach::Everyone, _) => "-".to_owned(),
        };
        vec![operation.to_string(), word(reach).to_owned(), who]
    }));
    list(&table)
}

fn json(rows: &[(&openapi::Operation, &Reach)]) -> Value {
    let row = |(openapi::Operation { method, path, .. }, reach): &(&openapi::Operation, &Reach)| {
        let who: Vec<&Change> = match reach {
            Reach::Some(changes) => changes.iter().collect(),
            Reach::Nobody | Reach::Everyone => Vec::new(),
        };
        json!({"method": method, "path": path, "callers": word(reach), "who": who})
    };
    json!({"operations": rows.iter().map(row).collect::<Vec<_>>()})
}

fn word(reach: &Reach) -> &'static str {
    match reach {
        Reach::Nobody => "none",
        Reach::Everyone => "every",
        Reach::Some(_) => "some",
    }
}

/// Those of `some`, each once. Every caller may call a part of an operation.
fn who(reach: &Reach) -> Vec<String> {
    let Reach::Some(changes) = reach else { return Vec::new() };
    let who: BTreeSet<String> = changes.iter().map(|change| change.who.to_string()).collect();
    let part = |who: String| match who.as_str() {
        "every caller" => "every caller, not all paths".to_owned(),
        _ => who,
    };
    who.into_iter().map(part).collect()
}
