//! The context that an authorizer in front has given a request.

use http::HeaderName;
use http::request::Parts;

/// The place where the context of the authorizer in front arrives.
///
/// Tollgate's authorizer writes the caller's claims there and, if it has limits, `subject`,
/// `parents`, `plan`, `limit` and `remaining`. If a request is over a limit, it adds `throttled`
/// and `retryAfter`. If no limit applies to a request, the context has `counted` instead of `limit`
/// and `remaining`.
#[derive(Clone, Debug)]
pub struct Authorizer(Place);

#[derive(Clone, Debug)]
enum Place {
    #[cfg(feature = "lambda")]
    Event,
    Headers(String),
}

/// A request that the authorizer has counted, and the tightest limit at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// For a refused request, the seconds to wait; `None` inside if waiting does not help.
    pub(super) refused: Option<Option<u64>>,
}

/// The value is not one line of printable ASCII. It must not count as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

type Found = Result<Option<String>, Unreadable>;

impl Authorizer {
    /// Reads the event of a Lambda that is invoked through `lambda_http`.
    ///
    /// Events of REST and HTTP APIs, payloads 1.0 and 2.0. A value is looked for in the context of
    /// a Lambda authorizer, and then in the claims of API Gateway's own JWT and Cognito authorizers.
    /// A caller cannot write there.
    #[cfg(feature = "lambda")]
    #[must_use]
    pub fn event() -> Self {
        Self(Place::Event)
    }

    /// Reads headers of this prefix, followed by the value's name, such as `x-authorizer-clientid`.
    ///
    /// For services behind an HTTP integration that maps the context to headers. Use it only if the
    /// gateway removes such headers from its callers' requests: otherwise callers write their own.
    #[must_use]
    pub fn headers(prefix: &str) -> Self {
        Self(Place::Headers(prefix.to_ascii_lowercase()))
    }

    /// The mistake in a prefix that no header can have, if any.
    pub(super) fn wrong(&self) -> Option<String> {
        match &self.0 {
            #[cfg(feature = "lambda")]
            Place::Event => None,
            Place::Headers(prefix) => {
                let is_name = HeaderName::from_bytes(format!("{prefix}x").as_bytes()).is_ok();
                let shown = prefix.escape_debug();
                (!is_name).then(|| format!("`{shown}` does not begin a header's name: correct it"))
            }
        }
    }

    /// A value of the context, or a claim; numbers and booleans as text.
    pub(super) fn value(&self, parts: &Parts, name: &str) -> Found {
        match &self.0 {
            #[cfg(feature = "lambda")]
            Place::Event => Ok(super::event::value(parts, name)),
            Place::Headers(_) => self.own(parts, name),
        }
    }

    /// A value that the authorizer itself has put into the context.
    pub(super) fn own(&self, parts: &Parts, name: &str) -> Found {
        match &self.0 {
            #[cfg(feature = "lambda")]
            Place::Event => Ok(super::event::own(parts, name)),
            Place::Headers(prefix) => {
                let mut values = parts.headers.get_all(format!("{prefix}{name}")).iter();
                let Some(value) = values.next() else { return Ok(None) };
                match (value.to_str(), values.next()) {
                    (Ok(value), None) => Ok(Some(value.to_owned())),
                    _ => Err(Unreadable),
                }
            }
        }
    }

    /// The limits in the context, if the authorizer has counted the request.
    ///
    /// `None` if one of the values cannot be read: then the request is counted here.
    pub(super) fn counted(&self, parts: &Parts) -> Option<Counted> {
        let own = |name| self.own(parts, name).ok();
        let number = |name| Some(own(name)?.and_then(|value| value.parse::<u64>().ok()));
        // Any value other than `false` or an empty text is a refusal. A mapped header without a
        // value may arrive empty.
        let throttled = own("throttled")?.is_some_and(|it| !it.is_empty() && it != "false");
        let uncounted = own("counted")?.is_none_or(|value| value != "true");
        let (limit, remaining) = (number("limit")?, number("remaining")?);
        let retry_after = number("retryAfter")?;
        if remaining.is_none() && !throttled && uncounted {
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
}
