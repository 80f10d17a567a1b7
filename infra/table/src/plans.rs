//! Plans: `PLAN#id`.

use std::time::SystemTime;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::error::{Damage, Failure, WriteError};
use crate::item::{
    self, Attributes, Item, MAX_PLAN, NO_KEY, PK, Reader, VERSION, number, text, time,
};
use crate::items::Items;

/// The plans of a table.
pub type Plans = Items<StoredPlan>;

/// A plan's JSON, which this crate does not interpret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPlan {
    /// The plan's name.
    pub id: String,
    /// The plan as JSON.
    pub json: String,
    /// The number of writes; 1 for a new plan.
    pub version: u64,
    /// The time of the first write.
    pub created: SystemTime,
}

impl Plans {
    /// Writes a plan. `replaced` is the version it replaces; `None` for a new plan.
    ///
    /// `now` becomes the creation time of a new plan, and is otherwise ignored. If a deleted plan
    /// is stored again, its versions continue. So a version never occurs twice, and a bucket can
    /// tell which version is older.
    ///
    /// # Errors
    /// The stored version is not `replaced`, the name is invalid, or the table is unavailable.
    pub async fn put(
        &self,
        id: &str,
        json: &str,
        replaced: Option<u64>,
        now: impl Into<SystemTime>,
    ) -> Result<StoredPlan, WriteError> {
        let now = now.into();
        item::whole(&StoredPlan {
            id: id.to_owned(),
            json: json.to_owned(),
            version: 0,
            created: now,
        })?;
        let update = self
            .update(id)
            .expression_attribute_names("#p", PLAN)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_values(":p", text(json))
            .expression_attribute_values(":one", number(1));
        let update = match replaced {
            None => update
                .update_expression(
                    "SET #p = :p, #v = if_not_exists(#v, :zero) + :one, #c = :c REMOVE #d",
                )
                .condition_expression("attribute_not_exists(#v) OR attribute_exists(#d)")
                .expression_attribute_names("#c", CREATED)
                .expression_attribute_names("#d", DELETED)
                .expression_attribute_values(":c", time(now))
                .expression_attribute_values(":zero", number(0)),
            Some(version) => update
                .update_expression("SET #p = :p, #v = #v + :one")
                .condition_expression("#v = :replaced AND attribute_exists(#p)")
                .expression_attribute_values(":replaced", number(version)),
        };
        Ok(send(update).await?.ok_or(Failure::Outage)?)
    }

    /// Deletes this version of a plan. Requests under the plan fail from then on.
    ///
    /// The item stays and keeps the version.
    ///
    /// # Errors
    /// The stored version is another, the plan does not exist, or the table is unavailable.
    pub async fn delete(
        &self,
        id: &str,
        version: u64,
        now: impl Into<SystemTime>,
    ) -> Result<(), WriteError> {
        let update = self
            .update(id)
            .update_expression("SET #d = :d, #v = #v + :one REMOVE #p, #c")
            .condition_expression("#v = :replaced AND attribute_exists(#p)")
            .expression_attribute_names("#p", PLAN)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_names("#c", CREATED)
            .expression_attribute_names("#d", DELETED)
            .expression_attribute_values(":d", time(now.into()))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":replaced", number(version));
        send(update).await.map(drop)
    }

    fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.update_item(id).return_values(ReturnValue::AllNew)
    }
}

/// Sends a write and returns the plan afterwards; `None` if it is deleted.
async fn send(update: UpdateItemFluentBuilder) -> Result<Option<StoredPlan>, WriteError> {
    let answer = Box::pin(update.send()).await.map_err(|error| {
        let conflict = error
            .as_service_error()
            .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
        if conflict {
            WriteError::Conflict { item: StoredPlan::KIND }
        } else {
            Failure::from(error).into()
        }
    })?;
    Ok(item::read_item(&answer.attributes.ok_or(Failure::Outage)?)?)
}

impl Item for StoredPlan {
    type Id = str;

    const KIND: &'static str = "plan";
    const PREFIX: &'static str = "PLAN#";

    fn id(&self) -> &str {
        &self.id
    }

    fn attributes(&self) -> Attributes {
        item::attributes([
            (PLAN, Some(text(&self.json))),
            (VERSION, Some(number(self.version))),
            (CREATED, Some(time(self.created))),
        ])
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        if item.contains_key(DELETED) {
            return Ok(None);
        }
        let item = Reader::new::<Self>(item);
        item.check(PK, id, MAX_PLAN).map_err(|_| item.damage(PK, NO_KEY))?;
        Ok(Some(Self {
            id: id.to_owned(),
            json: item.required(PLAN)?,
            version: item.required(VERSION)?,
            created: item.required(CREATED)?,
        }))
    }
}

/// API Gateway's JSON.
const PLAN: &str = "plan";
/// The time of the first write, in nanoseconds.
const CREATED: &str = "created";
/// The time of the deletion, in nanoseconds. A deleted plan keeps only its version.
const DELETED: &str = "deleted";
