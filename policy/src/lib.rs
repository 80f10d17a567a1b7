//! Rules that become a caller's IAM policy for Amazon API Gateway.
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
//! # Rules
//!
//! A rule is a [`RuleSpec`]: a name, routes, and whom it is for. Every field there is:
//!
//! ```
//! # #[derive(serde::Deserialize)]
//! # struct File { rule: Vec<policy::RuleSpec> }
//! # let file: File = toml::from_str(r#"
//! [[rule]]
//! name = "own profile"                    # 1 to 64 bytes; in explanations and logs
//! allow = [                               # what callers may call
//!     "GET /orders",                      # that path alone
//!     "GET,POST /orders",                 # several methods: a `,` and no space
//!     "ANY /drafts",                      # GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE
//!     "GET /orders/*",                    # everything below, at any depth
//!     "GET /users/{sub}/*",               # the caller's own, by a claim
//!     "GET /tenants/{custom:tenant}",     # by any claim; namespaced ones too
//!     "$connect",                         # the opening of a WebSocket connection
//!     "$default",                         # an HTTP API's route for all the rest
//! ]
//! all_scopes = ["orders/read", "openid"]  # all of these scopes
//! any_scope = ["orders/read", "admin"]    # at least one of these scopes
//! all_groups = ["staff"]                  # all of these groups
//! any_group = ["sales", "support"]        # at least one of these groups
//! issuers = ["staff-pool"]                # a token of one of these, by its configured name
//! clients = ["web", "app"]                # a token issued to one of these
//! claims = { tier = ["gold", "silver"] }  # each claim with one of its values
//! when = "claims.level >= 3"              # a condition in CEL
//! stages = ["prod", "$default"]           # where the rule applies; everywhere if absent
//! source_ips = ["10.0.0.0/8", "::1"]      # `allow` holds from these addresses alone
//! until_exp = true                        # `allow` ends with the token, whatever is cached
//!
//! [[rule]]
//! name = "closed for now"
//! deny = ["ANY /exports/*"]               # wins over every allow of every rule
//! everyone = true                         # no requirement: has to be said
//! # "#)?;
//! # policy::Rules::compile(file.rule)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A rule is for callers who meet **all** the requirements that it lists. What no rule allows is
//! denied; a deny wins; the order of rules and routes changes nothing. See [`RoutePattern`] for
//! routes. What can't mean what it says is a [`RuleError`] when the rules are loaded, and names
//! the rule, the text and the mend.
//!
//! **Several issuers.** A scope, a group, a client or a claim counts from whichever issuer says it. Where
//! tokens of more than one are taken, name in `issuers` those who may give what a rule requires;
//! [`Rules::lint_among`] finds rules that name none.
//!
//! **A claim that cannot be understood** never satisfies an allow and always triggers a deny, unless
//! another requirement of the rule is surely not met. `claims` compares strings and lists of strings:
//! a number, a Boolean, an object, null, or a list with anything but strings is not understood. The
//! same goes for scopes, groups and a client that the verifier marks as unclear, and for every claim
//! that the token keeps elsewhere ([`is_elsewhere`]): Entra ID leaves out more than 200 groups, say.
//!
//! **A caller's own resources.** `{claim}` is filled for each caller. A value that is not plain (see
//! [`RoutePattern`]) is never put into a path. In an `allow` that route is then not granted, and the
//! others are. In a `deny` the caller is denied **everything**: a deny that can't be written must not
//! be a deny that is not there. Choose claims that callers can't choose themselves: `sub`, not
//! `email`; [`Rules::lint`] knows Cognito's.
//!
//! **Dots below a caller's own path.** A server that resolves `..` reads `/users/u1/../u2/x` as another
//! caller's path, and it is not documented whether API Gateway resolves it first. An `allow` with a
//! claim before its `/*` therefore comes with denies, for the same methods. With P for the path up
//! to the `/*`, the policy denies `P/*..*`, `P/*%2e*`, `P/*%2E*`, `P/*/./*`, `P/./*`, `P/*/.` and
//! `P/.`. They hold for every caller who gets that `allow`, whatever other rules allow below P.
//! - **Names such as `a..b` and `a%2eb` are denied too**, since IAM's patterns can't tell a name from
//!   a segment. `a.b` and `.hidden` are allowed.
//! - The denies cover `%2e%2e`, `.%2e`, `%2E.`, `..;` and `\..`. They do not cover what is encoded
//!   twice (`%252e`) or in bytes that are not UTF-8 (`%c0%ae`): only servers that decode twice, or
//!   accept such bytes, read dots there. An HTTP API decodes the path once for its backend, so a
//!   backend of an HTTP API must not decode it again before it resolves dots.
//! - They take seven resources for each method. With Cognito's `sub` that is about 900 bytes of the
//!   policy for a method. `ANY` is written as one `*`, so it takes no more than one method. That `*`
//!   also matches a method with the start of a path: with `ANY /users/{sub}/*`, `/x/users/u1/a..b`
//!   is denied too.
//!
//! # Conditions
//!
//! `when` is an expression in [CEL](https://cel.dev) over one variable, `claims`. It has literals,
//! lists, `.` and `[…]`, the operators, `size`, `contains`, `startsWith`, `endsWith`, `int`, `double`,
//! `string`, `has`, `all`, `exists` and `exists_one`:
//!
//! ```text
//! claims.email_verified && claims.level >= 3
//! claims["cognito:groups"].exists(g, g.startsWith("team-"))
//! has(claims.suspended) && claims.suspended
//! ```
//!
//! It is parsed once. It may have 1024 bytes, 256 parts and 20 levels, and loops may not be nested
//! (`map` and `filter` are not there at all) and have no `+` in them, so its cost is known: at most its parts times the claims,
//! of which it takes 512, list items counted.
//!
//! If a condition cannot be evaluated (a claim is missing, of another type or kept elsewhere, the
//! result is not a Boolean, there are too many claims), the rule **allows nothing and denies what it
//! denies**: in both cases it fails closed. Write `has(claims.x) && …` where a claim may be missing. A
//! condition is evaluated only for callers who meet the rule's other requirements.
//!
//! # IAM conditions
//!
//! `source_ips` and `until_exp` become conditions of the policy, which API Gateway checks at each
//! request while it keeps the policy: `IpAddress` on `aws:SourceIp`, and `DateLessThan` on
//! `aws:CurrentTime`. *Neither was tried on AWS.* A token without a usable `exp` is granted nothing
//! by a rule with `until_exp`. A rule with `deny` can have neither: where API Gateway could not tell,
//! the deny would not deny.
//!
//! # Limits
//!
//! A resource may have 512 bytes, a document 8192 or what [`Rules::compile_within`] says. A rule that
//! is over it alone is refused when it is loaded, and so are the rules for everyone that are over it
//! together in some stage; all rules together are a finding of [`Rules::lint`], and a caller's own document a [`DocumentError`]. It is never cut.
//! A claim that makes a resource too long is like one that is not plain: that route is not granted.
//!
//! # REST, HTTP and WebSocket
//!
//! The document is the same for REST APIs, HTTP APIs with payloads 1.0 and 2.0, and WebSocket's
//! `$connect`. An HTTP API's `$default` route has no path in its ARN, and is allowed as a whole or
//! not at all. For an HTTP API's simple response ask [`Rules::verdict`] and
//! [`Verdict::is_authorized`]; API Gateway keeps that answer for all routes unless `$context.routeKey`
//! is an identity source.
//!
//! # What a policy can't do
//! - API Gateway compares paths as they are spelled, and whether it decodes `%61` or drops a
//!   trailing `/` before it does so is not documented. A spelling that an allow does not name is
//!   refused; one that a *deny* does not name is not denied. So allow narrowly, and don't lean on
//!   a deny that cuts a piece out of `/*`.
//! - Only below a claim are dots denied (see "A caller's own resources"). `GET /orders/*` also allows
//!   `/orders/../admin`, and `deny = ["GET /admin/*"]` does not match that path. A server behind the
//!   API must refuse `..`, or resolve it before the request reaches API Gateway.
//! - **Beside a resource policy that allows, silence is an allow.** A caller who is granted nothing
//!   is denied the whole stage explicitly. To one who is granted something, a request outside the
//!   grants is refused by silence, and a REST API's own resource policy that allows the request
//!   overrides that: the caller may then call *every* route that the resource policy allows. Such an
//!   API wants a resource policy with denies alone and an allow that is no wider than the rules, or
//!   [`Rules::denying_rest`], which ends each policy with a Deny of all that it does not allow.
//!   HTTP and WebSocket APIs have no resource policies.
//!
//! # What is deliberately absent
//! No input or output, no clock, no `async`, no AWS SDK: the same rules, caller and stage give
//! the same bytes. Verifying the token comes before; throttling is another crate's.

mod arn;
mod caller;
mod cidr;
mod document;
mod explain;
mod iam;
mod lint;
mod matrix;
mod route;
mod rules;
mod wildcard;

pub use arn::{ArnError, MethodArn, Target};
pub use caller::{Caller, is_elsewhere, looks_like_list};
pub use document::{Document, DocumentError};
pub use explain::{Explanation, Reason, Said};
pub use iam::{Outcome, Policy, Request, evaluate};
pub use lint::{Code, Finding, KnownIssuer, Severity, lint_claim};
pub use matrix::{Cell, Holder, Matrix, Row};
pub use route::{RouteError, RoutePattern};
pub use rules::{Requirement, RuleError, RuleSpec, Rules, Verdict};
