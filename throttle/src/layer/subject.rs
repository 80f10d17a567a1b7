//! The subject of a request.

use std::fmt::{self, Debug};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;
#[cfg(feature = "dynamodb")]
use table::Key;

use super::authorizer::Unreadable;
use super::{Authorizer, address};
use crate::id::{NameError, Subject};

/// The source of a request's subject.
///
/// A request without a subject is refused, unless you name a fallback:
///
/// ```
/// use tollgate_throttle::layer::By;
///
/// let by = By::header("x-client").or_anonymous();
/// ```
///
/// # Addresses
///
/// [`peer_address`](Self::peer_address), [`forwarded_for`](Self::forwarded_for),
/// [`address_header`](Self::address_header) and `source_address` name a subject by an address:
/// `address-192.0.2.1`, or `address-2001:db8:1:2::/64` for all of an IPv6 network, because one
/// subscriber commonly has 2^64 addresses ([`ipv6_prefix`](Self::ipv6_prefix) sets another size).
/// An IPv4 address in an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address. A port and brackets
/// are stripped. An address with a zone (`fe80::1%eth0`) in a header is malformed.
///
/// # Names never collide
///
/// A caller's name may be `anonymous`, `address-192.0.2.1`, `key-` and a digest, `everyone`, or
/// begin with `#` as the buckets of parents and of named layers do. So that it does not share the
/// bucket of anonymous callers, of that address, key or parent, such a name from a header, an
/// extension, a function or an authorizer's context gets a `~` in front: `~#tenant#acme`. The same
/// applies to a name that begins with an issuer and `#`, if another source of the same `By` uses
/// that issuer ([`of_issuer`](Self::of_issuer)). All other names are unchanged. In the value
/// `subject` of an authorizer's context, keys and issuers are not escaped, because Tollgate's
/// authorizer writes the bucket's own name there.
#[derive(Clone)]
pub struct By {
    place: Arc<str>,
    find: Arc<Find>,
    /// The issuers that its names begin with.
    issuers: Vec<String>,
    prefix: Option<u8>,
    /// The mistake of a name that no request can have.
    wrong: Option<String>,
}

type Find = dyn Fn(&Parts, Naming<'_>) -> Result<Subject, Fault> + Send + Sync;

/// Rules for names that callers may have chosen.
#[derive(Clone, Copy)]
struct Naming<'a> {
    /// The bits of an IPv6 address that count, if set.
    prefix: Option<u8>,
    /// The issuers that other names begin with.
    issuers: &'a [String],
    /// True to escape a name that another source could have made. False if an issuer precedes the
    /// name.
    escape: bool,
}

/// A missing or malformed subject.
enum Fault {
    Missing,
    Malformed,
    Name(NameError),
}

/// The reason why a request has no subject. Names the place, never the value found there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct Unidentified {
    place: Arc<str>,
    problem: String,
}

impl By {
    /// By a header: its value is the subject. Two headers of that name are malformed.
    ///
    /// Use it only for a header that a proxy sets and callers cannot. For a header with an address,
    /// use [`address_header`](Self::address_header).
    #[must_use]
    pub fn header(name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_owned();
        let wrong = wrong_header(&name);
        Self::new(format!("the header `{name}`"), move |parts, naming| {
            naming.text(only(parts, &name)?)
        })
        .checked(wrong)
    }

    /// By an API key in a header: the subject is the key's digest.
    ///
    /// The key is not looked up: every text that has the form of a key gets a bucket.
    #[cfg(feature = "dynamodb")]
    #[must_use]
    pub fn api_key(name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_owned();
        let wrong = wrong_header(&name);
        Self::new(format!("the API key in the header `{name}`"), move |parts, _| {
            let key = Key::parse(only(parts, &name)?).map_err(|_| Fault::Malformed)?;
            subject(&key.digest().subject())
        })
        .checked(wrong)
    }

