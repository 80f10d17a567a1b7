//! The management API: what a function sends to its clients by `@connections`.
//!
//! It is at the WebSocket API's own address, with the stage in the path and without it, as SDKs
//! with an endpoint send it. A signature of AWS must be there, because nothing answers without one
//! on AWS, but it is not checked. Pages of other sites are refused, and so are other names of this
//! machine. The statuses are those of the API reference; a 410 has no body, as users report.

use bytes::Bytes;
use console::{Hosts, Stranger};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use throttle::Clock as _;

use super::super::Options;
use super::super::body::{self, ROOM, Unreceived};
use super::MAX_MESSAGE;
use super::registry::Unsent;
use crate::log::Report;

const CONNECTIONS: &str = "@connections";
/// The start of every signature of AWS in the header `Authorization`.
const SIGNATURE: &str = "AWS4-";
/// The longest id that is looked up, in bytes.
const MAX_ID: usize = 128;
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A connection that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Target {
    stage: Option<String>,
    id: String,
}

/// An error of the management API.
struct Fault {
    status: StatusCode,
    kind: &'static str,
    /// Empty for none.
    message: String,
    /// The reason for the log, if it is not the message.
    hint: Option<String>,
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, message: &str) -> Self {
        Self { status, kind, message: message.to_owned(), hint: None }
    }

    fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn gone() -> Self {
        let fault = Self::new(StatusCode::GONE, "GoneException", "");
        fault.hinted("no such connection is open")
    }
}

impl Target {
    /// Reads a path; `None` if it is not one of the management API.
    pub(in super::super) fn of(path: &str) -> Option<Self> {
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let mut parts = path.strip_prefix('/')?.splitn(3, '/');
        let (first, second) = (decoded(parts.next()?), parts.next()?);
        if first == CONNECTIONS {
            let rest = parts.next().map(|rest| format!("/{rest}")).unwrap_or_default();
            return Some(Self { stage: None, id: decoded(&format!("{second}{rest}")) });
        }
        let id = decoded(parts.next().filter(|_| decoded(second) == CONNECTIONS)?);
        Some(Self { stage: Some(first), id })
    }
}

/// Answers a request of the management API.
pub(in super::super) async fn answer(
    options: &Options,
    hosts: &Hosts,
    target: &Target,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let started = options.now.monotonic();
    let method = request.method().clone();
    let outcome = manage(options, hosts, target, request).await;
    let (mut response, reason) = match outcome {
        Ok(response) => (response, None),
        Err(Fault { status, kind, message, hint }) => {
            let body = match message.is_empty() {
                true => String::new(),
                false => json!({ "message": message }).to_string(),
            };
            let mut response = Response::new(Full::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(kind));
            (response, Some(hint.unwrap_or(message)))
        }
    };
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    options.log.report(Report {
        method: method.to_string(),
        path: format!("{CONNECTIONS}/{}", target.id),
        status: response.status().as_u16(),
        reason,
        took: options.now.monotonic().saturating_sub(started),
        ..Report::default()
    });
    response
}

async fn manage(
    options: &Options,
    hosts: &Hosts,
    Target { stage, id }: &Target,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Fault> {
    check(options, hosts, stage.as_deref(), &request)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
    if id.is_empty() || id.len() > MAX_ID || !id.chars().all(is_part) {
        let shown: String = id.chars().take(MAX_ID).collect();
        let message = format!("Invalid connectionId: {shown}");
        return Err(Fault::new(StatusCode::BAD_REQUEST, "BadRequestException", &message));
    }
    let registry = &options.connections;
    let mut response = Response::new(Full::default());
    match *request.method() {
        Method::POST => {
            let message = receive(request.into_body()).await?;
            registry.send(id, message).map_err(|unsent| match unsent {
                Unsent::Gone => Fault::gone(),
                Unsent::Full => {
                    let status = StatusCode::TOO_MANY_REQUESTS;
                    let fault = Fault::new(status, "LimitExceededException", "Rate exceeded");
                    fault.hinted("the client does not take its messages")
                }
            })?;
        }
        Method::GET => {
            let info = registry.info(id).ok_or_else(Fault::gone)?;
            let active = info.last_active.load(std::sync::atomic::Ordering::Relaxed);
            let mut identity = info.identity.clone();
            // The API reference requires it.
            if let Some(identity) = identity.as_object_mut() {
                identity.entry("userAgent").or_insert_with(|| Value::from(""));
            }
            let body = json!({
                "connectedAt": time(info.connected_at),
                "identity": identity,
                "lastActiveAt": time(active),
            });
            *response.body_mut() = Full::from(body.to_string());
        }
        Method::DELETE if registry.close(id) => *response.status_mut() = StatusCode::NO_CONTENT,
        Method::DELETE => return Err(Fault::gone()),
        _ => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let fault = Fault::new(status, "UnknownOperationException", "Unknown operation");
            return Err(fault.hinted("a connection takes POST, GET and DELETE"));
        }
    }
    Ok(response)
}

