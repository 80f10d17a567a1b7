//! The `[response]` table: the form of responses to HTTP APIs, which the event does not state.

use serde::Deserialize;

/// The `[response]` table. REST and WebSocket APIs have one form each.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseConfig {
    /// The form of responses to payload 2.0. It must be the form that the API is set up for.
    pub http: HttpForm,
    /// The response of an HTTP API to an invalid token.
    pub http_unauthorized: HttpUnauthorized,
}

/// The form of responses to payload format 2.0. Payload 1.0 always gets a policy.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HttpForm {
    /// An IAM policy: all routes that the caller may call, safe to cache.
    #[default]
    Iam,
    /// `{isAuthorized, context}`: a verdict on this request.
    ///
    /// If the API caches this response, it applies it to *all* routes, or to all requests of one
    /// route if `$context.routeKey` is an identity source. So use a cache time of 0, or that
    /// identity source if no route has `ANY` or a variable. The response has no IAM conditions, so
    /// rules with `source_ips` or `until_exp` are an error.
    Simple,
}

/// The response of an HTTP API to an invalid token.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HttpUnauthorized {
    /// A Deny: 403, and not an error in the function's metrics.
    #[default]
    Deny,
    /// The error `Unauthorized`, which is a 401 on a REST API.
    ///
    /// Users report that HTTP APIs answer 401 too. This is not documented and was not tried on AWS.
    Error,
}
