//! Routes, as rules write them: `GET /orders/*`.

mod dots;
mod path;

#[cfg(feature = "iam-evaluator")]
use std::collections::BTreeMap;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

pub(crate) use self::path::{PathPattern, Unfillable};
use crate::{
    arn::{MAX_RESOURCE_BYTES, Target},
    caller::Caller,
    document::Suffix,
};

/// The methods that API Gateway routes by; `ANY` stands for all of them.
pub(crate) const VERBS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The route keys that API Gateway sends to an authorizer instead of a method and a path.
///
/// `$connect` belongs to WebSocket APIs. `$default` is an HTTP API's route for every request that no
/// other route matches. It is `{stage}/$default` in the ARN of an integration's invocation; in an
/// authorizer's ARN it was not tried on AWS.
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
/// | `GET /users/{sub}/*` | everything below the caller's own `/users/…/`, by its claim `sub`; an allow of it denies [dots](crate::guide#claims-and-paths) there |
/// | `$connect` | the opening of a WebSocket connection |
/// | `$default` | an HTTP API's route of that name, with any method and path |
///
/// A trailing `*` is API Gateway's: it matches any text, also empty text and `/`. It is not allowed
/// elsewhere. As a method it would match a part of the path too. Paths are compared as they are
/// spelled: case, a trailing `/` and percent-encoding matter.
///
/// `{claim}` is a whole segment. It is filled with the claim of that name from the caller's token.
/// Any name is possible, such as `{custom:tenant}`. The value must be a string of 1 to 256 letters,
/// digits and `- . _ ~ : @ + = , |`, and neither `.` nor `..`. No other value is put into a path:
/// not one with `*`, `?`, `${`, `/`, `%`, a space or a control character, not an empty one, a
/// number or a list, and not one that makes a resource longer than 512 bytes. If the claim has such
/// a value or is missing, an allow grants nothing, and a deny denies the caller everything.
///
/// ```
/// use tollgate_policy::RoutePattern;
///
/// let route: RoutePattern = "POST,GET /orders/*".parse()?;
/// assert_eq!(route.to_string(), "GET,POST /orders/*");
/// assert!("* /orders".parse::<RoutePattern>().is_err());
/// # Ok::<(), tollgate_policy::RouteError>(())
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

/// The resources of a route for one caller.
#[derive(Debug)]
pub(crate) struct Filled {
    /// One for each method.
    pub(crate) resources: Vec<Suffix>,
    /// The denies that an allow of the route brings: dot segments below the caller's own path, for
    /// the same methods. Routes without such a path have none.
    pub(crate) dot_denies: Vec<Suffix>,
}

impl Filled {
    /// Returns true if a request matches.
    pub(crate) fn matches(&self, target: &str) -> bool {
        self.resources.iter().any(|suffix| suffix.matches(target))
    }

    /// Returns true if an allow of the route denies a request for its dots.
    pub(crate) fn denies_dots(&self, target: &str) -> bool {
        self.dot_denies.iter().any(|suffix| suffix.matches(target))
    }

