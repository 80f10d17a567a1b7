//! A charged request, and the names of its levels.

use serde_json::{Value, json};
use throttle::{Decision, PlanId, Standing, Subject};

use crate::parents::Parent;

/// A charged request.
pub(crate) struct Charged {
    /// The subject whose bucket was charged.
    pub(crate) subject: Subject,
    /// The parents whose limits apply too, nearest first.
    pub(crate) parents: Vec<Parent>,
    pub(crate) decision: Decision,
}

/// The subject's own level, among the names of its parents.
pub(crate) const OWN: &str = "subject";

impl Charged {
    /// Returns the name of a parent: `assigned`, a claim, or `*`.
    pub(crate) fn name_of(&self, parent: &Subject) -> &str {
        let parent = self.parents.iter().find(|it| it.subject == *parent);
        parent.map_or(OWN, |parent| &parent.name)
    }

    /// Returns the limits with `"enforce": false` that the request does not fit; `None` if there is
    /// none. A parent's limits begin with its name: `burst,daily,custom:tenant/daily`.
    pub(crate) fn would_throttle(&self) -> Option<String> {
        // The subject's own limits come first.
        let mut limits: Vec<_> =
            self.decision.would_refuse().iter().map(ToString::to_string).collect();
        let of_parents = self.decision.parents().iter().flat_map(|(parent, decision)| {
            let name = self.name_of(parent);
            decision.would_refuse().into_iter().map(move |limit| format!("{name}/{limit}"))
        });
        let of_parents: Vec<_> = of_parents.collect();
        limits.truncate(limits.len().saturating_sub(of_parents.len()));
        limits.extend(of_parents);
        (!limits.is_empty()).then(|| limits.join(","))
    }

    /// Returns the name of the parent that has the tightest limit; `None` if it is the subject's own.
    pub(crate) fn tightest(&self) -> Option<&str> {
        let is_tightest = |it: &Standing| {
            let (limit, remaining) = (self.decision.limit(), self.decision.remaining());
            it.is_enforced() && (it.max(), it.remaining()) == (limit, remaining)
        };
        let has = |decision: &Decision| decision.standings().iter().any(is_tightest);
        let mut parents = self.decision.parents().iter().filter(|_| !has(&self.decision));
        parents.find(|(_, decision)| has(decision)).map(|(parent, _)| self.name_of(parent))
    }

    /// Returns the parents as the JSON text of a list, nearest first; `None` without parents.
    ///
    /// At most three of them, each below 2 KB.
    pub(crate) fn parents_json(&self) -> Option<String> {
        let parent = |it: &Parent| {
            let plan = it.plan.as_ref().map(PlanId::as_str);
            json!({"name": it.name, "subject": it.subject.as_str(), "plan": plan})
        };
        let parents: Vec<_> = self.parents.iter().map(parent).collect();
        (!parents.is_empty()).then(|| Value::from(parents).to_string())
    }
}
