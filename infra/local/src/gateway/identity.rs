//! Identity sources: what of a request must be there, and what its result is kept by.
//!
//! From the reference of `CreateAuthorizer`, for REST APIs and for the others: every source must be
//! present and not empty, else the caller gets 401 and the function is not called; the values are
//! the key of the cache. Each kind of API writes them in its own way:
//!
//! | | header | query string | stage variable | context |
//! |---|---|---|---|---|
//! | REST | `method.request.header.X` | `method.request.querystring.X` | `stageVariables.X` | `context.X` |
//! | WebSocket | `route.request.header.X` | `route.request.querystring.X` | `stageVariables.X` | `context.X` |
//! | HTTP | `$request.header.X` | `$request.querystring.X` | `$stageVariables.X` | `$context.X` |

use std::fmt;
use std::str::FromStr;

use http::{HeaderName, header};

use super::asked::Asked;
use super::{Kind, Payload};
use crate::lambda::ACCOUNT;

/// The longest expression, in bytes.
const MAX_EXPRESSION: usize = 256;

/// One identity source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    text: String,
    family: Family,
    place: Place,
}

/// The kind of API whose syntax the expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rest,
    WebSocket,
    RestOrWebSocket,
    Http,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Header(HeaderName),
    Query(String),
    StageVariable(String),
    Context(Variable),
}

/// The variables of `$context` that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    AccountId,
    ApiId,
    DomainName,
    HttpMethod,
    Path,
    RequestId,
    ResourcePath,
    RouteKey,
    SourceIp,
    Stage,
    UserAgent,
}

const VARIABLES: [(&str, Variable); 11] = [
    ("accountId", Variable::AccountId),
    ("apiId", Variable::ApiId),
    ("domainName", Variable::DomainName),
    ("httpMethod", Variable::HttpMethod),
    ("path", Variable::Path),
    ("requestId", Variable::RequestId),
    ("resourcePath", Variable::ResourcePath),
    ("routeKey", Variable::RouteKey),
    ("identity.sourceIp", Variable::SourceIp),
    ("stage", Variable::Stage),
    ("identity.userAgent", Variable::UserAgent),
];

impl Source {
    /// The parameter of the query that it is, if it is one.
    pub(crate) fn query(&self) -> Option<&str> {
        match &self.place {
            Place::Query(name) => Some(name),
            _ => None,
        }
    }
}

/// Errors of parsing an identity source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no identity source: write `method.request.header.X` (REST), `$request.header.X` \
     (HTTP) or `route.request.header.X` (WebSocket); or querystring, stageVariables, context"
)]
pub struct SourceError(String);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let wrong = || SourceError(text.chars().take(MAX_EXPRESSION).collect());
        if text.len() > MAX_EXPRESSION {
            return Err(wrong());
        }
        let (family, rest) = if let Some(rest) = text.strip_prefix("method.") {
            (Family::Rest, rest)
        } else if let Some(rest) = text.strip_prefix("route.") {
            (Family::WebSocket, rest)
        } else if let Some(rest) = text.strip_prefix('$') {
            (Family::Http, rest)
        } else {
            (Family::RestOrWebSocket, text)
        };
        let of_request = rest.strip_prefix("request.");
        let place = match (of_request, family) {
            (Some(of_request), Family::Rest | Family::WebSocket | Family::Http) => {
                request_place(of_request)
            }
            (None, Family::RestOrWebSocket | Family::Http) => other_place(rest),
            _ => None,
        };
        Ok(Self { text: text.to_owned(), family, place: place.ok_or_else(wrong)? })
    }
}

fn request_place(text: &str) -> Option<Place> {
    match text.split_once('.')? {
        ("header", name) => Some(Place::Header(name.parse().ok()?)),
        ("querystring", name) if !name.is_empty() => Some(Place::Query(name.to_owned())),
        _ => None,
    }
}

fn other_place(text: &str) -> Option<Place> {
    match text.split_once('.')? {
        ("stageVariables", name) if !name.is_empty() => Some(Place::StageVariable(name.to_owned())),
        ("context", name) => {
            let (_, variable) = VARIABLES.iter().find(|(known, _)| *known == name)?;
            Some(Place::Context(*variable))
        }
        _ => None,
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Source {
    /// The `Authorization` header, in the way of this kind of API.
    #[must_use]
    pub fn authorization(kind: Kind) -> Self {
        let (family, prefix) = match kind {
            Kind::RestToken | Kind::RestRequest => (Family::Rest, "method.request.header"),
            Kind::Http(_) => (Family::Http, "$request.header"),
            Kind::WebSocket => (Family::WebSocket, "route.request.header"),
        };
        let place = Place::Header(header::AUTHORIZATION);
        Self { text: format!("{prefix}.Authorization"), family, place }
    }

    /// Returns true if an API of this kind can have it: a TOKEN authorizer allows only a header.
    #[must_use]
    pub fn serves(&self, kind: Kind) -> bool {
        match kind {
            Kind::RestToken => {
                self.family == Family::Rest && matches!(self.place, Place::Header(_))
            }
            Kind::RestRequest => matches!(self.family, Family::Rest | Family::RestOrWebSocket),
            Kind::Http(_) => self.family == Family::Http,
            Kind::WebSocket => {
                matches!(self.family, Family::WebSocket | Family::RestOrWebSocket)
            }
        }
    }

    /// The source in words.
    fn described(&self) -> String {
        match &self.place {
            Place::Header(name) if *name == header::AUTHORIZATION => {
                "Authorization header".to_owned()
            }
            Place::Header(name) => format!("{name} header"),
            Place::Query(name) => format!("query parameter {name}"),
            Place::StageVariable(_) | Place::Context(_) => self.text.clone(),
        }
    }

    fn value(&self, asked: &Asked<'_>) -> Option<String> {
        match &self.place {
            Place::Header(name) => asked.header(name),
            Place::Query(name) => {
                let all = asked.query().into_iter().filter(|(found, _)| found == name);
                let mut values = all.map(|(_, value)| value);
                match asked.kind() {
                    Kind::Http(Payload::V2 | Payload::Simple) => {
                        values.reduce(|all, one| format!("{all},{one}"))
                    }
                    _ => values.next_back(),
                }
            }
            Place::StageVariable(name) => asked.stage_variables().get(name).cloned(),
            Place::Context(variable) => variable.value(asked),
        }
    }
}

impl Variable {
    fn value(self, asked: &Asked<'_>) -> Option<String> {
        Some(match self {
            Self::AccountId => ACCOUNT.to_owned(),
            Self::ApiId => asked.options.api_id().to_owned(),
            Self::DomainName => asked.domain(),
            Self::HttpMethod => asked.head.method.to_string(),
            Self::Path => asked.head.uri.path().to_owned(),
            Self::RequestId => asked.id.as_str().to_owned(),
            Self::ResourcePath => asked.route.resource.clone(),
            Self::RouteKey => asked.route.key.clone(),
            Self::SourceIp => asked.peer.to_string(),
            Self::Stage => asked.options.stage().to_owned(),
            Self::UserAgent => asked.header(&header::USER_AGENT)?,
        })
    }
}

/// The values of all sources.
///
/// # Errors
/// The first source that is missing or empty, in words: the caller gets 401.
pub(super) fn values(asked: &Asked<'_>) -> Result<Vec<String>, String> {
    let value = |source: &Source| {
        let value = source.value(asked).filter(|value| !value.is_empty());
        value.ok_or_else(|| source.described())
    };
    asked.options.identity_sources.iter().map(value).collect()
}

#[cfg(test)]
mod tests;
