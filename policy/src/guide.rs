//! # Rules in detail
//!
//! Each section answers one question about [`Rules`](crate::Rules). The [crate] has an
//! example of every field.
//!
//! ## Claims and paths
//!
//! **A claim of an unexpected type** never satisfies an allow and always triggers a deny, unless
//! the caller certainly fails another requirement of the rule. `claims` compares strings and lists
//! of strings. A number, a Boolean, an object, null, or a list with anything but strings is
//! unexpected. The same applies to scopes, groups and a client that the verifier marks as unclear,
//! and to every claim that the token keeps elsewhere (`is_elsewhere`). Entra ID, for example,
//! leaves out more than 200 groups.
//!
//! **A caller's own resources.** `{claim}` in a path is filled for each caller. A value that is
//! not plain (see `RoutePattern`) is never put into a path. In an `allow`, that route is then not
//! granted, and the others are. In a `deny`, the caller is denied **everything**, because a deny
//! that cannot be written must not disappear. Use claims that callers cannot choose: `sub`, not
//! `email`. `Rules::lint` knows Cognito's claims.
//!
//! **Dots below a caller's own path.** A server that resolves `..` reads `/users/u1/../u2/x` as
//! another caller's path. It is not documented whether API Gateway resolves it first. An `allow`
//! with a claim before its `/*` therefore brings denies, for the same methods. With P for the path
//! up to the `/*`, the policy denies `P/*..*`, `P/*%2e*`, `P/*%2E*`, `P/*/./*`, `P/./*`, `P/*/.`
//! and `P/.`. They apply to every caller who gets that `allow`, even if other rules allow more
//! below P.
//! - **Names such as `a..b` and `a%2eb` are denied too**, because IAM's patterns cannot tell a
//!   name from a segment. `a.b` and `.hidden` are allowed.
//! - The denies cover `%2e%2e`, `.%2e`, `%2E.`, `..;` and `\..`. They do not cover text that is
//!   encoded twice (`%252e`) or bytes that are not UTF-8 (`%c0%ae`). Only servers that decode
//!   twice, or accept such bytes, read dots there. An HTTP API decodes the path once for its
//!   backend, so that backend must not decode it again before it resolves dots.
//! - They take seven resources for each method. With Cognito's `sub` that is about 900 bytes of
//!   the policy for a method. `ANY` is written as one `*`, so it takes no more than one method.
//!   That `*` also matches a method with the start of a path: with `ANY /users/{sub}/*`,
//!   `/x/users/u1/a..b` is denied too.
//!
//! ## Conditions
//!
//! `when` is an expression in [CEL](https://cel.dev) over one variable, `claims`. It may use
//! literals, lists, `.` and `[…]`, the operators, `size`, `contains`, `startsWith`, `endsWith`,
//! `matches`, `split`, `int`, `double`, `string`, `has`, `all`, `exists` and `exists_one`:
//!
//! ```text
//! claims.email_verified && claims.level >= 3
//! claims["cognito:groups"].exists(g, g.startsWith("team-"))
//! has(claims.suspended) && claims.suspended
//! claims.client_id.matches("^batch-[0-9]+$")
//! claims.scope.split(" ").exists(s, s.startsWith("orders/"))
//! ```
//!
//! `matches` searches a text for a regular expression, which `^` and `$` bind to its ends. It takes
//! linear time and knows ASCII classes only (the crate `regex-lite`). A condition may have four
//! patterns of 16 KiB when compiled, and matches texts of up to 1024 bytes. `split` gives up to 512
//! parts. The pattern and the separator are texts in quotes. In a loop both take the loop's own
//! text, as in `x.matches("…")`.
//!
//! A condition is parsed once and has at most 1024 bytes, 256 parts and 20 levels. Loops cannot be
//! nested and have no `+` in them; `map` and `filter` are not supported. The cost is therefore at
//! most the number of parts times the number of claims. A condition sees at most 512 claims,
//! counting list items.
//!
//! If a condition cannot be evaluated, the rule **allows nothing and denies what it denies**.
//! Reasons are a claim that is missing, of another type or kept elsewhere, a result that is not a
//! Boolean, and too many claims. Write `has(claims.x) && …` if a claim may be missing. A condition
//! is evaluated only for callers who meet the rule's other requirements.
//!
//! ## IAM conditions
//!
//! `source_ips` and `until_exp` become conditions of the policy: `IpAddress` on `aws:SourceIp`,
//! and `DateLessThan` on `aws:CurrentTime`. API Gateway checks them at each request while it
//! caches the policy. *Neither was tried on AWS.* A rule with `until_exp` grants nothing to a
//! token without a usable `exp`. A rule with `deny` can have neither condition: if API Gateway
//! could not evaluate it, the deny would not deny.
//!
//! ## Comparing rules
//!
//! `access::compare` (feature `iam-evaluator`) returns the callers who gain a route if one set of
//! rules replaces another. An empty result means that no caller gains one. It tries every kind of
//! caller and request that the rules tell apart and judges the finished policies. A condition in CEL
//! counts as an unknown that holds or does not hold. Documents that are refused for their length
//! are not compared, nor are resources over 512 bytes.
//!
//! ## REST, HTTP and WebSocket
//!
//! The document is the same for REST APIs, HTTP APIs with payloads 1.0 and 2.0, and WebSocket's
//! `$connect`. An HTTP API's `$default` route has no path in its ARN, so it is allowed entirely or
//! not at all. For an HTTP API's simple response use the verdict alone (`Verdict::is_authorized`).
//! API Gateway caches that response for all routes unless `$context.routeKey` is an identity
//! source.
//!
//! ## What a policy cannot do
//!
//! - API Gateway compares paths as they are spelled. It is not documented whether it decodes `%61`
//!   or drops a trailing `/` first. A spelling that no allow names is refused, but a spelling that
//!   a *deny* does not name is not denied. So allow narrowly, and do not rely on a deny that cuts
//!   a piece out of `/*`.
//! - Dots are denied only below a claim (see "Dots below a caller's own path"). `GET /orders/*`
//!   also allows `/orders/../admin`, and `deny = ["GET /admin/*"]` does not match that path. A
//!   server behind the API must refuse `..`, or resolve it before the request reaches API Gateway.
//! - **Next to a resource policy that allows, silence is an allow.** A caller who is granted
//!   nothing is denied the whole stage explicitly. If a caller is granted something, other
//!   requests are refused by silence, and a REST API's own resource policy overrides that: the
//!   caller may then call *every* route that the resource policy allows. Give such an API a
//!   resource policy with denies alone and an allow that is not wider than the rules, or use
//!   `Rules::denying_rest`, which ends each policy with a Deny of everything that it does not
//!   allow. HTTP and WebSocket APIs have no resource policies.