    /// Returns the length of the longest resource after the stage, dot denies included.
    pub(crate) fn longest(&self) -> usize {
        let all = self.resources.iter().chain(&self.dot_denies);
        all.map(|suffix| suffix.text.len()).max().unwrap_or_default()
    }
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
        /// The unknown method.
        method: String,
    },
    /// The path does not start with `/`.
    #[error("path of route `{}` does not start with `/`: write `GET /orders`", text.escape_debug())]
    Relative {
        /// The route as written.
        text: String,
    },
    /// A `*` is not the whole last segment, so it would match more than it seems to.
    #[error(
        "`*` in route `{}` is not the whole last segment: write `/orders/*`, \
         which matches everything below `/orders/`",
        text.escape_debug()
    )]
    Wildcard {
        /// The route as written.
        text: String,
    },
    /// A brace in the path does not enclose a claim that is a whole segment.
    #[error(
        "braces in route `{}` must hold the name of a claim, as a whole segment: write \
         `/users/{{sub}}`, or end the route with `/*` for a part that varies",
        text.escape_debug()
    )]
    Placeholder {
        /// The route as written.
        text: String,
    },
    /// A greedy path parameter of API Gateway, such as `{proxy+}`.
    #[error(
        "`{{{parameter}}}` in route `{}` is a path parameter of API Gateway, and braces hold the \
         name of a claim here: write `{}`",
        text.escape_debug(), wide.escape_debug()
    )]
    Parameter {
        /// The route as written.
        text: String,
        /// The parameter, without its braces.
        parameter: String,
        /// The route that matches every value of it.
        wide: String,
    },
    /// The path contains a character that is not allowed.
    #[error(
        "character `{}` in the path of route `{}` is not allowed: write it percent-encoded, \
         or end the route with `/*` for a part that varies",
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
        "route key `{}` has no authorizer: write `$connect`, the only WebSocket route that API \
         Gateway authorizes, or an HTTP API's `$default`",
        text.escape_debug()
    )]
    RouteKey {
        /// The route as written.
        text: String,
    },
}

