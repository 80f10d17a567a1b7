//! Whose request it is.

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;

use super::Authorizer;
use crate::key::Key;
use crate::name::{NameError, Subject};

/// Tells by a request whose it is.
///
/// There is no default, and who can't be told is refused, unless a fallback is named:
///
/// ```
/// use http::HeaderName;
/// use throttle::layer::By;
///
/// let by = By::header(HeaderName::from_static("x-client")).or_anonymous();
/// ```
#[derive(Clone)]
pub struct By {
    source: Arc<str>,
    find: Arc<Find>,
}

type Find = dyn Fn(&Parts) -> Result<Subject, Fault> + Send + Sync;

/// What is wrong with the place where a subject should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Missing,
    Malformed,
    Name(NameError),
}

/// Why it can't be told whose a request is. Names the place, never what was found there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unidentified {
    /// Nothing is there.
    #[error("{place} is missing")]
    Missing {
        /// Where the subject should be.
        place: String,
    },
    /// What is there can't name a subject.
    #[error("{place} can't name a subject: it {problem}")]
    Malformed {
        /// Where the subject should be.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl By {
    /// By a header: its value is the subject. Two of that name are malformed.
    ///
    /// Only for a header that callers can't set as they like: one that a proxy sets.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        let source = format!("the header `{name}`");
        Self::new(source, move |parts| named(only(parts, &name)?))
    }

    /// By an API key in a header: the subject is its digest, as [`Digest`](crate::Digest) tells.
    ///
    /// The key itself is stored nowhere. Whether it was ever given out is not looked at: every
    /// text that can be a key has a bucket.
    #[must_use]
    pub fn api_key(name: HeaderName) -> Self {
        let source = format!("the API key in the header `{name}`");
        Self::new(source, move |parts| {
            let key = Key::parse(only(parts, &name)?).map_err(|_| Fault::Malformed)?;
            Ok(key.digest().subject())
        })
    }

    /// By what an authorizer said of the caller, under this name in its context.
    ///
    /// Tollgate's authorizer keeps a caller's limits by `issuer#claim`: to share them, have it
    /// put that claim into the context, and say [`of_issuer`](Self::of_issuer).
    #[must_use]
    pub fn authorizer(authorizer: Authorizer, name: &str) -> Self {
        let source = format!("`{name}` in the authorizer's context");
        let name = name.to_owned();
        Self::new(source, move |parts| {
            let value = authorizer.value(parts, &name).ok_or(Fault::Missing)?;
            named(&value)
        })
    }

    /// By an extension of the request, such as one that an outer layer has put there.
    #[must_use]
    pub fn extension<T, N>(name: impl Fn(&T) -> N + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
        N: Into<String>,
    {
        let source = format!("the extension `{}`", std::any::type_name::<T>());
        Self::new(source, move |parts| {
            let extension = parts.extensions.get().ok_or(Fault::Missing)?;
            subject(name(extension))
        })
    }

    /// By whatever a function makes of a request; `None` where it can't be told.
    #[must_use]
    pub fn function(find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::new("the subject".to_owned(), move |parts| {
            subject(find(parts).ok_or(Fault::Missing)?)
        })
    }

    /// By the address that an API Gateway event says the request came from.
    ///
    /// Of an IPv6 address the first 64 bits count, which one subscriber commonly has.
    #[cfg(feature = "lambda")]
    #[must_use]
    pub fn source_address() -> Self {
        Self::new("the event's source address".to_owned(), |parts| {
            let address = super::event::source_ip(parts).ok_or(Fault::Missing)?;
            address_of(address)
        })
    }

    /// By the address in `X-Forwarded-For` that the outermost of so many proxies has put there.
    ///
    /// Each proxy appends the address that it was called from; what a caller sends comes before
    /// all of them. So 1 is right behind one load balancer, and too large a number lets callers
    /// choose. Of an IPv6 address the first 64 bits count.
    #[must_use]
    pub fn forwarded_for(proxies: NonZeroUsize) -> Self {
        Self::new("the address in `x-forwarded-for`".to_owned(), move |parts| {
            let lines = parts.headers.get_all("x-forwarded-for").iter();
            let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
            let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
            let hop = hops.nth(proxies.get().saturating_sub(1)).ok_or(Fault::Missing)?;
            address_of(hop.trim())
        })
    }

    /// Puts an issuer in front: `issuer#name`, as Tollgate's authorizer names its subjects.
    #[must_use]
    pub fn of_issuer(self, issuer: &str) -> Self {
        let issuer = issuer.to_owned();
        let find = self.find;
        let find = move |parts: &Parts| subject(format!("{issuer}#{}", find(parts)?.as_str()));
        Self { source: self.source, find: Arc::new(find) }
    }

    /// By something else where this is missing or malformed.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let source = format!("{}, or else {}", self.source, other.source);
        Self::new(source, move |parts| (self.find)(parts).or_else(|_| (other.find)(parts)))
    }

    /// As `anonymous`, all in one bucket, where this is missing or malformed.
    #[must_use]
    pub fn or_anonymous(self) -> Self {
        self.or(Self::new("`anonymous`".to_owned(), |_| named("anonymous")))
    }

    pub(super) fn find(&self, parts: &Parts) -> Result<Subject, Unidentified> {
        (self.find)(parts).map_err(|fault| {
            let place = self.source.to_string();
            match fault {
                Fault::Missing => Unidentified::Missing { place },
                Fault::Malformed => {
                    Unidentified::Malformed { place, problem: "is of another form".to_owned() }
                }
                Fault::Name(error) => Unidentified::Malformed { place, problem: error.to_string() },
            }
        })
    }

    fn new(
        source: String,
        find: impl Fn(&Parts) -> Result<Subject, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self { source: source.into(), find: Arc::new(find) }
    }
}

