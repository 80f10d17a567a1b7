//! The policy that API Gateway is given.

pub(crate) mod condition;
mod json;
pub(crate) mod table;

use std::{fmt, sync::Arc};

use thiserror::Error;

use self::{
    condition::Dated,
    table::{Suffixes, Table},
};
use crate::arn::MethodArn;

/// API Gateway's bound on one `Resource`, in characters; counted here in bytes, never fewer.
pub(crate) const MAX_RESOURCE_BYTES: usize = 512;

/// An IAM policy for one caller in one stage of one API.
///
/// At most one Allow without a condition, one for each condition, one Deny, and one Deny of all
/// the rest where [`Rules::denying_rest`](crate::Rules::denying_rest) asks for it; in each the
/// resources are sorted, each there once, and none that a wider one of the same statement or of
/// the unconditioned Allow covers. Equal grants are equal texts. It serializes to IAM's JSON:
/// `{"Version":…,"Statement":[{"Action":…,"Effect":…,"Resource":[…]}]}`.
#[derive(Clone)]
pub struct Document {
    table: Arc<Table>,
    prefix: String,
    /// Allows first; none is empty.
    statements: Vec<Statement>,
}

/// One statement, its resources without their common prefix.
#[derive(Clone)]
struct Statement {
    allow: bool,
    resources: Suffixes,
    /// True if it applies to everything but these: IAM's `NotResource`.
    rest: bool,
    condition: Option<Dated>,
}

/// The resources gathered for a caller: a document before it is merged and measured.
pub(crate) struct Gathered {
    /// Without a condition.
    pub(crate) allow: Suffixes,
    pub(crate) conditioned: Vec<(Dated, Suffixes)>,
    pub(crate) deny: Suffixes,
    /// True to deny explicitly what is not allowed.
    pub(crate) deny_rest: bool,
}

/// Reasons why a caller's policy cannot be given to API Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A resource is longer than API Gateway takes.
    #[error(
        "resource for `{route}` has {bytes} bytes, over the limit of {MAX_RESOURCE_BYTES}: \
         shorten the route or the stage's name"
    )]
    LongResource {
        /// The resource after the stage; `{…}` in place of a claim that made it too long.
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

impl Gathered {
    /// No resource: the document of it denies everything.
    fn nothing(table: &Table) -> Self {
        let (allow, deny) = (table.none(), table.none());
        Self { allow, conditioned: Vec::new(), deny, deny_rest: false }
    }
}

impl Document {
    /// Makes the document of what rules gathered.
    ///
    /// Without anything to allow it denies the whole stage, the routes given included: to API
    /// Gateway an authorizer's silence beside a resource policy that allows is an allow.
    pub(crate) fn new(
        table: &Arc<Table>,
        prefix: &str,
        gathered: Gathered,
        limit: usize,
    ) -> Result<Self, DocumentError> {
        let document = Self::merged(table, prefix, gathered);
        for statement in &document.statements {
            for suffix in table.texts(&statement.resources) {
                let bytes = prefix.len() + suffix.len();
                if bytes > MAX_RESOURCE_BYTES {
                    // What a claim filled is the caller's, and no error names it.
                    let known = table.place(suffix).is_some() || suffix == "*";
                    let route = if known { suffix } else { "{…}" }.to_owned();
                    return Err(DocumentError::LongResource { route, bytes });
                }
            }
        }
        let bytes = document.json_bytes();
        if bytes > limit {
            return Err(DocumentError::LongDocument { bytes, limit });
        }
        Ok(document)
    }

    /// The same without a look at its size.
    pub(crate) fn merged(table: &Arc<Table>, prefix: &str, gathered: Gathered) -> Self {
        let Gathered { mut allow, conditioned, mut deny, deny_rest } = gathered;
        table.merge(&mut allow);
        let mut statements = Vec::with_capacity(2 + conditioned.len());
        let conditioned = conditioned.into_iter().filter_map(|(condition, mut resources)| {
            table.merge(&mut resources);
            table.subtract(&mut resources, &allow);
            let condition = Some(condition);
            (!resources.is_empty()).then_some(Statement {
                allow: true,
                resources,
                rest: false,
                condition,
            })
        });
        let conditioned: Vec<Statement> = conditioned.collect();
        let rest = (deny_rest && !allow.is_empty()).then(|| allow.clone());
        if !allow.is_empty() {
            let condition = None;
            statements.push(Statement { allow: true, resources: allow, rest: false, condition });
        }
        statements.extend(conditioned);
        if statements.is_empty() {
            deny = Suffixes::whole_stage();
        }
        table.merge(&mut deny);
        if !deny.is_empty() {
            let condition = None;
            statements.push(Statement { allow: false, resources: deny, rest: false, condition });
        }
        if let Some(resources) = rest {
            statements.push(Statement { allow: false, resources, rest: true, condition: None });
        }
        Self { table: Arc::clone(table), prefix: prefix.to_owned(), statements }
    }

    /// The document that closes a whole stage to a caller, whatever the rules grant.
    ///
    /// Of `arn` only what precedes the verb is used.
    ///
    /// # Errors
    /// When the stage's resource is over 512 bytes; refuse the request then.
    pub fn deny_all(arn: &MethodArn<'_>) -> Result<Self, DocumentError> {
        let table = Table::new(Vec::new());
        Self::new(&table, arn.resource_prefix(), Gathered::nothing(&table), usize::MAX)
    }

    /// The document that denies everything: for a request whose ARN cannot be read.
    #[must_use]
    pub fn deny_everything() -> Self {
        let table = Table::new(Vec::new());
        Self::merged(&table, "", Gathered::nothing(&table))
    }

    /// The resources of Allow statements, with or without conditions. A Deny may still win.
    pub fn allowed(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.resources(true)
    }

    /// The resources that are denied by name, without those of a `NotResource`.
    pub fn denied(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.resources(false)
    }

    fn resources(&self, allow: bool) -> impl Iterator<Item = Resource<'_>> {
        let statements = self.statements.iter().filter(move |s| s.allow == allow && !s.rest);
        statements
            .flat_map(|statement| self.table.texts(&statement.resources))
            .map(|suffix| Resource { prefix: &self.prefix, suffix })
    }
}

