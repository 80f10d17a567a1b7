//! Access control: only this user's browser, on this machine, may see the page and change anything.
//!
//! - The server binds to 127.0.0.1 and answers to no other `Host` than its own. A page that
//!   rebinds its DNS name to 127.0.0.1 sends that name, and is refused.
//! - A request with a foreign `Origin`, or one that the browser marks as cross-site, is refused.
//! - Data needs the random token of the printed address. The page itself turns it into an
//!   `HttpOnly` cookie. A browser sends that to other servers of this machine too, so `local` takes
//!   it out of the requests to the APIs.
//! - A write also needs the header `x-tollgate-console`, which no form of another site can send.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use table::Digest;
use uuid::Uuid;

use crate::problem::Problem;

/// The header of every write.
const WRITE: HeaderName = HeaderName::from_static("x-tollgate-console");

/// The beginning of the cookie's name. Cookies do not know ports, so browsers send it to every
/// server of this machine.
pub const COOKIE: &str = "tollgate-console-";

/// Headers of every response. Styles and scripts come from files alone.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The names by which this machine calls a server that binds to 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Hosts([String; 2]);

/// A request that did not come from this machine's own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// The request names another host: a page has rebound its name to this machine's address.
    Host,
    /// A page of another site sent it.
    Page,
}

impl Hosts {
    /// The names of a server on this port.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self([format!("127.0.0.1:{port}"), format!("localhost:{port}")])
    }

    /// Checks `Host`, `Origin` and `Sec-Fetch-Site`; a page that `is_linked` may be linked to.
    ///
    /// # Errors
    /// The request came from elsewhere.
    pub fn check(&self, headers: &HeaderMap, is_linked: bool) -> Result<(), Stranger> {
        let text = |name: &HeaderName| headers.get(name).map(|text| text.to_str().unwrap_or("?"));
        let host = text(&header::HOST).unwrap_or_default();
        if !self.0.iter().any(|known| known == host) {
            return Err(Stranger::Host);
        }
        let own = |origin: &str| origin.strip_prefix("http://") == Some(host);
        let site = text(&HeaderName::from_static("sec-fetch-site"));
        let is_foreign = text(&header::ORIGIN).is_some_and(|origin| !own(origin))
            || (!is_linked && matches!(site, Some("cross-site" | "same-site")));
        if is_foreign { Err(Stranger::Page) } else { Ok(()) }
    }
}

/// The checks of one server.
pub(crate) struct Guard {
    token: String,
    cookie: String,
    hosts: Hosts,
}

impl Guard {
    /// A guard with a new random token, for a server on this port.
    pub(crate) fn new(port: u16) -> Self {
        // 122 random bits.
        let token = Uuid::new_v4().simple().to_string();
        Self {
            token,
            // Two consoles must not replace each other's cookie.
            cookie: format!("{COOKIE}{port}"),
            hosts: Hosts::new(port),
        }
    }

    /// The path of the page, with the token.
    pub(crate) fn path(&self) -> String {
        format!("/?token={}", self.token)
    }

    /// The cookie for a request of the page whose query has the token.
    pub(crate) fn cookie_for(&self, query: Option<&str>) -> Option<HeaderValue> {
        let given = query?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        if !same(given, &self.token) {
            return None;
        }
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie, self.token);
        cookie.parse().ok()
    }

    /// Returns true if the request has the cookie.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|text| text.to_str().ok());
        cookies.flat_map(|text| text.split(';')).any(|pair| {
            pair.trim()
                .split_once('=')
                .is_some_and(|(name, value)| name == self.cookie && same(value, &self.token))
        })
    }

    fn check(&self, request: &Request) -> Result<(), Problem> {
        let headers = request.headers();
        self.hosts.check(headers, request.uri().path() == "/").map_err(|stranger| {
            forbidden(match stranger {
                Stranger::Host => "open the console by the address that was printed",
                Stranger::Page => "another site's page may not use the console",
            })
        })?;
        if !request.uri().path().starts_with("/api/") {
            return Ok(());
        }
        if !self.knows(headers) {
            let why = "open the console by the address that was printed, which has its token";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, why));
        }
        let write = headers.get(WRITE).and_then(|text| text.to_str().ok());
        if request.method() != Method::GET && write != Some("1") {
            return Err(forbidden("a write needs the header `x-tollgate-console: 1`"));
        }
        Ok(())
    }
}

/// Checks every request, and sets the headers of every response.
pub(crate) async fn check(
    State(guard): State<std::sync::Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Compares digests, so that the duration of the comparison reveals nothing.
fn same(given: &str, token: &str) -> bool {
    Digest::of(&[given.as_bytes()]) == Digest::of(&[token.as_bytes()])
}

fn forbidden(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, why)
}
