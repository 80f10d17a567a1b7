//! The routes of an API: one of its own for each, or one for all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::Options;
use super::api::Api;
use super::cache::Cache;
use super::route::Route;
use super::web_socket::Connection;
use super::wire::Sent;

/// Everything behind one listener.
pub(super) struct Served {
    routes: Vec<Route>,
    by_route: HashMap<String, Api>,
    /// Answers what no route takes; the only one where there is a single API.
    rest: Api,
}

impl Served {
    /// One API for every request.
    pub(super) fn one(options: Options) -> Self {
        let cache = Arc::new(Cache::of(&options));
        Self { routes: Vec::new(), by_route: HashMap::new(), rest: Api::new(options, cache) }
    }

    /// An API with settings for each route, which has one; `missing` is for requests without one.
    ///
    /// Routes with the same authorizer share its cache.
    pub(super) fn routed(routes: Vec<Options>, missing: Options) -> Self {
        let mut caches: HashMap<Option<String>, Arc<Cache>> = HashMap::new();
        let mut served = Self::one(missing);
        for options in routes {
            let Some(route) = options.routes.first().cloned() else { continue };
            let cache = caches.entry(options.authorizer.clone());
            let cache = Arc::clone(cache.or_insert_with(|| Arc::new(Cache::of(&options))));
            served.by_route.insert(route.to_string(), Api::new(options, cache));
            served.routes.push(route);
        }
        served
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        sent: Sent,
        peer: IpAddr,
        upgraded: &OnceLock<Connection>,
    ) -> Response<Full<Bytes>> {
        let api = self.api(&request);
        api.answer(request, sent, peer, upgraded).await
    }

    fn api(&self, request: &Request<Incoming>) -> &Api {
        let kind = self.rest.kind();
        let found = Route::of_request(&self.routes, kind, request.method(), request.uri().path());
        found.and_then(|found| self.by_route.get(&found.key)).unwrap_or(&self.rest)
    }
}
