//! The plans in the table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::clock::Timestamp;
use crate::failure::{Failure, StoreError};
use crate::name::PlanId;
use crate::plan::Plan;
use crate::store::PlanRecord;
use crate::store::dynamo::failure;
use crate::table::item::{self, PK, n};

/// Reads and writes the plans of a table.
#[derive(Clone, Debug)]
pub struct Plans {
    client: Client,
    table: String,
}

/// Why a plan wasn't written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlansError {
    /// Somebody else has written it meanwhile.
    #[error("the plan `{plan}` was changed meanwhile: look at it, and put it again")]
    Conflict {
        /// The plan.
        plan: PlanId,
    },
    /// The table has no answer, or holds something that can't be trusted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Some of a table's plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The plans, in no order.
    pub plans: Vec<PlanRecord>,
    /// The names of plans that can't be read.
    pub damaged: Vec<String>,
    /// Where the next page starts; none after the last.
    pub next: Option<String>,
}

impl Plans {
    /// The plans of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Reads one plan; none if there is no such plan. The read is consistent.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged.
    pub async fn get(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, item::plan::key(id))
            .consistent_read(true);
        // Boxed, like the bucket's write: a decision may wait for this too.
        let answer = Box::pin(read.send()).await.map_err(|error| failure(&error))?;
        Ok(answer.item.as_ref().map(item::plan::record).transpose()?)
    }

    /// Writes a plan, where `replaced` is the version it replaces; none for a new plan.
    ///
    /// `now` is kept as the moment of a new plan's creation, and ignored for an older one.
    ///
    /// # Errors
    /// The stored version is another than `replaced`, or the table has no answer.
    pub async fn put(
        &self,
        id: &PlanId,
        plan: &Plan,
        replaced: Option<u64>,
        now: Timestamp,
    ) -> Result<PlanRecord, PlansError> {
        let json = item::plan::json(plan).map_err(StoreError::from)?;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::plan::key(id))
            .update_expression("SET #p = :p, #v = :v, #c = if_not_exists(#c, :c)")
            .expression_attribute_names("#p", item::plan::PLAN)
            .expression_attribute_names("#v", item::plan::VERSION)
            .expression_attribute_names("#c", item::plan::CREATED)
            .expression_attribute_values(":p", AttributeValue::S(json))
            .expression_attribute_values(":v", n(replaced.unwrap_or(0).saturating_add(1)))
            .expression_attribute_values(":c", n(now.as_nanos()))
            .return_values(ReturnValue::AllNew);
        update = match replaced {
            None => update.condition_expression("attribute_not_exists(#v)"),
            Some(version) => update
                .condition_expression("#v = :replaced")
                .expression_attribute_values(":replaced", n(version)),
        };
        let answer = update.send().await.map_err(|error| {
            let conflict = error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
            if conflict {
                PlansError::Conflict { plan: id.clone() }
            } else {
                StoreError::from(failure(&error)).into()
            }
        })?;
        let written = answer.attributes.ok_or(StoreError::Failure(Failure::Outage))?;
        Ok(item::plan::record(&written).map_err(StoreError::from)?)
    }

    /// Lists plans, a page at a time; `from` is the `next` of the page before.
    ///
    /// Scans the table, at most a megabyte of it a page, so a page may be empty and not the last.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn list(&self, from: Option<&str>) -> Result<Page, StoreError> {
        let start = from.map(|from| [(PK.to_owned(), AttributeValue::S(from.to_owned()))].into());
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(#k, :prefix)")
            .expression_attribute_names("#k", PK)
            .expression_attribute_values(
                ":prefix",
                AttributeValue::S(item::plan::PREFIX.to_owned()),
            )
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let mut page = Page::default();
        for item in answer.items() {
            match item::plan::record(item) {
                Ok(record) => page.plans.push(record),
                Err(_) => {
                    page.damaged.push(item::plan::id(item).unwrap_or_default().to_owned());
                }
            }
        }
        let last = answer.last_evaluated_key.as_ref().and_then(|key| key.get(PK));
        page.next = last.and_then(|key| key.as_s().ok()).cloned();
        Ok(page)
    }
}