/// Resources may hold claims, so none is shown.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("prefix", &self.prefix)
            .field("allowed", &self.allowed().count())
            .field("denied", &self.denied().count())
            .finish_non_exhaustive()
    }
}

/// Documents are equal where their texts are.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix
            && self.statements.len() == other.statements.len()
            && self.statements.iter().zip(&other.statements).all(|(a, b)| {
                a.allow == b.allow
                    && a.rest == b.rest
                    && a.condition == b.condition
                    && self.table.texts(&a.resources).eq(other.table.texts(&b.resources))
            })
    }
}

impl Eq for Document {}

/// One resource, put together only while it is written.
#[derive(Clone, Copy)]
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PREFIX: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/";

    fn made(
        prefix: &str,
        allow: &[&str],
        deny: &[&str],
        limit: usize,
    ) -> Result<Document, DocumentError> {
        let table = Table::new(allow.iter().chain(deny).map(|s| (*s).to_owned()).collect());
        let set = |texts: &[&str]| {
            let mut set = table.none();
            texts.iter().for_each(|text| set.known.insert(table.place(text).unwrap()));
            set
        };
        let gathered = Gathered {
            allow: set(allow),
            conditioned: Vec::new(),
            deny: set(deny),
            deny_rest: false,
        };
        Document::new(&table, prefix, gathered, limit)
    }

    fn document(allow: &[&str], deny: &[&str], limit: usize) -> Result<Document, DocumentError> {
        made(PREFIX, allow, deny, limit)
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
        assert!(made(&prefix, &[], &[], 8192).is_err());
    }

    #[test]
    fn a_document_is_refused_rather_than_cut() {
        for (allow, deny) in [(&["a", "b"][..], &["c", "d", "e"][..]), (&["a"], &[]), (&[], &[])] {
            let whole = document(allow, deny, usize::MAX).unwrap();
            let bytes = serde_json::to_vec(&whole).unwrap().len();
            assert_eq!(whole.json_bytes(), bytes);
            assert_eq!(whole.to_json(), serde_json::to_string(&whole).unwrap());
            assert_eq!(document(allow, deny, bytes), Ok(whole));
            let refused = Err(DocumentError::LongDocument { bytes, limit: bytes - 1 });
            assert_eq!(document(allow, deny, bytes - 1), refused);
        }
    }
}
