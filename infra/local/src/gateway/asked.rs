//! A request as API Gateway knows it, before anybody was asked about it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::responses::{Refusal, RequestId};
use super::route::{METHODS, Matched, Route, rest_resource};
use super::wire::Sent;
use super::{Kind, Options};
use crate::lambda::{ACCOUNT, REGION};

/// A method's ARN with the request's path in it, in bytes (API Gateway's quotas page).
const MAX_METHOD_ARN: usize = 1600;

/// The origin of a request.
pub(super) struct Origin<'a> {
    pub(super) sent: Sent,
    pub(super) peer: IpAddr,
    pub(super) id: &'a RequestId,
}

/// One request, matched to its route.
pub(super) struct Asked<'a> {
    pub(super) options: &'a Options,
    pub(super) head: Parts,
    pub(super) sent: Sent,
    pub(super) peer: IpAddr,
    pub(super) id: &'a RequestId,
    pub(super) route: Matched,
    /// The ARN of this request in events and policies.
    pub(super) arn: String,
    /// The context of a WebSocket API's event, which the request does not tell.
    pub(super) context: Option<Value>,
}

/// Removes the console's cookie, which a browser sends to every port of this machine.
fn remove_console(headers: &mut HeaderMap) {
    let is_console = |pair: &str| pair.trim_start().starts_with(console::COOKIE);
    let has_console =
        |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(';').any(is_console));
    if !headers.get_all(header::COOKIE).iter().any(has_console) {
        return;
    }
    let all: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for value in all {
        let Ok(text) = value.to_str().map(str::to_owned) else {
            headers.append(header::COOKIE, value);
            continue;
        };
        let rest: Vec<&str> = text.split(';').filter(|pair| !is_console(pair)).collect();
        let rest = rest.join(";");
        if let Ok(rest) = HeaderValue::from_str(rest.trim_start())
            && !rest.is_empty()
        {
            headers.append(header::COOKIE, rest);
        }
    }
}

impl<'a> Asked<'a> {
    /// Finds the route and the ARN of a request.
    pub(super) fn new(
        options: &'a Options,
        mut head: Parts,
        from: Origin<'a>,
    ) -> Result<Self, Refusal> {
        remove_console(&mut head.headers);
        let route = route(options, &head)?;
        let arn = arn(options, &head, &route)?;
        let Origin { sent, peer, id } = from;
        Ok(Self { options, head, sent, peer, id, route, arn, context: None })
    }

    /// A request that is refused, maybe without a route and an ARN.
    pub(super) fn refused(options: &'a Options, mut head: Parts, from: Origin<'a>) -> Self {
        remove_console(&mut head.headers);
        let route = route(options, &head).unwrap_or_default();
        let Origin { sent, peer, id } = from;
        Self { options, head, sent, peer, id, route, arn: String::new(), context: None }
    }

    /// The path of the request in events.
    ///
    /// An HTTP API decodes it, a REST API keeps what is encoded. A REST API makes one of several
    /// slashes at its beginning. Both are seen in recordings of deployed APIs.
    pub(super) fn path(&self) -> String {
        let path = self.head.uri.path();
        if self.kind().is_http() {
            return percent_decode_str(path).decode_utf8_lossy().into_owned();
        }
        format!("/{}", path.trim_start_matches('/'))
    }

    pub(super) fn kind(&self) -> Kind {
        self.options.kind
    }

    /// Returns true if a function behind the API gets payload 2.0.
    pub(super) fn is_v2(&self) -> bool {
        self.kind().is_http() && self.options.payload != super::Payload::V1
    }

    /// A header's text. Of several the last counts, but payload 2.0 joins them by commas.
    ///
    /// The last one is that of the single-value `headers` in API Gateway's own events; that
    /// identity sources are read in the same way is not confirmed.
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        let values: Option<Vec<&str>> =
            self.head.headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
        let values = values?;
        match self.kind() {
            Kind::Http(super::Payload::V2 | super::Payload::Simple) => {
                (!values.is_empty()).then(|| values.join(","))
            }
            _ => values.last().map(|value| (*value).to_owned()),
        }
    }

    /// The parameters of the query, decoded, in their order.
    pub(super) fn query(&self) -> Vec<(String, String)> {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let query = self.head.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    /// The host that was asked for, without a port.
    ///
    /// For a WebSocket API the port stays: functions make the management API's address of it.
    pub(super) fn domain(&self) -> String {
        let host = self.header(&header::HOST).unwrap_or_default();
        if self.kind() == Kind::WebSocket {
            return host;
        }
        host.parse::<Authority>().map(|host| host.host().to_owned()).unwrap_or(host)
    }

    /// The port that was asked for.
    pub(super) fn port(&self) -> u16 {
        let host = self.header(&header::HOST).and_then(|host| host.parse::<Authority>().ok());
        host.and_then(|host| host.port_u16()).unwrap_or(80)
    }

    /// Variables of the stage.
    pub(super) fn stage_variables(&self) -> &'a BTreeMap<String, String> {
        &self.options.stage_variables
    }
}

