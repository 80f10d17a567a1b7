//! Why a request was refused, as a stable code that is safe to log.

use std::fmt;

/// Why the authorizer refused or failed a request.
///
/// The code is stable: dashboards and alarms are built on it. The detail is a constant of this
/// program, never a part of the request, so that no token, claim or key can reach a log.
/// What a caller sees is decided elsewhere, in `response.rs` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    detail: &'static str,
}

/// The stable codes of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The event or the token is not of a form that can be read.
    Malformed,
    /// The token's header asks for something that is not allowed.
    Header,
    /// No key of the issuer fits the token.
    Key,
    /// The signature is not the issuer's.
    Signature,
    /// A claim is missing, of a wrong type, or not for this API at this time.
    Claim,
    /// The token was taken back before its end.
    Revoked,
    /// The request's API key is missing, or none that the table has and holds valid.
    ApiKey,
    /// The keys or the table can't be had: not the caller's fault.
    Unavailable,
    /// The deployment is wrong: a plan that is not in the table, an event that can't be served.
    Config,
    /// The authorizer itself is wrong: it panicked, which costs this request and no other.
    Panic,
}

impl Code {
    /// The code as it stands in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claim => "claim",
            Self::Revoked => "revoked",
            Self::ApiKey => "api_key",
            Self::Unavailable => "unavailable",
            Self::Config => "config",
            Self::Panic => "panic",
        }
    }

    /// Whether the caller is at fault (401), rather than this side (500).
    #[must_use]
    pub const fn is_callers_fault(self) -> bool {
        match self {
            Self::Malformed
            | Self::Header
            | Self::Key
            | Self::Signature
            | Self::Claim
            | Self::Revoked
            | Self::ApiKey => true,
            Self::Unavailable | Self::Config | Self::Panic => false,
        }
    }
}

impl Refusal {
    pub(crate) const fn new(code: Code, detail: &'static str) -> Self {
        Self { code, detail }
    }

    pub(crate) const fn malformed(detail: &'static str) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(crate) const fn header(detail: &'static str) -> Self {
        Self::new(Code::Header, detail)
    }

    pub(crate) const fn key(detail: &'static str) -> Self {
        Self::new(Code::Key, detail)
    }

    pub(crate) const fn claim(detail: &'static str) -> Self {
        Self::new(Code::Claim, detail)
    }

    pub(crate) const fn unavailable(detail: &'static str) -> Self {
        Self::new(Code::Unavailable, detail)
    }

    pub(crate) const fn config(detail: &'static str) -> Self {
        Self::new(Code::Config, detail)
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> Code {
        self.code
    }

    /// What exactly was wrong, in words that hold nothing of the request.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.detail
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Refusal {}
