//! Joining the authorizer to the Lambda Runtime API.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use table::Connect;
use throttle::{Clock, DynamoStore, KeyLookup, Store, SystemClock};

use crate::config::{Config, ConfigError};
use crate::handler::{Authorizer, Invocation};
use crate::http::{self, ClientError};
use crate::revocation::Revocations;
use crate::{log, runtime, shutdown, verify};

/// The exit code of a start that failed: the deployment is wrong.
const EXIT_MISUSE: u8 = 2;

/// How long a key or an assignment is known before it is looked up again, as a plan is.
const KEEP_LOOK_UPS: Duration = Duration::from_secs(60);

/// Why the authorizer can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client for key sets can't be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The Region can't be one.
    #[error("`region` in [throttle] {0}")]
    Region(#[from] throttle::NameError),
    /// A variable that Lambda sets is missing.
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
/// `CLIENT_IDS`). What is wrong with it is posted to the Runtime API as an initialisation error
/// and logged, so that Lambda's own log shows it; the exit code is then 2.
#[must_use]
pub fn main() -> ExitCode {
    run(start())
}

/// Runs an authorizer that is made in another way than [`main`] does: with another store, say.
///
/// `start` is awaited once, before the first invocation is asked for. Its error is posted and
/// logged as `main`'s is. What `main` logs, how it ends and what a panic costs is the same.
#[must_use]
pub fn run<S, C>(start: impl Future<Output = Result<Authorizer<S, C>, StartError>>) -> ExitCode
where
    S: Store,
    C: Clock + Clone,
{
    log::start();
    let threads = threads(std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().as_deref());
    let runtime = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        Threads::Several => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(code = "unavailable", %error, "the runtime can't start");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(start, threads))
}

/// How many threads an execution environment is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    /// One request at a time, mostly waiting: more threads would only cost start-up time.
    One,
    /// Several requests at a time (Lambda Managed Instances): as many as there are cores.
    Several,
}

fn threads(concurrency: Option<&str>) -> Threads {
    match concurrency.and_then(|text| text.trim().parse::<u32>().ok()) {
        None | Some(0 | 1) => Threads::One,
        Some(_) => Threads::Several,
    }
}

async fn serve<S, C>(
    start: impl Future<Output = Result<Authorizer<S, C>, StartError>>,
    threads: Threads,
) -> ExitCode
where
    S: Store,
    C: Clock + Clone,
{
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
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    futures_util::future::join(authorizer.prepare(), shutdown::register(&api)).await;
    let invocations = async {
        match threads {
            Threads::One => runtime::one_by_one(&authorizer).await.map(drop),
            Threads::Several => several(Arc::clone(&authorizer)).await,
        }
    };
    let ended = async {
        match shutdown::signalled() {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        // Nothing is left to be done: an invocation that runs has been given up by Lambda.
        () = ended => {
            tracing::info!("the execution environment ends");
            ExitCode::SUCCESS
        }
        outcome = invocations => match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(code = "unavailable", %error, "the Runtime API is gone");
                ExitCode::FAILURE
            }
        },
    }
}

/// Answers several invocations at a time, as many as Lambda sends.
async fn several<S, C>(authorizer: Arc<Authorizer<S, C>>) -> Result<(), lambda_runtime::Error>
where
    S: Store,
    C: Clock + Clone,
{
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
    let client = http::client(verify::are_plain(&config.issuers))?;
    let table = http::table();
    let connect = |timeout| Connect::lambda().http_client(table.clone()).operation_timeout(timeout);
    let (store, lookup) = match &config.throttle {
        Some(throttle) => {
            let client = connect(throttle.timeout()).client().await;
            let clock = SystemClock::new();
            let lookup = KeyLookup::new(&client, &throttle.table, clock, KEEP_LOOK_UPS);
            let store = DynamoStore::new(client, &throttle.table);
            let store = match &throttle.region {
                Some(region) => store.region(region)?,
                None => store,
            };
            (Some(store), Some(lookup))
        }
        None => (None, None),
    };
    let revocations = match &config.revocation {
        Some(revocation) => {
            let client = connect(revocation.timeout()).client().await;
            let table = table::Revocations::new(client, &revocation.table);
            Some(Revocations::new(table, revocation.clone(), SystemClock::new()))
        }
        None => None,
    };
    let mut authorizer = Authorizer::with_client(config, store, SystemClock::new(), client);
    if let Some(lookup) = lookup {
        authorizer = authorizer.with_key_lookup(lookup);
    }
    if let Some(revocations) = revocations {
        authorizer = authorizer.with_revocations(revocations);
    }
    Ok(authorizer)
}

/// Posts an initialisation error, so that whoever waits for this environment learns why.
///
/// The Runtime API's `init/error`; without one, or without an answer, the log has to do.
async fn report(error: &StartError) {
    let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let body = json!({ "errorType": error.code(), "errorMessage": error.to_string() });
    let Ok(client) = shutdown::client() else { return };
    let request = client
        .post(format!("http://{api}/2018-06-01/runtime/init/error"))
        .header("Lambda-Runtime-Function-Error-Type", error.code())
        .header("Content-Type", "application/json")
        .timeout(Duration::from_secs(1))
        .body(body.to_string());
    if let Err(error) = request.send().await {
        tracing::warn!(%error, "the initialisation error can't be reported");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_needs_one_thread() {
        for one in [None, Some(""), Some("0"), Some("1"), Some("-1"), Some("many")] {
            assert_eq!(threads(one), Threads::One, "{one:?}");
        }
        assert_eq!(threads(Some("2")), Threads::Several);
    }
}
