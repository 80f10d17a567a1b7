//! Stage variables in the addresses of integrations and authorizers, such as
//! `http://${stageVariables.host}/orders`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::address::{self, function_of};
use super::route::Target;
use super::{Api, Integration, Route};

/// Puts the values of an API's stage variables in their places. Those of `given` come first.
pub(super) fn fill(api: &mut Api, given: &BTreeMap<String, String>, notes: &mut Vec<String>) {
    let mut variables = api.variables.clone();
    variables.extend(given.clone());
    for route in &mut api.routes {
        let Integration::Staged(found) = &route.integration else { continue };
        let place = format!("{}: {}", api.name, route.key);
        let target = match filled(found, &variables) {
            Ok(found) => Target::read(api.family, &place, &found, notes),
            Err(name) => Target::missing(&without_value(&name)),
        };
        let made = Route::new(route.key.clone(), route.authorizer.take(), route.needs_key, target);
        *route = Route { responds: route.responds, ..made };
    }
    for (name, authorizer) in &mut api.authorizers {
        let Some(address) = authorizer.staged.take() else { continue };
        match address::filled(&address, &variables) {
            Ok(address) => match function_of(&address).filter(|name| !name.is_empty()) {
                Some(function) => authorizer.function = Some(function),
                None => authorizer.kind = Err(format!("the authorizer's address `{address}`")),
            },
            Err(variable) => {
                let reason = without_value(&variable);
                notes.push(format!("{}: authorizer `{name}`: {reason}", api.name));
                // The guard is not known, so that its routes are closed.
                authorizer.kind = Err(reason);
            }
        }
    }
}

fn without_value(name: &str) -> String {
    format!("the stage variable `{name}` has no value: add --stage-variable {name}=VALUE")
}

/// An integration with the values in its address, or the name of the first variable without one.
fn filled(found: &Value, variables: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut filled = found.clone();
    for (name, value) in filled.as_object_mut().into_iter().flatten() {
        if name.to_ascii_lowercase().ends_with("uri")
            && let Some(address) = value.as_str()
        {
            *value = json!(address::filled(address, variables)?);
        }
    }
    Ok(filled)
}
