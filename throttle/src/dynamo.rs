//! A store in a DynamoDB table: one conditional UpdateItem a decision.

mod buckets;
mod history;
mod item;
mod plans;

use std::sync::Arc;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
    ThrottlingReason,
};
use table::connect::{OPERATION_TIMEOUT, Repeats};
use table::{Client, Connect, PK};

pub use buckets::{Buckets, GrantError};
pub use history::{BucketRecord, RateState};
pub use plans::Plans;

use crate::bucket::{State, Write};
use crate::failure::{Damage, Failure, StoreError};
use crate::id::{NameError, PlanId, Subject, checked};
use crate::lock::{Mutex, lock};
use crate::plan::PlanRecord;
use crate::store::{Answer, Consumed, ONE_UNIT, Store};
use item::Expression;

/// Buckets and plans in a DynamoDB table. Clones share the connections and the count.
///
/// Every call has a time-out. If the answer to a write is lost, the write may have been applied. It
/// is repeated in one case only: see [`Transport`](table::connect::Transport). The repetition
/// counts as a separate call.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
    region: Option<Arc<str>>,
    plans: Plans,
    consumed: Arc<Mutex<Consumed>>,
}

impl DynamoStore {
    /// Connects to a table with these settings.
    pub async fn connect(table: &str, connect: &Connect) -> Self {
        Self::new(connect.client().await, table)
    }

    /// Uses an existing client, with its own HTTP client.
    ///
    /// The SDK's own retries are turned off. A client without an operation time-out gets one
    /// of 500 ms. A client from [`Connect`] repeats a call on a broken connection; another may not.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "it is replaced; its owner is done with it")]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let config = client.config();
        let timeouts = config.timeout_config().cloned();
        let timeouts = match timeouts {
            Some(timeouts) if timeouts.operation_timeout().is_some() => timeouts,
            Some(timeouts) => timeouts.to_builder().operation_timeout(OPERATION_TIMEOUT).build(),
            None => TimeoutConfig::builder().operation_timeout(OPERATION_TIMEOUT).build(),
        };
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::disabled);
        let retries = retries.with_max_attempts(1);
        let config = config.to_builder().retry_config(retries).timeout_config(timeouts);
        let client = Client::from_conf(config.build());
        let table = table.into();
        let plans = Plans::new(client.clone(), table.clone());
        Self { client, table, region: None, plans, consumed: Arc::default() }
    }

    /// Gives this Region separate budgets in a table that Regions share. Default: off.
    ///
    /// A global table with eventual consistency keeps only the last of two Regions' writes to one
    /// bucket. With this setting each Region writes to its own buckets, `BUCKET#region#subject`;
    /// operators find them as the subject `region#subject`. All Regions share plans, keys and
    /// assignments, so each Region has the plan's whole budget: divide the plan's numbers by the
    /// number of Regions, or give each Region a separate plan.
    ///
    /// # Errors
    /// The name is empty, longer than 64 bytes, or holds control characters.
    pub fn region(self, region: &str) -> Result<Self, NameError> {
        Ok(Self { region: Some(checked(region.to_owned(), 64)?), ..self })
    }
}

impl crate::store::Sealed for DynamoStore {}

impl Store for DynamoStore {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        Ok(self.plans.get(id).await?)
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let (mut milliunits, repeats) = (ONE_UNIT, Repeats::default());
        let answer = self.written(subject, write, &mut milliunits, &repeats).await;
        let mut consumed = lock(&self.consumed);
        for _ in 0..repeats.count() {
            consumed.count(&Err(Failure::Outage.into()), ONE_UNIT);
        }
        consumed.count(&answer, milliunits);
        answer
    }

    async fn read(&self, subject: &Subject, write: &Write) -> Result<State, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, item::key(self.region.as_deref(), subject))
            .consistent_read(true);
        let answer = Box::pin(get.send()).await;
        let answer = answer.map_err(|error| Failure::from(table::Failure::from(error)))?;
        let state = answer.item.map(|item| item::state(&item, write));
        Ok(state.transpose().map_err(Damage::from)?.unwrap_or_default())
    }

    fn consumed(&self) -> Consumed {
        *lock(&self.consumed)
    }
}

