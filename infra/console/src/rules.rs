//! The rules: who may call what, findings, and what an edited copy would change.

use std::collections::BTreeSet;

use authorizer::Config;
use axum::Json;
use axum::extract::State;
use policy::{Cell, Finding, Holder, RoutePattern, Rules};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::Shared;

/// `GET /api/rules`: the configuration, its matrix and its findings.
pub(crate) async fn show(State(state): Shared) -> Result<Json<Value>, Problem> {
    let Some(source) = state.config() else {
        return Err(Problem::missing(
            "no configuration: start `tollgate console` with `--config tollgate.toml`",
        ));
    };
    let mut seen = described(&source.config);
    if let Some(members) = seen.as_object_mut() {
        members.insert("text".to_owned(), source.text.as_str().into());
        members.insert("place".to_owned(), source.place.as_str().into());
    }
    Ok(Json(seen))
}

/// An edited copy of the configuration, which is never stored.
#[derive(Debug, Deserialize)]
pub(crate) struct Copy {
    text: String,
}

/// `POST /api/rules/check`: what a copy would allow and deny that the configuration does not.
pub(crate) async fn check(
    State(state): Shared,
    Json(Copy { text }): Json<Copy>,
) -> Result<Json<Value>, Problem> {
    let source = state.config().ok_or_else(|| {
        Problem::missing("no configuration: start the console with `--config FILE`")
    })?;
    let config = match Config::parse(&text, &source.place) {
        Ok(config) => config,
        Err(error) => return Ok(Json(json!({"error": error.to_string()}))),
    };
    let mut seen = described(&config);
    if let Some(members) = seen.as_object_mut() {
        let changes = changes(&source.config.rules, &config.rules);
        members.insert("changes".to_owned(), changes.into());
    }
    Ok(Json(seen))
}

fn described(config: &Config) -> Value {
    let mut findings = config.lint();
    findings.extend(config.unknown_clients());
    let findings: BTreeSet<Finding> = findings.into_iter().collect();
    let holder = |holder: &Holder| match holder {
        Holder::Everyone => json!({"kind": "everyone", "name": "everyone"}),
        Holder::Anonymous => json!({"kind": "anonymous", "name": "no credential"}),
        Holder::Scope(name) => json!({"kind": "scope", "name": name}),
        Holder::Group(name) => json!({"kind": "group", "name": name}),
    };
    let matrix = config.rules.matrix();
    json!({
        "holders": matrix.holders.iter().map(holder).collect::<Vec<_>>(),
        "rows": matrix.rows,
        "findings": findings,
        "rules": config.rules.sizes().map(|(name, bytes)| json!({"name": name, "bytes": bytes}))
            .collect::<Vec<_>>(),
        "greatest": config.rules.greatest_document(),
        "limit": config.rules.document_limit(),
    })
}

/// The cells that differ, for every holder and route that either side names.
fn changes(old: &Rules, new: &Rules) -> Vec<Value> {
    let (before, after) = (old.matrix(), new.matrix());
    let holders: BTreeSet<&Holder> = before.holders.iter().chain(&after.holders).collect();
    let rows = before.rows.iter().chain(&after.rows);
    let routes: BTreeSet<&RoutePattern> = rows.map(|row| &row.route).collect();
    let mut changes = Vec::new();
    for route in routes {
        for holder in &holders {
            let (was, is): (Cell, Cell) = (old.cell(holder, route), new.cell(holder, route));
            if was != is {
                let holder = holder.to_string();
                changes.push(json!({"route": route, "holder": holder, "was": was, "is": is}));
            }
        }
    }
    changes
}
