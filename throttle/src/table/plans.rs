//! The plans in the table.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::clock::Timestamp;
use crate::failure::{Failure, StoreError};
use crate::name::PlanId;
use crate::plan::Plan;
use crate::store::PlanRecord;
use crate::store::dynamo::failure;
use crate::table::item::{self, CREATED, DELETED, Item, PK, PLAN, VERSION, n};
use crate::table::{Items, WriteError};

/// Reads and writes the plans of a table.
pub type Plans = Items<PlanRecord>;

impl Plans {
    /// Writes a plan, where `replaced` is the version it replaces; none for a new plan.
    ///
    /// `now` is kept as the moment of a new plan's creation, and ignored for an older one. A plan
    /// that was deleted and is stored again counts its versions on: a version never comes twice,
    /// so that buckets can tell an older one.
    ///
    /// # Errors
    /// The stored version is another than `replaced`, or the table has no answer.
    pub async fn put(
        &self,
        id: &PlanId,
        plan: &Plan,
        replaced: Option<u64>,
        now: Timestamp,
    ) -> Result<PlanRecord, WriteError> {
        let record = PlanRecord { id: id.clone(), plan: plan.clone(), version: 0, created: now };
        let mut values = record.attributes().map_err(StoreError::from)?;
        let update = self
            .update(id)
            .expression_attribute_names("#p", PLAN)
            .expression_attribute_names("#v", VERSION)
            .set_expression_attribute_values(
                values.remove(PLAN).map(|plan| [(":p".to_owned(), plan)].into()),
            )
            .expression_attribute_values(":one", n(1));
        let update = match replaced {
            None => update
                .update_expression(
                    "SET #p = :p, #v = if_not_exists(#v, :zero) + :one, #c = :c REMOVE #d",
                )
                .condition_expression("attribute_not_exists(#v) OR attribute_exists(#d)")
                .expression_attribute_names("#c", CREATED)
                .expression_attribute_names("#d", DELETED)
                .expression_attribute_values(":c", n(now.as_nanos()))
                .expression_attribute_values(":zero", n(0)),
            Some(version) => update
                .update_expression("SET #p = :p, #v = #v + :one")
                .condition_expression("#v = :replaced AND attribute_exists(#p)")
                .expression_attribute_values(":replaced", n(version)),
        };
        let written = send(update).await?;
        Ok(written.ok_or(StoreError::Failure(Failure::Outage))?)
    }

    /// Deletes the plan with this version. Requests under it are errors from then on.
    ///
    /// The item stays with its version alone.
    ///
    /// # Errors
    /// The stored version is another, or there is no such plan, or the table has no answer.
    pub async fn delete(
        &self,
        id: &PlanId,
        version: u64,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let update = self
            .update(id)
            .update_expression("SET #d = :d, #v = #v + :one REMOVE #p, #c")
            .condition_expression("#v = :replaced AND attribute_exists(#p)")
            .expression_attribute_names("#p", PLAN)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_names("#c", CREATED)
            .expression_attribute_names("#d", DELETED)
            .expression_attribute_values(":d", n(now.as_nanos()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":replaced", n(version));
        send(update).await.map(drop)
    }

    fn update(&self, id: &PlanId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::key::<PlanRecord>(id))
            .return_values(ReturnValue::AllNew)
    }
}

/// What is stored after the write; none if it says that the plan was deleted.
async fn send(update: UpdateItemFluentBuilder) -> Result<Option<PlanRecord>, WriteError> {
    let answer = Box::pin(update.send()).await.map_err(|error| {
        let conflict = error
            .as_service_error()
            .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
        if conflict {
            WriteError::Conflict { item: PlanRecord::KIND }
        } else {
            StoreError::from(failure(&error)).into()
        }
    })?;
    let written = answer.attributes.ok_or(StoreError::Failure(Failure::Outage))?;
    Ok(item::read(&written).map_err(StoreError::from)?)
}
