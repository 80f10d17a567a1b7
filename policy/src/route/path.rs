//! The path of a route: literal segments, segments that a claim fills, and perhaps all below.

#[cfg(feature = "iam-evaluator")]
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::RouteError;

/// The longest name of a claim in a path, in bytes. A name may be a URL.
const MAX_CLAIM_NAME_BYTES: usize = 128;

/// The longest value that fills a segment, in bytes. An e-mail address has up to 254.
const MAX_SEGMENT_BYTES: usize = 256;

/// The characters, in addition to letters and digits, of a claim that may fill a segment.
///
/// These are RFC 3986's unreserved characters and those that issuers put into subjects. Others are
/// refused: `*`, `?` and `${` have a meaning in IAM; `/`, `\` and control characters change the
/// path; servers may decode `%`, `;`, `#` and text outside ASCII.
const SEGMENT_PUNCTUATION: &str = "-._~:@+=,|";

/// A path: `/orders`, `/orders/*`, `/users/{sub}/*`.
///
/// The text between slashes is stored separately, so that two patterns can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PathPattern {
    segments: Vec<Segment>,
    /// True if it ends in `/*`: it matches everything after the segments and one more `/`.
    below: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Claim(String),
}

/// A claim that is missing or not plain, so that a path cannot be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfillable<'p> {
    /// The claim's name. Its value is never shown.
    pub(crate) claim: &'p str,
}

impl PathPattern {
    /// Reads a path; `text` is the whole route, for messages.
    pub(super) fn parse(text: &str, path: &str) -> Result<Self, RouteError> {
        let error = |kind: fn(String) -> RouteError| Err(kind(text.to_owned()));
        let Some(mut rest) = path.strip_prefix('/') else {
            // A space or a quote before the first slash is the more likely mistake, so it is
            // checked first.
            check_literal(text, path)?;
            return error(|text| RouteError::Relative { text });
        };
        let mut segments = Vec::new();
        loop {
            if let Some(named) = rest.strip_prefix('{') {
                let Some((claim, after)) = named.split_once('}') else {
                    return error(|text| RouteError::Placeholder { text });
                };
                if let Some(name) = claim.strip_suffix('+').filter(|name| is_claim_name(name)) {
                    return Err(RouteError::Parameter {
                        text: text.to_owned(),
                        parameter: format!("{name}+"),
                        wide: any_for(text, claim),
                    });
                }
                if !is_claim_name(claim) || !(after.is_empty() || after.starts_with('/')) {
                    return error(|text| RouteError::Placeholder { text });
                }
                segments.push(Segment::Claim(claim.to_owned()));
                match after.strip_prefix('/') {
                    Some(next) => rest = next,
                    None => return Ok(Self { segments, below: false }),
                }
                continue;
            }
            let (segment, next) = match rest.split_once('/') {
                Some((segment, next)) => (segment, Some(next)),
                None => (rest, None),
            };
            if segment == "*" && next.is_none() {
                return Ok(Self { segments, below: true });
            }
            check_literal(text, segment)?;
            segments.push(Segment::Literal(segment.to_owned()));
            match next {
                Some(next) => rest = next,
                None => return Ok(Self { segments, below: false }),
            }
        }
    }

