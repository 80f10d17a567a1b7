//! Plans of a table, read from their JSON.

use table::{Client, Damage, Error, Failure, Page, StoredPlan, WriteError};

use crate::clock::Timestamp;
use crate::id::PlanId;
use crate::plan::Plan;
use crate::plan::PlanRecord;

/// The plans of a table.
#[derive(Clone, Debug)]
pub struct Plans(table::Plans);

impl Plans {
    /// The plans of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self(table::Plans::new(client, table))
    }

    /// Reads a plan; `None` if it does not exist. The read is consistent.
    ///
    /// # Errors
    /// The table is unavailable, or the plan is damaged.
    pub async fn get(&self, id: &PlanId) -> Result<Option<PlanRecord>, Error> {
        Ok(self.0.get(id.as_str()).await?.map(record).transpose()?)
    }

    /// Lists the plans page by page, as [`table::Items::list`].
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list(&self, from: Option<&str>) -> Result<Page<PlanRecord>, Failure> {
        Ok(page(self.0.list(from).await?))
    }

    /// Lists the plans in smaller pages, as [`table::Items::list_part`].
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list_part(
        &self,
        from: Option<&str>,
        most: u16,
    ) -> Result<Page<PlanRecord>, Failure> {
        Ok(page(self.0.list_part(from, most).await?))
    }

    /// Writes a plan: see [`table::Plans`].
    ///
    /// # Errors
    /// The stored version is not `replaced`, or the table is unavailable.
    pub async fn put(
        &self,
        id: &PlanId,
        plan: &Plan,
        replaced: Option<u64>,
        now: Timestamp,
    ) -> Result<PlanRecord, WriteError> {
        let json = serde_json::to_string(plan)
            .map_err(|_| damage("can't be written as JSON".to_owned()))?;
        // Refuses a plan that could not be read back, for example one with too many methods.
        Plan::from_json(&json)
            .map_err(|error| damage(format!("would not be readable: {error}")))?;
        Ok(record(self.0.put(id.as_str(), &json, replaced, now).await?)?)
    }

    /// Deletes this version of a plan: see [`table::Plans`].
    ///
    /// # Errors
    /// The stored version is another, the plan does not exist, or the table is unavailable.
    pub async fn delete(
        &self,
        id: &PlanId,
        version: u64,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.0.delete(id.as_str(), version, now).await
    }
}

fn page(stored: Page<StoredPlan>) -> Page<PlanRecord> {
    let Page { items, mut damaged, next, read } = stored;
    let mut plans = Vec::with_capacity(items.len());
    for stored in items {
        let id = stored.id.clone();
        match record(stored) {
            Ok(plan) => plans.push(plan),
            Err(_) => damaged.push(id),
        }
    }
    Page { items: plans, damaged, next, read }
}

fn record(stored: StoredPlan) -> Result<PlanRecord, Damage> {
    let StoredPlan { id, json, version, created } = stored;
    let plan = Plan::from_json(json).map_err(|error| damage(format!("is not a plan: {error}")))?;
    let id = PlanId::new(id).map_err(|error| damage(error.to_string()))?;
    Ok(PlanRecord { id, plan, version, created: created.into() })
}

fn damage(problem: String) -> Damage {
    Damage { item: "plan", attribute: "plan".to_owned(), problem }
}
