//! The changes of a definition to requests: headers, query and path.
//!
//! The forms are those of the developer guide's pages "Amazon API Gateway API request and response
//! data mapping reference" (REST) and "Transform API requests and responses for HTTP APIs".

use http::{HeaderName, HeaderValue, header};

use super::Fault;
use crate::gateway::expression::Expression;
use crate::gateway::responses::Refusal;

mod address;
pub(super) mod function;
mod place;
mod response;

pub use address::Address;
pub(super) use place::stays;
pub use response::ResponseMappings;

/// Headers that are about one connection, or say where a message ends.
pub(in crate::gateway) const FRAMING: [HeaderName; 8] = [
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
        Self::of_integration(to, Expression::of_rest(from)?)
    }

    /// Reads a request parameter of a WebSocket API's integration.
    ///
    /// # Errors
    /// The reason why it is not served.
    pub fn of_socket(to: &str, from: &str) -> Result<Self, String> {
        Self::of_integration(to, Expression::of_socket(from)?)
    }

    fn of_integration(to: &str, value: Expression) -> Result<Self, String> {
        let wrong = || format!("the mapping to `{to}`");
        let place = to.strip_prefix("integration.request.").and_then(|to| to.split_once('.'));
        let place = match place.ok_or_else(wrong)? {
            ("header", name) => Place::Header(mappable(name, false)?),
            ("querystring", name) => Place::Query(name.to_owned()),
            ("path", name) => Place::Parameter(name.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(Self { place, change: Change::Overwrite, value })
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

/// The value of a header.
fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        let what = format!("the value that is mapped to the header `{name}`");
        wrong(&format!("{what} has a control character"))
    })
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
}
