//! How far this machine's clock is from DynamoDB's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

use crate::clock::Timestamp;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::store::dynamo::failure;

/// How far `now` is from the moment that DynamoDB's answer says, to the second; none if it says
/// none.
///
/// One call, `DescribeEndpoints`, which needs no table. An answer of an error has a date too.
///
/// # Errors
/// DynamoDB has no answer at all.
pub async fn clock_offset(client: &Client, now: Timestamp) -> Result<Option<Duration>, Failure> {
    let date = Date::default();
    let call = client.describe_endpoints().customize().interceptor(date.clone());
    let answer = call.send().await;
    let said = date.0.with(|said| *said);
    match (said, answer) {
        (Some(said), _) => {
            let (ours, theirs) = (now.as_secs(), said);
            Ok(Some(Duration::from_secs(ours.abs_diff(theirs))))
        }
        (None, Ok(_)) => Ok(None),
        (None, Err(error)) => Err(failure(&error)),
    }
}

/// The date of an answer, in seconds since the epoch.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<u64>>>);

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
        let secs = date.and_then(|date| u64::try_from(date.secs()).ok());
        self.0.with(|said| *said = secs.or(*said));
        Ok(())
    }
}