/// Refuses strangers, a request without a signature, and another stage.
fn check(
    options: &Options,
    hosts: &Hosts,
    stage: Option<&str>,
    request: &Request<Incoming>,
) -> Result<(), Fault> {
    let forbidden = |kind, message| Fault::new(StatusCode::FORBIDDEN, kind, message);
    let why = match hosts.check(request.headers(), false) {
        Ok(()) => None,
        Err(Stranger::Host) => Some("call this by the address that was printed at the start"),
        Err(Stranger::Page) => Some("a page of another site may not call this"),
    };
    if let Some(why) = why {
        return Err(forbidden("ForbiddenException", why));
    }
    let signature = request.headers().get(header::AUTHORIZATION);
    if !signature.is_some_and(|value| value.as_bytes().starts_with(SIGNATURE.as_bytes())) {
        let fault =
            forbidden("MissingAuthenticationTokenException", "Missing Authentication Token");
        return Err(fault.hinted("the request is not signed (SigV4), which AWS refuses"));
    }
    let own = options.stage();
    match stage.filter(|stage| *stage != own) {
        Some(_) => {
            let fault = forbidden("ForbiddenException", "Forbidden");
            Err(fault.hinted(format!("the stage is `{own}`")))
        }
        None => Ok(()),
    }
}

/// Takes in a message; what is not UTF-8 in it is replaced, because it is sent as a text.
async fn receive(body: Incoming) -> Result<String, Fault> {
    let received = body::receive(body, MAX_MESSAGE, &ROOM).await;
    let received = received.map_err(|why| match why {
        Unreceived::TooLarge => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let fault = Fault::new(status, "PayloadTooLargeException", "Message too long");
            fault.hinted("the message is larger than 128 KB")
        }
        Unreceived::Full => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let fault = Fault::new(status, "LimitExceededException", "Rate exceeded");
            fault.hinted("the bodies of other requests take 256 MB; try again")
        }
        Unreceived::Broken => {
            Fault::new(StatusCode::BAD_REQUEST, "BadRequestException", "Bad Request")
        }
    })?;
    Ok(String::from_utf8_lossy(&received.bytes).into_owned())
}

/// A time as the SDKs read it: `2026-11-29T21:00:00.000Z`.
fn time(millis: u64) -> String {
    let moment =
        i64::try_from(millis).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_named_with_and_without_the_stage() {
        let target = |stage: Option<&str>, id: &str| {
            Some(Target { stage: stage.map(str::to_owned), id: id.to_owned() })
        };
        for (path, expected) in [
            ("/@connections/a=", target(None, "a=")),
            ("/%40connections/a%3D", target(None, "a=")),
            ("/@connections/a/b", target(None, "a/b")),
            ("/Prod/@connections/a=", target(Some("Prod"), "a=")),
            ("/Prod/%40connections/a%2Fb%3D", target(Some("Prod"), "a/b=")),
            ("/@connections/", target(None, "")),
            ("/", None),
            ("/Prod", None),
            ("/@connections", None),
            ("/Prod/@connections", None),
            ("/a/b/@connections/c", None),
            ("*", None),
        ] {
            assert_eq!(Target::of(path), expected, "{path}");
        }
    }

    #[test]
    fn times_are_as_sdks_read_them() {
        assert_eq!(time(1_234_567_890_005), "2009-02-13T23:31:30.005Z");
    }
}
