//! The values of one request, and of the integration's response to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Map, Value};

use super::{Part, Path, TooLong};
use crate::gateway::asked::Asked;
use crate::gateway::authorizer::Grant;
use crate::gateway::{Kind, MAX_BODY, event};
use crate::json::Unread;

/// The part of a body in which an HTTP API looks for members, in bytes: "Transform API requests and
/// responses for HTTP APIs".
const MAX_HTTP_BODY: usize = 100 * 1024;

/// The bytes of bodies and texts that the values of one request may be made of.
///
/// A template can read a long body any number of times, and leave nothing of it.
const MAX_WORK: usize = 256 * 1024 * 1024;

/// The media type of a request that names none.
const JSON: &str = "application/json";

/// The values of a request.
pub(in crate::gateway) struct Values<'a> {
    asked: &'a Asked<'a>,
    body: Body<'a>,
    context: Value,
    response: Option<Response<'a>>,
    /// The bytes that were worked on.
    work: AtomicUsize,
}

/// The integration's response.
struct Response<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    body: Body<'a>,
}

/// A body, which is read when a member of it is asked for.
#[derive(Clone, Copy)]
struct Body<'a>(&'a Bytes);

impl<'a> Values<'a> {
    pub(in crate::gateway) fn new(asked: &'a Asked<'a>, body: &'a Bytes, grant: &Grant) -> Self {
        let context = event::context(asked, grant);
        Self { asked, body: Body(body), context, response: None, work: AtomicUsize::new(0) }
    }

    /// Adds the integration's response.
    pub(in crate::gateway) fn answered(
        self,
        status: StatusCode,
        headers: &'a HeaderMap,
        body: &'a Bytes,
    ) -> Self {
        Self { response: Some(Response { status, headers, body: Body(body) }), ..self }
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
        self.response.as_ref().map(|response| response.body.0.clone()).unwrap_or_default()
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
            Part::Function(function, inner) => match self.of(inner)? {
                Some(text) => {
                    self.works_on(&text)?;
                    function.of(&text)
                }
                None => None,
            },
            Part::Body(path) => self.mapped(self.body, path)?,
            Part::ResponseBody(path) => match &self.response {
                Some(response) => self.mapped(response.body, path)?,
                None => None,
            },
            Part::Input => {
                let text = self.text(self.input())?;
                Some(if text.is_empty() { "{}".to_owned() } else { text })
            }
            Part::InputJson(path) => {
                let found = self.find(self.input(), path)?;
                Some(found.map_or_else(|| r#""""#.to_owned(), |found| found.to_string()))
            }
            Part::InputPath(path) => self.find(self.input(), path)?.as_ref().map(printed),
            other => self.plain(other),
        };
        match text {
            Some(text) if text.len() > MAX_BODY => Err(TooLong),
            text => Ok(text),
        }
    }

    /// Counts work on a text or a body.
    fn works_on(&self, bytes: impl AsRef<[u8]>) -> Result<(), TooLong> {
        let length = bytes.as_ref().len();
        let all = self.work.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        if all > MAX_WORK { Err(TooLong) } else { Ok(()) }
    }

    /// The text of a body.
    fn text(&self, Body(bytes): Body<'_>) -> Result<String, TooLong> {
        self.works_on(bytes)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A member of a body. One that is not JSON is one text, and an empty one has no members.
    fn find(&self, body: Body<'_>, path: &Path) -> Result<Option<Value>, TooLong> {
        if body.0.is_empty() {
            return Ok(path.is_whole().then(|| Value::Object(Map::new())));
        }
        self.works_on(body.0)?;
        match path.find(body.0) {
            Ok(found) => Ok(found),
            Err(Unread::TooLarge) => Err(TooLong),
            Err(Unread::NotJson) if path.is_whole() => Ok(Some(Value::String(self.text(body)?))),
            Err(Unread::NotJson) => Ok(None),
        }
    }

    /// The text of a part that is neither a function nor of a body.
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
            Part::ResponseStatus => Some(self.response.as_ref()?.status.as_str().to_owned()),
            Part::ResponseHeader(name) => self.response_header(name),
            Part::Parameter(name) => {
                let path = asked.route.parameters.get(name).cloned();
                path.or_else(|| self.query(name)).or_else(|| header(name))
            }
            Part::Body(_)
            | Part::ResponseBody(_)
            | Part::Input
            | Part::InputJson(_)
            | Part::InputPath(_)
            | Part::Function(..) => None,
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
    fn mapped(&self, body: Body<'_>, path: &Path) -> Result<Option<String>, TooLong> {
        if path.is_whole() {
            return self.text(body).map(Some);
        }
        // What is longer would be cut in the middle, which leaves nothing to find.
        if self.asked.kind().is_http() && body.0.len() > MAX_HTTP_BODY {
            return Ok(None);
        }
        Ok(self.find(body, path)?.as_ref().and_then(text_of))
    }

    /// The body that a template is about.
    fn input(&self) -> Body<'a> {
        self.response.as_ref().map_or(self.body, |response| response.body)
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
    let mut text = String::new();
    print(value, &mut text);
    text
}

fn print(value: &Value, text: &mut String) {
    let Value::Object(members) = value else {
        text.push_str(&text_of(value).unwrap_or_default());
        return;
    };
    let mut separator = "{";
    for (name, value) in members {
        text.extend([separator, name, "="]);
        match value {
            Value::Null => text.push_str("null"),
            value => print(value, text),
        }
        separator = ", ";
    }
    text.push_str(if members.is_empty() { "{}" } else { "}" });
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
            (json!({}), "{}"),
            (json!({"a": null, "b": {}}), "{a=null, b={}}"),
            (json!(null), ""),
            (json!("a b"), "a b"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(printed(&value), expected);
        }
    }
}
