#![doc = include_str!("../README.md")]

#[cfg(feature = "iam-evaluator")]
pub mod access;
mod arn;
mod caller;
mod cidr;
mod document;
mod explain;
pub mod guide;
#[cfg(feature = "iam-evaluator")]
pub mod iam;
mod lint;
mod matrix;
mod route;
mod rules;
mod wildcard;

pub use arn::{ArnError, MethodArn, Target};
pub use caller::{Caller, is_elsewhere, looks_like_list};
pub use document::{Document, DocumentError};
pub use explain::{Explanation, Reason, Said};
pub use lint::{Code, Finding, Severity, lint_claim};
pub use matrix::{Cell, Holder, Matrix, Row};
pub use route::{RouteError, RoutePattern};
pub use rules::{Evaluation, Needs, Requirement, RuleError, RuleSpec, Rules, Verdict};
