//! An HTTP API's routes: which of them a request takes.
//!
//! The page "Create routes for HTTP APIs" of the developer guide has the order: a route that
//! matches in full, then one with a greedy parameter, then `$default`. That a literal segment goes
//! before a parameter, a longer route before a greedy one above it, and a method before `ANY`, is not
//! said there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use http::Method;

use super::Kind;

/// The route that takes what no other does.
const DEFAULT: &str = "$default";
/// The longest route key, in bytes.
const MAX_KEY: usize = 512;

/// The methods that `ANY` stands for; no API has any other.
pub(super) const METHODS: [Method; 7] = [
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
];

/// A route of an HTTP API: `GET /orders/{id}`, `ANY /{proxy+}` or `$default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    key: String,
    /// None for `$default`.
    target: Option<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    /// None for `ANY`.
    method: Option<Method>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
    /// All the rest, one character at least; always the last.
    Greedy(String),
}

/// The rank of a matching route, lower is better: full, greedy or default; segments, more of them
/// first; parameters; `ANY`.
type Rank = (u8, Reverse<usize>, usize, bool);

/// Errors of parsing a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a route: write `GET /orders/{{id}}`, `ANY /{{proxy+}}` or `$default`")]
pub struct RouteError(String);

/// The route that a request matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    /// The route key; a REST API has none, so its resource stands here.
    pub(super) key: String,
    /// The path of the route or resource, with its parameters' names.
    pub(super) resource: String,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Route {
    /// Reads a route key.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let wrong = || RouteError(text.chars().take(MAX_KEY).collect());
        if text.len() > MAX_KEY {
            return Err(wrong());
        }
        if text == DEFAULT {
            return Ok(Self { key: text.to_owned(), target: None });
        }
        let (method, path) = text.split_once(' ').ok_or_else(wrong)?;
        let method = match method {
            "ANY" => None,
            _ => Some(METHODS.into_iter().find(|m| m.as_str() == method).ok_or_else(wrong)?),
        };
        let path = path.strip_prefix('/').ok_or_else(wrong)?;
        let mut segments = Vec::new();
        for segment in path.split('/') {
            if matches!(segments.last(), Some(Segment::Greedy(_))) {
                return Err(wrong());
            }
            segments.push(Segment::parse(segment).ok_or_else(wrong)?);
        }
        Ok(Self { key: text.to_owned(), target: Some(Target { method, segments }) })
    }

    /// The routes of an API that says nothing of them: everything, as a REST API has it here.
    #[must_use]
    pub fn everything() -> Vec<Self> {
        ["ANY /", "ANY /{proxy+}"].iter().filter_map(|key| Self::parse(key).ok()).collect()
    }

    /// The route of an API of this kind that a request takes.
    ///
    /// A REST API looks at a path without the slashes that it drops in events, and keeps what is
    /// encoded in a parameter. That it takes `/orders/` for `/orders` is not confirmed; the better of
    /// the two routes counts, so that the slash leads around no guard.
    pub(super) fn of_request(
        routes: &[Self],
        kind: Kind,
        method: &Method,
        path: &str,
    ) -> Option<Matched> {
        if !kind.is_rest() {
            return Self::find(routes, method, path);
        }
        let whole = format!("/{}", path.trim_start_matches('/'));
        let short = whole.trim_end_matches('/');
        let paths = [whole.as_str(), short].into_iter().filter(|path| !path.is_empty());
        let found = paths.filter_map(|path| Self::ranked(routes, method, path));
        Some(found.min_by_key(|(rank, _)| *rank)?.1)
    }

    /// The route that a request takes among `routes`, with its parameters decoded.
    pub(super) fn find(routes: &[Self], method: &Method, path: &str) -> Option<Matched> {
        let (_, mut found) = Self::ranked(routes, method, path)?;
        for value in found.parameters.values_mut() {
            *value = decoded(value);
        }
        Some(found)
    }

    /// The best route for a path as it was sent, with its rank.
    fn ranked(routes: &[Self], method: &Method, path: &str) -> Option<(Rank, Matched)> {
        let fitting = routes.iter().filter_map(|route| Some((route, route.fit(method, path)?)));
        let (route, (rank, parameters)) = fitting.min_by_key(|(_, (rank, _))| *rank)?;
        let resource = route.key.split_once(' ').map_or(DEFAULT, |(_, path)| path);
        let (key, resource) = (route.key.clone(), resource.to_owned());
        Some((rank, Matched { key, resource, parameters }))
    }

    /// Returns true if one of `routes` takes such a request.
    pub(crate) fn serves(routes: &[Self], method: &str, path: &str) -> bool {
        method.parse().is_ok_and(|method| Self::find(routes, &method, path).is_some())
    }

    /// Returns the route's rank and its parameters, or `None` if it does not match.
    fn fit(&self, method: &Method, path: &str) -> Option<(Rank, BTreeMap<String, String>)> {
        let mut parameters = BTreeMap::new();
        let Some(target) = &self.target else {
            return Some(((2, Reverse(0), 0, false), parameters));
        };
        if target.method.as_ref().is_some_and(|wanted| wanted != method) {
            return None;
        }
        let mut rest = Some(path.strip_prefix('/')?);
        let mut greedy = 0;
        for segment in &target.segments {
            let whole = rest?;
            let (first, after) = match whole.split_once('/') {
                Some((first, after)) => (first, Some(after)),
                None => (whole, None),
            };
            rest = match segment {
                Segment::Literal(wanted) if wanted == first => after,
                Segment::Literal(_) => return None,
                Segment::Parameter(_) if first.is_empty() => return None,
                // What follows the slash may begin with another one.
                Segment::Greedy(_) if whole.is_empty() => return None,
                Segment::Parameter(name) => {
                    parameters.insert(name.clone(), first.to_owned());
                    after
                }
                Segment::Greedy(name) => {
                    parameters.insert(name.clone(), whole.to_owned());
                    greedy = 1;
                    None
                }
            };
        }
        let segments = Reverse(target.segments.len());
        let rank = (greedy, segments, parameters.len(), target.method.is_none());
        rest.is_none().then_some((rank, parameters))
    }
}

/// A parameter of the path, which an HTTP API decodes like the path itself.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(inner) = text.strip_prefix('{') else {
            let plain = !text.contains(['{', '}', '?', '#']) && !text.contains(char::is_whitespace);
            return plain.then(|| Self::Literal(text.to_owned()));
        };
        let inner = inner.strip_suffix('}')?;
        let (name, greedy) = match inner.strip_suffix('+') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(named) {
            return None;
        }
        let name = name.to_owned();
        Some(if greedy { Self::Greedy(name) } else { Self::Parameter(name) })
    }
}

/// The resource of a REST API that has `/` and `/{proxy+}`.
///
/// The parameter has no slash at its beginning or end, as recordings of deployed APIs show.
pub(super) fn rest_resource(path: &str) -> Matched {
    let rest = path.trim_start_matches('/');
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (resource, parameters) = if rest.is_empty() {
        ("/", BTreeMap::new())
    } else {
        ("/{proxy+}", BTreeMap::from([("proxy".to_owned(), rest.to_owned())]))
    };
    Matched { key: resource.to_owned(), resource: resource.to_owned(), parameters }
}

#[cfg(test)]
mod tests;
