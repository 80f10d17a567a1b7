//! The addresses of management APIs, by which functions send messages.

use std::collections::BTreeMap;

use super::super::Place;
use super::Options;
use crate::template::{self, Family};

/// The variable by which SDKs find the management API.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI";

/// The addresses of the management APIs.
#[derive(Debug, Default)]
pub(in super::super) struct Endpoints {
    /// By the functions behind their routes.
    by_function: BTreeMap<String, String>,
    /// The address of the first WebSocket API, for every other function.
    first: Option<String>,
}

impl Endpoints {
    /// The addresses of the WebSocket APIs among these.
    pub(in super::super) fn of(options: &Options, places: &[Place]) -> Self {
        let mut endpoints = Self::default();
        let apis = options.template.iter().flat_map(|template| &template.apis).enumerate();
        for (at, api) in apis.filter(|(_, api)| api.family == Family::WebSocket) {
            let place = places.iter().find(|place| place.api == Some(at));
            let Some(Ok(address)) = place.map(|place| place.listener.local_addr()) else {
                continue;
            };
            let address = format!("http://{address}/{}", api.stage);
            for route in &api.routes {
                if let template::Integration::Function(name) = &route.integration {
                    let own = endpoints.by_function.entry(name.clone());
                    own.or_insert_with(|| address.clone());
                }
            }
            endpoints.first.get_or_insert(address);
        }
        endpoints
    }

    /// The variable of a function.
    pub(super) fn variable(&self, function: &str) -> Option<(String, String)> {
        let address = self.by_function.get(function).or(self.first.as_ref())?;
        Some((ENDPOINT.to_owned(), address.clone()))
    }
}
