//! A route as a rule writes it: `GET /orders/*`.

mod dots;
mod path;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

pub(crate) use self::path::{PathPattern, Unfillable};
use crate::{arn::Target, caller::Caller, document::MAX_RESOURCE_BYTES, wildcard};

/// The methods that API Gateway routes by; `ANY` stands for all of them.
const VERBS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The route keys that API Gateway asks an authorizer about, beside methods and paths.
///
/// `$connect` is a WebSocket API's. `$default` is an HTTP API's for whatever no other route takes;
/// it is `{stage}/$default` in the ARN of an integration's invocation, and was not tried on AWS in
/// an authorizer's.
const KEYS: [&str; 2] = ["$connect", "$default"];

/// A set of routes: one or more methods and a path, or a route key.
///
/// | written | matches |
/// |---|---|
/// | `GET /orders` | that path alone: neither `/orders/` nor `/orders/1` |
/// | `GET,POST /orders` | either method |
/// | `ANY /orders` | GET, HEAD, OPTIONS, POST, PUT, PATCH and DELETE |
/// | `GET /orders/*` | `/orders/`, `/orders/1` and `/orders/1/items`, not `/orders` |
/// | `GET /*` | every path, the root included |
/// | `GET /users/{sub}/*` | what is below the caller's own `/users/…/`, by its claim `sub`; an allow of it denies [dots](crate#rules) there |
/// | `$connect` | the opening of a WebSocket connection |
/// | `$default` | an HTTP API's route of that name, whatever method and path it is asked for |
///
/// A trailing `*` is API Gateway's: it matches any text, the empty one and `/` included. It can
/// stand nowhere else, and for no method: `*` there would match through the path as well.
/// Paths are compared as they are spelled: case, a trailing `/` and percent-encoding count.
///
/// `{claim}` is a whole segment, filled with that claim of the caller's token: any name, such as
/// `{custom:tenant}`. The value must be a string of 1 to 256 letters, digits and
/// `- . _ ~ : @ + = , |`, and neither `.` nor `..`. A value with anything else (`*`, `?`, `${`, `/`, `%`, a space, a control
/// character), an empty one, one that makes a resource of over 512 bytes, a number, a list or none at all is never put into a path: an allow is
/// then not made, and a deny refuses the caller everything.
///
/// ```
/// use policy::RoutePattern;
///
/// let route: RoutePattern = "POST,GET /orders/*".parse()?;
/// assert_eq!(route.to_string(), "GET,POST /orders/*");
/// assert!("* /orders".parse::<RoutePattern>().is_err());
/// # Ok::<(), policy::RouteError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct RoutePattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Pattern {
    /// Verbs in the order of [`VERBS`], each once.
    Method { verbs: Vec<&'static str>, path: PathPattern },
    /// One of [`KEYS`].
    Key([&'static str; 1]),
}

/// Errors of parsing a route.
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
    /// A brace in the path is not around a claim that is a whole segment.
    #[error(
        "`{{` or `}}` in route `{}` is not around the name of a claim that is a whole segment: \
         write `/users/{{sub}}`, and `/*` at the end for whatever else varies",
        text.escape_debug()
    )]
    Placeholder {
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
    /// A route key other than `$connect` and `$default`.
    #[error(
        "route key `{}` is never asked about: write `$connect`, the only WebSocket route that \
         API Gateway authorizes, or an HTTP API's `$default`",
        text.escape_debug()
    )]
    RouteKey {
        /// The route as written.
        text: String,
    },
}

