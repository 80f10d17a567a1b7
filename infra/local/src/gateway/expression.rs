//! Values that a definition takes from a request: of parameter mappings, and of templates.
//!
//! Three notations are read: `method.request.header.X` of a REST API's mappings
//! ("Amazon API Gateway API request and response data mapping reference" of the developer guide),
//! `$request.header.X` and `${request.header.X}` of an HTTP API's ("Transform API requests and
//! responses for HTTP APIs"), and the variables of mapping templates, by plain substitution. What
//! needs the Velocity language is an error with the reason.

use bytes::Bytes;
use http::HeaderName;
use serde_json::Value;

use super::asked::Asked;
use super::authorizer::Grant;
use super::event;

mod template;

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
    Body,
    /// `$input.params('x')`: of the path, the query or the headers, whichever has it first.
    Parameter(String),
    /// A header of the integration's response.
    ResponseHeader(String),
}

/// The values of a request.
pub(super) struct Values<'a> {
    asked: &'a Asked<'a>,
    body: &'a Bytes,
    context: Value,
}

impl<'a> Values<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, body: &'a Bytes, grant: &Grant) -> Self {
        Self { asked, body, context: event::context(asked, grant) }
    }

    fn of(&self, part: &Part, response: Option<&http::HeaderMap>) -> Option<String> {
        let asked = self.asked;
        let header = |name: &str| asked.header(&HeaderName::try_from(name).ok()?);
        match part {
            Part::Text(text) => Some(text.clone()),
            Part::Context(path) => {
                let mut found = &self.context;
                for name in path.split('.') {
                    found = found.get(name)?;
                }
                match found {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                }
            }
            Part::StageVariable(name) => asked.stage_variables().get(name).cloned(),
            Part::Header(name) => header(name),
            Part::Query(name) => self.query(name),
            Part::PathParameter(name) => asked.route.parameters.get(name).cloned(),
            Part::Path => Some(asked.path()),
            Part::Body => Some(String::from_utf8_lossy(self.body).into_owned()),
            Part::Parameter(name) => {
                let path = asked.route.parameters.get(name).cloned();
                path.or_else(|| self.query(name)).or_else(|| header(name))
            }
            Part::ResponseHeader(name) => {
                let value = response?.get(name)?;
                Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
            }
        }
    }

    /// A parameter of the query. An HTTP API joins several values, a REST API takes the last.
    fn query(&self, name: &str) -> Option<String> {
        let pairs = self.asked.query();
        let mut values = pairs.into_iter().filter(|(own, _)| own == name).map(|(_, value)| value);
        if self.asked.kind().is_http() {
            return values.reduce(|all, one| format!("{all},{one}"));
        }
        values.next_back()
    }
}

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
        let part = if let Some(literal) = text.strip_prefix('\'') {
            literal.strip_suffix('\'').map(|literal| Part::Text(literal.to_owned()))
        } else {
            variable(text, "method.request.").or_else(|| {
                let header = text.strip_prefix("integration.response.header.")?;
                Some(Part::ResponseHeader(header.to_owned()))
            })
        };
        part.map(|part| Self(vec![part])).ok_or_else(|| format!("the mapping `{text}`"))
    }

    /// Reads a mapping of an HTTP API.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_http(text: &str) -> Result<Self, String> {
        let wrong = || format!("the mapping `{text}`");
        let of = |name: &str| variable(name, "request.").ok_or_else(wrong);
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

    /// The text, if it has no values of a request.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns true for a parameter of the path alone, which a REST API keeps as it was sent.
    pub(super) fn is_path_parameter(&self) -> bool {
        matches!(self.0[..], [Part::PathParameter(_)])
    }

    /// The value for a request; `None` if it is of a single value that the request does not have.
    pub(super) fn value(
        &self,
        values: &Values<'_>,
        response: Option<&http::HeaderMap>,
    ) -> Option<String> {
        match &self.0[..] {
            [one] => values.of(one, response),
            all => Some(all.iter().filter_map(|part| values.of(part, response)).collect()),
        }
    }

    /// The text for a request, where a value that it does not have leaves nothing.
    pub(super) fn fill(&self, values: &Values<'_>) -> String {
        self.value(values, None).unwrap_or_default()
    }
}

/// A variable of a mapping, whose names of the request begin with `request`.
fn variable(text: &str, request: &str) -> Option<Part> {
    if let Some(name) = text.strip_prefix("context.") {
        return Some(Part::Context(name.to_owned()));
    }
    if let Some(name) = text.strip_prefix("stageVariables.") {
        return Some(Part::StageVariable(name.to_owned()));
    }
    let (place, name) = match text.strip_prefix(request)? {
        "body" => return Some(Part::Body),
        "path" if request == "request." => return Some(Part::Path),
        other => other.split_once('.')?,
    };
    let name = name.to_owned();
    match place {
        "header" => Some(Part::Header(name)),
        "querystring" => Some(Part::Query(name)),
        "path" => Some(Part::PathParameter(name)),
        _ => None,
    }
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
        assert_eq!(rest("method.request.body"), Ok(vec![Part::Body]));
        let authorizer = Part::Context("authorizer.plan".into());
        assert_eq!(rest("context.authorizer.plan"), Ok(vec![authorizer.clone()]));
        for wrong in ["text", "method.request.body.a", "'open", "method.request.multivalueheader.a"]
        {
            assert_eq!(rest(wrong), Err(format!("the mapping `{wrong}`")));
        }
        let http = |text: &str| Expression::of_http(text).map(|read| read.0);
        assert_eq!(http("$context.authorizer.plan"), Ok(vec![authorizer]));
        assert_eq!(http("$request.path"), Ok(vec![Part::Path]));
        assert_eq!(http("/v2${request.path}"), Ok(vec![Part::Text("/v2".into()), Part::Path]));
        assert_eq!(http("a"), Ok(vec![Part::Text("a".into())]));
        assert_eq!(http("$request.body.a"), Err("the mapping `$request.body.a`".to_owned()));
    }
}
