//! The context that an authorizer in front has given a request.

use std::borrow::Cow;

use http::request::Parts;

/// The place where the context of the authorizer in front arrives.
///
/// Tollgate's authorizer writes the caller's claims there and, where it keeps limits, `subject`,
/// `plan`, `limit`, `remaining`, and for a request that is over them `throttled` and `retryAfter`.
#[derive(Clone, Debug)]
pub struct Authorizer(Place);

#[derive(Clone, Debug)]
enum Place {
    #[cfg(feature = "lambda")]
    Event,
    Headers(String),
}

/// A request that the authorizer has counted, and how the tightest limit stood then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) refused: Option<RetryAfter>,
}

/// Seconds; none if waiting does not help.
pub(super) type RetryAfter = Option<u64>;

/// A value is there, and is not one line of printable ASCII: it must not count as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

type Found<'a> = Result<Option<Cow<'a, str>>, Unreadable>;

impl Authorizer {
    /// In the event of a Lambda that is invoked through `lambda_http`.
    ///
    /// Of REST and HTTP APIs, payloads 1.0 and 2.0. Values are looked for in what a Lambda
    /// authorizer said, and then in the claims of API Gateway's own JWT and Cognito authorizers.
    /// A caller can't write there.
    #[cfg(feature = "lambda")]
    #[must_use]
    pub fn event() -> Self {
        Self(Place::Event)
    }

    /// In headers of this prefix, followed by the value's name, such as `x-authorizer-clientid`.
    ///
    /// For services behind an HTTP integration that maps the context to headers. Only where the
    /// gateway removes such headers from what callers send: else a caller writes its own.
    #[must_use]
    pub fn headers(prefix: &str) -> Self {
        Self(Place::Headers(prefix.to_ascii_lowercase()))
    }

    /// A value of the context, or a claim; numbers and booleans as text.
    pub(super) fn value<'a>(&self, parts: &'a Parts, name: &str) -> Found<'a> {
        match &self.0 {
            #[cfg(feature = "lambda")]
            Place::Event => Ok(super::event::value(parts, name)),
            Place::Headers(_) => self.said(parts, name),
        }
    }

    /// The limits in the context, if the authorizer has counted the request.
    ///
    /// `None` if a value of them can't be read: then the request is counted here.
    pub(super) fn counted(&self, parts: &Parts) -> Option<Counted> {
        let said = |name| self.said(parts, name).ok();
        let number = |name| Some(said(name)?.and_then(|value| value.parse::<u64>().ok()));
        let throttled = said("throttled")?.is_some_and(|value| value == "true");
        let (limit, remaining) = (number("limit")?, number("remaining")?);
        let retry_after = number("retryAfter")?;
        if remaining.is_none() && !throttled {
            return None;
        }
        Some(Counted {
            limit: limit.unwrap_or_default(),
            remaining: remaining.unwrap_or_default(),
            refused: throttled.then(|| match retry_after {
                // A limit of 0: waiting does not help.
                None if limit == Some(0) => None,
                seconds => Some(seconds.unwrap_or(1).max(1)),
            }),
        })
    }

    /// A value that the authorizer itself has put into the context.
    pub(super) fn said<'a>(&self, parts: &'a Parts, name: &str) -> Found<'a> {
        match &self.0 {
            #[cfg(feature = "lambda")]
            Place::Event => Ok(super::event::said(parts, name)),
            Place::Headers(prefix) => {
                let name = format!("{prefix}{}", name.to_ascii_lowercase());
                let mut values = parts.headers.get_all(name).iter();
                let Some(value) = values.next() else { return Ok(None) };
                match (value.to_str(), values.next()) {
                    (Ok(value), None) => Ok(Some(Cow::Borrowed(value))),
                    _ => Err(Unreadable),
                }
            }
        }
    }
}
