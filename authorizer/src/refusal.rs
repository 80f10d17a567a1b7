//! Refusals and failures, as stable codes that are safe to log.

use std::fmt;

/// The reason for a refusal or failure.
///
/// The code is stable: dashboards and alarms use it. The detail is a constant of this program, so no
/// token, claim or key can reach a log. Only `response.rs` decides what the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    detail: &'static str,
}

/// The stable codes of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The event or the token cannot be parsed.
    Malformed,
    /// The token's header has a parameter that is not allowed.
    Header,
    /// The issuer has no key for the token.
    Key,
    /// The signature is not the issuer's.
    Signature,
    /// A claim is missing, has a wrong type or value, or the token has expired.
    Claim,
    /// The token is revoked.
    Revoked,
    /// The request's API key is missing, unknown, disabled or expired.
    ApiKey,
    /// The issuer's keys or the table are unavailable: not the caller's fault.
    Unavailable,
    /// The deployment is wrong: for example a plan is not in the table, or the event is not supported.
    Config,
    /// The authorizer panicked. Only this request fails.
    Panic,
}

impl Code {
    /// The code in logs and metrics.
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

    /// Returns true if the caller is at fault (401), false if the authorizer, the keys or the table
    /// failed (500).
    #[must_use]
    pub const fn is_callers_fault(self) -> bool {
        !matches!(self, Self::Unavailable | Self::Config | Self::Panic)
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

    /// The exact reason, a constant text.
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
