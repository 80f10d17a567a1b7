//! The IAM policy document that API Gateway receives.

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;
use serde::Serialize;
use thiserror::Error;

use crate::{
    arn::{MAX_RESOURCE_BYTES, MethodArn},
    wildcard,
};

/// An IAM policy for one caller in one stage of one API.
///
/// It has at most one Allow without a condition, one Allow for each condition, one Deny, and one
/// Deny of everything else if [`Rules::denying_rest`](crate::Rules::denying_rest) asks for it. In
/// each statement the resources are sorted, first those without a claim. Duplicates are removed,
/// and so are resources that a wider resource of the same statement or of the unconditional Allow
/// covers. So equal grants give equal texts. A document serializes to IAM's JSON:
/// `{"Version":…,"Statement":[{"Action":…,"Effect":…,"Resource":[…]}]}`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    version: &'static str,
    /// Allows first; none is empty.
    statement: Vec<Statement>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: Effect,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<String>,
    /// The resources that the statement does not apply to, instead of `resource`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
enum Effect {
    Allow,
    Deny,
}

/// The conditions of an Allow, which IAM checks for each request. All of them must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Condition {
    #[serde(rename = "IpAddress", skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(rename = "DateLessThan", skip_serializing_if = "Option::is_none")]
    until: Option<Until>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Source {
    #[serde(rename = "aws:SourceIp")]
    ranges: Vec<IpNet>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Until {
    /// UTC, to the second: `2026-11-21T12:00:00Z`.
    #[serde(rename = "aws:CurrentTime")]
    time: String,
}

/// The part of a resource after the stage, such as `GET/orders/*`.
///
/// Sorts those without a claim first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suffix {
    /// True if a claim of the caller is in the text.
    pub(crate) has_claim: bool,
    pub(crate) text: String,
}

/// The resources that rules grant and deny to one caller, before they become a document.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    /// By condition; the default condition is none.
    allow: BTreeMap<Condition, Vec<Suffix>>,
    deny: Vec<Suffix>,
}

/// Reasons why API Gateway would not accept a caller's policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A resource is longer than API Gateway accepts.
    #[error(
        "resource for `{route}` has {bytes} bytes, over the limit of {MAX_RESOURCE_BYTES}: \
         shorten the route or the stage's name"
    )]
    LongResource {
        /// The resource after the stage. It has no claim in it.
        route: String,
        /// The resource's length.
        bytes: usize,
    },
    /// The document is longer than API Gateway accepts.
    #[error(
        "policy has {bytes} bytes, over the limit of {limit}: write fewer or wider routes, \
         or fewer methods"
    )]
    LongDocument {
        /// The length as JSON.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
}

impl Document {
    /// Returns the document that denies a whole stage, regardless of what the rules grant.
    ///
    /// It uses only the part of `arn` before the verb.
    ///
    /// # Errors
    /// If the stage's resource is over 512 bytes; refuse the request then.
    pub fn deny_all(arn: &MethodArn<'_>) -> Result<Self, DocumentError> {
        let document = Grants::default().into_document(arn.resource_prefix(), false);
        document.check(arn.resource_prefix(), usize::MAX)?;
        Ok(document)
    }

    /// Returns the document that denies everything: for a request whose ARN cannot be parsed.
    #[must_use]
    pub fn deny_everything() -> Self {
        Grants::default().into_document("", false)
    }

    /// Returns the document as JSON without white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A document has only texts, so serializing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the resources of Allow statements, with or without conditions. A Deny may still win.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.resources(Effect::Allow)
    }

    /// Returns the resources of Deny statements, without those of a `NotResource`.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.resources(Effect::Deny)
    }

    fn resources(&self, effect: Effect) -> impl Iterator<Item = &str> {
        let statements = self.statement.iter().filter(move |s| s.effect == effect);
        statements.flat_map(|statement| &statement.resource).map(String::as_str)
    }

    /// Refuses a document that API Gateway would not accept.
    ///
    /// A resource with a claim is never too long, because such a claim is not filled into a route.
    pub(crate) fn check(&self, prefix: &str, limit: usize) -> Result<(), DocumentError> {
        for resource in self.allowed().chain(self.denied()) {
            let bytes = resource.len();
            if bytes > MAX_RESOURCE_BYTES {
                let route = resource.strip_prefix(prefix).unwrap_or_default().to_owned();
                return Err(DocumentError::LongResource { route, bytes });
            }
        }
        let bytes = self.to_json().len();
        if bytes > limit { Err(DocumentError::LongDocument { bytes, limit }) } else { Ok(()) }
    }
}

impl Statement {
    fn new(effect: Effect, resource: Vec<String>) -> Self {
        let action = "execute-api:Invoke";
        Self { action, effect, resource, not_resource: Vec::new(), condition: None }
    }
}

