//! A plan: `PLAN#id`.

use super::{Attributes, Item, Reading, VERSION, damage, n, text};
use crate::failure::Damage;
use crate::name::PlanId;
use crate::plan::Plan;
use crate::store::PlanRecord;

/// API Gateway's JSON.
pub(crate) const PLAN: &str = "plan";
/// When it was stored as a new one, in nanoseconds.
pub(crate) const CREATED: &str = "created";
/// When it was deleted, in nanoseconds: such an item keeps the version and nothing else.
pub(crate) const DELETED: &str = "deleted";

impl Item for PlanRecord {
    type Id = PlanId;

    const KIND: &'static str = "plan";
    const PREFIX: &'static str = "PLAN#";

    fn id(&self) -> &PlanId {
        &self.id
    }

    fn name(id: &PlanId) -> String {
        id.to_string()
    }

    fn parse(name: &str) -> Option<PlanId> {
        PlanId::new(name).ok()
    }

    fn attributes(&self) -> Result<Attributes, Damage> {
        let json = serde_json::to_string(&self.plan)
            .map_err(|_| damage(Self::KIND, PLAN, "can't be written as JSON"))?;
        Ok(Attributes::from([
            (PLAN.to_owned(), text(&json)),
            (VERSION.to_owned(), n(self.version)),
            (CREATED.to_owned(), n(self.created.as_nanos())),
        ]))
    }

    fn read(id: PlanId, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reading::<Self>::of(item);
        if item.has(DELETED) {
            return Ok(None);
        }
        let plan = item.checked(PLAN, |json| {
            Plan::from_json(json).map_err(|error| format!("is no plan: {error}"))
        })?;
        Ok(Some(Self {
            id,
            plan: item.needed(PLAN, plan)?,
            version: item.needed(VERSION, item.number(VERSION)?)?,
            created: item.needed(CREATED, item.moment(CREATED)?)?,
        }))
    }
}
