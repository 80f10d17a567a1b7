//! Values that a definition takes from a request: of parameter mappings, and of templates.
//!
//! Four notations are read: `method.request.header.X` of a REST API's mappings
//! ("Amazon API Gateway API request and response data mapping reference" of the developer guide) and
//! `route.request.header.X` of a WebSocket API's ("Set up data mapping for WebSocket APIs"),
//! `$request.header.X` and `${request.header.X}` of an HTTP API's ("Transform API requests and
//! responses for HTTP APIs"), `${request.body.a}` of the expressions that select a WebSocket API's
//! templates, and the variables of mapping templates, by plain substitution. What needs the Velocity
//! language is an error with the reason.

use self::function::Function;
use self::path::Path;
pub(super) use self::values::Values;
use super::MAX_BODY;

mod function;
mod path;
mod refused;
pub(super) mod selection;
mod template;
mod values;

/// A text with values of a request in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A variable of the request's context, such as `identity.sourceIp`.
    Context(String),
    StageVariable(String),
    Header(String),
    Query(String),
    PathParameter(String),
    Path,
    /// The request's body, or a member of it.
    Body(Path),
    /// The status of the integration's response.
    ResponseStatus,
    /// A header of the integration's response.
    ResponseHeader(String),
    /// The body of the integration's response, or a member of it.
    ResponseBody(Path),
    /// `$input.params('x')`: of the path, the query or the headers, whichever has it first.
    Parameter(String),
    /// `$input.body`: of the request, or of the integration's response once that is there.
    Input,
    /// `$input.json('$.a')`: a member of the same in JSON.
    InputJson(Path),
    /// `$input.path('$.a')`: the same as Velocity prints it.
    InputPath(Path),
    /// `$util.urlEncode(…)` and others around a single value.
    Function(Function, Box<Part>),
}

/// The error of a text that would be larger than 10 MB, the quota of a payload, or that takes too
/// much work or memory to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Expression {
    /// A text without values.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Reads a mapping of a REST API.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_rest(text: &str) -> Result<Self, String> {
        Self::with_constants(text, "method.request.")
    }

    /// Reads a mapping of a WebSocket API.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_socket(text: &str) -> Result<Self, String> {
        Self::with_constants(text, "route.request.")
    }

    /// Reads a constant in quotes, or one variable.
    fn with_constants(text: &str, request: &str) -> Result<Self, String> {
        let part = if let Some(literal) = text.strip_prefix('\'') {
            literal.strip_suffix('\'').map(|literal| Part::Text(literal.to_owned()))
        } else {
            of_stage(text)
                .or_else(|| of_request(text, request))
                .or_else(|| of_response(text, "integration.response."))
        };
        part.map(|part| Self(vec![part])).ok_or_else(|| unread(text))
    }

    /// Reads a mapping of an HTTP API to a request.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_http(text: &str) -> Result<Self, String> {
        Self::with_variables(text, |name| of_request(name, "request."))
    }

    /// Reads a mapping of an HTTP API to a response.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_http_response(text: &str) -> Result<Self, String> {
        Self::with_variables(text, |name| of_response(name, "response."))
    }

    /// Reads a text with variables in braces, or one variable alone.
    fn with_variables(text: &str, own: impl Fn(&str) -> Option<Part>) -> Result<Self, String> {
        let wrong = || unread(text);
        let of = |name: &str| of_stage(name).or_else(|| own(name)).ok_or_else(wrong);
        if let Some(name) = text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            return Ok(Self(vec![of(name)?]));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(wrong)?;
            parts.extend([Part::Text(before.to_owned()), of(name)?]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Reads a mapping template.
    ///
    /// # Errors
    /// The reason why it is not served: what only the Velocity language does.
    pub fn of_template(text: &str) -> Result<Self, String> {
        template::parts(text).map(Self)
    }

    /// Reads a mapping of a gateway response.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_gateway_response(text: &str) -> Result<Self, String> {
        let constant = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        let constant = constant.map(|text| Part::Text(text.to_owned()));
        let part = constant.or_else(|| refused::variable(text));
        part.map(|part| Self(vec![part])).ok_or_else(|| format!("the mapping `{text}`"))
    }

    /// Reads a template of a gateway response.
    #[must_use]
    pub fn of_gateway_template(text: &str) -> Self {
        Self(refused::template(text))
    }

    /// Reads the expression that selects a template of a WebSocket API.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_selection(text: &str) -> Result<Self, String> {
        let parts = selection::parts(text).map(Self);
        parts.ok_or_else(|| format!("the template selection expression `{text}`"))
    }

    /// The text, if it has no values of a request.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The name of the parameter of the path that this is alone; a REST API keeps its value as it
    /// was sent.
    pub(super) fn path_parameter(&self) -> Option<&str> {
        match &self.0[..] {
            [Part::PathParameter(name)] => Some(name),
            _ => None,
        }
    }

    /// The value for a request; `None` if it is of a single value that the request does not have.
    pub(super) fn value(&self, values: &Values<'_>) -> Result<Option<String>, TooLong> {
        if let [one] = &self.0[..] {
            return values.of(one);
        }
        let mut whole = String::new();
        for part in &self.0 {
            let text = values.of(part)?.unwrap_or_default();
            if whole.len().saturating_add(text.len()) > MAX_BODY {
                return Err(TooLong);
            }
            whole.push_str(&text);
        }
        Ok(Some(whole))
    }

    /// The text for a request, where a value that it does not have leaves nothing.
    pub(super) fn fill(&self, values: &Values<'_>) -> Result<String, TooLong> {
        Ok(self.value(values)?.unwrap_or_default())
    }
}