impl Condition {
    /// Makes a condition. Without ranges, any address is allowed.
    pub(crate) fn new(ranges: &[IpNet], until: Option<jiff::Timestamp>) -> Self {
        let source = (!ranges.is_empty()).then(|| Source { ranges: ranges.to_vec() });
        Self { source, until: until.map(|time| Until { time: time.to_string() }) }
    }
}

impl Suffix {
    /// Returns true if the target of a request matches, as IAM compares it.
    pub(crate) fn matches(&self, target: &str) -> bool {
        wildcard::matches(&self.text, target)
    }

    /// Returns true if this matches everything that `other` matches.
    fn covers(&self, other: &Self) -> bool {
        self.text == other.text
            || self.text.strip_suffix('*').is_some_and(|start| other.text.starts_with(start))
    }
}

impl Grants {
    pub(crate) fn allow(&mut self, condition: Condition, suffixes: Vec<Suffix>) {
        self.allow.entry(condition).or_default().extend(suffixes);
    }

    pub(crate) fn deny(&mut self, suffixes: Vec<Suffix>) {
        self.deny.extend(suffixes);
    }

    pub(crate) fn allows_nothing(&self) -> bool {
        self.allow.is_empty()
    }

    /// Makes the document, of any size.
    ///
    /// If nothing is allowed, it denies the whole stage, because without a Deny API Gateway lets a
    /// resource policy allow requests. With `deny_rest` it also denies everything that is not
    /// allowed.
    pub(crate) fn into_document(mut self, prefix: &str, deny_rest: bool) -> Document {
        let full = |suffixes: &[Suffix]| -> Vec<String> {
            suffixes.iter().map(|suffix| [prefix, &suffix.text].concat()).collect()
        };
        let allow = merged(self.allow.remove(&Condition::default()).unwrap_or_default());
        let mut statement = Vec::new();
        if !allow.is_empty() {
            statement.push(Statement::new(Effect::Allow, full(&allow)));
        }
        for (condition, suffixes) in self.allow {
            let mut suffixes = merged(suffixes);
            suffixes.retain(|suffix| !allow.iter().any(|wide| wide.covers(suffix)));
            if !suffixes.is_empty() {
                let allow = Statement::new(Effect::Allow, full(&suffixes));
                statement.push(Statement { condition: Some(condition), ..allow });
            }
        }
        let deny = if statement.is_empty() {
            vec![Suffix { has_claim: false, text: "*".to_owned() }]
        } else {
            merged(self.deny)
        };
        if !deny.is_empty() {
            statement.push(Statement::new(Effect::Deny, full(&deny)));
        }
        if deny_rest && !allow.is_empty() {
            let rest = Statement::new(Effect::Deny, Vec::new());
            statement.push(Statement { not_resource: full(&allow), ..rest });
        }
        Document { version: "2012-10-17", statement }
    }
}

/// Sorts suffixes and drops those that another one covers.
fn merged(mut suffixes: Vec<Suffix>) -> Vec<Suffix> {
    suffixes.sort_unstable();
    let mut kept: Vec<Suffix> = Vec::with_capacity(suffixes.len());
    for suffix in suffixes {
        if !kept.iter().any(|wide| wide.covers(&suffix)) {
            kept.retain(|narrow| !suffix.covers(narrow));
            kept.push(suffix);
        }
    }
    kept
}

