//! The target of notices: an SNS topic.

use std::fmt;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::types::MessageAttributeValue;
use jiff::{SignedDuration, Timestamp as Moment};
use serde_json::json;
use throttle::{Period, PlanId, Timestamp};

use crate::due::Due;

/// Time-out of a call. A call is not retried, because Lambda repeats failed records.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A topic, and the client that publishes to it.
#[derive(Clone)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// Errors of publishing a notice; after some of them the outcome is unknown.
#[derive(Clone, Debug, thiserror::Error)]
#[error("SNS has not taken the notice ({code}): check the topic and the right to publish to it")]
pub struct PublishError {
    code: String,
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Topic {
    /// The topic of this ARN; region and credentials, and the endpoint, are the environment's.
    pub async fn connect(arn: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .load()
            .await;
        Self::new(Client::new(&config), arn)
    }

    /// The topic of this ARN, with an existing client.
    #[must_use]
    pub fn new(client: Client, arn: impl Into<String>) -> Self {
        Self { client, arn: arn.into() }
    }

    /// Publishes a notice: a line for people as its subject, JSON for programs.
    ///
    /// # Errors
    ///
    /// SNS did not accept the notice, or its answer was lost.
    pub async fn publish(&self, due: &Due, plan: &PlanId) -> Result<(), PublishError> {
        let Due { id, window, used, limit } = due;
        let period = period(window.counter.period());
        let meter = window.counter.meter();
        let mut message = json!({
            "subject": id.subject(),
            "plan": plan.as_str(),
            "percent": id.percent(),
            "used": used,
            "limit": limit,
            "period": period,
            "from": moment(window.start),
            "to": moment(window.end),
        });
        let mut quota = "quota".to_owned();
        if !meter.is_requests() {
            quota.insert_str(0, &format!("{meter} "));
            if let Some(members) = message.as_object_mut() {
                members.insert("meter".to_owned(), meter.as_str().into());
            }
        }
        let publish = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(format!("Tollgate: {} % of a {quota} by {period} used", id.percent()))
            .message(message.to_string())
            .set_message_attributes(Some(
                [
                    ("percent".to_owned(), attribute("Number", &id.percent().to_string())?),
                    ("plan".to_owned(), attribute("String", plan.as_str())?),
                ]
                .into(),
            ));
        match Box::pin(publish.send()).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let code = error.as_service_error().and_then(|error| error.code());
                let code = code.unwrap_or("no answer").chars().take(100).collect();
                Err(PublishError { code })
            }
        }
    }
}

fn attribute(kind: &str, value: &str) -> Result<MessageAttributeValue, PublishError> {
    let attribute = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
    attribute.map_err(|_| PublishError { code: "not sent".to_owned() })
}

fn period(period: Period) -> &'static str {
    match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    }
}

/// Formats a time as in RFC 3339, in UTC; empty if it is outside the calendar.
fn moment(moment: Timestamp) -> Option<String> {
    let since = SignedDuration::try_from(Duration::from_secs(moment.as_secs())).ok()?;
    Moment::from_duration(since).ok().map(|moment| moment.to_string())
}
