//! A route as a rule writes it: `GET /orders/*`.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

use crate::arn::Target;

/// What API Gateway routes by; `ANY` stands for all of them.
const VERBS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The one WebSocket route for which API Gateway asks an authorizer.
const CONNECT: &str = "$connect";

/// A set of routes: one or more methods and a path, or `$connect`.
///
/// | written | matches |
/// |---|---|
/// | `GET /orders` | that path alone: neither `/orders/` nor `/orders/1` |
/// | `GET,POST /orders` | either method |
/// | `ANY /orders` | GET, HEAD, OPTIONS, POST, PUT, PATCH and DELETE |
/// | `GET /orders/*` | `/orders/`, `/orders/1` and `/orders/1/items`, not `/orders` |
/// | `GET /*` | every path, the root included |
/// | `$connect` | the opening of a WebSocket connection |
///
/// A trailing `*` is API Gateway's: it matches any text, the empty one and `/` included. It can
/// stand nowhere else, and for no method: `*` there would match through the path as well.
/// Paths are compared as they are spelled: case, a trailing `/` and percent-encoding count.
///
/// ```
/// use policy::RoutePattern;
///
/// let route: RoutePattern = "POST,GET /orders/*".parse()?;
/// assert_eq!(route.to_string(), "GET,POST /orders/*");
/// assert!("* /orders".parse::<RoutePattern>().is_err());
/// # Ok::<(), policy::RouteError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RoutePattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pattern {
    /// Verbs in the order of [`VERBS`], each once.
    Method {
        verbs: Vec<&'static str>,
        path: PathPattern,
    },
    Connect,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PathPattern {
    Exactly(String),
    /// Everything that begins with this, which ends in `/`.
    Below(String),
}

/// Why a text is not a route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The text is not a method and a path.
    #[error("route `{}` is not a method and a path: write `GET /orders`", text.escape_debug())]
    Shape {
        /// The route as written.
        text: String,
    },
    /// A method is not one that API Gateway routes by.
    #[error(
        "method `{}` in route `{}` is unknown: write GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, \
         several with `,` and no space between, or ANY",
        method.escape_debug(), text.escape_debug()
    )]
    Method {
        /// The route as written.
        text: String,
        /// The method that is none.
        method: String,
    },
    /// The path does not start with `/`.
    #[error("path of route `{}` does not start with `/`: write `GET /orders`", text.escape_debug())]
    Relative {
        /// The route as written.
        text: String,
    },
    /// A `*` stands where it would match more than it seems to.
    #[error(
        "`*` in route `{}` is not the whole last segment: write `/orders/*`, \
         which matches everything below `/orders/`",
        text.escape_debug()
    )]
    Wildcard {
        /// The route as written.
        text: String,
    },
    /// The path holds a character that has no place there.
    #[error(
        "character `{}` in the path of route `{}` is not allowed: write it percent-encoded, \
         and `/*` at the end for whatever varies",
        character.escape_debug(), text.escape_debug()
    )]
    Character {
        /// The route as written.
        text: String,
        /// The first such character.
        character: char,
    },
    /// A WebSocket route key other than `$connect`.
    #[error(
        "route key `{}` is never asked about: write `$connect`, \
         the only WebSocket route that API Gateway authorizes",
        text.escape_debug()
    )]
    RouteKey {
        /// The route as written.
        text: String,
    },
}

impl RoutePattern {
    /// Whether a request is one of these routes.
    #[must_use]
    pub fn matches(&self, target: &Target<'_>) -> bool {
        match (&self.0, target) {
            (Pattern::Method { verbs, path }, Target::Method { verb, path: asked }) => {
                verbs.contains(verb) && path.matches(asked)
            }
            (Pattern::Connect, Target::RouteKey(key)) => *key == CONNECT,
            (Pattern::Method { .. }, Target::RouteKey(_))
            | (Pattern::Connect, Target::Method { .. }) => false,
        }
    }

    /// What follows the stage in a resource, once per method: `GET/orders/*`.
    pub(crate) fn suffixes(&self) -> impl Iterator<Item = String> {
        let (verbs, path) = match &self.0 {
            Pattern::Method { verbs, path } => (verbs.as_slice(), path.to_string()),
            Pattern::Connect => ([CONNECT].as_slice(), String::new()),
        };
        verbs.iter().map(move |verb| format!("{verb}{path}"))
    }
}

impl PathPattern {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exactly(exact) => path == exact,
            Self::Below(parent) => path.starts_with(parent),
        }
    }
}

impl FromStr for RoutePattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        if text.starts_with('$') && !text.contains([' ', '/']) {
            return if text == CONNECT {
                Ok(Self(Pattern::Connect))
            } else {
                Err(RouteError::RouteKey { text: text.to_owned() })
            };
        }
        let Some((methods, path)) = text.split_once(' ') else {
            return Err(RouteError::Shape { text: text.to_owned() });
        };
        let verbs = verbs(text, methods)?;
        let path = path_pattern(text, path)?;
        Ok(Self(Pattern::Method { verbs, path }))
    }
}

/// The verbs of `GET,POST` or `ANY`; `text` is the whole route, for messages.
fn verbs(text: &str, methods: &str) -> Result<Vec<&'static str>, RouteError> {
    let methods: Vec<&str> = methods.split(',').collect();
    if let Some(method) = methods.iter().find(|m| **m != "ANY" && !VERBS.contains(m)) {
        return Err(RouteError::Method { text: text.to_owned(), method: (*method).to_owned() });
    }
    let any = methods.contains(&"ANY");
    Ok(VERBS.into_iter().filter(|verb| any || methods.contains(verb)).collect())
}