impl DynamoStore {
    async fn written(
        &self,
        subject: &Subject,
        write: &Write,
        milliunits: &mut u64,
        repeats: &Repeats,
    ) -> Result<Answer, StoreError> {
        let Expression { update, condition, names, values } = Expression::new(write);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::key(self.region.as_deref(), subject))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // A refund that is applied twice would give tokens back twice.
        let repeats = write.only_takes().then(|| repeats.clone());
        let update = update.customize().mutate_request(move |request| {
            if let Some(repeats) = &repeats {
                request.add_extension(repeats.clone());
            }
        });
        // Boxed, because the SDK's futures nest so deeply that callers' futures would not compile.
        let answer = Box::pin(update.send()).await;
        match answer {
            Ok(answer) => {
                let capacity = answer.consumed_capacity.as_ref();
                let units = capacity.and_then(ConsumedCapacity::capacity_units);
                *milliunits = units.and_then(thousandths).unwrap_or(ONE_UNIT);
                // An answer without attributes does not show that the write was applied.
                let written = answer.attributes.ok_or(Failure::Outage)?;
                Ok(Answer::Applied(item::state(&written, write).map_err(Damage::from)?))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                    let found = kept.item().map(|item| item::state(item, write));
                    let found = found.transpose().map_err(Damage::from)?;
                    Ok(Answer::Kept(found.unwrap_or_default()))
                }
                Some(error) if is_hot_key(error) => Err(Failure::HotKey.into()),
                _ => Err(Failure::from(table::Failure::from(error)).into()),
            },
        }
    }
}

/// Returns true if a write failed because its own item gets too many writes.
fn is_hot_key(error: &UpdateItemError) -> bool {
    let reasons = match error {
        UpdateItemError::ThrottlingException(it) => it.throttling_reasons(),
        UpdateItemError::ProvisionedThroughputExceededException(it) => it.throttling_reasons(),
        // Another Region of a strongly consistent global table is writing the same item.
        UpdateItemError::ReplicatedWriteConflictException(_) => return true,
        _ => return false,
    };
    // Such as `TableWriteKeyRangeThroughputExceeded`. If the table is throttled too, that decides.
    let is_key_range = |reason: &ThrottlingReason| {
        reason.reason().is_some_and(|text| text.ends_with("KeyRangeThroughputExceeded"))
    };
    !reasons.is_empty() && reasons.iter().all(is_key_range)
}

/// A decimal number in thousandths, rounded; `None` if it is not a number of this size.
fn thousandths(units: f64) -> Option<u64> {
    // Converted as text, without calculating in floats.
    format!("{units:.3}").replacen('.', "", 1).parse().ok()
}

impl From<table::Failure> for Failure {
    fn from(failure: table::Failure) -> Self {
        match failure {
            table::Failure::TimedOut => Self::TimedOut,
            table::Failure::Unreachable => Self::Unreachable,
            table::Failure::Throttled => Self::Throttled,
            table::Failure::NoTable => Self::NoTable,
            table::Failure::Denied { code, .. } => Self::Denied { code },
            table::Failure::Unconfigured => Self::Unconfigured,
            table::Failure::Rejected { code } => Self::Rejected { code },
            table::Failure::Contended { calls } => Self::Contended { calls },
            _ => Self::Outage,
        }
    }
}

impl From<table::Damage> for Damage {
    fn from(damage: table::Damage) -> Self {
        let table::Damage { item, attribute, problem } = damage;
        Self { item, attribute, problem }
    }
}

impl From<table::Error> for StoreError {
    fn from(error: table::Error) -> Self {
        match error {
            table::Error::Damaged(damage) => Self::Damaged(damage.into()),
            table::Error::Failure(failure) => Self::Failure(failure.into()),
            _ => Self::Failure(Failure::Outage),
        }
    }
}
