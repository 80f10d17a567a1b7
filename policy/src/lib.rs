//! What a caller may call, as an IAM policy for Amazon API Gateway.
//!
//! A Lambda authorizer answers API Gateway with a policy, and API Gateway keeps that policy for
//! up to an hour and evaluates it again for *every* route that the same token asks for. A policy
//! made from the one route that asked is therefore wrong for the next one. This crate makes the
//! policy from [`Rules`]: all that the caller may call in that stage, whichever route asked.
//!
//! ```
//! use policy::{Caller, MethodArn, Outcome, Request, RuleSpec, Rules, Verdict, evaluate};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct File {
//!     rule: Vec<RuleSpec>,
//! }
//!
//! let file: File = toml::from_str(
//!     r#"
//!     [[rule]]
//!     name = "readers"
//!     allow = ["GET /orders", "GET /orders/*"]
//!     any_scope = ["orders/read"]
//!
//!     [[rule]]
//!     name = "nobody-exports"
//!     deny = ["GET /orders/export"]
//!     everyone = true
//!     "#,
//! )?;
//! let rules = Rules::compile(file.rule)?;
//!
//! let claims = serde_json::Map::new();
//! let caller = Caller::new(&claims).with_scopes(["orders/read"]);
//! let stage = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";
//! let asked = format!("{stage}/GET/orders/1");
//! let asked = MethodArn::parse(&asked)?;
//!
//! assert_eq!(rules.verdict(&caller, &asked), Verdict::Allowed { rule: "readers" });
//!
//! let document = rules.document(&caller, &asked)?;
//! let says = |call: &str| evaluate(&document, &Request::new(&format!("{stage}/{call}")));
//! assert_eq!(says("GET/orders/1"), Outcome::Allow);
//! assert_eq!(says("GET/orders/export"), Outcome::ExplicitDeny);
//! assert_eq!(says("POST/orders"), Outcome::ImplicitDeny);
//! assert_eq!(
//!     serde_json::to_value(&document)?,
//!     serde_json::json!({
//!         "Version": "2012-10-17",
//!         "Statement": [
//!             {
//!                 "Action": "execute-api:Invoke",
//!                 "Effect": "Allow",
//!                 "Resource": [
//!                     "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders",
//!                     "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders/*",
//!                 ],
//!             },
//!             {
//!                 "Action": "execute-api:Invoke",
//!                 "Effect": "Deny",
//!                 "Resource": [
//!                     "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders/export",
//!                 ],
//!             },
//!         ],
//!     })
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a policy can't do
//! - API Gateway compares paths as they are spelled, and whether it decodes `%61` or drops a
//!   trailing `/` before it does so is not documented. A spelling that an allow does not name is
//!   refused; one that a *deny* does not name is not denied. So allow narrowly, and don't lean on
//!   a deny that cuts a piece out of `/*`.
//! - What a caller is granted nothing of is denied explicitly only where the caller is granted
//!   nothing at all. Otherwise a request outside the grants is refused by silence, which a
//!   resource policy of the API that allows it would override.
//!
//! # What is deliberately absent
//! No input or output, no clock, no `async`, no AWS SDK: the same rules, caller and stage give
//! the same bytes. Verifying the token comes before; throttling is another crate's.

mod arn;
mod document;
mod evaluate;
mod explain;
mod lint;
mod matrix;
mod route;
mod rules;

pub use arn::{ArnError, MethodArn, Target};
pub use document::{Document, DocumentError};
pub use evaluate::{Outcome, Policy, Request, evaluate};
pub use explain::{Explanation, Reason, Said};
pub use lint::{Code, Finding, Severity};
pub use matrix::{Cell, Holder, Matrix, Row};
pub use route::{RouteError, RoutePattern};
pub use rules::{Caller, Requirement, RuleError, RuleSpec, Rules, Verdict};