/// Hides the resources, because they may contain claims.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("allowed", &self.allowed().count())
            .field("denied", &self.denied().count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/";

    fn suffixes(texts: &[&str], has_claim: bool) -> Vec<Suffix> {
        texts.iter().map(|text| Suffix { has_claim, text: (*text).to_owned() }).collect()
    }

    fn made(
        prefix: &str,
        allow: &[&str],
        deny: &[&str],
        limit: usize,
    ) -> Result<Document, DocumentError> {
        let mut grants = Grants::default();
        grants.allow(Condition::default(), suffixes(allow, false));
        grants.deny(suffixes(deny, false));
        let document = grants.into_document(prefix, false);
        document.check(prefix, limit).map(|()| document)
    }

    fn document(allow: &[&str], deny: &[&str], limit: usize) -> Result<Document, DocumentError> {
        made(PREFIX, allow, deny, limit)
    }

    #[test]
    fn denies_a_whole_stage() {
        let arn = format!("{PREFIX}GET/a");
        let document = Document::deny_all(&MethodArn::parse(&arn).unwrap()).unwrap();
        assert_eq!(document.allowed().count(), 0);
        let denied: Vec<_> = document.denied().collect();
        assert_eq!(denied, [format!("{PREFIX}*")]);
    }

    #[test]
    fn serializes_to_the_json_of_iam() {
        let document = document(&["GET/a", "GET/a/*"], &["GET/a/b"], 8192).unwrap();
        assert_eq!(
            serde_json::to_string(&document).unwrap(),
            concat!(
                r#"{"Version":"2012-10-17","Statement":["#,
                r#"{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["#,
                r#""arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a","#,
                r#""arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a/*"]},"#,
                r#"{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["#,
                r#""arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a/b"]}]}"#,
            )
        );
    }

    #[test]
    fn an_allow_alone_has_one_statement() {
        let document = document(&["$connect"], &[], 8192).unwrap();
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            json!({ "Version": "2012-10-17", "Statement": [{
                "Action": "execute-api:Invoke", "Effect": "Allow",
                "Resource": ["arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/$connect"],
            }] })
        );
    }

    #[test]
    fn nothing_allowed_is_an_explicit_deny_of_the_stage() {
        let empty = document(&[], &[], 8192).unwrap();
        assert_eq!(
            serde_json::to_value(&empty).unwrap(),
            json!({ "Version": "2012-10-17", "Statement": [{
                "Action": "execute-api:Invoke", "Effect": "Deny",
                "Resource": ["arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/*"],
            }] })
        );
        assert_eq!(document(&[], &["GET/a"], 8192).unwrap(), empty);
    }

    #[test]
    fn wider_covers_narrower() {
        for (fixed, filled, left) in [
            (&["GET/a", "GET/a/*", "GET/a/b", "GET/a/b/*"][..], &[][..], &["GET/a", "GET/a/*"][..]),
            (&["GET/a/b", "GET/a/b/*", "POST/a/b"], &[], &["GET/a/b", "GET/a/b/*", "POST/a/b"]),
            (&["GET/u/*"], &["GET/u/1", "GET/u/1/*"], &["GET/u/*"]),
            (&["GET/a/b"], &["GET/a/*"], &["GET/a/*"]),
            (&["GET/a/b"], &["GET/a/b"], &["GET/a/b"]),
            (&[], &["GET/x/*", "GET/x/y", "GET/x/*", "GET/v"], &["GET/v", "GET/x/*"]),
            (&["GET/z"], &["GET/x"], &["GET/z", "GET/x"]),
        ] {
            let all = [suffixes(fixed, false), suffixes(filled, true)].concat();
            let merged: Vec<String> = merged(all).into_iter().map(|suffix| suffix.text).collect();
            assert_eq!(merged, left, "{fixed:?} {filled:?}");
        }
    }

    #[test]
    fn a_conditioned_allow_drops_what_the_unconditioned_one_grants() {
        for (allow, left) in [
            (&["GET/a/*"][..], &["GET/a", "GET/c", "GET/v"][..]),
            (&["GET/a", "GET/v"], &["GET/a/b", "GET/c", "GET/a/x"]),
            (&["GET/*"], &[]),
        ] {
            let range = crate::cidr::parse("10.0.0.0/8").unwrap();
            let mut grants = Grants::default();
            let from = [
                suffixes(&["GET/a", "GET/a/b", "GET/c"], false),
                suffixes(&["GET/a/x", "GET/v"], true),
            ];
            grants.allow(Condition::new(&[range], None), from.concat());
            grants.allow(Condition::default(), suffixes(allow, false));
            let document = grants.into_document("", false);
            let found: Vec<&str> = document.allowed().skip(allow.len()).collect();
            assert_eq!(found, left, "{allow:?}");
        }
    }

    #[test]
    fn a_resource_has_at_most_512_bytes() {
        let longest = "a".repeat(512 - PREFIX.len());
        assert!(document(&[&longest], &[], 8192).is_ok());
        assert!(document(&["a"], &[&longest], 8192).is_ok());
        let route = format!("{longest}a");
        let refused = Err(DocumentError::LongResource { route: route.clone(), bytes: 513 });
        assert_eq!(document(&[&route], &[], 8192), refused);
        assert_eq!(document(&["a"], &[&route], 8192), refused);
        let prefix = "a".repeat(512);
        assert!(made(&prefix, &[], &[], 8192).is_err());
    }

    #[test]
    fn a_document_is_refused_rather_than_cut() {
        for (allow, deny) in [(&["a", "b"][..], &["c", "d", "e"][..]), (&["a"], &[]), (&[], &[])] {
            let whole = document(allow, deny, usize::MAX).unwrap();
            let bytes = serde_json::to_vec(&whole).unwrap().len();
            assert_eq!(whole.to_json(), serde_json::to_string(&whole).unwrap());
            assert_eq!(document(allow, deny, bytes), Ok(whole));
            let refused = Err(DocumentError::LongDocument { bytes, limit: bytes - 1 });
            assert_eq!(document(allow, deny, bytes - 1), refused);
        }
    }
}
