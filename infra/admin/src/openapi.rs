//! OpenAPI 3 descriptions: operations, and what their callers need.

mod security;

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

pub(crate) use self::security::{Need, Security};
use crate::error::Error;
use crate::read::{place, read};
use crate::yaml::{follow, parse};

/// The most bytes of a description: API Gateway imports 6 MB.
const MOST: usize = 6 * 1024 * 1024;

/// The most operations of a description. API Gateway has 300 resources in an API by default.
const MOST_OPERATIONS: usize = 2_000;

/// The methods that API Gateway routes by, as a description names them.
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("options", "OPTIONS"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
    ("x-amazon-apigateway-any-method", "ANY"),
];

/// The operations of an API, in the order of their paths, and remarks about the description.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) operations: Vec<Operation>,
    pub(crate) remarks: Vec<String>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `GET`, or `ANY` for the methods that the path does not name.
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) security: Security,
    /// `x-tollgate-cost`: the tokens that a call takes from its caller's bucket.
    pub(crate) cost: Option<u64>,
}

/// The methods that `ANY` stands for.
const ALL: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

impl Api {
    /// Returns an operation's methods; `ANY` stands for those that its path does not name.
    pub(crate) fn methods(&self, operation: &Operation) -> Vec<&'static str> {
        let is_named = |method: &str| {
            self.operations.iter().any(|it| it.path == operation.path && it.method == method)
        };
        let is_own = |method: &&'static str| match operation.method {
            "ANY" => !is_named(method),
            own => own == *method,
        };
        ALL.into_iter().filter(is_own).collect()
    }

    /// Reads a description in YAML or JSON.
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        let wrong = |message: String| Error::misuse(format!("{}: {message}", place(file)));
        let content = read(file, MOST as u64)?;
        if content.len() > MOST {
            return Err(wrong(format!("is longer than {MOST} bytes: split it")));
        }
        let text = String::from_utf8(content)
            .map_err(|_| wrong("is not UTF-8: save the file as UTF-8".to_owned()))?;
        parse(&text).and_then(|document| Self::of(&document)).map_err(wrong)
    }

    fn of(document: &Value) -> Result<Self, String> {
        check_version(document)?;
        let root = document.get("security");
        let mut remarks = Vec::new();
        if root.is_some() {
            remarks.push(
                "API Gateway ignores `security` at the top; here it applies to each operation \
                 without one"
                    .to_owned(),
            );
        }
        let Some(Value::Object(paths)) = document.get("paths") else {
            return Err("has no `paths`: give an OpenAPI description of an API".to_owned());
        };
        let mut operations = Vec::new();
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            if !path.starts_with('/') {
                return Err(format!("the path `{}` must start with `/`", path.escape_debug()));
            }
            let item = item_of(document, path, item)?;
            for (name, method) in METHODS {
                let Some(operation) = item.get(name) else { continue };
                let of = |message: String| format!("{method} {path}: {message}");
                let Value::Object(operation) = operation else {
                    return Err(of("is not an object".to_owned()));
                };
                let security = operation.get("security").or(root);
                operations.push(Operation {
                    method,
                    path: path.clone(),
                    security: Security::of(document, security).map_err(of)?,
                    cost: cost(operation).map_err(of)?,
                });
                if operations.len() > MOST_OPERATIONS {
                    return Err(format!("has more than {MOST_OPERATIONS} operations: split it"));
                }
            }
            if item.contains_key("trace") {
                remarks.push(format!("TRACE {path}: API Gateway has no such method"));
            }
        }
        Ok(Self { operations, remarks })
    }
}

fn check_version(document: &Value) -> Result<(), String> {
    match (document.get("openapi"), document.get("swagger")) {
        (Some(Value::String(version)), _) if version.starts_with("3.") => Ok(()),
        (Some(_), _) => Err("`openapi` is not a version 3: convert the description".to_owned()),
        (None, Some(_)) => Err("is Swagger 2: convert it to OpenAPI 3".to_owned()),
        (None, None) => Err("has no `openapi: 3.…`: give an OpenAPI description".to_owned()),
    }
}

/// Says why API Gateway has no route of an operation with a parameter in part of a segment, or with
/// more after a greedy one.
pub(crate) const UNROUTABLE: &str = "API Gateway has no route with a parameter that is not a whole \
                                     segment, or with `{…+}` before its end";

impl Operation {
    /// Returns false if API Gateway has no such route: see [`UNROUTABLE`].
    pub(crate) fn is_routable(&self) -> bool {
        let mut segments = self.path.split('/').peekable();
        while let Some(segment) = segments.next() {
            let inner = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
            let is_greedy = inner.is_some_and(|it| it.ends_with('+'));
            if inner.unwrap_or(segment).contains(['{', '}'])
                || inner == Some("")
                || is_greedy && segments.peek().is_some()
            {
                return false;
            }
        }
        true
    }
}

/// Returns a path's item, where it stands or where it refers to.
fn item_of<'d>(
    document: &'d Value,
    path: &str,
    item: &'d Value,
) -> Result<&'d Map<String, Value>, String> {
    let of = |message: String| format!("path `{}`: {message}", path.escape_debug());
    let has_own = |name: &str| METHODS.iter().any(|(known, _)| *known == name);
    match item {
        Value::Object(own) if own.contains_key("$ref") && own.keys().any(|it| has_own(it)) => {
            Err(of("has both `$ref` and methods: keep one of the two".to_owned()))
        }
        item => match follow(document, item).map_err(of)? {
            Value::Object(item) => Ok(item),
            _ => Err(of("is not an object".to_owned())),
        },
    }
}

fn cost(operation: &Map<String, Value>) -> Result<Option<u64>, String> {
    match operation.get("x-tollgate-cost") {
        None => Ok(None),
        Some(cost) => match cost.as_u64() {
            Some(cost) => Ok(Some(cost)),
            None => Err("`x-tollgate-cost` must be a whole number from 0".to_owned()),
        },
    }
}

/// `GET /orders/{id}`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
