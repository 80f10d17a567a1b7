//! The kinds of API, and the names that are specific to each.

/// A kind of API, with the kind of authorizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A REST API with a TOKEN authorizer.
    #[default]
    RestToken,
    /// A REST API with a REQUEST authorizer.
    RestRequest,
    /// An HTTP API.
    Http(Payload),
    /// A WebSocket API, whose authorizer is asked at `$connect` alone.
    WebSocket,
}

/// The payload that an HTTP API's authorizer gets, and the form in which it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Payload 1.0, answered with a policy.
    V1,
    /// Payload 2.0, answered with a policy.
    V2,
    /// Payload 2.0, answered with a verdict (`enableSimpleResponses`).
    Simple,
}

impl Kind {
    /// The API's id, as in its ARNs.
    #[must_use]
    pub const fn api_id(self) -> &'static str {
        match self {
            Self::RestToken | Self::RestRequest => super::API_ID,
            Self::Http(_) => "t0llgate01",
            Self::WebSocket => "t0llgate02",
        }
    }

    /// The API's only stage, which is not in its URL.
    #[must_use]
    pub const fn stage(self) -> &'static str {
        match self {
            Self::RestToken | Self::RestRequest | Self::WebSocket => super::STAGE,
            Self::Http(_) => "$default",
        }
    }

    /// Returns true for both kinds of REST API.
    #[must_use]
    pub const fn is_rest(self) -> bool {
        matches!(self, Self::RestToken | Self::RestRequest)
    }

    /// Returns true for an HTTP API with any payload.
    #[must_use]
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http(_))
    }
}