impl Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "By({})", self.source)
    }
}

/// The value of a header that is there once.
fn only<'a>(parts: &'a Parts, name: &HeaderName) -> Result<&'a str, Fault> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next().ok_or(Fault::Missing)?;
    if values.next().is_some() {
        return Err(Fault::Malformed);
    }
    value.to_str().map_err(|_| Fault::Malformed)
}

fn named(text: &str) -> Result<Subject, Fault> {
    Subject::of(text).map_err(Fault::Name)
}

fn subject(text: impl Into<String>) -> Result<Subject, Fault> {
    Subject::new(text).map_err(Fault::Name)
}

/// `address-` and an address: whoever may choose its name can't choose another's address.
fn address_of(text: &str) -> Result<Subject, Fault> {
    let address: IpAddr = text.parse().map_err(|_| Fault::Malformed)?;
    match address.to_canonical() {
        IpAddr::V4(address) => subject(format!("address-{address}")),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            subject(format!("address-{}/64", std::net::Ipv6Addr::from(network)))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    fn found(by: &By, request: Builder) -> Result<String, String> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        by.find(&parts)
            .map(|subject| subject.as_str().to_owned())
            .map_err(|error| error.to_string())
    }

    fn client() -> By {
        By::header(HeaderName::from_static("x-client"))
    }

    #[test]
    fn a_header_is_there_once_and_printable() {
        let with = |value: &str| Request::builder().header("x-client", value);
        assert_eq!(found(&client(), with("maria")).as_deref(), Ok("maria"));
        let missing = Err("the header `x-client` is missing".to_owned());
        assert_eq!(found(&client(), Request::builder()), missing);
        for request in [with("maria").header("x-client", "paul"), with("mar\u{ed}a"), with("")] {
            let error = found(&client(), request).unwrap_err();
            assert!(error.starts_with("the header `x-client` can't name a subject"), "{error}");
            assert!(!error.contains("mar"), "{error}");
        }
    }

    #[test]
    fn a_key_is_known_by_its_digest() {
        let by = By::api_key(HeaderName::from_static("x-api-key"));
        let with = |key: &str| Request::builder().header("x-api-key", key);
        let subject = found(&by, with("0123456789abcdefghij")).unwrap();
        assert!(subject.starts_with("key-") && !subject.contains("abcdefghij"), "{subject}");
        assert!(found(&by, with("short")).is_err());
    }

    #[test]
    fn extensions_and_functions_name_subjects() {
        #[derive(Clone)]
        struct User(String);
        let by = By::extension(|user: &User| user.0.clone());
        let request = || Request::builder().extension(User("maria".to_owned()));
        assert_eq!(found(&by, request()).as_deref(), Ok("maria"));
        assert!(found(&by, Request::builder()).unwrap_err().contains("User` is missing"));
        let by = By::function(|parts| parts.uri.path().strip_prefix("/u/").map(str::to_owned));
        assert_eq!(found(&by, Request::get("/u/maria")).as_deref(), Ok("maria"));
        assert_eq!(
            found(&by, Request::get("/u/")),
            Err("the subject can't name a subject: it is empty: give it at least one character"
                .to_owned())
        );
    }

    #[test]
    fn a_fallback_is_named() {
        let by = client().or(By::forwarded_for(NonZeroUsize::MIN)).or_anonymous();
        let from = |addresses: &str| Request::builder().header("x-forwarded-for", addresses);
        assert_eq!(found(&by, from("192.0.2.1").header("x-client", "m")).as_deref(), Ok("m"));
        assert_eq!(found(&by, from("192.0.2.1")).as_deref(), Ok("address-192.0.2.1"));
        assert_eq!(found(&by, from("nonsense")).as_deref(), Ok("anonymous"));
        assert_eq!(found(&by, Request::builder()).as_deref(), Ok("anonymous"));
    }

    #[test]
    fn a_caller_does_not_choose_its_address() {
        let by = |proxies| By::forwarded_for(NonZeroUsize::new(proxies).unwrap());
        let request = || {
            Request::builder()
                .header("x-forwarded-for", "203.0.113.9, 192.0.2.1")
                .header("x-forwarded-for", "198.51.100.2")
        };
        assert_eq!(found(&by(1), request()).as_deref(), Ok("address-198.51.100.2"));
        assert_eq!(found(&by(2), request()).as_deref(), Ok("address-192.0.2.1"));
        assert!(found(&by(4), request()).is_err());
        let from = |address: &str| {
            found(&by(1), Request::builder().header("x-forwarded-for", address)).unwrap()
        };
        assert_eq!(from("2001:db8:1:2:3:4:5:6"), "address-2001:db8:1:2::/64");
        assert_eq!(from("2001:db8:1:2::"), "address-2001:db8:1:2::/64");
        assert_eq!(from("::ffff:192.0.2.1"), "address-192.0.2.1");
    }

    #[test]
    fn an_issuer_is_put_in_front() {
        let by = client().of_issuer("https://issuer.example");
        let request = Request::builder().header("x-client", "maria");
        assert_eq!(found(&by, request).as_deref(), Ok("https://issuer.example#maria"));
    }
}
