//! A deployment's template, as far as it defines APIs.
//!
//! Read are SAM and CloudFormation templates in YAML or JSON, with the APIs in resources, in SAM's
//! events or in an OpenAPI document with API Gateway's extensions, and such a document alone.
//! Everything that cannot be served here is named: in a note, or as the reason of a 501.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::gateway::{
    Address, Cors, GatewayResponse, KeySource, Kind, Mapping, Payload, ResponseMappings, Selection,
    Source, Templates,
};

mod integrations;
mod openapi;
mod plans;
mod resolve;
mod resource;
mod resources;
mod sam;
mod staged;
mod tables;
#[cfg(test)]
mod tests;
mod unserved;
mod web_socket;
mod yaml;

use integrations::Target;
pub(crate) use plans::{ApiKey, UsagePlan};
pub(crate) use resolve::Mark;
use resolve::{Resolver, is_reference, text_of};
pub(crate) use tables::Table;

/// Errors of reading a template.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("can't read `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is larger than a template may be.
    #[error("`{}` is larger than 1 MB", .0.display())]
    Size(PathBuf),
    /// The file is not YAML or JSON.
    #[error("`{}` is not a template: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Parameters without a value.
    #[error("{}", without_values(.0))]
    Parameter(Vec<String>),
    /// A value that a parameter does not allow.
    #[error("parameter `{0}` must {1}")]
    Value(String, String),
    /// A name that stands for nothing.
    #[error("`{0}` is not a parameter, resource or condition of the template")]
    Reference(String),
    /// A function that is not evaluated here, or has the wrong arguments.
    #[error("`{0}` has arguments that cannot be evaluated here")]
    Function(String),
    /// A function that is not evaluated here.
    #[error("`{0}` is not evaluated here")]
    Unknown(String),
    /// An export of another stack.
    #[error("the export `{0}` of another stack is not known here")]
    Export(String),
    /// A parameter of Systems Manager or a secret, whose value is not given.
    #[error("the value of `{0}` is stored on AWS: give it by --parameter '{0}=VALUE'")]
    Stored(String),
    /// A value that AWS gives a resource.
    #[error("the value of `{0}` is not known here")]
    Physical(String),
    /// An include that is not a file of this machine.
    #[error("`{0}` is not a file here: name one beside the template")]
    Include(String),
    /// A value that takes too much to evaluate.
    #[error("`{place}` {reason}")]
    Bound {
        /// The resource, section or condition.
        place: String,
        /// The bound.
        reason: &'static str,
    },
    /// A loop that cannot be written out.
    #[error("`{place}` {reason}")]
    Loop {
        /// The loop.
        place: String,
        /// The mistake.
        reason: String,
    },
    /// A member without which it is not known what there is.
    #[error("{place} cannot be evaluated: {error}")]
    Member {
        /// The resource and its member.
        place: String,
        /// The error of its value.
        error: Box<Error>,
    },
    /// The template defines no API.
    #[error("`{}` defines no API; name a file with an API or an authorizer{more}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// The parts that are left out, which may have one.
        more: String,
    },
}

impl Error {
    /// Returns true if the template is good on AWS, and a value of it is not known here.
    fn is_lack(&self) -> bool {
        !matches!(
            self,
            Self::Bound { .. }
                | Self::Loop { .. }
                | Self::Value(..)
                | Self::Size(_)
                | Self::Nothing { .. }
        )
    }

    /// Names the member that it is about.
    fn at(self, resource: &str, member: &str) -> Self {
        match self {
            error @ (Self::Bound { .. } | Self::Value(..)) => error,
            error => Self::Member { place: format!("{resource}.{member}"), error: Box::new(error) },
        }
    }

    /// The operating system's error, if there is one.
    fn cause(&self) -> String {
        match self {
            Self::File { source, .. } => format!(": {source}"),
            _ => String::new(),
        }
    }

