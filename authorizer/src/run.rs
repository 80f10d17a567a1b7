//! Joining the authorizer to the Lambda Runtime API.

use std::error::Error as _;
use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use throttle::dynamo::Connect;
use throttle::{DynamoStore, SystemClock};

use crate::config::{Config, ConfigError};
use crate::handler::Authorizer;
use crate::log;

/// The exit code of a start that failed: the deployment is wrong.
const EXIT_MISUSE: u8 = 2;

/// Why the authorizer can't start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the HTTP client for key sets can't be made ({}): check the root certificates", cause(.0))]
    Client(#[from] reqwest::Error),
    #[error("`{0}` is not set: this executable is started by Lambda, or by `cargo run -p local`")]
    Environment(&'static str),
}

/// What `lambda_runtime` reads, and panics without.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// What is below reqwest's own text, which says no more than "builder error".
fn cause(error: &reqwest::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

impl StartError {
    const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Environment(_) => "config",
            Self::Client(_) => "unavailable",
        }
    }
}

/// Runs the authorizer until its execution environment ends.
///
/// Reads the configuration that the environment names (`AUTHORIZER_CONFIG`, or `USER_POOL_ID` and
/// `CLIENT_IDS`). What is wrong with it is posted to the Runtime API as an initialisation error
/// and logged, so that Lambda's own log shows it; the exit code is then 2.
#[must_use]
pub fn main() -> ExitCode {
    log::start();
    // One request at a time, mostly waiting: more threads would only cost start-up time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(code = "unavailable", %error, "the runtime can't start");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run())
}

async fn run() -> ExitCode {
    let authorizer = match start().await {
        Ok(authorizer) => Arc::new(authorizer),
        Err(error) => {
            tracing::error!(code = error.code(), detail = %error, "the authorizer can't start");
            report(&error).await;
            return ExitCode::from(EXIT_MISUSE);
        }
    };
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let authorizer = Arc::clone(&authorizer);
        async move { authorizer.handle(&event.payload, &event.context.request_id).await }
    });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(code = "unavailable", %error, "the Runtime API is gone");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> Result<Authorizer<DynamoStore, SystemClock>, StartError> {
    if let Some(name) = VARIABLES.into_iter().find(|name| std::env::var_os(name).is_none()) {
        return Err(StartError::Environment(name));
    }
    let config = Config::from_env()?;
    let store = match &config.throttle {
        Some(throttle) => {
            let connect = Connect::default()
                .operation_timeout(throttle.timeout())
                .connect_timeout(throttle.timeout());
            Some(DynamoStore::connect(&throttle.table, &connect).await)
        }
        None => None,
    };
    let authorizer = Authorizer::new(config, store, SystemClock::new())?;
    authorizer.prepare().await;
    Ok(authorizer)
}

/// Posts an initialisation error, so that whoever waits for this environment learns why.
///
/// The Runtime API's `init/error`; without one, or without an answer, the log has to do.
async fn report(error: &StartError) {
    let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let body = json!({ "errorType": error.code(), "errorMessage": error.to_string() });
    // Plain HTTP to this very machine: neither root certificates, which may be what is missing,
    // nor a proxy of the environment's.
    let Ok(client) = reqwest::Client::builder().tls_certs_only([]).no_proxy().build() else {
        return;
    };
    let request = client
        .post(format!("http://{api}/2018-06-01/runtime/init/error"))
        .header("Lambda-Runtime-Function-Error-Type", error.code())
        .header("Content-Type", "application/json")
        .timeout(std::time::Duration::from_secs(1))
        .body(body.to_string());
    if let Err(error) = request.send().await {
        tracing::warn!(%error, "the initialisation error can't be reported");
    }
}
