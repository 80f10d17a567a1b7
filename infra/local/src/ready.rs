//! The output when everything runs: one line for a program, commands to paste for a person.

use std::fmt;

use serde::Serialize;

use crate::examples::Examples;
use crate::gateway::Kind;
use crate::issuer;
use crate::options::Options;
use crate::setup::{Played, Setup};

mod banner;
mod routes;

use banner::Shown;

/// The table's first items.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// The plans that are there.
    pub(crate) plans: Vec<String>,
    /// Those of them that were made up now, beside the demonstration's.
    pub(crate) made_up: Vec<String>,
    /// The caller's key, where callers may have one.
    pub(crate) caller_key: Option<String>,
    /// The template's tables.
    pub(crate) tables: Vec<String>,
    /// The labels of their streams, by the tables' names.
    pub(crate) streams: std::collections::BTreeMap<String, String>,
    /// One line for each of them that was not created, or is not as the template defines it.
    pub(crate) notes: Vec<String>,
}

/// Every address, and the callers. Secrets that are made up are public and throwaway.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// The REST API.
    pub api: String,
    /// The HTTP API, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_api: Option<String>,
    /// The WebSocket API, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket_api: Option<String>,
    /// Every API.
    pub apis: Vec<Api>,
    /// The API keys that the template leaves to API Gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_keys: Vec<Key>,
    /// The console's page, with its token, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
    /// The `iss` of the first issuer's tokens.
    pub issuer: String,
    /// The first issuer's key set.
    pub jwks_uri: String,
    /// The first issuer's token endpoint for clients.
    pub token_endpoint: String,
    /// Every issuer of the configuration.
    pub issuers: Vec<Issuer>,
    /// The table's server, for any DynamoDB client.
    pub dynamodb: String,
    /// The name of the table of limits.
    pub table: String,
    /// Every table of the configuration and of the template.
    pub tables: Vec<String>,
    /// The plans that are in the table.
    pub plans: Vec<String>,
    /// One line for each setting that is not honoured here.
    pub notes: Vec<String>,
    /// The clients that get tokens for themselves.
    pub clients: Vec<Client>,
    /// The users.
    pub users: Vec<User>,
    /// The public client that users sign in through.
    pub client_id: String,
    /// The API key that an allowed caller's usage is counted under, where one is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The API key of a caller, where callers may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_key: Option<String>,
    /// The process ids of the execution environments.
    pub environments: Vec<u32>,
    /// The rest of the text for a person.
    #[serde(skip)]
    shown: Shown,
}

/// An API.
#[derive(Debug, Clone, Serialize)]
pub struct Api {
    /// Its logical id in the template; without a template, its kind.
    pub name: String,
    /// `REST API`, `HTTP API` or `WebSocket API`.
    pub kind: &'static str,
    /// Its address.
    pub url: String,
    /// Its routes in a template; none without a template.
    pub routes: Vec<Route>,
    /// The API key that its callers bring, where one is needed.
    #[serde(skip)]
    pub(crate) key: Option<String>,
    /// A message to try a WebSocket API with.
    #[serde(skip)]
    pub(crate) message: Option<serde_json::Value>,
}

/// A route of a template's API.
#[derive(Debug, Clone, Serialize)]
pub struct Route {
    /// Such as `GET /orders/{id}`.
    pub key: String,
    /// The authorizer's name, if the route has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// True if it needs an API key.
    pub needs_key: bool,
    /// False if it answers 501, or is a route of a WebSocket API that is not served.
    pub is_served: bool,
}

/// An API key that the template names without a value.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Its logical id.
    pub name: String,
    /// The value that it has here.
    pub value: String,
}

impl Api {
    pub(crate) fn new(name: Option<String>, kind: Kind, url: &str) -> Self {
        let (kind, url) = match kind {
            Kind::RestToken | Kind::RestRequest => ("REST API", url.to_owned()),
            Kind::Http(_) => ("HTTP API", url.to_owned()),
            Kind::WebSocket => ("WebSocket API", url.replacen("http://", "ws://", 1)),
        };
        let name = name.unwrap_or_else(|| kind.to_owned());
        Self { name, kind, url, routes: Vec::new(), key: None, message: None }
    }
}

/// An issuer whose part this machine plays.
#[derive(Debug, Clone, Serialize)]
pub struct Issuer {
    /// Its name, as in `issuers` of rules, in limits and in revocations.
    pub name: String,
    /// The `iss` of its tokens.
    pub iss: String,
    /// Its key set.
    pub jwks_uri: String,
    /// Its token endpoint for clients.
    pub token_endpoint: String,
    /// A token as plain text: add `?client=` or `?user=`, and `&use=id` for an ID token.
    pub local_token: String,
}

