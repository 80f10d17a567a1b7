//! Settings of each part of a stack, all made from the same options.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Error, Options};
use crate::demo;
use crate::gateway::{self, Kind, Payload, Source};
use crate::issuer;
use crate::lambda::{self, Function, InvokeError};

/// The functions that there are to be: one, or the demonstration's two.
pub(super) fn functions(
    options: &Options,
    issuer: &TcpListener,
    dynamodb: &TcpListener,
    api_key: Option<&str>,
) -> Result<Vec<lambda::Options>, Error> {
    // Where the issuer will be once it has started.
    let issuer = issuer.local_addr().map_err(Error::Address)?;
    let issuer = issuer::url(&format!("http://{issuer}"), demo::POOL);
    let jwks_uri = issuer::jwks_uri(&issuer);
    let mut configs = match &options.config {
        Some(path) => vec![("tollgate", path.display().to_string())],
        None => vec![("tollgate", demo::config(&issuer, &jwks_uri, api_key.unwrap_or_default()))],
    };
    if options.has_second_function() {
        let simple = options.http == Some(Payload::Simple);
        configs.push(("tollgate-http", demo::http_config(&issuer, &jwks_uri, simple)));
    }
    let dynamodb = dynamodb.local_addr().map_err(Error::Address)?;
    let function = |(name, config): (&str, String)| {
        let mut function =
            lambda::Options::new(options.authorizer.clone(), name, options.now.clone());
        function.arguments.clone_from(&options.authorizer_arguments);
        function.environments = options.environments;
        function.variables = vec![
            ("AUTHORIZER_CONFIG".to_owned(), config),
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), format!("http://{dynamodb}")),
        ];
        // The person who starts the stack says how much its authorizer tells.
        if let Ok(level) = std::env::var("AWS_LAMBDA_LOG_LEVEL") {
            function.variables.push(("AWS_LAMBDA_LOG_LEVEL".to_owned(), level));
        }
        function
    };
    Ok(configs.into_iter().map(function).collect())
}

/// The API of a kind, in front of its function.
pub(super) fn gateway_options(
    kind: Kind,
    options: &Options,
    functions: &[Arc<Function>],
    api_key: Option<&str>,
) -> gateway::Options {
    // The second function, where there is one, is for all but the REST API.
    let function = if kind.is_rest() { functions.first() } else { functions.last() }.cloned();
    let invoke: gateway::Invoke = Arc::new(move |event| {
        let function = function.clone();
        Box::pin(async move {
            match function {
                Some(function) => function.invoke(event).await,
                None => Err(InvokeError::Stopped),
            }
        })
    });
    let mut gateway = gateway::Options::of(kind, invoke, options.now.clone());
    let sources = options.identity_sources.iter().filter(|source| source.serves(kind));
    let sources: Vec<Source> = sources.cloned().collect();
    if !sources.is_empty() {
        gateway.identity_sources = sources;
    }
    if !options.routes.is_empty() {
        gateway.routes.clone_from(&options.routes);
    }
    gateway.stage_variables.clone_from(&options.stage_variables);
    gateway.cache_ttl = options.authorizer_ttl;
    // The demonstration's second function knows no key.
    let has_keys = kind.is_rest() || !options.has_second_function();
    gateway.api_key = api_key.filter(|_| has_keys).map(str::to_owned);
    gateway.api_key_source = options.api_key_source;
    gateway.usage_plan.clone_from(&options.usage_plan);
    gateway.upstream.clone_from(&options.upstream);
    gateway
}

/// The demonstration's pool.
pub(super) fn demo_pool(options: &Options) -> issuer::Options {
    let now = options.now.clone();
    issuer::Options {
        pool: demo::POOL.to_owned(),
        clients: demo::clients(),
        users: demo::users(),
        token_lifetime: options.token_lifetime,
        now: Box::new(move || now.moment().as_secs()),
    }
}
