//! Which notices of quotas were given already.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use crate::clock::Timestamp;
use crate::failure::StoreError;
use crate::store::dynamo::failure;
use crate::table::Items;
use crate::table::item::{self, CLAIMED_UNTIL, EXPIRES_AT, Notice, NoticeId, PK, TOLD_AT, n};

/// Sees to it that each notice is given once, over any number of those who could give it.
///
/// Whoever is to give one claims it first, gives it, and says so. A claim that is neither kept nor
/// given back ends by itself, so that a notice is lost to no crash; between giving it and saying so
/// a crash has it given twice.
pub type Notices = Items<Notice>;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's to give.
    Ours,
    /// It was given.
    Told,
    /// Another is giving it, unless that one fails.
    Theirs,
}

impl Notices {
    /// Claims a notice until some moment. `keep` is how long after `until` it is remembered.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged. The claim may have been made.
    pub async fn claim(
        &self,
        id: &NoticeId,
        now: Timestamp,
        until: Timestamp,
        keep: Duration,
    ) -> Result<Claim, StoreError> {
        let update = self
            .change(id)
            .update_expression("SET #c = :until, #x = :x")
            .condition_expression(
                "attribute_not_exists(#c) OR (attribute_not_exists(#t) AND #c <= :now)",
            )
            .expression_attribute_names("#t", TOLD_AT)
            .expression_attribute_names("#x", EXPIRES_AT)
            .expression_attribute_values(":now", n(now.as_nanos()))
            .expression_attribute_values(":until", n(until.as_nanos()))
            .expression_attribute_values(":x", n(until.saturating_add(keep).as_secs()));
        match send(update).await? {
            Ok(()) => Ok(Claim::Ours),
            Err(Some(notice)) if notice.told_at.is_some() => Ok(Claim::Told),
            Err(_) => Ok(Claim::Theirs),
        }
    }

    /// Says that a notice was given.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn told(&self, id: &NoticeId, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .change(id)
            .update_expression("SET #t = :now")
            .condition_expression("attribute_exists(#c)")
            .expression_attribute_names("#t", TOLD_AT)
            .expression_attribute_values(":now", n(now.as_nanos()));
        // One that was deleted meanwhile is of a period long past.
        send(update).await.map(drop)
    }

    /// Gives a claim back that was made until that moment.
    ///
    /// # Errors
    /// The table has no answer; then the claim ends by itself.
    pub async fn release(&self, id: &NoticeId, until: Timestamp) -> Result<(), StoreError> {
        let update = self
            .change(id)
            .update_expression("SET #c = :never")
            .condition_expression("#c = :until")
            .expression_attribute_values(":never", n(0))
            .expression_attribute_values(":until", n(until.as_nanos()));
        send(update).await.map(drop)
    }

    fn change(&self, id: &NoticeId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::key::<Notice>(id))
            .expression_attribute_names("#c", CLAIMED_UNTIL)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// Makes a conditional write, or gives what is stored instead: nothing, it may be.
async fn send(update: UpdateItemFluentBuilder) -> Result<Result<(), Option<Notice>>, StoreError> {
    match Box::pin(update.send()).await {
        Ok(_) => Ok(Ok(())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                let kept = kept.item().map(item::read).transpose()?;
                Ok(Err(kept.flatten()))
            }
            _ => Err(failure(&error).into()),
        },
    }
}
