//! Connections to DynamoDB: settings, time-outs and HTTP client.

mod connector;
mod tls;
mod transport;

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Credentials, HttpClient, Region, SharedHttpClient,
};

pub use tls::{TlsError, tls};
pub use transport::{Moment, Repeats, Transport};

/// Connection settings for DynamoDB.
///
/// By default a call takes at most 500 ms, connecting included. By public reports of cold starts, a
/// first connection takes 140 to 350 ms. A call is repeated once, and only if a keep-alive
/// connection breaks before any byte of the answer: see [`Transport`].
#[derive(Clone, Debug)]
pub struct Connect {
    place: Place,
    http: Option<SharedHttpClient>,
    operation_timeout: Duration,
    connect_timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Place {
    #[cfg(feature = "https")]
    Environment,
    #[cfg(feature = "https")]
    Endpoint(String),
    Lambda,
    Emulator(String),
}

impl Connect {
    /// Finds region, credentials and endpoint like AWS's own tools.
    ///
    /// If a proxy is set in the environment (`HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`), calls go
    /// through the SDK's own HTTP client, which honours it and does not repeat a call.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn new() -> Self {
        Self::to(Place::Environment)
    }

    /// Sets the URL to connect to, such as `http://127.0.0.1:8000`.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        Self { place: Place::Endpoint(url.into()), ..self }
    }

    /// Connects with the settings that Lambda gives to a function, and no others.
    ///
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. If
    /// they are set, also `AWS_ENDPOINT_URL_DYNAMODB` or else `AWS_ENDPOINT_URL`,
    /// `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT`. Does not use profiles, roles to
    /// assume, the metadata service or proxies: without their code an executable is smaller and
    /// starts sooner.
    #[must_use]
    pub fn lambda() -> Self {
        Self::to(Place::Lambda)
    }

    /// Connects to an emulator at this URL, with made-up credentials and region.
    ///
    /// Nothing is read from the environment.
    #[must_use]
    pub fn emulator(url: impl Into<String>) -> Self {
        Self::to(Place::Emulator(url.into()))
    }

    fn to(place: Place) -> Self {
        Self { place, http: None, operation_timeout: OPERATION_TIMEOUT, connect_timeout: None }
    }

    /// Sends requests through this HTTP client: a [`Transport`] that is shared, or one of your own.
    #[must_use]
    pub fn http_client(self, client: impl HttpClient + 'static) -> Self {
        Self { http: Some(SharedHttpClient::new(client)), ..self }
    }

    /// Sets the time-out of a whole call, connecting and a repetition included. Default: 500 ms.
    #[must_use]
    pub fn operation_timeout(self, timeout: Duration) -> Self {
        Self { operation_timeout: timeout, ..self }
    }

    /// Sets the time-out of making a connection. Default: that of the whole call.
    ///
    /// A custom HTTP client may have another time-out.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: Some(timeout), ..self }
    }

    /// Makes the client. Reads the environment, and sends nothing to DynamoDB.
    pub async fn client(&self) -> Client {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(self.operation_timeout)
            .connect_timeout(self.to_connect())
            .build();
        let bare = || {
            Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .retry_config(no_retries())
                .timeout_config(timeouts.clone())
        };
        let mut config = match &self.place {
            Place::Emulator(url) => {
                let credentials = Credentials::new("emulator", "emulator", None, None, "emulator");
                bare()
                    .region(Region::new("us-east-1"))
                    .credentials_provider(credentials)
                    .endpoint_url(url)
            }
            Place::Lambda => lambda(bare()),
            #[cfg(feature = "https")]
            Place::Environment | Place::Endpoint(_) => {
                let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
                    .retry_config(no_retries())
                    .timeout_config(timeouts);
                if let Place::Endpoint(url) = &self.place {
                    loader = loader.endpoint_url(url);
                }
                Builder::from(&loader.load().await)
            }
        };
        if let Some(http) = self.http.clone().or_else(|| self.transport()) {
            config = config.http_client(http);
        }
        Client::from_conf(config.build())
    }

    /// Makes a transport, unless a proxy must be used.
    fn transport(&self) -> Option<SharedHttpClient> {
        let (plain, proxied) = match &self.place {
            #[cfg(feature = "https")]
            Place::Environment => (false, has_proxy()),
            #[cfg(feature = "https")]
            Place::Endpoint(url) => (is_plain(url), has_proxy()),
            Place::Lambda => (endpoint().is_some_and(|url| is_plain(&url)), false),
            Place::Emulator(url) => (is_plain(url), false),
        };
        if proxied {
            return None;
        }
        if !plain {
            // Read the certificates now, so that it is not part of a connection's time. If that
            // fails, every connection returns the error.
            let _ = tls();
        }
        Some(SharedHttpClient::new(Transport::new(self.to_connect())))
    }

    fn to_connect(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.operation_timeout)
    }
}

/// No retries by the SDK, because the transport repeats calls and drops broken connections itself.
fn no_retries() -> RetryConfig {
    RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections)
}

fn is_plain(url: &str) -> bool {
    url.starts_with("http://")
}

#[cfg(feature = "https")]
fn has_proxy() -> bool {
    let names =
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| variable(name).is_some())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The endpoint from Lambda's variables.
fn endpoint() -> Option<String> {
    variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// Applies the settings of Lambda's variables.
///
/// They are read once, because the credentials of a function's role do not change while its
/// execution environment lives. Without credentials each call fails as unconfigured.
fn lambda(config: Builder) -> Builder {
    let flag = |name| variable(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let mut config = config
        .use_fips(flag("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    config = match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = variable("AWS_SESSION_TOKEN");
            config.credentials_provider(Credentials::new(id, secret, token, None, "Lambda"))
        }
        _ => config.credentials_provider(Missing),
    };
    config.set_region(variable("AWS_REGION").map(Region::new));
    config.set_endpoint_url(endpoint());
    config
}

/// A provider for missing credentials. Without a provider the SDK's error has no distinct type.
#[derive(Debug)]
struct Missing;

impl ProvideCredentials for Missing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

#[cfg(feature = "https")]
impl Default for Connect {
    fn default() -> Self {
        Self::new()
    }
}

/// The default time-out of a whole call, connecting included.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(500);