    /// By a value of this name in an authorizer's context.
    ///
    /// Tollgate's authorizer names a caller's bucket `issuer#claim`. To use the same bucket,
    /// configure the authorizer to put that claim into the context, and call
    /// [`of_issuer`](Self::of_issuer). If the authorizer counts requests itself, it writes the
    /// bucket's name as `subject`.
    #[must_use]
    pub fn authorizer(authorizer: Authorizer, name: &str) -> Self {
        let place = format!("`{name}` in the authorizer's context");
        let (name, wrong) = (name.to_owned(), authorizer.wrong());
        Self::new(place, move |parts, naming| {
            if name == BUCKET
                && let Some(bucket) = authorizer.own(parts, &name)?
            {
                return naming.name(&bucket, false);
            }
            naming.text(&authorizer.value(parts, &name)?.ok_or(Fault::Missing)?)
        })
        .checked(wrong)
    }

    /// By an extension of the request, such as one from an outer layer.
    #[must_use]
    pub fn extension<T, N>(name: impl Fn(&T) -> N + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
        N: Into<String>,
    {
        Self::new(extension_of::<T>(), move |parts, naming| {
            naming.text(&name(parts.extensions.get().ok_or(Fault::Missing)?).into())
        })
    }

    /// By the result of a function; `None` if a request has no subject.
    #[must_use]
    pub fn function(find: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::new("the subject".to_owned(), move |parts, naming| {
            naming.text(&find(parts).ok_or(Fault::Missing)?)
        })
    }

    /// By the caller's address in an API Gateway event.
    #[cfg(feature = "lambda")]
    #[must_use]
    pub fn source_address() -> Self {
        Self::new("the event's source address".to_owned(), |parts, naming| {
            let address = super::event::source_ip(parts).ok_or(Fault::Missing)?;
            naming.address(address::parse(address.as_bytes()))
        })
    }

    /// By the address of the connection's other end, from an extension of the request.
    ///
    /// For a server without a proxy in front. Behind one, all requests have the proxy's address.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use axum::extract::ConnectInfo;
    /// use tollgate_throttle::layer::By;
    ///
    /// // Served by `router.into_make_service_with_connect_info::<SocketAddr>()`.
    /// let by = By::peer_address(|peer: &ConnectInfo<SocketAddr>| peer.0.ip());
    /// ```
    #[must_use]
    pub fn peer_address<T>(address: impl Fn(&T) -> IpAddr + Send + Sync + 'static) -> Self
    where
        T: Send + Sync + 'static,
    {
        Self::new(extension_of::<T>(), move |parts, naming| {
            naming.address(Some(address(parts.extensions.get().ok_or(Fault::Missing)?)))
        })
    }

    /// By the one address in a header, such as `X-Real-IP` or `CF-Connecting-IP`.
    ///
    /// Use it only for a header that the proxy in front overwrites: otherwise callers choose their
    /// addresses. A list of addresses is malformed, as are two such headers.
    #[must_use]
    pub fn address_header(name: impl AsRef<str>) -> Self {
        let name = name.as_ref().to_owned();
        let wrong = wrong_header(&name);
        Self::new(format!("the address in the header `{name}`"), move |parts, naming| {
            naming.address(address::parse(only(parts, &name)?.as_bytes()))
        })
        .checked(wrong)
    }

    /// By the address in `X-Forwarded-For` that the outermost of this number of proxies appended.
    ///
    /// Each proxy appends the address that called it, behind the caller's own text. So use 1 behind
    /// one load balancer. A number that is too large lets callers choose the address. Hops are
    /// counted from the right, over all header lines. If one of them is not an address, the request
    /// has no subject.
    #[must_use]
    pub fn forwarded_for(proxies: NonZeroUsize) -> Self {
        Self::new("the address in `x-forwarded-for`".to_owned(), move |parts, naming| {
            let hop = address::forwarded(&parts.headers, proxies.get()).ok_or(Fault::Missing)?;
            naming.address(hop)
        })
    }

    /// Sets the number of bits of an IPv6 address that name a subject; 64 by default, at most 128.
    ///
    /// Applies to all sources added before that have no prefix yet. Another prefix changes the
    /// names, so those buckets start full.
    #[must_use]
    pub fn ipv6_prefix(self, bits: u8) -> Self {
        Self { prefix: self.prefix.or(Some(bits)), ..self }
    }

    /// Puts an issuer before the name, `issuer#name`, as Tollgate's authorizer does.
    #[must_use]
    pub fn of_issuer(self, issuer: &str) -> Self {
        let place = Arc::clone(&self.place);
        let issuers = [self.issuers.clone(), vec![issuer.to_owned()]].concat();
        let wrong = self.wrong.clone().or_else(|| wrong_issuer(issuer));
        let issuer = issuer.to_owned();
        let find = move |parts: &Parts, naming: Naming<'_>| {
            let name = self.look(parts, Naming { escape: false, ..naming })?;
            subject(&format!("{issuer}#{}", name.as_str()))
        };
        Self { place, find: Arc::new(find), issuers, prefix: None, wrong }
    }

    /// By another source if this one is missing or malformed.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let place = format!("{}, or else {}", self.place, other.place);
        let issuers = [self.issuers.clone(), other.issuers.clone()].concat();
        let wrong = self.wrong.clone().or_else(|| other.wrong.clone());
        let by = Self::new(place, move |parts, naming| {
            let naming = Naming { escape: true, ..naming };
            self.look(parts, naming).or_else(|_| other.look(parts, naming))
        });
        Self { issuers, wrong, ..by }
    }

