//! Making the SDK's client.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, SharedHttpClient,
};

use super::OPERATION_TIMEOUT;

/// How to connect to DynamoDB.
///
/// A call takes at most 100 ms, unless it is said, and is never repeated.
#[derive(Clone, Debug)]
pub struct Connect {
    place: Place,
    http: Option<SharedHttpClient>,
    operation_timeout: Duration,
    connect_timeout: Duration,
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
    /// Connects as the environment says: region, credentials and endpoint are looked for where
    /// AWS's own tools look.
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

    /// Connects with what Lambda gives to a function, and looks nowhere else.
    ///
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; where
    /// they are set `AWS_ENDPOINT_URL_DYNAMODB` or else `AWS_ENDPOINT_URL`,
    /// `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT`. No profile, no role to assume, no
    /// metadata service: without their code an executable is smaller and starts sooner.
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
        Self {
            place,
            http: None,
            operation_timeout: OPERATION_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// Sends requests through this HTTP client rather than the SDK's own.
    ///
    /// Without the feature `https` the SDK has none, and every call fails unless one is set.
    #[must_use]
    pub fn http_client(self, client: SharedHttpClient) -> Self {
        Self { http: Some(client), ..self }
    }

    /// Sets how long a call may take in all; 100 ms unless set.
    #[must_use]
    pub fn operation_timeout(self, timeout: Duration) -> Self {
        Self { operation_timeout: timeout, ..self }
    }

    /// Sets how long making a connection may take; 100 ms unless set.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// Makes the client. Reads the environment, and sends nothing to DynamoDB.
    pub async fn client(&self) -> Client {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(self.operation_timeout)
            .connect_timeout(self.connect_timeout)
            .build();
        let bare = || {
            Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .retry_config(RetryConfig::disabled())
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
                    .retry_config(RetryConfig::disabled())
                    .timeout_config(timeouts);
                if let Place::Endpoint(url) = &self.place {
                    loader = loader.endpoint_url(url);
                }
                Builder::from(&loader.load().await)
            }
        };
        if self.http.is_some() {
            config.set_http_client(self.http.clone());
        }
        Client::from_conf(config.build())
    }
}

/// What the variables that Lambda sets say.
///
/// They are read once: a function's own role has the same credentials for as long as its
/// execution environment lives. Without any each call fails, as one that can't be signed.
fn lambda(config: Builder) -> Builder {
    let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let flag = |name: &str| text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let mut config = config
        .use_fips(flag("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    if let (Some(id), Some(secret)) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY")) {
        let token = text("AWS_SESSION_TOKEN");
        config = config.credentials_provider(Credentials::new(id, secret, token, None, "Lambda"));
    }
    config.set_region(text("AWS_REGION").map(Region::new));
    let endpoint = text("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| text("AWS_ENDPOINT_URL"));
    config.set_endpoint_url(endpoint);
    config
}

#[cfg(feature = "https")]
impl Default for Connect {
    fn default() -> Self {
        Self::new()
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
