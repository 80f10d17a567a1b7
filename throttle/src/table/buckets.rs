//! The buckets in the table, as operators see them.

use std::num::NonZeroU64;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::failure::{Failure, StoreError};
use crate::name::{NameError, Subject, checked};
use crate::period::Period;
use crate::store::dynamo::failure;
use crate::table::Items;
use crate::table::item::{
    self, Attributes, BucketRecord, EXPIRES_AT, GRANTED, GRANTS, MAX_GRANTED, PK, n, text,
};
use crate::usage::History;

/// Reads what a table's subjects used, grants them more, and resets them.
///
/// Decisions don't go this way.
pub type Buckets = Items<BucketRecord>;

/// Why nothing was granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// An id that is none.
    #[error("the grant's id {0}")]
    Id(#[source] NameError),
    /// More than can be granted for one period.
    #[error("at most {MAX_GRANTED} can be granted for one period, and less is left of it")]
    TooMuch,
    /// The table has no answer, or holds something that can't be trusted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Buckets {
    /// What a subject used so far; nothing if it has no bucket.
    ///
    /// # Errors
    /// The table has no answer, or the bucket is damaged.
    pub async fn usage(&self, subject: &Subject) -> Result<History, StoreError> {
        Ok(self.get(subject).await?.map(|bucket| bucket.history).unwrap_or_default())
    }

    /// Gives a subject `extra` requests beside its quota, for the period that `now` is in.
    ///
    /// What it used is not forgotten, and what it doesn't use lapses when the period ends. A
    /// period that its plan has no quota for may be granted, to no effect. A grant is made once,
    /// however often it is asked for with the same `id` while the period lasts; so after an error
    /// ask again with the same. Gives what is stored afterwards.
    ///
    /// One read, to find what old grants have left, and one conditional write. Instances that
    /// remember a refusal notice within a second.
    ///
    /// # Errors
    /// The id is empty, longer than 64 bytes, or holds control characters; as much as the largest
    /// quota has been granted already; the bucket is damaged; or the table has no answer.
    pub async fn grant(
        &self,
        subject: &Subject,
        period: Period,
        extra: NonZeroU64,
        id: &str,
        now: Timestamp,
    ) -> Result<History, GrantError> {
        let id = checked(id.to_owned(), 64).map_err(GrantError::Id)?;
        let room = MAX_GRANTED.checked_sub(extra.get()).ok_or(GrantError::TooMuch)?;
        let counter = period.window(now).counter.to_string();
        let stale = self.stale(subject, &counter).await?;
        let mut remove = Vec::new();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::key::<BucketRecord>(subject))
            .condition_expression(
                "(attribute_not_exists(#i) OR NOT contains(#i, :id)) \
                 AND (attribute_not_exists(#g) OR #g BETWEEN :zero AND :room)",
            )
            .expression_attribute_names("#c", &counter)
            .expression_attribute_names("#g", format!("{GRANTED}{counter}"))
            .expression_attribute_names("#i", format!("{GRANTS}{counter}"))
            .expression_attribute_names("#x", EXPIRES_AT)
            .expression_attribute_values(":n", n(extra.get()))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":room", n(room))
            .expression_attribute_values(":id", text(&id))
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_string()]))
            .expression_attribute_values(":x", n(expiry(now)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (at, name) in stale.into_iter().enumerate() {
            remove.push(format!("#s{at}"));
            update = update.expression_attribute_names(format!("#s{at}"), name);
        }
        let remove = if remove.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", remove.join(", "))
        };
        let update = update.update_expression(format!(
            "SET #c = if_not_exists(#c, :zero) - :n, #g = if_not_exists(#g, :zero) + :n, #x = :x \
             ADD #i :ids{remove}"
        ));
        match Box::pin(update.send()).await {
            Ok(answer) => {
                let written = answer.attributes.ok_or(StoreError::Failure(Failure::Outage))?;
                Ok(history(&written)?)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                    let kept = kept.item().ok_or(StoreError::Failure(Failure::Outage))?;
                    let ids = kept.get(&format!("{GRANTS}{counter}"));
                    let ids = ids.and_then(|ids| ids.as_ss().ok());
                    let history = history(kept)?;
                    if ids.is_some_and(|ids| ids.iter().any(|known| **known == *id)) {
                        Ok(history)
                    } else {
                        Err(GrantError::TooMuch)
                    }
                }
                _ => Err(StoreError::from(failure(&error)).into()),
            },
        }
    }

    /// Forgets all that a subject used, granted or owes; says whether there was anything.
    ///
    /// Its next request finds a full bucket and whole quotas. Its history is gone too.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn reset(&self, subject: &Subject) -> Result<bool, StoreError> {
        self.remove(subject).await
    }

    /// The attributes that grants of other periods have left, and nobody needs.
    async fn stale(&self, subject: &Subject, counter: &str) -> Result<Vec<String>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, item::key::<BucketRecord>(subject))
            .consistent_read(true);
        let answer = Box::pin(read.send()).await.map_err(|error| failure(&error))?;
        let item = answer.item.unwrap_or_default();
        Ok(item::stale(&item, counter).map(str::to_owned).collect())
    }
}

fn history(item: &Attributes) -> Result<History, StoreError> {
    let bucket: Option<BucketRecord> = item::read(item)?;
    Ok(bucket.map(|bucket| bucket.history).unwrap_or_default())
}

/// As long as a decision keeps a bucket.
fn expiry(now: Timestamp) -> u64 {
    now.saturating_add(KEEP).as_nanos().div_ceil(NANOS_A_SECOND)
}

const KEEP: Duration = Duration::from_secs(400 * 86_400);
