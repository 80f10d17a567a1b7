//! HTTP integrations of a definition: address, method, and the changes to headers, query and path.
//!
//! The forms are those of the developer guide's pages "Amazon API Gateway API request and response
//! data mapping reference" (REST) and "Transform API requests and responses for HTTP APIs".

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Fault, Templates};
use crate::gateway::asked::Asked;
use crate::gateway::expression::{Expression, Values};
use crate::gateway::responses::Refusal;

mod response;

pub use response::ResponseMappings;

/// The characters that are escaped in a query.
const OUTSIDE_OF_A_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in a path's parameter; a greedy one has slashes.
const OUTSIDE_OF_A_PATH: &AsciiSet = &OUTSIDE_OF_A_QUERY.remove(b'/');

/// Headers that are about one connection, or say where a message ends.
const FRAMING: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// Further headers that an HTTP API does not map, and the beginnings of others.
const RESERVED: [&str; 10] = [
    "authorization",
    "content-encoding",
    "content-location",
    "forwarded",
    "origin",
    "trailers",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
const RESERVED_BEGINNINGS: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];

/// An HTTP integration of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The address, with `{name}` for a parameter of the path.
    pub text: String,
    /// The method; without one, that of the request.
    pub method: Option<Method>,
    /// The changes to the request.
    pub mappings: Vec<Mapping>,
    /// The templates of an integration that is not a proxy.
    pub templates: Option<Templates>,
}

/// One change to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    place: Place,
    change: Change,
    value: Expression,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header(HeaderName),
    Query(String),
    /// `{name}` in the address.
    Parameter(String),
    /// The whole path of the address.
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Append,
    Overwrite,
    Remove,
}

impl Change {
    fn named(name: &str) -> Option<Self> {
        match name {
            "append" => Some(Self::Append),
            "overwrite" => Some(Self::Overwrite),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }
}

impl Mapping {
    /// Reads a request parameter of a REST API's integration.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_rest(to: &str, from: &str) -> Result<Self, String> {
        let wrong = || format!("the mapping to `{to}`");
        let place = to.strip_prefix("integration.request.").and_then(|to| to.split_once('.'));
        let place = match place.ok_or_else(wrong)? {
            ("header", name) => Place::Header(mappable(name, false)?),
            ("querystring", name) => Place::Query(name.to_owned()),
            ("path", name) => Place::Parameter(name.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(Self { place, change: Change::Overwrite, value: Expression::of_rest(from)? })
    }

    /// Reads a request parameter of an HTTP API's integration.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_http(to: &str, from: &str) -> Result<Self, String> {
        let wrong = || format!("the mapping to `{to}`");
        let (change, place) = to.split_once(':').ok_or_else(wrong)?;
        let change = Change::named(change).ok_or_else(wrong)?;
        let place = match place.split_once('.') {
            Some(("header", name)) => Place::Header(mappable(name, true)?),
            Some(("querystring", name)) => Place::Query(name.to_owned()),
            None if place == "path" && change == Change::Overwrite => Place::Path,
            _ => return Err(wrong()),
        };
        let value = match change {
            Change::Remove => Expression::default(),
            _ => Expression::of_http(from)?,
        };
        Ok(Self { place, change, value })
    }

    /// The parameter of the address that this gives a value.
    pub(crate) fn parameter(&self) -> Option<&str> {
        match &self.place {
            Place::Parameter(name) => Some(name),
            _ => None,
        }
    }
}

/// A header that can be mapped.
fn mappable(name: &str, is_http: bool) -> Result<HeaderName, String> {
    let header = HeaderName::try_from(name).map_err(|_| format!("the header `{name}`"))?;
    let lower = header.as_str();
    let is_reserved = FRAMING.contains(&header)
        || (is_http
            && (RESERVED.contains(&lower)
                || RESERVED_BEGINNINGS.iter().any(|start| lower.starts_with(start))));
    if is_reserved {
        return Err(format!("a mapping to `{name}`, which API Gateway reserves"));
    }
    Ok(header)
}

impl Address {
    /// The address for a request.
    pub(super) fn uri(&self, asked: &Asked<'_>, values: &Values<'_>) -> Result<Uri, Fault> {
        let mut text = self.text.clone();
        for mapping in &self.mappings {
            let Place::Parameter(name) = &mapping.place else { continue };
            let Some(value) = mapping.value.value(values) else { continue };
            let value = match mapping.value.is_path_parameter() {
                true => value,
                false => utf8_percent_encode(&value, OUTSIDE_OF_A_QUERY).to_string(),
            };
            text = text.replace(&format!("{{{name}}}"), &value);
        }
        for (name, value) in &asked.route.parameters {
            // An HTTP API has decoded it, a REST API has not.
            let value = match asked.kind().is_http() {
                true => utf8_percent_encode(value, OUTSIDE_OF_A_PATH).to_string(),
                false => value.clone(),
            };
            text = text.replace(&format!("{{{name}}}"), &value);
        }
        if text.contains(['{', '}']) {
            return Err(wrong("a parameter of the integration's address has no value"));
        }
        let whole = self.mappings.iter().find(|mapping| mapping.place == Place::Path);
        if let Some(path) = whole.and_then(|mapping| mapping.value.value(values)) {
            let escaped = utf8_percent_encode(&path, OUTSIDE_OF_A_PATH).to_string();
            let is_constant = whole.is_some_and(|mapping| mapping.value.constant().is_some());
            text = with_path(&text, if is_constant { &path } else { &escaped });
        }
        if let Some(query) = self.query(asked, values).filter(|query| !query.is_empty()) {
            let sign = if text.contains('?') { '&' } else { '?' };
            text.push_str(&format!("{sign}{query}"));
        }
        text.parse().map_err(|_| wrong("the integration's address cannot be called"))
    }

