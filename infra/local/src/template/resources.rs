//! The APIs in a template's resources: API Gateway's own, and SAM's.
//!
//! An API that a template only refers to, by a parameter, is served too, as far as the template
//! adds to it: authorizers, routes, methods and gateway responses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::resolve::Resolver;
use super::{Api, Error, Integration, Template, plans, sam, staged, tables, unserved};

mod api;
mod evaluated;
mod function;
mod members;
mod parts;
mod variables;

use parts::Parts;

/// Reads every API of a template; files are looked for in `folder`.
pub(super) fn read(
    resolver: &Resolver<'_>,
    folder: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<Template, Error> {
    let mut template = Template::default();
    let resources = evaluated::resources(resolver, &mut template)?;
    let mut apis: BTreeMap<String, Api> = BTreeMap::new();
    // First the APIs themselves, then what belongs to them.
    for resource in &resources {
        template.unserved.extend(unserved::of_resource(resource));
        if let Some(api) = api::read(resource, folder, &mut template)? {
            apis.insert(resource.name.clone(), api);
        }
    }
    let parts = Parts::of(&resources);
    for resource in &resources {
        parts::add(resource, &mut apis, &parts, &mut template.notes);
    }
    let mut made = BTreeSet::new();
    for resource in &resources {
        sam::events(resource, &mut apis, &mut made, &mut template.notes);
    }
    for resource in resources.iter().filter(|one| one.is_function()) {
        let function = function::read(resource, folder, &mut template.notes);
        template.functions.insert(resource.name.clone(), function);
    }
    let of_tables = resources.iter().filter(|one| tables::is_table(&one.kind));
    template.tables = of_tables.map(tables::read).collect();
    for api in apis.values_mut() {
        sam::preflights(api, &mut template.notes);
        staged::fill(api, variables, &mut template.notes);
    }
    template.apis = apis.into_values().collect();
    plans::read(&resources, &mut template);
    rename(&mut template);
    Ok(template)
}

/// Puts a function's logical id where routes and authorizers have its `FunctionName`. One that also
/// names another function is named.
fn rename(template: &mut Template) {
    let known = &template.functions;
    let mut ids: BTreeMap<&str, &str> = known.keys().map(|id| (id.as_str(), id.as_str())).collect();
    for (id, function) in known {
        let Some(name) = &function.name else { continue };
        let first = *ids.entry(name).or_insert(id);
        if first != id {
            template.notes.push(format!(
                "{id}: `FunctionName: {name}` also names the function `{first}`, which runs here for \
                 an ARN with that name"
            ));
        }
    }
    let rename = |name: &mut String| {
        if let Some(id) = ids.get(name.as_str()) {
            (*id).clone_into(name);
        }
    };
    for api in &mut template.apis {
        for route in &mut api.routes {
            if let Integration::Function(name) | Integration::Custom(name, _) =
                &mut route.integration
            {
                rename(name);
            }
        }
        api.authorizers.values_mut().filter_map(|one| one.function.as_mut()).for_each(rename);
    }
}
