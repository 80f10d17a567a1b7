//! A client that counts its calls and what DynamoDB charges for them.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::scan::{ScanInput, ScanOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use table::Client;

/// The calls of a client so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(Arc<Mutex<Counts>>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    /// Of the calls that read many items, in tenths of a unit.
    pub(crate) tenths: u64,
}

impl Counted {
    /// The same client, counted.
    pub(crate) fn client(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    /// The calls since this was read last.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        if let Some(batch) = input.downcast_mut::<BatchGetItemInput>() {
            batch.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
        } else if let Some(scan) = input.downcast_mut::<ScanInput>() {
            scan.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap().calls += 1;
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let consumed = if let Some(batch) = output.downcast_ref::<BatchGetItemOutput>() {
            batch.consumed_capacity().first()
        } else if let Some(scan) = output.downcast_ref::<ScanOutput>() {
            scan.consumed_capacity()
        } else {
            None
        };
        let units = consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
        // Without its point, a number with one decimal is tenths.
        let tenths = format!("{units:.1}").replace('.', "").parse::<u64>()?;
        self.0.lock().unwrap().tenths += tenths;
        Ok(())
    }
}