fn path_pattern(text: &str, path: &str) -> Result<PathPattern, RouteError> {
    // `{`: a path parameter of API Gateway's templates, or an IAM variable `${…}`; both would be
    // taken literally. `"` and `\`: no path has them bare, and JSON would have to escape them.
    let misplaced = |c: &char| c.is_control() || c.is_whitespace() || "?{}\"\\".contains(*c);
    if let Some(character) = path.chars().find(misplaced) {
        return Err(RouteError::Character { text: text.to_owned(), character });
    }
    if !path.starts_with('/') {
        return Err(RouteError::Relative { text: text.to_owned() });
    }
    match path.strip_suffix('*') {
        Some(parent) if parent.ends_with('/') && !parent.contains('*') => {
            Ok(PathPattern::Below(parent.to_owned()))
        }
        None if !path.contains('*') => Ok(PathPattern::Exactly(path.to_owned())),
        _ => Err(RouteError::Wildcard { text: text.to_owned() }),
    }
}

impl TryFrom<String> for RoutePattern {
    type Error = RouteError;

    fn try_from(text: String) -> Result<Self, RouteError> {
        text.parse()
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Method { verbs, path } if *verbs == VERBS => write!(f, "ANY {path}"),
            Pattern::Method { verbs, path } => write!(f, "{} {path}", verbs.join(",")),
            Pattern::Connect => f.write_str(CONNECT),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(path) => f.write_str(path),
            Self::Below(parent) => write!(f, "{parent}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> RoutePattern {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        text.parse::<RoutePattern>().unwrap_err().to_string()
    }

    fn get(path: &str) -> Target<'_> {
        Target::Method { verb: "GET", path }
    }

    #[test]
    fn an_exact_path_matches_itself_alone() {
        let orders = route("GET /orders");
        assert!(orders.matches(&get("/orders")));
        for other in ["/orders/", "/orders/1", "/Orders", "/", "//orders", "/order", "/orders%2f"] {
            assert!(!orders.matches(&get(other)), "{other}");
        }
        assert!(!orders.matches(&Target::Method { verb: "POST", path: "/orders" }));
        assert!(!orders.matches(&Target::RouteKey("GET/orders")));
    }

    #[test]
    fn a_trailing_star_is_greedy_and_matches_nothing_too() {
        let below = route("GET /orders/*");
        for path in ["/orders/", "/orders/1", "/orders/1/items", "/orders//", "/orders/a:b"] {
            assert!(below.matches(&get(path)), "{path}");
        }
        for path in ["/orders", "/ordersx/", "/", "/Orders/1"] {
            assert!(!below.matches(&get(path)), "{path}");
        }
        assert!(route("GET /*").matches(&get("/")));
    }

    #[test]
    fn methods_are_enumerated() {
        let suffixes: Vec<String> = route("ANY /x/*").suffixes().collect();
        assert_eq!(
            suffixes,
            [
                "GET/x/*",
                "HEAD/x/*",
                "OPTIONS/x/*",
                "POST/x/*",
                "PUT/x/*",
                "PATCH/x/*",
                "DELETE/x/*"
            ]
        );
        let suffixes: Vec<String> = route("POST,GET,POST /").suffixes().collect();
        assert_eq!(suffixes, ["GET/", "POST/"]);
        assert_eq!(route("ANY,GET /x"), route("ANY /x"));
    }

    #[test]
    fn connect_is_a_route_of_its_own() {
        let connect = route("$connect");
        assert_eq!(connect.suffixes().collect::<Vec<_>>(), ["$connect"]);
        assert!(connect.matches(&Target::RouteKey("$connect")));
        assert!(!connect.matches(&Target::RouteKey("$default")));
        assert!(!connect.matches(&get("/$connect")));
        assert!(refusal("$disconnect").contains("write `$connect`"));
    }

    #[test]
    fn odd_paths_are_routes() {
        for text in ["GET /", "GET //", "GET /a:b/c", "GET /a//b/", "GET /$x", "GET /é", "GET //*"]
        {
            assert_eq!(route(text).to_string(), text);
        }
    }

    #[test]
    fn refusals_name_the_text_and_the_mend() {
        for (text, says) in [
            ("", "route `` is not a method and a path: write `GET /orders`"),
            ("GET", "route `GET` is not a method and a path"),
            ("/orders", "route `/orders` is not a method and a path"),
            ("*", "route `*` is not a method and a path"),
            ("* /orders", "method `*` in route `* /orders` is unknown"),
            ("get /orders", "method `get` in route `get /orders` is unknown"),
            ("GET,, /orders", "method `` in route"),
            ("GET, POST /orders", "method `` in route"),
            (" GET /orders", "method `` in route"),
            ("FETCH /orders", "or ANY"),
            ("GET orders", "path of route `GET orders` does not start with `/`"),
            ("GET *", "path of route `GET *` does not start with `/`"),
            ("GET /a*", "`*` in route `GET /a*` is not the whole last segment"),
            ("GET /*/a", "write `/orders/*`"),
            ("GET /a/**", "is not the whole last segment"),
            ("GET /*/*", "is not the whole last segment"),
            ("GET /a?", "character `?` in the path of route `GET /a?` is not allowed"),
            ("GET /${aws:x}", "character `{`"),
            ("GET /orders/{id}", "and `/*` at the end for whatever varies"),
            ("GET /a b", "character ` `"),
            ("GET  /a", "character ` `"),
            ("GET /a\n", "character `\\n` in the path of route `GET /a\\n`"),
            ("GET /a\"", "character `\\\"`"),
            ("GET /a\\", "character `\\\\`"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(says), "{text}: {refusal}");
        }
    }
}