impl RoutePattern {
    /// Returns true if a request matches, with this caller's claims in the path.
    pub(crate) fn matches<'p>(
        &'p self,
        target: &Target<'_>,
        caller: &Caller<'_>,
    ) -> Result<bool, Unfillable<'p>> {
        match (&self.0, target) {
            (Pattern::Method { verbs, path }, Target::Method { verb, path: asked }) => {
                Ok(path.matches(asked, caller)? && verbs.contains(verb))
            }
            (Pattern::Method { path, .. }, Target::RouteKey(_)) => {
                path.matches("", caller).map(|_| false)
            }
            (Pattern::Key(own), Target::RouteKey(key)) => Ok(own.contains(key)),
            (Pattern::Key(_), Target::Method { .. }) => Ok(false),
        }
    }

    /// The same in a stage: a resource that the claims make too long can't be filled either.
    ///
    /// `prefix` is the length of what stands in front of a route in a resource.
    pub(crate) fn matches_in<'p>(
        &'p self,
        prefix: usize,
        target: &Target<'_>,
        caller: &Caller<'_>,
    ) -> Result<bool, Unfillable<'p>> {
        if let Some(path) = self.parts().1 {
            self.check_length(prefix, path.filled_bytes(caller)?)?;
        }
        self.matches(target, caller)
    }

    /// Refuses a path of so many bytes if it makes a longer resource than API Gateway takes.
    ///
    /// Only one with claims: without them the rule or the stage is at fault, which is an error.
    pub(crate) fn check_length(&self, prefix: usize, path: usize) -> Result<(), Unfillable<'_>> {
        match self.claims().next() {
            Some(claim) if prefix + self.longest_suffix(path) > MAX_RESOURCE_BYTES => {
                Err(Unfillable { claim })
            }
            _ => Ok(()),
        }
    }

    /// Returns the length of the longest suffix for a path of so many bytes, dot denies included.
    pub(crate) fn longest_suffix(&self, path: usize) -> usize {
        let verb = self.parts().0.iter().map(|verb| verb.len()).max().unwrap_or_default();
        let dots = if self.is_own_below() { dots::EXTRA_BYTES } else { 0 };
        verb + path + dots
    }

    /// Returns the text that follows the stage in each resource, for a path with its claims filled.
    pub(crate) fn suffixes(&self, path: &str) -> impl Iterator<Item = String> {
        self.parts().0.iter().map(move |verb| [verb, path].concat())
    }

    /// Returns whether a claim limits what its `/*` matches, as in `/users/{sub}/*`.
    pub(crate) fn is_own_below(&self) -> bool {
        self.parts().1.is_some_and(|path| path.is_below() && path.claims().next().is_some())
    }

    /// Returns the suffixes of the denies that an allow of this route comes with: dot segments
    /// below the caller's own path, for the same methods.
    ///
    /// `path` is the path with its claims filled. Other routes come with none. `ANY` is written as
    /// one `*`, because seven methods would fill most of a policy. That `*` also matches a method
    /// with a path, so `/x/users/u1/a..b` is denied too.
    pub(crate) fn dot_denies(&self, path: &str) -> impl Iterator<Item = String> {
        let own = path.strip_suffix("/*").filter(|_| self.is_own_below());
        let verbs = if self.is_any_method() { &["*"] } else { self.parts().0 };
        own.into_iter().flat_map(move |own| {
            let verbs = verbs.iter();
            verbs.flat_map(move |verb| dots::ENDINGS.map(|ending| [verb, own, ending].concat()))
        })
    }

    /// Returns whether an allow of this route denies the request for its dots.
    pub(crate) fn denies_dots(
        &self,
        prefix: usize,
        target: &Target<'_>,
        caller: &Caller<'_>,
    ) -> bool {
        let (Target::Method { verb, path: asked }, Some(own)) = (target, self.parts().1) else {
            return false;
        };
        let mut path = String::new();
        let is_granted = self.is_own_below()
            && own.fill(&mut path, caller).is_ok()
            && self.check_length(prefix, path.len()).is_ok();
        is_granted && {
            let suffix = [verb, *asked].concat();
            self.dot_denies(&path).any(|deny| wildcard::matches(&deny, &suffix))
        }
    }

    /// Returns whether a path that matches has dots that an allow of this route denies.
    pub(crate) fn has_dots_below(&self, path: &str) -> bool {
        let below = self.parts().1.and_then(|own| own.below(path));
        self.is_own_below() && below.is_some_and(dots::are_in)
    }

    /// Returns whether an allow of this route may deny requests of another route for their dots.
    ///
    /// For `ANY` this ignores longer paths that end like the own path.
    pub(crate) fn may_deny_dots_of(&self, other: &Self) -> bool {
        let Some(path) = other.parts().1 else { return false };
        self.is_own_below()
            && self.overlaps(other)
            && (path.is_below() || self.has_dots_below(&path.to_string()))
    }

    /// Returns true if a request matches for some caller.
    pub(crate) fn may_match(&self, target: &Target<'_>) -> bool {
        match (&self.0, target) {
            (Pattern::Method { verbs, path }, Target::Method { verb, path: asked }) => {
                verbs.contains(verb) && path.may_match(asked)
            }
            (Pattern::Key(own), Target::RouteKey(key)) => own.contains(key),
            _ => false,
        }
    }

    /// The resource after the stage, once per verb: the verb, and its path if it has one.
    ///
    /// A route key is its own verb without a path.
    pub(crate) fn parts(&self) -> (&[&'static str], Option<&PathPattern>) {
        match &self.0 {
            Pattern::Method { verbs, path } => (verbs, Some(path)),
            Pattern::Key(key) => (key, None),
        }
    }

    /// The claims that fill its path, in the order of writing.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.parts().1.into_iter().flat_map(PathPattern::claims)
    }

    /// Returns true if every request of `other` matches this, for any claims.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pattern::Key(key), Pattern::Key(other)) => key == other,
            (
                Pattern::Method { verbs, path },
                Pattern::Method { verbs: other_verbs, path: other_path },
            ) => other_verbs.iter().all(|verb| verbs.contains(verb)) && path.covers(other_path),
            _ => false,
        }
    }

    /// Returns true if a request can match both, for some claims.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pattern::Key(key), Pattern::Key(other)) => key == other,
            (
                Pattern::Method { verbs, path },
                Pattern::Method { verbs: other_verbs, path: other_path },
            ) => other_verbs.iter().any(|verb| verbs.contains(verb)) && path.overlaps(other_path),
            _ => false,
        }
    }

    /// Returns true if it is written with `ANY`, or with all the methods that `ANY` stands for.
    pub(crate) fn is_any_method(&self) -> bool {
        matches!(&self.0, Pattern::Method { verbs, .. } if *verbs == VERBS)
    }
}