/// The reason for a mapping that is not served.
fn unread(text: &str) -> String {
    if text.is_empty() {
        "a mapping of nothing".to_owned()
    } else {
        format!("the mapping `{text}`")
    }
}

/// A variable of a mapping that is not of the request or the response.
fn of_stage(text: &str) -> Option<Part> {
    if let Some(name) = text.strip_prefix("context.") {
        return Some(Part::Context(name.to_owned()));
    }
    Some(Part::StageVariable(text.strip_prefix("stageVariables.")?.to_owned()))
}

/// A variable of a mapping whose names of the request begin with `request`.
fn of_request(text: &str, request: &str) -> Option<Part> {
    let place = text.strip_prefix(request)?;
    if let Some(path) = place.strip_prefix("body") {
        return Path::parse(path).map(Part::Body);
    }
    if place == "path" && request == "request." {
        return Some(Part::Path);
    }
    let (place, name) = place.split_once('.')?;
    let name = name.to_owned();
    match place {
        "header" => Some(Part::Header(name)),
        "querystring" => Some(Part::Query(name)),
        "path" => Some(Part::PathParameter(name)),
        _ => None,
    }
}

/// A variable of a mapping whose names of the response begin with `response`.
fn of_response(text: &str, response: &str) -> Option<Part> {
    let place = text.strip_prefix(response)?;
    if let Some(name) = place.strip_prefix("header.") {
        return Some(Part::ResponseHeader(name.to_owned()));
    }
    Path::parse(place.strip_prefix("body")?).map(Part::ResponseBody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_in_both_notations() {
        let rest = |text: &str| Expression::of_rest(text).map(|read| read.0);
        assert_eq!(rest("'a b'"), Ok(vec![Part::Text("a b".into())]));
        assert_eq!(rest("method.request.header.X"), Ok(vec![Part::Header("X".into())]));
        assert_eq!(rest("method.request.querystring.a.b"), Ok(vec![Part::Query("a.b".into())]));
        assert_eq!(rest("method.request.body"), Ok(vec![Part::Body(Path::default())]));
        let member = Path::parse(".a[0]").unwrap();
        assert_eq!(rest("method.request.body.a[0]"), Ok(vec![Part::Body(member.clone())]));
        let response = Part::ResponseBody(member.clone());
        assert_eq!(rest("integration.response.body.a[0]"), Ok(vec![response]));
        let authorizer = Part::Context("authorizer.plan".into());
        assert_eq!(rest("context.authorizer.plan"), Ok(vec![authorizer.clone()]));
        for wrong in [
            "text",
            "method.request.body..a",
            "method.request.bodya",
            "integration.response.status",
            "'open",
            "method.request.multivalueheader.a",
        ] {
            assert_eq!(rest(wrong), Err(format!("the mapping `{wrong}`")));
        }
        let socket = |text: &str| Expression::of_socket(text).map(|read| read.0);
        assert_eq!(socket("route.request.header.X"), Ok(vec![Part::Header("X".into())]));
        assert_eq!(socket("route.request.querystring.a"), Ok(vec![Part::Query("a".into())]));
        assert_eq!(socket("route.request.body.a[0]"), Ok(vec![Part::Body(member.clone())]));
        let connection = Part::Context("connectionId".into());
        assert_eq!(socket("context.connectionId"), Ok(vec![connection]));
        assert_eq!(socket("'a'"), Ok(vec![Part::Text("a".into())]));
        for wrong in ["method.request.header.X", "route.request.multivalueheader.X"] {
            assert_eq!(socket(wrong), Err(format!("the mapping `{wrong}`")));
        }
        let http = |text: &str| Expression::of_http(text).map(|read| read.0);
        assert_eq!(http("$context.authorizer.plan"), Ok(vec![authorizer]));
        assert_eq!(http("$request.path"), Ok(vec![Part::Path]));
        assert_eq!(http("/v2${request.path}"), Ok(vec![Part::Text("/v2".into()), Part::Path]));
        assert_eq!(http("a"), Ok(vec![Part::Text("a".into())]));
        assert_eq!(http("$request.body.a[0]"), Ok(vec![Part::Body(member)]));
        for wrong in ["$request.body.*", "$response.body.a", "${request.path"] {
            assert_eq!(http(wrong), Err(format!("the mapping `{wrong}`")));
        }
    }
}