    /// By `anonymous`, one bucket for all, if this source is missing or malformed.
    #[must_use]
    pub fn or_anonymous(self) -> Self {
        self.or(Self::new(format!("`{ANONYMOUS}`"), |_, _| subject(ANONYMOUS)))
    }

    pub(super) fn find(&self, parts: &Parts) -> Result<Subject, Unidentified> {
        let naming = Naming { prefix: None, issuers: &self.issuers, escape: true };
        self.look(parts, naming).map_err(|fault| {
            let problem = match fault {
                Fault::Missing => "is missing".to_owned(),
                Fault::Malformed => "can't name a subject: it is of another form".to_owned(),
                Fault::Name(error) => format!("can't name a subject: it {error}"),
            };
            Unidentified { place: Arc::clone(&self.place), problem }
        })
    }

    /// The reason to refuse a request with the same parent twice.
    pub(super) fn repeated(&self) -> Unidentified {
        self.unidentified("names a parent that the request has already")
    }

    /// The reason to refuse a request whose parents cannot be read.
    pub(super) fn malformed(&self) -> Unidentified {
        self.unidentified("can't name parents: it is of another form")
    }

    /// The reason to refuse a parent whose name cannot be a subject's.
    pub(super) fn unusable(&self, error: &NameError) -> Unidentified {
        self.unidentified(&error.to_string())
    }

    fn unidentified(&self, problem: &str) -> Unidentified {
        Unidentified { place: Arc::clone(&self.place), problem: problem.to_owned() }
    }

    fn look(&self, parts: &Parts, naming: Naming<'_>) -> Result<Subject, Fault> {
        (self.find)(parts, Naming { prefix: self.prefix.or(naming.prefix), ..naming })
    }

    fn new(
        place: String,
        find: impl Fn(&Parts, Naming<'_>) -> Result<Subject, Fault> + Send + Sync + 'static,
    ) -> Self {
        let (place, find) = (place.into(), Arc::new(find));
        Self { place, find, issuers: Vec::new(), prefix: None, wrong: None }
    }

    fn checked(self, wrong: Option<String>) -> Self {
        Self { wrong, ..self }
    }

    /// The mistake in a name that the service has given, if any.
    pub(super) fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }
}

impl Debug for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "By({})", self.place)
    }
}

impl From<Unreadable> for Fault {
    fn from(_: Unreadable) -> Self {
        Self::Malformed
    }
}