/// A client with a secret.
#[derive(Debug, Clone, Serialize)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The scopes of its tokens.
    pub scopes: Vec<String>,
    /// Its issuer's name.
    pub issuer: String,
}

/// A user.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The password.
    pub password: String,
    /// The groups in the user's tokens.
    pub groups: Vec<String>,
    /// The issuer's name.
    pub issuer: String,
}

impl Ready {
    /// Takes in the addresses of the APIs; the first of each kind is the kind's own.
    pub(crate) fn serve(&mut self, apis: Vec<Api>) {
        let url = |kind: &str| {
            let found = apis.iter().find(|api| api.kind == kind);
            found.map(|api| api.url.clone())
        };
        self.api = url("REST API").unwrap_or_default();
        self.http_api = url("HTTP API");
        self.websocket_api = url("WebSocket API");
        self.apis = apis;
    }

    /// Returns true if there are several APIs of a kind, each of which is then named.
    fn has_several_of_a_kind(&self) -> bool {
        let mut kinds: Vec<&str> = self.apis.iter().map(|api| api.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.len() < self.apis.len()
    }

    /// Takes in the keys to show, and the one that callers of the REST API bring.
    pub(crate) fn hold(&mut self, made: Vec<Key>, of_caller: Option<String>) {
        self.api_keys = made;
        if of_caller.is_some() {
            self.shown.key = of_caller;
        }
    }

    /// Leaves out what is about Tollgate's authorizer, which no route of the template asks.
    pub(crate) fn without_authorizer(&mut self) {
        self.shown.is_plain = true;
        self.notes.clear();
    }

    /// The key that each request must bring, where one is required.
    pub(crate) fn caller_key(&self) -> Option<&str> {
        self.shown.key.as_deref()
    }
}

/// All that is known before the APIs have their addresses.
pub(crate) fn of(
    setup: &Setup,
    options: &Options,
    issuer: &issuer::Issuer,
    filled: Filled,
    examples: Examples,
) -> Ready {
    let issuers = setup.issuers.iter().enumerate().map(|(at, one)| {
        let base = issuer.base(at);
        Issuer {
            name: one.name.clone(),
            iss: one.iss.clone(),
            jwks_uri: issuer::jwks_uri(&one.address),
            token_endpoint: format!("{base}/oauth2/token"),
            local_token: format!("{base}/local/token"),
        }
    });
    let issuers = issuers.collect();
    let first = setup.issuers.first();
    let public = first.and_then(|one| one.clients.iter().find(|client| client.is_public));
    let notes = setup.notes.iter().chain(&examples.notes).cloned().collect();
    Ready {
        api: String::new(),
        http_api: None,
        websocket_api: None,
        apis: Vec::new(),
        api_keys: Vec::new(),
        console: None,
        issuer: issuer.url().to_owned(),
        jwks_uri: issuer.jwks_uri(),
        token_endpoint: issuer.token_endpoint(),
        dynamodb: String::new(),
        table: setup.tables.first().cloned().unwrap_or_default(),
        tables: setup.tables.iter().chain(&filled.tables).cloned().collect(),
        plans: filled.plans.clone(),
        notes,
        clients: setup.issuers.iter().flat_map(clients).collect(),
        users: setup.issuers.iter().flat_map(users).collect(),
        client_id: public.map(|client| client.id.clone()).unwrap_or_default(),
        api_key: setup.api_key.clone(),
        caller_key: filled.caller_key.clone(),
        environments: Vec::new(),
        shown: Shown::new(setup, options, filled, examples),
        issuers,
    }
}

fn clients(issuer: &Played) -> impl Iterator<Item = Client> {
    issuer.clients.iter().filter_map(|client| {
        Some(Client {
            id: client.id.clone(),
            secret: client.secret.clone()?,
            scopes: client.scopes.clone(),
            issuer: issuer.name.clone(),
        })
    })
}

fn users(issuer: &Played) -> impl Iterator<Item = User> {
    issuer.users.iter().map(|user| User {
        username: user.username.clone(),
        password: user.password.clone(),
        groups: user.groups.clone(),
        issuer: issuer.name.clone(),
    })
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        banner::write(self, &self.shown, f)
    }
}

#[cfg(test)]
mod tests;