    /// Returns the claims that fill its segments, in the order of writing.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Claim(claim) => Some(claim.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// Returns its literal segments.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Claim(_) => None,
        })
    }

    /// Returns the part of a matching path that its `*` matches.
    ///
    /// Neither a literal nor a claim's value holds a `/`, so that counting segments is enough.
    pub(super) fn below<'a>(&self, asked: &'a str) -> Option<&'a str> {
        let before = 1 + self.segments.len();
        asked.splitn(before + 1, '/').nth(before)
    }

    /// Returns true if it ends in `/*`.
    pub(crate) fn is_below(&self) -> bool {
        self.below
    }

    /// Returns true for `/*`: every path.
    pub(crate) fn is_everything(&self) -> bool {
        self.below && self.segments.is_empty()
    }

    /// Returns true if the last segment is a claim, as in `/users/{sub}/*`.
    pub(crate) fn ends_in_claim(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Claim(_)))
    }

    /// Returns the path with the text that `value` gives for each claim.
    pub(super) fn fill<'t>(
        &self,
        value: impl Fn(&str) -> Option<&'t str>,
    ) -> Result<String, Unfillable<'_>> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            path.push_str(match segment {
                Segment::Literal(text) => text,
                Segment::Claim(claim) => value(claim).ok_or(Unfillable { claim })?,
            });
        }
        if self.below {
            path.push_str("/*");
        }
        Ok(path)
    }

    /// Sets claims to values with which the common segments agree, starting at the segment `offset`
    /// of `other`. False if there are none.
    ///
    /// A value that begins with `mark` is replaced in every claim that has it.
    #[cfg(feature = "iam-evaluator")]
    pub(super) fn meet(
        &self,
        other: &Self,
        offset: usize,
        mark: &str,
        values: &mut BTreeMap<String, String>,
    ) -> bool {
        for (mine, theirs) in self.segments.iter().skip(offset).zip(&other.segments) {
            let value = |segment: &Segment| match segment {
                Segment::Literal(text) => Some(text.clone()),
                Segment::Claim(claim) => values.get(claim).cloned(),
            };
            let (Some(mine), Some(theirs)) = (value(mine), value(theirs)) else { return false };
            let (open, given) = match (mine.starts_with(mark), theirs.starts_with(mark)) {
                _ if mine == theirs => continue,
                (true, _) => (mine, theirs),
                (false, true) => (theirs, mine),
                (false, false) => return false,
            };
            if !is_segment(&given) {
                return false;
            }
            for value in values.values_mut().filter(|value| **value == open) {
                value.clone_from(&given);
            }
        }
        true
    }

    /// Returns `/*`.
    #[cfg(feature = "iam-evaluator")]
    pub(super) fn everything() -> Self {
        Self { segments: Vec::new(), below: true }
    }

    /// Returns the number of its segments.
    #[cfg(feature = "iam-evaluator")]
    pub(super) fn depth(&self) -> usize {
        self.segments.len()
    }

    /// Returns true if the requested path matches for some caller.
    pub(crate) fn may_match(&self, asked: &str) -> bool {
        let segments = asked.split('/').skip(1).map(|text| Segment::Literal(text.to_owned()));
        self.overlaps(&Self { segments: segments.collect(), below: false })
    }

    /// Returns true if every path of `other` matches this, for any claims.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        // An exact path relates to what is below a shorter one alone, so it covers nothing below.
        self.relates(other, PartialEq::eq) && self.segments.len() <= other.segments.len()
    }

    /// Returns true if a path can match both, for some claims.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.relates(other, Segment::may_equal)
    }

    /// Returns true if the common segments agree, and the lengths allow a path of both.
    fn relates(&self, other: &Self, agree: fn(&Segment, &Segment) -> bool) -> bool {
        let (mine, theirs) = (self.segments.len(), other.segments.len());
        let lengths = match (self.below, other.below) {
            (true, true) => true,
            (true, false) => theirs > mine,
            (false, true) => mine > theirs,
            (false, false) => mine == theirs,
        };
        lengths && self.segments.iter().zip(&other.segments).all(|(a, b)| agree(a, b))
    }
}

impl Segment {
    fn may_equal(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Claim(_), Self::Claim(_)) => true,
            (Self::Literal(text), Self::Claim(_)) | (Self::Claim(_), Self::Literal(text)) => {
                is_segment(text)
            }
        }
    }
}

/// Returns a claim's value if it is plain, so that it can be one segment of a path.
pub(super) fn as_segment(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| is_segment(text))
}

fn is_segment(text: &str) -> bool {
    // A server that resolves paths does not treat `.` and `..` as names.
    (1..=MAX_SEGMENT_BYTES).contains(&text.len())
        && text != "."
        && text != ".."
        && text.chars().all(|c| c.is_ascii_alphanumeric() || SEGMENT_PUNCTUATION.contains(c))
}

/// Returns a route that ends in `*` at the segment that this claim fills.
pub(super) fn any_for(route: &str, claim: &str) -> String {
    let before = route.split_once(&format!("{{{claim}}}")).map_or(route, |(before, _)| before);
    format!("{before}*")
}

fn is_claim_name(name: &str) -> bool {
    let misplaced = |c: char| c.is_control() || c.is_whitespace() || "*?{\"\\".contains(c);
    !name.is_empty() && name.len() <= MAX_CLAIM_NAME_BYTES && !name.chars().any(misplaced)
}

