//! The flags for an API of one's own: its template, and the commands of its functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::gateway::{Kind, Payload, Route};
use crate::program::{Program, inline};
use crate::stack::Options;
use crate::template::{self, Family, Template};

/// Flags about the user's own API.
#[derive(Debug, Args)]
#[command(next_help_heading = "Your own API")]
pub(super) struct OwnApi {
    /// SAM or CloudFormation template, or OpenAPI
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Its parameter, or file://FILE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, requires = "template")]
    parameter: Vec<Parameter>,
    /// Function's command; may be repeated
    #[arg(long, value_name = "NAME=CMD", value_parser = function, requires = "template")]
    function: Vec<(String, String)>,
    /// Authorizer in place of Tollgate's
    #[arg(long, value_name = "CMD")]
    authorizer_command: Option<String>,
}

/// A parameter of a template, or a file of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parameter {
    One(String, String),
    File(PathBuf),
}

fn parameter(text: &str) -> Result<Parameter, String> {
    if let Some(file) = text.strip_prefix("file://") {
        return Ok(Parameter::File(file.into()));
    }
    let (name, value) =
        text.split_once('=').ok_or("write NAME=VALUE, such as Stage=prod, or file://FILE")?;
    if name == "ParameterKey" && value.contains(",ParameterValue=") {
        return Err("write NAME=VALUE, one flag for each parameter".to_owned());
    }
    Ok(Parameter::One(name.to_owned(), value.to_owned()))
}

fn function(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && !command.trim().is_empty() => {
            Ok((name.to_owned(), command.to_owned()))
        }
        _ => Err("write NAME=CMD, such as Orders='node server.mjs'".to_owned()),
    }
}

impl OwnApi {
    /// Puts the flags into the options; the template says which APIs there are.
    pub(super) fn apply(self, options: &mut Options) -> anyhow::Result<()> {
        if let Some(command) = self.authorizer_command {
            options.is_other_authorizer = true;
            if let Program::Command { executable, arguments, .. } = Program::shell(&command) {
                options.authorizer = executable;
                options.authorizer_arguments = arguments;
            }
        }
        let programs = self.function.into_iter();
        options.functions =
            programs.map(|(name, command)| (name, Program::shell(&command))).collect();
        let Some(file) = self.template else { return Ok(()) };
        let mut parameters = BTreeMap::new();
        for parameter in self.parameter {
            match parameter {
                Parameter::One(name, value) => drop(parameters.insert(name, value)),
                Parameter::File(file) => parameters.extend(template::parameters(&file)?),
            }
        }
        use_template(&file, &parameters, options)
    }
}

/// Reads a template and takes from it which APIs there are.
fn use_template(
    file: &Path,
    parameters: &BTreeMap<String, String>,
    options: &mut Options,
) -> anyhow::Result<()> {
    let mut template = Template::read(file, parameters, &options.stage_variables)?;
    let code = inline::write(&mut template).context("can't write the template's inline code")?;
    options.inline = code.map(Arc::new);
    let mut named = options.functions.keys();
    let known = functions(&template);
    if let Some(name) = named.find(|name| !known.contains(name.as_str())) {
        let known: Vec<&str> = known.into_iter().collect();
        bail!(
            "--function: `{}` has no function `{name}`; it has {}",
            file.display(),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
    }
    (options.has_rest, options.http, options.websocket) = (false, None, false);
    let mut families = Vec::new();
    for api in &template.apis {
        // Flags and examples are about the first of each kind.
        if families.contains(&api.family) {
            continue;
        }
        families.push(api.family);
        match (api.family, api.kind()) {
            (Family::Rest, kind) => {
                options.has_rest = true;
                options.rest = kind;
            }
            (Family::Http, Kind::Http(payload)) => options.http = Some(payload),
            (Family::Http, _) => options.http = Some(Payload::V2),
            (Family::WebSocket, _) => options.websocket = true,
        }
        if api.family != Family::WebSocket {
            let routes = api.routes.iter().filter_map(|route| Route::parse(&route.key).ok());
            options.routes.extend(routes);
        }
    }
    if options.upstream.is_none() {
        add_programs(&template, options);
    }
    add_authorizers(&template, options);
    options.template = Some(Arc::new(template));
    Ok(())
}

/// The functions of a template: its own, and those that its routes and authorizers name.
fn functions(template: &Template) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = template.functions.keys().map(String::as_str).collect();
    for api in &template.apis {
        names.extend(api.authorizers.values().filter_map(|one| one.function.as_deref()));
        let routes = api.routes.iter().filter_map(|route| route.integration.function());
        names.extend(routes.map(String::as_str));
    }
    names
}

/// Finds the program of each function behind a route that has none by a flag.
fn add_programs(template: &Template, options: &mut Options) {
    for route in template.apis.iter().flat_map(|api| &api.routes) {
        let Some(name) = route.integration.function() else { continue };
        if options.functions.contains_key(name) {
            continue;
        }
        let program = match template.functions.get(name) {
            None => Program::Missing("it is not in the template".to_owned()),
            Some(function) => Program::of(function.code.as_ref())
                .unwrap_or_else(|error| Program::Missing(error.to_string())),
        };
        options.functions.insert(name.clone(), program);
    }
}

/// Finds the program of each authorizer in Python or Node that has none by a flag.
///
/// Any other one is Tollgate's, whose own code a template holds as Rust.
fn add_authorizers(template: &Template, options: &mut Options) {
    if options.is_other_authorizer {
        return;
    }
    let authorizers = template.apis.iter().flat_map(|api| api.authorizers.values());
    for name in authorizers.filter_map(|authorizer| authorizer.function.as_ref()) {
        let code = template.functions.get(name).and_then(|function| function.code.as_ref());
        if let Some(program @ Program::Command { .. }) = Program::of_handler(code) {
            options.functions.entry(name.clone()).or_insert(program);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_functions_are_names_with_values() {
        let one = |name: &str, value: &str| Ok(Parameter::One(name.into(), value.into()));
        assert_eq!(parameter("Name=a=b"), one("Name", "a=b"));
        assert_eq!(parameter("Name="), one("Name", ""));
        assert_eq!(parameter("file://p.yaml"), Ok(Parameter::File("p.yaml".into())));
        assert!(parameter("Name").is_err());
        assert_eq!(function("F=node a.mjs"), Ok(("F".into(), "node a.mjs".into())));
        for wrong in ["F", "F=", "=node", "F= "] {
            assert!(function(wrong).is_err(), "{wrong}");
        }
    }
}