impl Naming<'_> {
    fn address(self, address: Option<IpAddr>) -> Result<Subject, Fault> {
        let address = address.ok_or(Fault::Malformed)?;
        subject(&address::name(address, self.prefix.unwrap_or(address::PREFIX)))
    }

    /// A name that a caller may have chosen.
    fn text(self, text: &str) -> Result<Subject, Fault> {
        let name = unescaped(text);
        let is_key = name.strip_prefix("key-").is_some_and(is_digest);
        let of_issuer = |issuer: &String| {
            name.strip_prefix(issuer.as_str()).is_some_and(|rest| rest.starts_with('#'))
        };
        self.name(text, is_key || self.issuers.iter().any(of_issuer))
    }

    /// A name; escaped if another source could have made it.
    fn name(self, text: &str, collides: bool) -> Result<Subject, Fault> {
        let name = unescaped(text);
        let is_parents = name.starts_with(MARK) || name == EVERYONE;
        let collides = collides || is_parents || name == ANONYMOUS || address::is_name(name);
        if self.escape && collides { subject(&format!("{ESCAPE}{text}")) } else { subject(text) }
    }
}

/// A name without its escape.
///
/// If a caller chooses an escaped name, it is escaped again, so that two names never become the
/// same.
fn unescaped(name: &str) -> &str {
    name.trim_start_matches(ESCAPE)
}

/// The mistake in a header's name, if any.
fn wrong_header(name: &str) -> Option<String> {
    let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
    (!is_name).then(|| format!("`{}` is not a header's name: correct it", name.escape_debug()))
}

/// The mistake in an issuer whose callers could be named like parents.
fn wrong_issuer(issuer: &str) -> Option<String> {
    let is_marked = issuer.is_empty() || issuer.starts_with(MARK);
    let shown = issuer.escape_debug();
    is_marked.then(|| format!("the issuer `{shown}` is empty or begins with `#`: correct it"))
}

/// The value of a header that must occur once.
fn only<'a>(parts: &'a Parts, name: &str) -> Result<&'a str, Fault> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next().ok_or(Fault::Missing)?;
    if values.next().is_some() {
        return Err(Fault::Malformed);
    }
    value.to_str().map_err(|_| Fault::Malformed)
}

/// Returns true for a SHA-256 digest in the form of keys' subjects.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn extension_of<T>() -> String {
    format!("the extension `{}`", std::any::type_name::<T>())
}

fn subject(name: &str) -> Result<Subject, Fault> {
    Subject::new(name).map_err(Fault::Name)
}

/// The first character of the subject of a parent or of a named layer, such as `#tenant#acme`.
pub(super) const MARK: char = '#';
/// The authorizer's subject of all callers.
pub(super) const EVERYONE: &str = "everyone";
const ANONYMOUS: &str = "anonymous";
/// The value of an authorizer's context that is a bucket's name.
const BUCKET: &str = "subject";
const ESCAPE: char = '~';

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
        By::header("x-client")
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

    #[cfg(feature = "dynamodb")]
    #[test]
    fn a_key_is_known_by_its_digest() {
        let by = By::api_key("x-api-key");
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

    #[test]
    fn a_second_issuer_does_not_hide_the_first() {
        let by = client().of_issuer("a").or(By::header("x-user")).of_issuer("b");
        let first = found(&by, Request::builder().header("x-client", "maria"));
        let second = found(&by, Request::builder().header("x-user", "a#maria"));
        assert_eq!(first.as_deref(), Ok("b#a#maria"));
        assert_eq!(second.as_deref(), Ok("b#~a#maria"));
    }

    #[test]
    fn a_name_that_is_not_a_headers_finds_nothing() {
        let request = || Request::builder().header("x-client", "maria");
        assert_eq!(found(&By::header("X-Client"), request()).as_deref(), Ok("maria"));
        let missing = Err("the header `x client` is missing".to_owned());
        assert_eq!(found(&By::header("x client"), request()), missing);
    }
}
