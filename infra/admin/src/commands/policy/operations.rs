//! The callers of an API's operations: `tollgate policy check --openapi`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use authorizer::Config;
use policy::access::{Callers, Change, Operation, Reach, reach};
use serde_json::{Value, json};

use super::diff::side;
use crate::error::Error;
use crate::layout::list;
use crate::openapi::{self, Api, Security, UNROUTABLE};
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
    let rows = api.operations.iter().zip(&operations).zip(&reached);
    let rows: Vec<Row<'_>> = rows
        .map(|((operation, asked), callers)| Row { operation, methods: &asked.methods, callers })
        .collect();
    output.print(text(&rows), &json(&rows))
}

/// An operation and its callers.
struct Row<'r> {
    operation: &'r openapi::Operation,
    methods: &'r [String],
    callers: &'r Callers,
}

fn text(rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return "no operations".to_owned();
    }
    let mut table = vec![["OPERATION", "CALLERS", "WHO"].map(str::to_owned).to_vec()];
    table.extend(
        rows.iter().map(|row| vec![row.operation.to_string(), row.word().to_owned(), row.who()]),
    );
    list(&table)
}

fn json(rows: &[Row<'_>]) -> Value {
    let row = |row: &Row<'_>| {
        let openapi::Operation { method, path, .. } = row.operation;
        json!({
            "method": method,
            "path": path,
            "callers": row.word(),
            "without_credential": row.without_credential(),
            "who": row.changes().collect::<Vec<_>>(),
        })
    };
    json!({"operations": rows.iter().map(row).collect::<Vec<_>>()})
}

impl Row<'_> {
    /// The word for all callers together: `every` is about those with a credential.
    fn word(&self) -> &'static str {
        match (self.operation.is_routable(), &self.callers.with_credential) {
            (false, _) => "unknown",
            (true, Reach::Nobody) if self.callers.anonymous == Reach::Nobody => "none",
            (true, Reach::Nobody | Reach::Some(_)) => "some",
            (true, Reach::Everyone) => "every",
        }
    }

    fn without_credential(&self) -> &'static str {
        match (self.operation.is_routable(), &self.callers.anonymous) {
            (false, _) => "unknown",
            (true, Reach::Nobody) => "none",
            (true, Reach::Some(_)) => "some",
            (true, Reach::Everyone) => "every",
        }
    }

    /// The changes behind `some`.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        let Callers { with_credential, anonymous } = self.callers;
        let changes = [with_credential, anonymous].into_iter().filter_map(|reach| match reach {
            Reach::Some(changes) if self.operation.is_routable() => Some(changes),
            _ => None,
        });
        changes.flatten()
    }

    /// The callers in words, each once.
    fn who(&self) -> String {
        if !self.operation.is_routable() {
            return UNROUTABLE.to_owned();
        }
        let Callers { with_credential, anonymous } = self.callers;
        let mut parts = self.parts(with_credential);
        let also =
            if *with_credential == Reach::Everyone { "also without a credential" } else { "" };
        match anonymous {
            Reach::Nobody => {}
            Reach::Everyone if also.is_empty() => parts.push("no credential".to_owned()),
            Reach::Everyone => parts.push(also.to_owned()),
            some @ Reach::Some(_) => {
                let shown = self.parts(some).into_iter();
                parts.extend(shown.map(|part| match also {
                    "" => part,
                    also => part.replacen("no credential", also, 1),
                }));
            }
        }
        match (parts.is_empty(), &self.operation.security) {
            (false, _) => parts.join("; "),
            (true, Security::Public | Security::Unstated) if *with_credential == Reach::Nobody => {
                "needs no credential, so no authorizer".to_owned()
            }
            (true, _) => "-".to_owned(),
        }
    }

    /// The callers of `some`, with the methods if these are not all of the operation.
    fn parts(&self, reach: &Reach) -> Vec<String> {
        let Reach::Some(changes) = reach else { return Vec::new() };
        let mut methods: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for change in changes {
            let verbs = change.route.split_once(' ').map_or("", |(verbs, _)| verbs);
            let own = self.methods.iter().map(String::as_str);
            let own = own.filter(|own| verbs == "ANY" || verbs.split(',').any(|verb| verb == *own));
            methods.entry(change.who.to_string()).or_default().extend(own);
        }
        let part = |(who, verbs): (String, BTreeSet<&str>)| {
            if verbs.len() < self.methods.len() {
                let verbs = self.methods.iter().filter(|own| verbs.contains(own.as_str()));
                let verbs: Vec<&str> = verbs.map(String::as_str).collect();
                return format!("{who}, {} only", verbs.join(","));
            }
            // Not on every path below, or not with a scope or group that a deny names.
            match who.as_str() {
                "every caller" | "no credential" => format!("{who}, with exceptions"),
                _ => who,
            }
        };
        methods.into_iter().map(part).collect()
    }
}
