//! Making the SDK's client.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Config, Credentials, Region};

use super::OPERATION_TIMEOUT;

/// How to connect to DynamoDB.
///
/// Region, credentials and endpoint are the environment's (`AWS_REGION`,
/// `AWS_ENDPOINT_URL_DYNAMODB`, …) unless set here. A call takes at most 100 ms and is never
/// repeated.
#[derive(Clone, Debug)]
pub struct Connect {
    place: Place,
    operation_timeout: Duration,
    connect_timeout: Duration,
}

#[derive(Clone, Debug)]
enum Place {
    Environment,
    Endpoint(String),
    Emulator(String),
}

impl Connect {
    /// Connects as the environment says.
    #[must_use]
    pub fn new() -> Self {
        Self {
            place: Place::Environment,
            operation_timeout: OPERATION_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// Connects to an emulator at this URL, with made-up credentials and region.
    ///
    /// Nothing is read from the environment.
    #[must_use]
    pub fn emulator(url: impl Into<String>) -> Self {
        Self { place: Place::Emulator(url.into()), ..Self::new() }
    }

    /// Sets the URL to connect to, such as `http://127.0.0.1:8000`.
    #[must_use]
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        Self { place: Place::Endpoint(url.into()), ..self }
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

    /// Makes the client. Reads the environment; sends nothing to DynamoDB.
    pub async fn client(&self) -> Client {
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(self.operation_timeout)
            .connect_timeout(self.connect_timeout)
            .build();
        if let Place::Emulator(url) = &self.place {
            let credentials = Credentials::new("emulator", "emulator", None, None, "emulator");
            let config = Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .credentials_provider(credentials)
                .endpoint_url(url)
                .retry_config(RetryConfig::disabled())
                .timeout_config(timeouts);
            return Client::from_conf(config.build());
        }
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Place::Endpoint(url) = &self.place {
            loader = loader.endpoint_url(url);
        }
        Client::new(&loader.load().await)
    }
}

impl Default for Connect {
    fn default() -> Self {
        Self::new()
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