fn route(options: &Options, head: &Parts) -> Result<Matched, Refusal> {
    let path = head.uri.path();
    if options.kind == Kind::WebSocket {
        // Clients of a deployed API have the stage in the URL; as behind a custom domain, it need
        // not be there.
        let rest = path.strip_prefix('/').unwrap_or(path);
        let stage = rest.strip_suffix('/').unwrap_or(rest);
        if !rest.is_empty() && stage != options.stage() {
            return Err(Refusal::NoRoute);
        }
        return Ok(Matched {
            key: "$connect".to_owned(),
            resource: "$connect".to_owned(),
            parameters: BTreeMap::new(),
        });
    }
    if !METHODS.contains(&head.method) {
        return Err(Refusal::NoRoute);
    }
    // `OPTIONS *` names no resource.
    if !path.starts_with('/') {
        return Err(Refusal::BadRequest);
    }
    if options.kind.is_rest() && !options.is_defined() {
        return Ok(rest_resource(path));
    }
    let found = Route::of_request(&options.routes, options.kind, &head.method, path);
    found.ok_or(Refusal::NoRoute)
}

/// The ARN of a request.
///
/// It holds the path of the request as it was received, not the resource's template: that much is
/// reported by several who looked at deployed REST APIs, and taken to be so for HTTP APIs. Nothing
/// was found on whether API Gateway decodes percent-encoding in an ARN or drops a slash at the end,
/// so neither is done here: `/a%2Fb` and `/a/b`, `/a` and `/a/` are four different resources, and a
/// policy that does not name one does not allow it. For an HTTP API, which decodes the path in its
/// events, this is unknown above all. Routes with a name of their own (`$default`,
/// `$connect`) have that in place of method and path.
fn arn(options: &Options, head: &Parts, route: &Matched) -> Result<String, Refusal> {
    let (api, stage) = (options.api_id(), options.stage());
    let stage = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{stage}");
    let arn = if route.key.starts_with('$') {
        format!("{stage}/{}", route.key)
    } else {
        format!("{stage}/{}{}", head.method, head.uri.path())
    };
    if arn.len() > MAX_METHOD_ARN { Err(Refusal::ArnTooLong) } else { Ok(arn) }
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::*;
    use crate::gateway::options::tests::options;

    fn arn_of(kind: Kind, method: &Method, target: &str) -> Result<String, Refusal> {
        let (head, ()) =
            Request::builder().method(method).uri(target).body(()).unwrap().into_parts();
        let mut options = options(kind);
        options.routes.push(Route::parse("GET /v").unwrap());
        let id = RequestId::new(kind);
        let from = Origin { sent: Sent::default(), peer: [127, 0, 0, 1].into(), id: &id };
        Asked::new(&options, head, from).map(|asked| asked.arn)
    }

    fn rest(target: &str) -> Result<String, Refusal> {
        arn_of(Kind::RestToken, &Method::GET, target)
    }

    #[test]
    fn the_arn_has_the_path_as_it_came() {
        let prefix = "arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local/GET/";
        for path in ["", "orders", "orders/", "a%2Fb", "a:b//c", "../x", "*"] {
            assert_eq!(rest(&format!("/{path}")), Ok(format!("{prefix}{path}")));
        }
    }

    #[test]
    fn a_route_with_a_name_has_it_in_the_arn() {
        let connect = arn_of(Kind::WebSocket, &Method::GET, "/");
        assert!(connect.unwrap().ends_with(":t0llgate02/local/$connect"));
        let with_stage = ["/local", "/local/"].map(|at| arn_of(Kind::WebSocket, &Method::GET, at));
        assert!(with_stage.iter().all(|arn| arn.as_ref().unwrap().ends_with("/local/$connect")));
        let http = Kind::Http(super::super::Payload::V2);
        assert!(arn_of(http, &Method::PUT, "/a").unwrap().ends_with("/$default/PUT/a"));
    }

    #[test]
    fn what_has_no_route_or_no_arn_is_refused() {
        assert_eq!(rest("*"), Err(Refusal::BadRequest));
        assert_eq!(arn_of(Kind::RestToken, &Method::TRACE, "/"), Err(Refusal::NoRoute));
        for path in ["/orders", "/local/orders", "//"] {
            assert_eq!(arn_of(Kind::WebSocket, &Method::GET, path), Err(Refusal::NoRoute));
        }
        let prefix = rest("/").unwrap().len();
        let fits = format!("/{}", "a".repeat(MAX_METHOD_ARN - prefix));
        assert!(rest(&fits).is_ok());
        assert_eq!(rest(&format!("{fits}a")), Err(Refusal::ArnTooLong));
    }

    #[test]
    fn the_consoles_cookie_is_removed_and_others_stay() {
        let mut headers = HeaderMap::new();
        for text in ["a=1; tollgate-console-9405=secret; b=2", "tollgate-console-1=x", "c=3"] {
            headers.append(header::COOKIE, HeaderValue::from_static(text));
        }
        remove_console(&mut headers);
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
        assert_eq!(left, ["a=1; b=2", "c=3"]);
    }
}