    /// The query of a request, after that of the address.
    fn query(&self, asked: &Asked<'_>, values: &Values<'_>) -> Option<String> {
        let is_query = |mapping: &Mapping| matches!(mapping.place, Place::Query(_));
        let is_proxy = self.templates.is_none();
        if !self.mappings.iter().any(is_query) {
            return asked.head.uri.query().filter(|_| is_proxy).map(str::to_owned);
        }
        let mut pairs = if is_proxy { asked.query() } else { Vec::new() };
        for mapping in &self.mappings {
            let Place::Query(name) = &mapping.place else { continue };
            let value = mapping.value.value(values);
            if mapping.change == Change::Remove
                || (mapping.change == Change::Overwrite && value.is_some())
            {
                pairs.retain(|(own, _)| own != name);
            }
            if mapping.change != Change::Remove {
                pairs.extend(value.map(|value| (name.clone(), value)));
            }
        }
        let escaped = |text: &str| utf8_percent_encode(text, OUTSIDE_OF_A_QUERY).to_string();
        let pairs =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        Some(pairs.collect::<Vec<_>>().join("&"))
    }

    /// Changes the headers of a request.
    pub(super) fn change(&self, headers: &mut HeaderMap, values: &Values<'_>) -> Result<(), Fault> {
        for mapping in &self.mappings {
            let Place::Header(name) = &mapping.place else { continue };
            if mapping.change == Change::Remove {
                headers.remove(name);
                continue;
            }
            let Some(value) = mapping.value.value(values) else { continue };
            let value = header_value(name, &value)?;
            if mapping.change == Change::Overwrite {
                headers.remove(name);
            }
            headers.append(name, value);
        }
        Ok(())
    }
}

/// The value of a header.
fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        let what = format!("the value that is mapped to the header `{name}`");
        wrong(&format!("{what} has a control character"))
    })
}

/// An address with another path.
fn with_path(text: &str, path: &str) -> String {
    let start = text.find("://").map_or(0, |at| at.saturating_add(3));
    let (scheme, rest) = text.split_at(start);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let query = rest.find('?').map_or("", |at| rest.split_at(at).1);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}{authority}{slash}{path}{query}")
}

fn wrong(reason: &str) -> Fault {
    Fault { refusal: Refusal::ApiConfiguration, reason: Some(reason.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_named() {
        for (to, from, named) in [
            ("integration.request.body", "'a'", "the mapping to `integration.request.body`"),
            ("integration.request.header.a b", "'a'", "the header `a b`"),
            (
                "integration.request.header.Content-Length",
                "'a'",
                "a mapping to `Content-Length`, which API Gateway reserves",
            ),
            ("integration.request.header.a", "a", "the mapping `a`"),
        ] {
            assert_eq!(Mapping::of_rest(to, from), Err(named.to_owned()));
        }
        assert!(Mapping::of_rest("integration.request.header.Authorization", "'a'").is_ok());
        for (to, named) in [
            ("append:path", "the mapping to `append:path`"),
            ("replace:header.a", "the mapping to `replace:header.a`"),
            ("header.a", "the mapping to `header.a`"),
            (
                "overwrite:header.Authorization",
                "a mapping to `Authorization`, which API Gateway reserves",
            ),
            ("append:header.x-amz-a", "a mapping to `x-amz-a`, which API Gateway reserves"),
        ] {
            assert_eq!(Mapping::of_http(to, "a"), Err(named.to_owned()));
        }
        assert!(Mapping::of_http("remove:header.a", "").is_ok());
    }

    #[test]
    fn a_path_is_replaced_and_the_rest_stays() {
        for (text, path, expected) in [
            ("https://a.example/b?c=d", "/e", "https://a.example/e?c=d"),
            ("https://a.example", "e/f", "https://a.example/e/f"),
            ("http://a.example:1?c=d", "/", "http://a.example:1/?c=d"),
        ] {
            assert_eq!(with_path(text, path), expected);
        }
    }
}
