//! CORS of an HTTP API: preflights that it answers itself, and headers that it adds.
//!
//! As the developer guide's page "Configuring CORS for HTTP APIs" has it: the definition's headers
//! replace those of the backend, and an origin that is not allowed gets none.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;

/// An API's CORS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// The origins, or `*`.
    pub origins: Vec<String>,
    /// The methods, or `*`.
    pub methods: Vec<String>,
    /// The request headers, or `*`.
    pub headers: Vec<String>,
    /// The response headers that a page may read.
    pub exposed: Vec<String>,
    /// The seconds for which a preflight's answer holds.
    pub max_age: Option<u64>,
    /// True if requests may have credentials.
    pub credentials: bool,
}

impl Cors {
    /// The answer to a preflight request; `None` for any other request.
    pub(super) fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<Full<Bytes>>> {
        let is_preflight = method == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allow(headers.get(header::ORIGIN), response.headers_mut()) {
            let max_age: Vec<String> = self.max_age.iter().map(u64::to_string).collect();
            for (name, values) in [
                (header::ACCESS_CONTROL_ALLOW_METHODS, &self.methods),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, &self.headers),
                (header::ACCESS_CONTROL_MAX_AGE, &max_age),
            ] {
                set(response.headers_mut(), name, values);
            }
        }
        Some(response)
    }

    /// Adds the headers of an answer to a page of `origin`; false if the origin is not allowed.
    pub(super) fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        for name in [header::ACCESS_CONTROL_ALLOW_ORIGIN, header::ACCESS_CONTROL_EXPOSE_HEADERS] {
            headers.remove(name);
        }
        let Some(origin) = origin else { return false };
        let is_any = self.origins.iter().any(|allowed| allowed == "*");
        let is_named = self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if !is_any && !is_named {
            return false;
        }
        let value = if is_named { origin.clone() } else { HeaderValue::from_static("*") };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        true
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let (false, Ok(value)) = (values.is_empty(), HeaderValue::from_str(&values.join(","))) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_is_answered_and_other_origins_get_nothing() {
        let cors = Cors {
            origins: vec!["https://a.example".to_owned()],
            methods: vec!["GET".to_owned(), "PUT".to_owned()],
            exposed: vec!["x-one".to_owned()],
            max_age: Some(60),
            ..Cors::default()
        };
        let asked = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            let put = HeaderValue::from_static("PUT");
            headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, put);
            headers
        };
        let answer = cors.preflight(&Method::OPTIONS, &asked("https://a.example")).unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://a.example");
        assert_eq!(answer.headers()["access-control-allow-methods"], "GET,PUT");
        assert_eq!(answer.headers()["access-control-max-age"], "60");
        let other = cors.preflight(&Method::OPTIONS, &asked("https://b.example")).unwrap();
        assert!(other.headers().is_empty());
        assert!(cors.preflight(&Method::GET, &asked("https://a.example")).is_none());
        assert!(cors.preflight(&Method::OPTIONS, &HeaderMap::new()).is_none());
        let mut headers = HeaderMap::new();
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        assert!(!cors.allow(None, &mut headers) && headers.is_empty(), "the backend's are gone");
    }
}