    /// The text that stands in a value's place.
    fn short(&self) -> String {
        match self {
            Self::Export(name)
            | Self::Stored(name)
            | Self::Reference(name)
            | Self::Include(name)
            | Self::Function(name)
            | Self::Unknown(name) => name.clone(),
            Self::Parameter(names) => names.join(" "),
            Self::File { path, .. } | Self::Form { path, .. } => path.display().to_string(),
            other => other.to_string(),
        }
    }
}

/// Names every parameter that has no value, with the flags to give them.
fn without_values(names: &[String]) -> String {
    let (word, has) = if names.len() == 1 { ("parameter", "has") } else { ("parameters", "have") };
    let listed = names.join("`, `");
    let flags: Vec<String> = names.iter().map(|name| format!("--parameter {name}=VALUE")).collect();
    format!("{word} `{listed}` {has} no value; add {}", flags.join(" "))
}

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

/// Settings of a function that matter here.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionSettings {
    pub(crate) memory_mb: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) variables: Vec<(String, String)>,
    /// The names of the variables whose values are not known here.
    pub(crate) unknown: Vec<String>,
    /// The code, if it is in the template itself.
    pub(crate) inline: Option<Inline>,
    /// The code, if it is in a folder of this machine.
    pub(crate) code: Option<Code>,
}

/// The code of a function that is in the template.
#[derive(Clone, Debug)]
pub(crate) struct Inline {
    pub(crate) text: String,
    pub(crate) handler: String,
    pub(crate) runtime: String,
}

/// The code of a function, as it is before it is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code {
    /// The folder that `CodeUri` names.
    pub(crate) folder: PathBuf,
    pub(crate) handler: String,
    pub(crate) runtime: String,
    /// SAM's `BuildMethod`.
    pub(crate) build: Option<String>,
    /// The executable that `BuildProperties` name.
    pub(crate) binary: Option<String>,
    /// True if it is of the template itself.
    pub(crate) is_inline: bool,
}

/// The three families of API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Rest,
    Http,
    WebSocket,
}

/// One API.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) name: String,
    /// The id in ARNs, if it is not that of its kind.
    pub(crate) id: Option<String>,
    pub(crate) family: Family,
    pub(crate) stage: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) key_source: Option<KeySource>,
    /// The expression that names the route of a WebSocket API's messages.
    pub(crate) selection: Selection,
    /// The media types that a REST API takes and gives in binary.
    pub(crate) binary_types: Vec<String>,
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
    pub(crate) routes: Vec<Route>,
    /// True if a resource names its stage.
    has_stage: bool,
    /// True if the template has the API itself, and not only parts that it adds to one.
    pub(crate) is_here: bool,
    /// True if it has a definition, to which SAM's events add nothing.
    has_definition: bool,
    /// Settings for the routes that SAM makes.
    sam: sam::Settings,
    /// The CORS settings of an HTTP API.
    pub(crate) cors: Option<Cors>,
    /// A REST API's gateway responses, by their types.
    pub(crate) responses: BTreeMap<String, GatewayResponse>,
}

/// An authorizer of an API.
#[derive(Clone, Debug)]
pub(crate) struct Authorizer {
    /// The kind of event; or why it cannot be asked here.
    pub(crate) kind: Result<Kind, String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) ttl: Duration,
    /// The expression that a TOKEN authorizer's token must match.
    pub(crate) validation: Option<String>,
    /// The function's name.
    pub(crate) function: Option<String>,
    /// The function's address, until its stage variables have their values.
    staged: Option<String>,
}

/// One route, or a method of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Such as `GET /orders/{id}`.
    pub(crate) key: String,
    /// The authorizer's name, if the route has one.
    pub(crate) authorizer: Option<String>,
    pub(crate) needs_key: bool,
    pub(crate) integration: Integration,
    /// The payload of a function behind an HTTP API.
    pub(crate) payload: Payload,
    /// The changes of an HTTP API to the requests that a function gets.
    pub(crate) request_mappings: Vec<Mapping>,
    /// The changes of an HTTP API to the integration's responses.
    pub(crate) response_mappings: ResponseMappings,
    /// The integration's time-out, if it is not API Gateway's own.
    pub(crate) timeout: Option<Duration>,
    /// True if a WebSocket API sends the integration's answer back.
    pub(crate) responds: bool,
}

