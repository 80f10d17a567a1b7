//! The targets of a WebSocket API's routes, with the code that REST APIs have for theirs.
//!
//! A function that is a proxy gets the event. Any other integration gets a request, whose body is the
//! message, and takes variables of the event's context. At `$connect` the request has the headers and
//! the query of the handshake. What is known is from the developer guide's pages "Set up a WebSocket
//! API integration request" and "Set up data mapping for WebSocket APIs".

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, header};
use serde_json::{Map, Value};

use super::super::asked::Asked;
use super::super::authorizer::Grant;
use super::super::backend::{Backend, Call, Fault};
use super::super::responses::RequestId;
use super::super::route::Matched;
use super::super::wire::Sent;
use super::super::{Integration, Kind, Options};
use super::integration::{self, Answer};
use super::session::Session;
use super::{SocketRoute, SocketRoutes};

/// The targets of an API's routes.
pub(in super::super) struct Targets {
    routes: Arc<SocketRoutes>,
    targets: HashMap<String, Target>,
}

/// The target of a route.
pub(super) struct Target {
    pub(super) route: SocketRoute,
    options: Options,
    backend: Backend,
}

/// One event of a connection, as the targets of its route get it.
pub(super) struct Event {
    /// The event of a function.
    pub(super) value: Value,
    /// The request of any other integration, with its body.
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

impl Targets {
    /// The targets of an API that has these settings; only a WebSocket API has any.
    pub(in super::super) fn new(options: &Options) -> Self {
        let mut targets = HashMap::new();
        let routes = options.socket.routes.iter();
        for route in routes.filter(|_| options.kind == Kind::WebSocket) {
            // Of two routes with one key the first counts.
            targets.entry(route.key.clone()).or_insert_with(|| Target::new(options, route));
        }
        Self { routes: Arc::clone(&options.socket), targets }
    }

    /// The target of the route of this key.
    pub(super) fn get(&self, key: &str) -> Option<&Target> {
        self.targets.get(key)
    }

    /// The target of the route that a message takes, if there is one.
    pub(super) fn of_message(&self, message: &str) -> Option<&Target> {
        self.get(&self.routes.of_message(message)?.key)
    }
}

impl Target {
    fn new(options: &Options, route: &SocketRoute) -> Self {
        let mut options = options.clone();
        options.integration = route.integration.clone();
        options.integration_timeout = route.timeout;
        let backend = Backend::new(&options);
        Self { route: route.clone(), options, backend }
    }

    /// Returns true if messages are echoed.
    pub(super) fn is_echo(&self) -> bool {
        matches!(self.route.integration, Integration::Echo)
    }

    /// The reason why the integration cannot be served.
    pub(super) fn why_unserved(&self) -> Option<&str> {
        self.backend.why_unserved()
    }

    /// Calls the integration with an event.
    pub(super) async fn call(&self, session: &Session, event: Event) -> Result<Answer, Fault> {
        let Event { value, head, body } = event;
        if let Integration::Function(invoke) = &self.route.integration {
            let event = Bytes::from(value.to_string());
            return integration::call(invoke, event, self.route.timeout).await;
        }
        let id = RequestId::new(Kind::WebSocket);
        let asked = Asked {
            options: &self.options,
            head,
            sent: Sent::default(),
            peer: session.peer,
            id: &id,
            route: Matched {
                key: self.route.key.clone(),
                resource: self.route.key.clone(),
                parameters: BTreeMap::new(),
            },
            arn: String::new(),
            context: value.get("requestContext").cloned(),
        };
        // The context has what the authorizer granted.
        let response = self.backend.call(Call { asked, body, grant: &Grant::open() }).await?;
        Ok(Answer::of(response).await)
    }
}

impl Event {
    /// The event of a message, or of `$disconnect`.
    pub(super) fn new(value: Value, body: Bytes) -> Self {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = Method::POST;
        let json = HeaderValue::from_static("application/json");
        head.headers.insert(header::CONTENT_TYPE, json);
        Self { value, head, body }
    }

    /// The event of `$connect`.
    pub(super) fn of_handshake(value: Map<String, Value>, head: &Parts) -> Self {
        let mut head = head.clone();
        head.method = Method::POST;
        Self { value: Value::Object(value), head, body: Bytes::new() }
    }
}
