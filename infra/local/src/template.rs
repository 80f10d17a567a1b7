//! A deployment's template, as far as it defines APIs.
//!
//! Read are SAM and CloudFormation templates in YAML or JSON, with the APIs in resources, in SAM's
//! events or in an OpenAPI document with API Gateway's extensions, and such a document alone.
//! Everything that cannot be served here is named: in a note, or as the reason of a 501.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::gateway::KeySource;

mod address;
mod api;
mod authorizer;
mod declared;
mod error;
mod function;
mod gateway_response;
mod guard;
mod integrations;
mod openapi;
mod plans;
mod resolve;
mod resource;
mod resources;
mod route;
mod sam;
mod staged;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod unserved;
mod web_socket;
mod yaml;

pub(crate) use api::{Api, Authorizer, Family};
pub(crate) use error::Error;
pub(crate) use function::{Code, FunctionSettings, Inline};
pub(crate) use plans::{ApiKey, UsagePlan};
pub(crate) use resolve::Mark;
use resolve::{Resolver, is_reference};
pub(crate) use route::{Integration, Route};
pub(crate) use tables::Table;
use text::text_of;

/// The APIs of a template.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub(crate) apis: Vec<Api>,
    /// The functions of the template, by their logical ids.
    pub(crate) functions: BTreeMap<String, FunctionSettings>,
    /// API Gateway's usage plans.
    pub(crate) plans: Vec<UsagePlan>,
    /// The API keys that the template defines, by their logical ids.
    pub(crate) keys: BTreeMap<String, ApiKey>,
    /// The tables that the template defines.
    pub(crate) tables: Vec<Table>,
    /// One line for each thing that is not honoured here.
    pub(crate) notes: Vec<String>,
    unserved: Vec<unserved::Setting>,
}

impl Template {
    /// Reads a file, with values for its parameters and for stage variables.
    ///
    /// # Errors
    /// [`Error`], the first mistake.
    pub(crate) fn read(
        path: &Path,
        parameters: &BTreeMap<String, String>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let yaml::Document { value: document, notes } = document(path)?;
        let mut template = if document.get("paths").is_some() {
            let mut template = Self::default();
            let mut api = Api::new("OpenAPI", Family::of_document(&document), "local");
            api.key_source = Some(KeySource::Header);
            openapi::read(&document, &mut api, &mut template.notes);
            staged::fill(&mut api, variables, &mut template.notes);
            template.unserved.extend(unserved::of_document(&api.name, &document));
            template.apis.push(api);
            template
        } else {
            let folder = path.parent().unwrap_or(Path::new("."));
            let resolver = Resolver::new(&document, parameters, folder);
            let mut notes = Vec::new();
            let written_out = resolve::written_out(&resolver, &mut notes)?;
            let whole = written_out.as_ref().unwrap_or(&document);
            let resolver = Resolver::new(whole, parameters, folder);
            let mut template = resources::read(&resolver, folder, variables)?;
            template.notes.extend(notes);
            template.notes.extend(unknown_parameters(&document, parameters));
            template
        };
        if template.apis.is_empty() {
            let left_out = template.notes.iter().filter(|note| note.contains("not read here"));
            let more = left_out.map(|note| format!("; {note}")).collect();
            return Err(Error::Nothing { path: path.to_owned(), more });
        }
        template.notes.splice(..0, notes);
        template.notes.extend(unserved::notes(&template.unserved));
        let mut families = Vec::new();
        for (at, api) in template.apis.iter_mut().enumerate() {
            // The first of each kind has the id that commands and examples name.
            if families.contains(&api.family) {
                api.id = Some(format!("t0llgate{:02}", at.saturating_add(10)));
            }
            families.push(api.family);
            api.routes.sort_by(|one, other| one.key.cmp(&other.key));
            template.notes.extend(guard::keep_asked(api));
            template.notes.extend(defined_twice(api));
            template.notes.extend(guard::close_beside_unread(api));
        }
        Ok(template)
    }
}

/// Names the routes that an API has more than once, also under another parameter's name.
///
/// The first one gets the guards of the others, so that none of them is open.
fn defined_twice(api: &mut Api) -> Vec<String> {
    let mut firsts: BTreeMap<String, usize> = BTreeMap::new();
    let mut notes = BTreeSet::new();
    for at in 0..api.routes.len() {
        let (before, rest) = api.routes.split_at_mut(at);
        let Some(route) = rest.first() else { break };
        let first = *firsts.entry(shape(&route.key)).or_insert(at);
        let Some(first) = before.get_mut(first) else { continue };
        let other = if first.key == route.key {
            "the route is defined more than once".to_owned()
        } else {
            format!("{} is the same route", route.key)
        };
        first.authorizer = first.authorizer.take().or(route.authorizer.clone());
        first.needs_key |= route.needs_key;
        notes.insert(format!(
            "{}: {}: {other}, which API Gateway refuses: the first counts here, with the guards of \
             all",
            api.name, first.key
        ));
    }
    notes.into_iter().collect()
}

/// A route without the names of its parameters.
fn shape(key: &str) -> String {
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some(name) if name.ends_with("+}") => "{+}".to_owned(),
        Some(_) => "{}".to_owned(),
        None => segment.to_owned(),
    };
    key.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Names the values that are given for parameters which the template does not have.
fn unknown_parameters(document: &Value, given: &BTreeMap<String, String>) -> Vec<String> {
    let declared = document.get("Parameters").and_then(Value::as_object);
    let has = |name: &str| declared.is_some_and(|all| all.contains_key(name));
    let unknown = given.keys().filter(|name| !has(name) && !is_reference(name));
    let note = |name| format!("the template has no parameter `{name}`: CloudFormation refuses it");
    unknown.map(note).collect()
}

/// Reads the parameters in a file: names and values, or the AWS CLI's list of them.
///
/// # Errors
/// The file cannot be read, or has another form.
pub(crate) fn parameters(path: &Path) -> Result<BTreeMap<String, String>, Error> {
    let wrong = || Error::Form {
        path: path.to_owned(),
        reason: "it must hold names and values, or a list of ParameterKey and ParameterValue"
            .to_owned(),
    };
    let pair = |name: &Value, value: &Value| Some((text_of(name)?, text_of(value)?));
    let pairs: Option<BTreeMap<String, String>> = match document(path)?.value {
        Value::Object(map) => {
            map.iter().map(|(name, value)| pair(&name.as_str().into(), value)).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|entry| pair(entry.get("ParameterKey")?, entry.get("ParameterValue")?))
            .collect(),
        _ => None,
    };
    pairs.ok_or_else(wrong)
}

fn document(path: &Path) -> Result<yaml::Document, Error> {
    let fault = |source| Error::File { path: path.to_owned(), source };
    // A pipe without a writer would wait for one, and a device may have no end.
    if !std::fs::metadata(path).map_err(fault)?.is_file() {
        return Err(Error::NotFile(path.to_owned()));
    }
    let most = u64::try_from(yaml::MAX_FILE).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() > yaml::MAX_FILE {
        return Err(Error::Size(path.to_owned()));
    }
    let wrong = |reason| Error::Form { path: path.to_owned(), reason };
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    yaml::parse(&text).map_err(wrong)
}
