//! The policy that API Gateway is given.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::arn::MethodArn;

/// API Gateway's bound on one `Resource`, in characters; counted here in bytes, never fewer.
pub(crate) const MAX_RESOURCE_BYTES: usize = 512;

const VERSION: &str = "2012-10-17";
const ACTION: &str = "execute-api:Invoke";

/// An IAM policy for one caller in one stage of one API.
///
/// At most one Allow and one Deny, their resources sorted and each there once, so that equal
/// grants are equal texts. It serializes to IAM's JSON:
/// `{"Version":…,"Statement":[{"Action":…,"Effect":…,"Resource":[…]}]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    prefix: String,
    allow: Vec<Arc<str>>,
    deny: Vec<Arc<str>>,
}

/// Why a caller's policy can't be given to API Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A resource is longer than API Gateway takes.
    #[error(
        "resource for `{route}` has {bytes} bytes, over the limit of {MAX_RESOURCE_BYTES}: \
         shorten the route or the stage's name"
    )]
    LongResource {
        /// What follows the stage in the resource.
        route: String,
        /// The resource's length.
        bytes: usize,
    },
    /// The document is longer than API Gateway takes.
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
    /// Makes the document of resources given without their common prefix, sorted and unique.
    ///
    /// Without anything to allow it denies the whole stage, the routes given included: to API
    /// Gateway an authorizer's silence beside a resource policy that allows is an allow.
    pub(crate) fn new(
        prefix: &str,
        allow: Vec<Arc<str>>,
        deny: Vec<Arc<str>>,
        limit: usize,
    ) -> Result<Self, DocumentError> {
        let deny = if allow.is_empty() { vec![Arc::from("*")] } else { deny };
        let document = Self { prefix: prefix.to_owned(), allow, deny };
        for suffix in document.allow.iter().chain(&document.deny) {
            let bytes = prefix.len() + suffix.len();
            if bytes > MAX_RESOURCE_BYTES {
                return Err(DocumentError::LongResource { route: suffix.to_string(), bytes });
            }
        }
        let bytes = document.json_bytes();
        if bytes > limit {
            return Err(DocumentError::LongDocument { bytes, limit });
        }
        Ok(document)
    }

    /// The document that closes a whole stage to a caller, whatever the rules grant.
    ///
    /// Of `arn` only what precedes the verb is used.
    ///
    /// # Errors
    /// When the stage's resource is over 512 bytes; refuse the request then.
    pub fn deny_all(arn: &MethodArn<'_>) -> Result<Self, DocumentError> {
        Self::new(arn.resource_prefix(), Vec::new(), Vec::new(), usize::MAX)
    }

    /// What the document allows, where nothing in [`Self::denied`] says otherwise.
    pub fn allowed(&self) -> impl Iterator<Item = impl fmt::Display> {
        resources(&self.prefix, &self.allow)
    }

    /// What the document denies.
    pub fn denied(&self) -> impl Iterator<Item = impl fmt::Display> {
        resources(&self.prefix, &self.deny)
    }

    /// The length of the document as JSON without white space, in bytes.
    ///
    /// A sum of lengths: neither an ARN's prefix nor a route can hold what JSON escapes.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        let mut bytes = r#"{"Version":"","Statement":[]}"#.len() + VERSION.len();
        for (effect, suffixes) in self.statements() {
            bytes += r#"{"Action":"","Effect":"","Resource":[]}"#.len();
            bytes += ACTION.len() + effect.len();
            bytes +=
                suffixes.iter().map(|s| r#""""#.len() + self.prefix.len() + s.len()).sum::<usize>();
            bytes += commas(suffixes.len());
        }
        bytes + commas(self.statements().count())
    }

    /// The statements that are there: effect and suffixes, at least one of each.
    fn statements(&self) -> impl Iterator<Item = (&'static str, &[Arc<str>])> {
        [("Allow", self.allow.as_slice()), ("Deny", self.deny.as_slice())]
            .into_iter()
            .filter(|(_, suffixes)| !suffixes.is_empty())
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let statements = self.statements().map(|(effect, suffixes)| Statement {
            action: ACTION,
            effect,
            resource: suffixes
                .iter()
                .map(|suffix| Resource { prefix: &self.prefix, suffix })
                .collect(),
        });
        Policy { version: VERSION, statement: statements.collect() }.serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy<'d> {
    version: &'static str,
    statement: Vec<Statement<'d>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'d> {
    action: &'static str,
    effect: &'static str,
    resource: Vec<Resource<'d>>,
}

/// One resource, put together only while it is written.
struct Resource<'d> {
    prefix: &'d str,
    suffix: &'d str,
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(self.suffix)
    }
}

impl Serialize for Resource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn resources<'d>(prefix: &'d str, suffixes: &'d [Arc<str>]) -> impl Iterator<Item = Resource<'d>> {
    suffixes.iter().map(move |suffix| Resource { prefix, suffix })
}

/// The commas between so many items.
fn commas(items: usize) -> usize {
    items.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/";

    fn suffixes(texts: &[&str]) -> Vec<Arc<str>> {
        texts.iter().map(|text| Arc::from(*text)).collect()
    }

    fn document(allow: &[&str], deny: &[&str], limit: usize) -> Result<Document, DocumentError> {
        Document::new(PREFIX, suffixes(allow), suffixes(deny), limit)
    }

    #[test]
    fn denies_a_whole_stage() {
        let arn = format!("{PREFIX}GET/a");
        let document = Document::deny_all(&MethodArn::parse(&arn).unwrap()).unwrap();
        assert_eq!(document.allowed().count(), 0);
        let denied: Vec<_> = document.denied().map(|resource| resource.to_string()).collect();
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
    fn a_resource_has_at_most_512_bytes() {
        let longest = "a".repeat(512 - PREFIX.len());
        assert!(document(&[&longest], &[], 8192).is_ok());
        assert!(document(&["a"], &[&longest], 8192).is_ok());
        let route = format!("{longest}a");
        let refused = Err(DocumentError::LongResource { route: route.clone(), bytes: 513 });
        assert_eq!(document(&[&route], &[], 8192), refused);
        assert_eq!(document(&["a"], &[&route], 8192), refused);
        let prefix = "a".repeat(512);
        assert!(Document::new(&prefix, Vec::new(), Vec::new(), 8192).is_err());
    }

    #[test]
    fn a_document_is_refused_rather_than_cut() {
        for (allow, deny) in [(&["a", "b"][..], &["c", "d", "e"][..]), (&["a"], &[]), (&[], &[])] {
            let whole = document(allow, deny, usize::MAX).unwrap();
            let bytes = serde_json::to_vec(&whole).unwrap().len();
            assert_eq!(whole.json_bytes(), bytes);
            assert_eq!(document(allow, deny, bytes), Ok(whole));
            let refused = Err(DocumentError::LongDocument { bytes, limit: bytes - 1 });
            assert_eq!(document(allow, deny, bytes - 1), refused);
        }
    }
}