impl Route {
    fn new(key: String, authorizer: Option<String>, needs_key: bool, target: Target) -> Self {
        let Target { integration, payload, request_mappings, response_mappings, timeout } = target;
        Self {
            key,
            authorizer,
            needs_key,
            integration,
            payload,
            request_mappings,
            response_mappings,
            timeout,
            responds: false,
        }
    }
}

/// The target of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Integration {
    /// A Lambda proxy integration, by the function's name.
    Function(String),
    /// A Lambda integration with templates, which is not a proxy.
    Custom(String, Templates),
    /// An HTTP service.
    Http(Address),
    /// An answer of the gateway itself.
    Mock(Templates),
    /// None: a WebSocket API's route without a target.
    Nothing,
    /// An integration whose address has stage variables, until they have their values.
    Staged(Value),
    /// The parts that cannot be served here, with the reason.
    Unserved(String),
}

impl Integration {
    /// The function's name.
    pub(crate) fn function(&self) -> Option<&String> {
        match self {
            Self::Function(name) | Self::Custom(name, _) => Some(name),
            _ => None,
        }
    }
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
            template.notes.extend(defined_twice(api));
        }
        Ok(template)
    }
}

/// Names the routes that an API has more than once.
fn defined_twice(api: &Api) -> Vec<String> {
    let same = api.routes.chunk_by(|one, other| one.key == other.key);
    let twice = same.filter(|routes| routes.len() > 1).filter_map(<[Route]>::first);
    let note = |route: &Route| {
        format!(
            "{}: {}: the route is defined more than once, which API Gateway refuses: the first by \
             its logical id counts here",
            api.name, route.key
        )
    };
    twice.map(note).collect()
}

/// Names the values that are given for parameters which the template does not have.
fn unknown_parameters(document: &Value, given: &BTreeMap<String, String>) -> Vec<String> {
    let declared = document.get("Parameters").and_then(Value::as_object);
    let has = |name: &str| declared.is_some_and(|all| all.contains_key(name));
    let unknown = given.keys().filter(|name| !has(name) && !is_reference(name));
    let note = |name| format!("the template has no parameter `{name}`: CloudFormation refuses it");
    unknown.map(note).collect()
}

impl Family {
    /// An OpenAPI document of an HTTP API has a payload format somewhere; no other has.
    fn of_document(document: &Value) -> Self {
        let text = document.to_string();
        let is_http = text.contains("payloadFormatVersion")
            || text.contains("authorizerPayloadFormatVersion")
            || document.get("x-amazon-apigateway-cors").is_some();
        if is_http { Self::Http } else { Self::Rest }
    }
}

impl Api {
    fn new(name: &str, family: Family, stage: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            family,
            stage: stage.to_owned(),
            variables: BTreeMap::new(),
            key_source: None,
            selection: Selection::default(),
            binary_types: Vec::new(),
            authorizers: BTreeMap::new(),
            routes: Vec::new(),
            has_stage: false,
            is_here: false,
            has_definition: false,
            sam: sam::Settings::default(),
            cors: None,
            responses: BTreeMap::new(),
        }
    }

    /// The kind of API: that of its first authorizer.
    pub(crate) fn kind(&self) -> Kind {
        if let Some(kind) = self.authorizers.values().find_map(|found| found.kind.clone().ok()) {
            return kind;
        }
        match self.family {
            Family::Rest => Kind::RestToken,
            Family::Http => Kind::Http(Payload::V2),
            Family::WebSocket => Kind::WebSocket,
        }
    }
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
    // A device or a pipe has no length, and may have no end.
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
