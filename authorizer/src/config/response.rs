//! The `[response]` table: what an HTTP API is answered, which the event does not say.

use serde::Deserialize;

/// How HTTP APIs are answered. REST and WebSocket APIs know one form each.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseConfig {
    /// The form of an answer to payload 2.0; it must be the one that the API was set up for.
    pub http: HttpForm,
    /// What an HTTP API is answered where the token is not good.
    pub http_unauthorized: HttpUnauthorized,
}

/// The form of an answer to payload format 2.0. Payload 1.0 is always answered with a policy.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HttpForm {
    /// An IAM policy: all that the caller may call, safe to cache for every route.
    #[default]
    Iam,
    /// `{isAuthorized, context}`: a verdict on the one request that was asked for.
    ///
    /// An API that caches it gives it to *all* routes; with `$context.routeKey` among its identity
    /// sources, to all that one route takes. So use it with a cache time of 0, or with that
    /// identity source where no route has `ANY` or a variable.
    /// It carries no IAM condition, so rules with `source_ips` or `until_exp` are refused with it.
    Simple,
}

/// What an HTTP API is answered where the token is not good.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HttpUnauthorized {
    /// A refusal: 403, and no error among the function's metrics.
    #[default]
    Deny,
    /// The error `Unauthorized`, as for a REST API, where it is a 401.
    ///
    /// That an HTTP API makes a 401 of it too is not documented, and was not tried on AWS.
    Error,
}