impl RoutePattern {
    /// Returns the route's resources with this caller's claims in the path.
    ///
    /// `prefix` is the length of the text before the method in a resource.
    ///
    /// # Errors
    /// If a claim is missing, is not plain, or makes a resource too long for API Gateway.
    pub(crate) fn fill(
        &self,
        prefix: usize,
        caller: &Caller<'_>,
    ) -> Result<Filled, Unfillable<'_>> {
        let filled = self.fill_with(|claim| caller.claim(claim).and_then(path::as_segment))?;
        match self.claims().next() {
            // Without a claim, the rule or the stage is at fault, and other code returns that
            // error.
            Some(claim) if prefix + filled.longest() > MAX_RESOURCE_BYTES => {
                Err(Unfillable { claim })
            }
            _ => Ok(filled),
        }
    }

    /// Returns the route's resources with the text that `value` gives for each claim.
    pub(crate) fn fill_with<'t>(
        &self,
        value: impl Fn(&str) -> Option<&'t str>,
    ) -> Result<Filled, Unfillable<'_>> {
        let path = self.path().map(|path| path.fill(value)).transpose()?.unwrap_or_default();
        let has_claim = self.claims().next().is_some();
        let suffix = |parts: &[&str]| Suffix { has_claim, text: parts.concat() };
        let resources = self.verbs().iter().map(|verb| suffix(&[verb, &path])).collect();
        let mut dot_denies = Vec::new();
        if let Some(own) = path.strip_suffix("/*").filter(|_| self.is_own_below()) {
            // `ANY` is one `*`, because seven methods would fill most of a policy. That `*` also
            // matches a method with a path, so `/x/users/u1/a..b` is denied too.
            let verbs = if self.is_any_method() { &["*"] } else { self.verbs() };
            for verb in verbs {
                dot_denies.extend(dots::ENDINGS.map(|ending| suffix(&[verb, own, ending])));
            }
        }
        Ok(Filled { resources, dot_denies })
    }

    /// Returns its path with this caller's claims; `None` if a claim does not fit, or for a key.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn fill_path(&self, caller: &Caller<'_>) -> Option<String> {
        self.path()?.fill(|claim| caller.claim(claim).and_then(path::as_segment)).ok()
    }

    /// Returns its path with the text that `value` gives for each claim.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn fill_path_with<'t>(
        &self,
        value: impl Fn(&str) -> Option<&'t str>,
    ) -> Option<String> {
        self.path()?.fill(value).ok()
    }

    /// Sets claims to values with which a path can match both routes, starting at the segment
    /// `offset` of `other`. False if there are none.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn meet(
        &self,
        other: &Self,
        offset: usize,
        mark: &str,
        values: &mut BTreeMap<String, String>,
    ) -> bool {
        let (Some(own), Some(other)) = (self.path(), other.path()) else { return false };
        own.meet(other, offset, mark, values)
    }

    /// Returns the number of segments in its path.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn depth(&self) -> usize {
        self.path().map_or(0, PathPattern::depth)
    }

    /// Returns true if a claim limits what its `/*` matches, as in `/users/{sub}/*`.
    pub(crate) fn is_own_below(&self) -> bool {
        self.path().is_some_and(|path| path.is_below() && path.claims().next().is_some())
    }

    /// Returns true if an allow of this route may deny requests of another route for their dots.
    ///
    /// For `ANY` this ignores longer paths that end like the caller's own path.
    pub(crate) fn may_deny_dots_of(&self, other: &Self) -> bool {
        let (Some(own), Some(path)) = (self.path(), other.path()) else { return false };
        let has_dots = || own.below(&path.to_string()).is_some_and(dots::are_in);
        self.is_own_below() && self.overlaps(other) && (path.is_below() || has_dots())
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

    /// Returns its methods, or its route key.
    pub(crate) fn verbs(&self) -> &[&'static str] {
        match &self.0 {
            Pattern::Method { verbs, .. } => verbs,
            Pattern::Key(key) => key,
        }
    }

    /// Returns its path; a route key has none.
    pub(crate) fn path(&self) -> Option<&PathPattern> {
        match &self.0 {
            Pattern::Method { path, .. } => Some(path),
            Pattern::Key(_) => None,
        }
    }

    /// Returns true for an HTTP API's `$default`.
    pub(crate) fn is_default(&self) -> bool {
        matches!(self.0, Pattern::Key(["$default"]))
    }

    /// Returns the claims that fill its path, in the order of writing.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.path().into_iter().flat_map(PathPattern::claims)
    }

    /// Returns the route that matches any text in place of this claim: `GET /orders/*`.
    pub(crate) fn any_for(&self, claim: &str) -> String {
        path::any_for(&self.to_string(), claim)
    }

    /// Returns true if every request of `other` matches this, for any claims.
    pub(crate) fn covers(&self, other: &Self) -> bool {
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
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pattern::Key(key), Pattern::Key(other)) => key == other,
            (
                Pattern::Method { verbs, path },
                Pattern::Method { verbs: other_verbs, path: other_path },
            ) => other_verbs.iter().any(|verb| verbs.contains(verb)) && path.overlaps(other_path),
            _ => false,
        }
    }

    /// Returns routes that match every request.
    #[cfg(feature = "iam-evaluator")]
    pub(crate) fn everything() -> Vec<Self> {
        let any = Pattern::Method { verbs: VERBS.to_vec(), path: PathPattern::everything() };
        let keys = KEYS.into_iter().map(|key| Self(Pattern::Key([key])));
        std::iter::once(Self(any)).chain(keys).collect()
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

/// Parses `GET,POST` or `ANY`; `text` is the whole route, for messages.
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

    fn filled(route: &RoutePattern) -> Filled {
        route.fill(0, &Caller::new(&Map::new())).unwrap()
    }

    fn matches(route: &RoutePattern, target: &Target<'_>) -> bool {
        filled(route).matches(&target.to_string())
    }

    fn suffixes(route: &str) -> Vec<String> {
        filled(&self::route(route)).resources.into_iter().map(|suffix| suffix.text).collect()
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
            assert!(refusal(text).contains("has no authorizer: write `$connect`"), "{text}");
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
            ("GET /${aws:x}", "must hold the name of a claim, as a whole segment"),
            ("ANY /{proxy+}", "`{proxy+}` in route `ANY /{proxy+}` is a path parameter"),
            ("GET /o/{rest+}", "the name of a claim here: write `GET /o/*`"),
            ("GET /a-{id}", "or end the route with `/*` for a part that varies"),
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