impl FromStr for RoutePattern {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        if text.starts_with('$') {
            let key = KEYS.into_iter().find(|key| *key == text);
            return match key {
                Some(key) => Ok(Self(Pattern::Key([key]))),
                None => Err(RouteError::RouteKey { text: text.to_owned() }),
            };
        }
        let Some((methods, path)) = text.split_once(' ') else {
            return Err(RouteError::Shape { text: text.to_owned() });
        };
        let verbs = verbs(text, methods)?;
        let path = PathPattern::parse(text, path)?;
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

impl Serialize for RoutePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
            Pattern::Key([key]) => f.write_str(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn route(text: &str) -> RoutePattern {
        text.parse().unwrap()
    }

    fn matches(route: &RoutePattern, target: &Target<'_>) -> bool {
        route.matches(target, &Caller::new(&Map::new())).unwrap()
    }

    fn suffixes(route: &str) -> Vec<String> {
        let route = self::route(route);
        let (verbs, path) = route.parts();
        verbs
            .iter()
            .map(|v| format!("{v}{}", path.map_or(String::new(), ToString::to_string)))
            .collect()
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
        assert!(matches(&orders, &get("/orders")));
        for other in ["/orders/", "/orders/1", "/Orders", "/", "//orders", "/order", "/orders%2f"] {
            assert!(!matches(&orders, &get(other)), "{other}");
        }
        assert!(!matches(&orders, &Target::Method { verb: "POST", path: "/orders" }));
        assert!(!matches(&orders, &Target::RouteKey("GET/orders")));
    }

    #[test]
    fn a_trailing_star_is_greedy_and_matches_nothing_too() {
        let below = route("GET /orders/*");
        for path in ["/orders/", "/orders/1", "/orders/1/items", "/orders//", "/orders/a:b"] {
            assert!(matches(&below, &get(path)), "{path}");
        }
        for path in ["/orders", "/ordersx/", "/", "/Orders/1"] {
            assert!(!matches(&below, &get(path)), "{path}");
        }
        assert!(matches(&route("GET /*"), &get("/")));
    }

    #[test]
    fn methods_are_enumerated() {
        let suffixes = suffixes("ANY /x/*");
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
        assert_eq!(self::suffixes("POST,GET,POST /"), ["GET/", "POST/"]);
        assert_eq!(route("ANY,GET /x"), route("ANY /x"));
    }

    #[test]
    fn route_keys_are_routes_of_their_own() {
        let connect = route("$connect");
        assert_eq!(suffixes("$connect"), ["$connect"]);
        assert!(matches(&connect, &Target::RouteKey("$connect")));
        assert!(!matches(&connect, &Target::RouteKey("$default")));
        assert!(!matches(&connect, &get("/$connect")));
        let default = route("$default");
        assert!(matches(&default, &Target::RouteKey("$default")));
        assert!(!matches(&default, &Target::RouteKey("$connect")));
        assert!(default.covers(&default) && !default.overlaps(&connect));
        assert_eq!(default.to_string(), "$default");
        for text in ["$disconnect", "$connect /", "$", "$connect "] {
            assert!(refusal(text).contains("is never asked about: write `$connect`"), "{text}");
        }
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
            ("GET *", "`*` in route `GET *` is not the whole last segment"),
            ("GET /a*", "`*` in route `GET /a*` is not the whole last segment"),
            ("GET /*/a", "write `/orders/*`"),
            ("GET /a/**", "is not the whole last segment"),
            ("GET /*/*", "is not the whole last segment"),
            ("GET /a?", "character `?` in the path of route `GET /a?` is not allowed"),
            ("GET /${aws:x}", "is not around the name of a claim"),
            ("GET /a-{id}", "and `/*` at the end for whatever else varies"),
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
