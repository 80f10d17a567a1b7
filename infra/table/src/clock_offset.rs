//! Offset of this machine's clock from DynamoDB's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

use crate::error::Failure;
use crate::time::secs;

/// Returns the difference between `now` and the date of an answer, in whole seconds; `None` without
/// a date.
///
/// Makes one call, `DescribeEndpoints`, which needs no table. An error response has a date too.
///
/// # Errors
/// DynamoDB does not answer.
pub async fn clock_offset(
    client: &Client,
    now: impl Into<SystemTime>,
) -> Result<Option<Duration>, Failure> {
    let date = Date::default();
    let call = client.describe_endpoints().customize().interceptor(date.clone());
    let answer = call.send().await;
    match (date.0.load(Ordering::Relaxed), answer) {
        (0, Ok(_)) => Ok(None),
        (0, Err(error)) => Err(error.into()),
        (theirs, _) => Ok(Some(Duration::from_secs(secs(now.into()).abs_diff(theirs)))),
    }
}

/// The date of an answer, in seconds since the epoch; 0 without one.
#[derive(Clone, Debug, Default)]
struct Date(Arc<AtomicU64>);

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // RFC 9110 section 6.6.1: to the second.
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        if let Some(secs) = date.and_then(|date| u64::try_from(date.secs()).ok()) {
            self.0.store(secs, Ordering::Relaxed);
        }
        Ok(())
    }
}
