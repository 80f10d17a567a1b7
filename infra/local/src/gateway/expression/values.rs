//! The values of one request, and of the integration's response to it.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use super::{Part, Path, TooLong};
use crate::gateway::asked::Asked;
use crate::gateway::authorizer::Grant;
use crate::gateway::{Kind, MAX_BODY, event};

/// The part of a body in which an HTTP API looks for members, in bytes: "Transform API requests and
/// responses for HTTP APIs".
const MAX_HTTP_BODY: usize = 100 * 1024;

/// The media type of a request that names none.
const JSON: &str = "application/json";

/// The values of a request.
pub(in crate::gateway) struct Values<'a> {
    asked: &'a Asked<'a>,
    body: Body<'a>,
    context: Value,
    response: Option<Response<'a>>,
}

/// The integration's response.
struct Response<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    body: Body<'a>,
}

/// A body, which is parsed when a member of it is asked for.
struct Body<'a> {
    bytes: &'a Bytes,
    document: OnceLock<Value>,
}

impl<'a> Values<'a> {
    pub(in crate::gateway) fn new(asked: &'a Asked<'a>, body: &'a Bytes, grant: &Grant) -> Self {
        let context = event::context(asked, grant);
        Self { asked, body: Body::new(body), context, response: None }
    }

    /// Adds the integration's response.
    pub(in crate::gateway) fn answered(
        self,
        status: StatusCode,
        headers: &'a HeaderMap,
        body: &'a Bytes,
    ) -> Self {
        Self { response: Some(Response { status, headers, body: Body::new(body) }), ..self }
    }

    /// Adds the error that a gateway response is about.
    pub(in crate::gateway) fn refused(mut self, error: Value) -> Self {
        if let Some(context) = self.context.as_object_mut() {
            context.insert("error".to_owned(), error);
        }
        self
    }

    /// The status of the integration's response; 200 before that.
    pub(in crate::gateway) fn response_status(&self) -> StatusCode {
        self.response.as_ref().map(|response| response.status).unwrap_or_default()
    }

    /// The body of the integration's response; empty before that.
    pub(in crate::gateway) fn response_body(&self) -> Bytes {
        self.response.as_ref().map(|response| response.body.bytes.clone()).unwrap_or_default()
    }

    /// The media type that a header names, without its parameters; JSON without such a header.
    ///
    /// A WebSocket's message has none, and a handshake's is not about a message.
    pub(in crate::gateway) fn media_type(&self, name: &HeaderName) -> String {
        let is_socket = self.asked.kind() == Kind::WebSocket;
        let given = self.asked.head.headers.get_all(name).iter().next_back();
        let given = given.filter(|_| !is_socket).and_then(|value| value.to_str().ok());
        given.map_or(JSON, |text| text.split(';').next().unwrap_or_default().trim()).to_owned()
    }

    /// The text of a part, of at most 10 MB.
    pub(super) fn of(&self, part: &Part) -> Result<Option<String>, TooLong> {
        let text = match part {
            // Each function is held to the bound, because one may make six bytes of one.
            Part::Function(function, inner) => self.of(inner)?.and_then(|text| function.of(&text)),
            other => self.plain(other),
        };
        match text {
            Some(text) if text.len() > MAX_BODY => Err(TooLong),
            text => Ok(text),
        }
    }

    /// The text of a part that is not a function.
    fn plain(&self, part: &Part) -> Option<String> {
        let asked = self.asked;
        let header = |name: &str| asked.header(&HeaderName::try_from(name).ok()?);
        match part {
            Part::Text(text) => Some(text.clone()),
            Part::Context(path) => {
                let mut found = &self.context;
                for name in path.split('.') {
                    found = found.get(name)?;
                }
                text_of(found)
            }
            Part::StageVariable(name) => asked.stage_variables().get(name).cloned(),
            Part::Header(name) => header(name),
            Part::Query(name) => self.query(name),
            Part::PathParameter(name) => asked.route.parameters.get(name).cloned(),
            Part::Path => Some(asked.path()),
            Part::Body(path) => self.mapped(&self.body, path),
            Part::ResponseStatus => Some(self.response.as_ref()?.status.as_str().to_owned()),
            Part::ResponseHeader(name) => self.response_header(name),
            Part::ResponseBody(path) => self.mapped(&self.response.as_ref()?.body, path),
            Part::Parameter(name) => {
                let path = asked.route.parameters.get(name).cloned();
                path.or_else(|| self.query(name)).or_else(|| header(name))
            }
            Part::Input => {
                let text = self.input().text();
                Some(if text.is_empty() { "{}".to_owned() } else { text })
            }
            Part::InputJson(path) => {
                let found = path.find(self.input().document());
                Some(found.map_or_else(|| r#""""#.to_owned(), Value::to_string))
            }
            Part::InputPath(path) => path.find(self.input().document()).map(printed),
            Part::Function(..) => None,
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

    /// The same of a header of the integration's response.
    fn response_header(&self, name: &str) -> Option<String> {
        let headers = self.response.as_ref()?.headers;
        let all = headers.get_all(HeaderName::try_from(name).ok()?);
        let mut values = all.iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        if self.asked.kind().is_http() {
            return values.reduce(|all, one| format!("{all},{one}"));
        }
        values.next_back()
    }

    /// A body in a mapping, or a member of it.
    fn mapped(&self, body: &Body<'_>, path: &Path) -> Option<String> {
        if path.is_whole() {
            return Some(body.text());
        }
        // What is longer would be cut in the middle, which leaves nothing to find.
        if self.asked.kind().is_http() && body.bytes.len() > MAX_HTTP_BODY {
            return None;
        }
        text_of(path.find(body.document())?)
    }

    /// The body that a template is about.
    fn input(&self) -> &Body<'a> {
        self.response.as_ref().map_or(&self.body, |response| &response.body)
    }
}

impl<'a> Body<'a> {
    fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, document: OnceLock::new() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes).into_owned()
    }

    /// The body as JSON. One that is not JSON is one text, and an empty one has no members.
    fn document(&self) -> &Value {
        self.document.get_or_init(|| {
            if self.bytes.is_empty() {
                return Value::Object(serde_json::Map::new());
            }
            serde_json::from_slice(self.bytes).unwrap_or_else(|_| Value::String(self.text()))
        })
    }
}

/// A value in a header, the query or the path; `None` for null.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A value as Velocity prints it: an object as Java does, a list in JSON.
fn printed(value: &Value) -> String {
    let Value::Object(members) = value else { return text_of(value).unwrap_or_default() };
    let member = |(name, value): (&String, &Value)| match value {
        Value::Null => format!("{name}=null"),
        value => format!("{name}={}", printed(value)),
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// LocalStack's recordings of a deployed REST API (`test_input_path_template_formatting`).
    #[test]
    fn values_are_printed_as_in_recordings() {
        for (value, expected) in [
            (json!({"foo": "bar"}), "{foo=bar}"),
            (json!([{"foo": "bar"}]), r#"[{"foo":"bar"}]"#),
            (json!({"foo": [{"nested": "bar"}]}), r#"{foo=[{"nested":"bar"}]}"#),
            (json!({"a": {"b": 1}, "c": "d"}), "{a={b=1}, c=d}"),
            (json!([]), "[]"),
            (json!(null), ""),
            (json!("a b"), "a b"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(printed(&value), expected);
        }
    }
}