/// Refuses text that is not allowed in a path.
fn check_literal(text: &str, segment: &str) -> Result<(), RouteError> {
    // A brace within a segment is a placeholder that is not a whole segment, or an IAM variable
    // `${…}`, which IAM would replace. No path has a bare `"` or `\`, and JSON would have to escape
    // them.
    if segment.contains(['{', '}']) {
        return Err(RouteError::Placeholder { text: text.to_owned() });
    }
    let misplaced = |c: &char| c.is_control() || c.is_whitespace() || "?\"\\".contains(*c);
    if let Some(character) = segment.chars().find(misplaced) {
        return Err(RouteError::Character { text: text.to_owned(), character });
    }
    if segment.contains('*') && !segment.is_empty() {
        return Err(RouteError::Wildcard { text: text.to_owned() });
    }
    Ok(())
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Claim(claim) => write!(f, "/{{{claim}}}")?,
            }
        }
        if self.below { f.write_str("/*") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::{caller::Caller, route::RoutePattern};

    fn path(text: &str) -> PathPattern {
        PathPattern::parse(text, text).unwrap()
    }

    #[test]
    fn fills_a_segment_with_a_plain_claim_alone() {
        let longest = "a".repeat(256);
        for (value, fills) in [
            (json!("u1"), true),
            (json!("a1b2c3d4-0000-4000-8000-00000000000a"), true),
            (json!("us-east-1:00aa"), true),
            (json!("auth0|1"), true),
            (json!("a.b@c.example"), true),
            (json!("..."), true),
            (json!("~"), true),
            (json!(longest), true),
            (json!(format!("{longest}a")), false),
            (json!(""), false),
            (json!("."), false),
            (json!(".."), false),
            (json!("a/b"), false),
            (json!("a\\b"), false),
            (json!("*"), false),
            (json!("a*"), false),
            (json!("a?"), false),
            (json!("${aws:username}"), false),
            (json!("$"), false),
            (json!("{sub}"), false),
            (json!("a%2fb"), false),
            (json!("a;b"), false),
            (json!("a#b"), false),
            (json!("a b"), false),
            (json!("a\"b"), false),
            (json!("a\nb"), false),
            (json!("a\u{0}"), false),
            (json!("a\u{7f}"), false),
            (json!("\u{e9}"), false),
            (json!("\u{2025}"), false),
            (json!(1), false),
            (json!(true), false),
            (json!(null), false),
            (json!(["u1"]), false),
            (json!({ "u1": "u1" }), false),
        ] {
            let claims = Map::from_iter([("sub".to_owned(), value.clone())]);
            let caller = Caller::new(&claims);
            let route: RoutePattern = "GET /users/{sub}/*".parse().unwrap();
            let filled = route.fill(0, &caller);
            assert_eq!(filled.is_ok(), fills, "{value}");
            match (filled, value.as_str()) {
                (Ok(filled), Some(text)) => {
                    assert_eq!(filled.resources[0].text, format!("GET/users/{text}/*"));
                    assert!(filled.matches(&format!("GET/users/{text}/x")));
                    assert!(!filled.matches(&format!("GET/users/{text}")));
                    assert!(!filled.matches(&format!("GET/users/{text}x/")));
                }
                (filled, _) => assert_eq!(filled.err(), Some(Unfillable { claim: "sub" })),
            }
        }
    }

    #[test]
    fn any_claim_may_stand_in_a_path() {
        for text in [
            "/{sub}",
            "/{sub}/",
            "/{sub}/*",
            "/a/{custom:tenant}/b/{sub}",
            "/{https://example.com/tenant}/*",
            "/{a.b}/{c-d}",
        ] {
            assert_eq!(path(text).to_string(), text);
        }
        let names: Vec<String> =
            path("/{https://x.example/t}/a/{sub}/*").claims().map(str::to_owned).collect();
        assert_eq!(names, ["https://x.example/t", "sub"]);
        for text in
            ["/{}", "/{sub", "/sub}", "/a{sub}", "/{sub}a", "/{su b}", "/{a*}", "/{{a}}", "/${a}"]
        {
            let refused = PathPattern::parse(text, text);
            assert!(matches!(refused, Err(RouteError::Placeholder { .. })), "{text}: {refused:?}");
        }
        let name = "n".repeat(128);
        assert!(PathPattern::parse("", &format!("/{{{name}}}")).is_ok());
        assert!(PathPattern::parse("", &format!("/{{{name}n}}")).is_err());
    }

    #[test]
    fn compares_patterns() {
        for (a, b, covers, overlaps) in [
            ("/a", "/a", true, true),
            ("/a", "/b", false, false),
            ("/a", "/a/", false, false),
            ("/a/*", "/a", false, false),
            ("/a/*", "/a/", true, true),
            ("/a/*", "/a/b/c", true, true),
            ("/a/*", "/a/b/*", true, true),
            ("/a/b/*", "/a/*", false, true),
            ("/a/b", "/a/*", false, true),
            ("/*", "/", true, true),
            ("/*", "/a/*", true, true),
            ("/*", "/*", true, true),
            ("/a/*", "/b/*", false, false),
            ("/{sub}", "/{sub}", true, true),
            ("/{sub}", "/{name}", false, true),
            ("/{sub}", "/a", false, true),
            ("/a", "/{sub}", false, true),
            ("/{sub}", "/", false, false),
            ("/{sub}", "/a;b", false, false),
            ("/u/{sub}/*", "/u/{sub}/x", true, true),
            ("/u/*", "/u/{sub}/x", true, true),
            ("/u/{sub}/x", "/u/*", false, true),
            ("/u/{sub}/*", "/u/a/x", false, true),
        ] {
            assert_eq!(path(a).covers(&path(b)), covers, "{a} covers {b}");
            assert_eq!(path(a).overlaps(&path(b)), overlaps, "{a} overlaps {b}");
            assert_eq!(path(b).overlaps(&path(a)), overlaps, "{b} overlaps {a}");
        }
    }
}
