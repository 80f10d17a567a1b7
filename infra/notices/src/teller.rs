//! From a batch of records to notices.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use table::{Claim, Notices};
use throttle::internal::Cache;
use throttle::{Clock, PlanId, PlanRecord, Plans, StoreError};

use crate::due::{Due, due};
use crate::record::{Bucket, bucket};
use crate::topic::{PublishError, Topic};

/// The time that a plan is cached, as in the authorizer.
const KEEP_PLANS: Duration = Duration::from_secs(60);

/// The time that a sent notice is remembered without a look-up.
const KEEP_TOLD: Duration = Duration::from_secs(3_600);

/// The life of a claim: longer than an invocation lasts.
const CLAIM: Duration = Duration::from_secs(60);

/// The time that a claim is stored: longer than a period and the retention of its records.
const REMEMBER: Duration = Duration::from_secs(40 * 86_400);

/// The number of cached plans and notices.
const MAX_KEPT: u64 = 10_000;

/// Sends due notices, once each.
pub struct Teller<C> {
    plans: Plans,
    notices: Notices,
    topic: Topic,
    clock: C,
    kept_plans: Cache<Option<PlanRecord>>,
    told: Cache<()>,
}

/// Reasons for Lambda to repeat a record.
#[derive(Clone, Debug, thiserror::Error)]
enum Again {
    #[error(transparent)]
    Table(#[from] StoreError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("another invocation is giving this notice")]
    Claimed,
}

impl<C> fmt::Debug for Teller<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<C: Clock> Teller<C> {
    /// Sends the notices of this table to this topic.
    #[must_use]
    pub fn new(client: &table::Client, table: &str, topic: Topic, clock: C) -> Self {
        Self {
            plans: Plans::new(client.clone(), table),
            notices: Notices::new(client.clone(), table),
            topic,
            clock,
            kept_plans: Cache::new(MAX_KEPT, KEEP_PLANS),
            told: Cache::new(MAX_KEPT, KEEP_TOLD),
        }
    }

    /// Sends the notices that a batch makes due; answers in the form of `ReportBatchItemFailures`.
    ///
    /// The first record that must be repeated ends the batch, because Lambda repeats all records
    /// from the lowest reported number on.
    pub async fn tell(&self, event: &Value) -> Value {
        let records = event.get("Records").and_then(Value::as_array);
        for record in records.into_iter().flatten() {
            if let Err(error) = self.record(record).await {
                let number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
                tracing::warn!(%error, number, "a record has to come again");
                // Without a number, Lambda repeats the whole batch.
                return json!({"batchItemFailures": [{"itemIdentifier": number.unwrap_or("")}]});
            }
        }
        json!({"batchItemFailures": []})
    }

    async fn record(&self, record: &Value) -> Result<(), Again> {
        let Bucket { record, written } = match bucket(record) {
            Ok(Some(bucket)) => bucket,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::error!(%error, "a record can't be read, and is left");
                return Ok(());
            }
        };
        // A bucket that only operators have written has no plan yet.
        let Some(stamp) = &record.stamp else { return Ok(()) };
        let Some(plan) = self.plan(&stamp.plan).await? else { return Ok(()) };
        for due in due(&record, &plan, written) {
            let tell = self.once(&due, &plan.id);
            self.told.get(due.id.to_string(), self.clock.moment(), tell).await?;
        }
        Ok(())
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        let read = async { Ok(self.plans.get(id).await?) };
        self.kept_plans.get(id.as_str(), self.clock.moment(), read).await
    }

    /// Publishes a notice, unless it was published before.
    async fn once(&self, due: &Due, plan: &PlanId) -> Result<(), Again> {
        let now = self.clock.now();
        let until = now.saturating_add(CLAIM);
        let claim = self.notices.claim(&due.id, now, until, REMEMBER).await;
        match claim.map_err(StoreError::from)? {
            Claim::Sent => return Ok(()),
            Claim::Theirs => return Err(Again::Claimed),
            Claim::Ours => {}
        }
        if let Err(error) = self.topic.publish(due, plan).await {
            if let Err(error) = self.notices.release(&due.id, until).await {
                tracing::warn!(%error, "a claim stands until it ends");
            }
            return Err(error.into());
        }
        // Without the mark, it would be published again.
        if let Err(error) = self.notices.sent(&due.id, self.clock.now()).await {
            tracing::error!(%error, "a notice may be given twice");
        }
        Ok(())
    }
}
