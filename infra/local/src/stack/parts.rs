//! Settings of each part of a stack, all made from the same options.

use std::sync::Arc;

use authorizer::Require;
use tokio::net::TcpListener;

use super::{Error, Options};
use crate::gateway::{self, Integration, Keys, Kind, Source};
use crate::issuer;
use crate::lambda::{self, Function, InvokeError};
use crate::setup::{Configured, Played, Setup};

/// The functions that there are to be: one, or the demonstration's two.
pub(super) fn functions(
    options: &Options,
    setup: &Setup,
    dynamodb: &TcpListener,
) -> Result<Vec<lambda::Options>, Error> {
    let dynamodb = dynamodb.local_addr().map_err(Error::Address)?;
    let function = |configured: &Configured| {
        let mut function =
            lambda::Options::new(options.authorizer.clone(), configured.name, options.now.clone());
        function.arguments.clone_from(&options.authorizer_arguments);
        function.environments = options.environments;
        function.is_tollgate = !options.is_other_authorizer;
        if options.is_other_authorizer {
            function.variables = super::routed::command_variables();
        }
        function.freezes = options.freezes;
        function.is_read_only = options.is_read_only;
        function.memory_mb = options.memory_mb;
        function.log = options.log.clone();
        function.variables.extend([
            ("AUTHORIZER_CONFIG".to_owned(), configured.text.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), format!("http://{dynamodb}")),
        ]);
        // The person who starts the stack says how much its authorizer tells.
        if let Ok(level) = std::env::var("AWS_LAMBDA_LOG_LEVEL") {
            function.variables.push(("AWS_LAMBDA_LOG_LEVEL".to_owned(), level));
        }
        function
    };
    Ok(setup.functions.iter().map(function).collect())
}

/// The API of a kind, in front of its function.
pub(super) fn gateway_options(
    kind: Kind,
    options: &Options,
    setup: &Setup,
    functions: &[Arc<Function>],
) -> gateway::Options {
    // The second function, where there is one, is for all but the REST API.
    let function = if kind.is_rest() { functions.first() } else { functions.last() }.cloned();
    let invoke: gateway::Invoke = Arc::new(move |id, event| {
        let function = function.clone();
        Box::pin(async move {
            match function {
                Some(function) => function.invoke_as(id, event).await,
                None => Err(InvokeError::Stopped),
            }
        })
    });
    let mut gateway = gateway::Options::of(kind, invoke, options.now.clone());
    let sources = options.identity_sources.iter().filter(|source| source.serves(kind));
    let sources: Vec<Source> = sources.cloned().collect();
    let sources_are_ours = sources.is_empty();
    if !sources_are_ours {
        gateway.identity_sources = sources;
    } else if setup.serves_without_token() {
        // API Gateway calls an authorizer for such a request only without a source.
        gateway.identity_sources = Vec::new();
    } else if let Some(source) = token_header(kind, setup) {
        gateway.identity_sources = vec![source];
    }
    // A TOKEN authorizer has one source.
    let has_both = setup.callers().require == Require::Both && kind != Kind::RestToken;
    if sources_are_ours && has_both {
        gateway.identity_sources.extend(header(kind, "x-api-key"));
    }
    if !options.routes.is_empty() {
        gateway.routes.clone_from(&options.routes);
    }
    gateway.stage_variables.clone_from(&options.stage_variables);
    gateway.explains = !options.is_other_authorizer;
    gateway.log = options.log.clone();
    gateway.cache_ttl = options.authorizer_ttl;
    // The demonstration's second function knows no key.
    let has_keys = kind.is_rest() || !options.has_second_function();
    let plan = options.usage_plan.as_ref();
    let key = configured_key(options, setup).filter(|_| has_keys);
    gateway.keys = key.map(|key| Keys::one(key, plan, &options.now));
    gateway.api_key_source = options.api_key_source;
    if let Some(upstream) = &options.upstream {
        gateway.integration = Integration::Http(upstream.clone());
    }
    gateway
}

/// The API key that a flag or the configuration names.
pub(super) fn configured_key<'a>(options: &'a Options, setup: &'a Setup) -> Option<&'a str> {
    // Another authorizer knows nothing of the configuration's key.
    let key = if options.is_other_authorizer { &options.api_key } else { &setup.api_key };
    key.as_deref()
}

/// The header that the configuration reads the token from, as the API's identity source.
fn token_header(kind: Kind, setup: &Setup) -> Option<Source> {
    let name = setup.of(kind)?.config.token.header();
    if name == http::header::AUTHORIZATION.as_str() {
        return None;
    }
    header(kind, name)
}

/// A header as an identity source of the API.
fn header(kind: Kind, name: &str) -> Option<Source> {
    let prefix = match kind {
        Kind::RestToken | Kind::RestRequest => "method.request",
        Kind::Http(_) => "$request",
        Kind::WebSocket => return None,
    };
    format!("{prefix}.header.{name}").parse().ok()
}

/// The issuers, each with its callers.
pub(super) fn issuers(options: &Options, setup: &Setup) -> Vec<issuer::Options> {
    let issuer = |played: &Played| {
        let now = options.now.clone();
        issuer::Options {
            pool: played.id.clone(),
            iss: Some(played.iss.clone()),
            form: played.form.clone(),
            clients: played.clients.clone(),
            users: played.users.clone(),
            token_lifetime: played.lifetime,
            now: Box::new(move || now.moment().as_secs()),
        }
    };
    setup.issuers.iter().map(issuer).collect()
}
