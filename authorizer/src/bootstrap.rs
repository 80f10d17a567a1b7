//! The start of the executable: configuration, connections, and the Lambda Runtime API.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use lambda_runtime_api_client::{PooledClient, build_request};
use serde_json::{Value, json};
use table::Connect;
use throttle::{Clock, DynamoStore, KeyLookup, Store, SystemClock};

use crate::config::{Config, ConfigError};
use crate::handler::Authorizer;
use crate::http::{self, ClientError};
use crate::record::Invocation;
use crate::revocation::Revocations;
use crate::{record, runtime, verify};

/// The exit code if the start fails, because the deployment is wrong.
const EXIT_MISUSE: u8 = 2;

/// Cache time of assigned plans, the same as for plans.
const LOOK_UP_AGE: Duration = Duration::from_secs(60);

/// Errors of the start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client for key sets cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The Region is invalid.
    #[error("`region` in [throttle] {0}")]
    Region(#[from] throttle::NameError),
    /// A variable that Lambda sets is missing.
    #[error("`{0}` is not set: this executable is started by Lambda, or by `local`")]
    Environment(&'static str),
}

/// Variables that `lambda_runtime` requires.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

impl StartError {
    const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Region(_) | Self::Environment(_) => "config",
            Self::Client(_) => "unavailable",
        }
    }
}

/// Runs the authorizer until its execution environment ends.
///
/// Reads the configuration that the environment names (`AUTHORIZER_CONFIG`, or `USER_POOL_ID` and
/// `CLIENT_IDS`). An error in it is logged and posted to the Runtime API as an initialisation error;
/// the exit code is then 2.
#[must_use]
pub fn main() -> ExitCode {
    run(start())
}

/// Runs an authorizer with another store or clock than [`main`] uses.
///
/// `start` makes the authorizer before the first invocation. Errors are handled as in `main`.
#[must_use]
pub fn run<S: Store, C: Clock + Clone>(
    start: impl Future<Output = Result<Authorizer<S, C>, StartError>>,
) -> ExitCode {
    record::start();
    let is_concurrent = is_concurrent(std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().as_deref());
    // With one request at a time, one thread is enough; more would only slow the start down.
    let runtime = if is_concurrent {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(code = "unavailable", %error, "the async runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(start, is_concurrent))
}

/// Returns true if Lambda sends several requests at a time (Lambda Managed Instances).
fn is_concurrent(limit: Option<&str>) -> bool {
    limit.and_then(|text| text.trim().parse::<u32>().ok()).is_some_and(|limit| limit > 1)
}

async fn serve<S: Store, C: Clock + Clone>(
    start: impl Future<Output = Result<Authorizer<S, C>, StartError>>,
    is_concurrent: bool,
) -> ExitCode {
    let started = match VARIABLES.into_iter().find(|name| std::env::var_os(name).is_none()) {
        Some(name) => Err(StartError::Environment(name)),
        None => start.await,
    };
    let authorizer = match started {
        Ok(authorizer) => Arc::new(authorizer),
        Err(error) => {
            tracing::error!(code = error.code(), detail = %error, "the authorizer can't start");
            report(&error).await;
            return ExitCode::from(EXIT_MISUSE);
        }
    };
    authorizer.prepare().await;
    let outcome = if is_concurrent {
        several(authorizer).await
    } else {
        runtime::one_by_one(&authorizer).await.map(drop)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(code = "unavailable", %error, "the Runtime API failed");
            ExitCode::FAILURE
        }
    }
}

/// Answers several invocations at a time, as many as Lambda sends.
async fn several<S: Store, C: Clock + Clone>(
    authorizer: Arc<Authorizer<S, C>>,
) -> Result<(), lambda_runtime::Error> {
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let authorizer = Arc::clone(&authorizer);
        async move {
            let LambdaEvent { payload, context } = event;
            let invocation = Invocation {
                request_id: &context.request_id,
                trace: context.xray_trace_id.as_deref(),
            };
            authorizer.handle(&payload, invocation).await
        }
    });
    lambda_runtime::Runtime::new(handler).run_concurrent().await
}

async fn start() -> Result<Authorizer<DynamoStore, SystemClock>, StartError> {
    let config = Config::from_env()?;
    let client = verify::client(&config.issuers)?;
    let table = http::table();
    let connect = |timeout| Connect::lambda().http_client(table.clone()).operation_timeout(timeout);
    let (mut store, mut lookup, mut revocations) = (None, None, None);
    if let Some(throttle) = &config.throttle {
        let client = connect(throttle.timeout()).client().await;
        lookup = Some(KeyLookup::new(&client, &throttle.table, SystemClock::new(), LOOK_UP_AGE));
        let made = DynamoStore::new(client, &throttle.table);
        store = Some(match &throttle.region {
            Some(region) => made.region(region)?,
            None => made,
        });
    }
    // If keys are configured, their time-out and cache time are used.
    if let Some(keys) = &config.keys {
        let client = connect(keys.timeout()).client().await;
        lookup = Some(KeyLookup::new(&client, &keys.table, SystemClock::new(), keys.cache()));
    }
    if let Some(revocation) = &config.revocation {
        let client = connect(revocation.timeout()).client().await;
        let table = table::Revocations::new(client, &revocation.table);
        revocations = Some(Revocations::new(table, revocation.clone(), SystemClock::new()));
    }
    let mut authorizer = Authorizer::with_client(config, store, SystemClock::new(), &client);
    if let Some(lookup) = lookup {
        authorizer = authorizer.with_key_lookup(lookup);
    }
    if let Some(revocations) = revocations {
        authorizer = authorizer.with_revocations(revocations);
    }
    Ok(authorizer)
}

/// Posts an initialisation error to the Runtime API, which shows it to the caller of the function.
async fn report(error: &StartError) {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let body = json!({ "errorType": error.code(), "errorMessage": error.to_string() });
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("Lambda-Runtime-Function-Error-Type", error.code())
        .header("Content-Type", "application/json")
        .body(body.to_string().into());
    let Ok(request) = request else { return };
    let posted = PooledClient::builder().build().call(request);
    match tokio::time::timeout(Duration::from_secs(1), posted).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the initialisation error cannot be reported"),
        Err(_) => tracing::warn!("the initialisation error cannot be reported: no answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_needs_one_thread() {
        for one in [None, Some(""), Some("0"), Some("1"), Some("-1"), Some("many")] {
            assert!(!is_concurrent(one), "{one:?}");
        }
        assert!(is_concurrent(Some("2")));
    }
}
