//! The routes of an API: one of its own for each, or one for all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use console::Hosts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};

use super::api::Api;
use super::cache::Cache;
use super::route::Route;
use super::web_socket::Connection;
use super::web_socket::management::Target;
use super::wire::Sent;
use super::{Kind, Options};

/// Everything behind one listener.
pub(super) struct Served {
    routes: Vec<Route>,
    by_route: HashMap<String, Api>,
    /// Answers what no route takes; the only one where there is a single API.
    rest: Api,
    /// The names of this listener.
    hosts: Hosts,
    /// True if somebody began with TLS here.
    is_tls_noted: AtomicBool,
    /// True if connections had to wait here.
    pub(super) is_full_noted: AtomicBool,
}

impl Served {
    /// One API for every request, on this port.
    pub(super) fn one(options: Options, port: u16) -> Self {
        let cache = Arc::new(Cache::of(&options));
        let rest = Api::new(options, cache);
        Self {
            routes: Vec::new(),
            by_route: HashMap::new(),
            rest,
            hosts: Hosts::new(port),
            is_tls_noted: AtomicBool::new(false),
            is_full_noted: AtomicBool::new(false),
        }
    }

    /// An API with settings for each route, which has one; `missing` is for requests without one.
    ///
    /// Routes with the same authorizer share its cache.
    pub(super) fn routed(routes: Vec<Options>, missing: Options, port: u16) -> Self {
        let mut caches: HashMap<Option<String>, Arc<Cache>> = HashMap::new();
        let mut served = Self::one(missing, port);
        for options in routes {
            let Some(route) = options.routes.first().cloned() else { continue };
            // Of two routes with one key the first counts, as the start says.
            if served.by_route.contains_key(&route.to_string()) {
                continue;
            }
            let cache = caches.entry(options.authorizer.clone());
            let cache = Arc::clone(cache.or_insert_with(|| Arc::new(Cache::of(&options))));
            served.by_route.insert(route.to_string(), Api::new(options, cache));
            served.routes.push(route);
        }
        served
    }

    /// Says once that there is no TLS here: to the caller it looks like a broken server.
    pub(super) fn note_tls(&self, stream: &TcpStream) {
        if self.is_tls_noted.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(address) = stream.local_addr() else { return };
        self.rest.note(format!(
            "{address} was called by `https:` or `wss:`, and local has no TLS: use `http:` or `ws:`"
        ));
    }

    /// Says once that connections wait, and why.
    pub(super) fn note_full(&self, listener: &TcpListener, why: &str) {
        if self.is_full_noted.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(address) = listener.local_addr() else { return };
        self.rest.note(format!("{address} accepts no more connections until some end: {why}"));
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        sent: Sent,
        peer: IpAddr,
        upgraded: &OnceLock<Connection>,
    ) -> Response<Full<Bytes>> {
        if self.rest.kind() == Kind::WebSocket
            && !sent.is_ambiguous()
            && let Some(target) = Target::of(request.uri().path())
        {
            return self.rest.manage(&self.hosts, &target, request).await;
        }
        let api = self.api(&request);
        api.answer(request, sent, peer, upgraded).await
    }

    fn api(&self, request: &Request<Incoming>) -> &Api {
        let kind = self.rest.kind();
        let found = Route::of_request(&self.routes, kind, request.method(), request.uri().path());
        found.and_then(|found| self.by_route.get(&found.key)).unwrap_or(&self.rest)
    }
}
