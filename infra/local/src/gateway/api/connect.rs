//! The requests of a WebSocket API: handshakes, and those of its management API.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use console::Hosts;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use throttle::Clock as _;

use super::super::asked::Origin;
use super::super::authorizer::Grant;
use super::super::responses::{Refusal, RequestId};
use super::super::web_socket::management::{self, Target};
use super::super::web_socket::{self, Connection, Decision, protocol};
use super::Api;
use crate::log::Report;

impl Api {
    /// Answers a handshake; the connection that it becomes is left in `upgraded`.
    pub(super) async fn connect(
        &self,
        mut request: Request<Incoming>,
        from: Origin<'_>,
        upgraded: &OnceLock<Connection>,
        report: &mut Report,
        granted: &mut Option<Arc<Grant>>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, _) = request.into_parts();
        self.check_head(&head)?;
        let mut response = web_socket::handshake(&head)?;
        let (asked, identity) = self.identify(head, from, report).await?;
        let grant = self.admit(&asked, &identity, report, granted).await?;
        let started = self.options.now.monotonic();
        let decided =
            web_socket::decide(&asked, &grant, upgrade, report.caller.clone(), &self.targets).await;
        if let Some(trace) = &mut report.trace {
            trace.backend = Some(self.options.now.monotonic().saturating_sub(started));
        }
        match decided.map_err(|fault| self.refusal(fault, report))? {
            Decision::Accepted(connection, protocol) => {
                // A connection is upgraded at most once, because what follows is not HTTP.
                let _ = upgraded.set(*connection);
                let (protocol, reason) = protocol::checked(&asked.head, protocol);
                report.reason = reason.map(str::to_owned).or(report.reason.take());
                if let Some(protocol) = protocol {
                    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
                }
                Ok(response.map(|()| Full::default()))
            }
            Decision::Refused(response, reason) => {
                report.reason = Some(reason);
                Ok(response)
            }
        }
    }

    /// Answers a request of a WebSocket API's management API.
    pub(in super::super) async fn manage(
        &self,
        hosts: &Hosts,
        target: &Target,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let id = RequestId::new(self.options.kind);
        let answer = management::answer(&self.options, hosts, target, request);
        id.mark(answer.await)
    }
}
