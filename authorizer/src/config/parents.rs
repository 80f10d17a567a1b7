//! `parents` in `[throttle]`: the buckets that a request is charged to in addition to the caller's
//! own.

use serde::{Deserialize, Deserializer, de};
use throttle::{MAX_PARENTS, PlanId};

use super::Mistake;

/// The entry that stands for all callers.
const ALL: &str = "*";

/// The longest name of a claim, in bytes. It leaves most of a subject for the claim's text.
const MAX_CLAIM: usize = 128;

/// A parent of every caller: the subject of a claim's text, or one subject for all callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentConfig {
    /// The claim, or `*` for all callers.
    parent: String,
    /// The plan of parents without an assigned plan.
    pub plan: Option<PlanId>,
}

impl ParentConfig {
    /// The claim whose text names the parent; `None` if all callers have this parent.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        Some(self.parent.as_str()).filter(|parent| *parent != ALL)
    }

    /// The entry as it is written: a claim, or `*`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.parent
    }
}

/// Checks the entries. `looks_up` is true if plans of parents are read from the table.
pub(super) fn check(parents: &[ParentConfig], looks_up: bool) -> Result<(), Mistake> {
    if parents.len() > MAX_PARENTS {
        let message = format!("`parents` has more than {MAX_PARENTS} entries: remove some");
        return Err(Mistake::of("parents", message));
    }
    for (position, ParentConfig { parent, plan }) in parents.iter().enumerate() {
        let shown = parent.escape_debug();
        let wrong = |message: String| Err(Mistake::of_item("parents", parent, message));
        if parent.is_empty() || parent.len() > MAX_CLAIM || parent.chars().any(char::is_control) {
            return wrong(format!(
                "each of `parents` must be `*` or the name of a claim, of 1 to {MAX_CLAIM} bytes"
            ));
        }
        if parent.contains('#') {
            return wrong(format!(
                "`{shown}` in `parents` has a `#`, which separates the parts of a subject: give \
                 the claim another name in [claim_paths]"
            ));
        }
        if ["api_key", "source_ip"].contains(&parent.as_str()) {
            return wrong(format!(
                "`{shown}` cannot be in `parents`: name a claim, or `*` for all callers"
            ));
        }
        let (before, after) = parents.split_at(position);
        if before.iter().any(|other| other.parent == *parent) {
            return wrong(format!("duplicate `{shown}` in `parents`: remove one"));
        }
        if parent == ALL && after.len() > 1 {
            return wrong("`*` in `parents` is for all callers: write it last".to_owned());
        }
        if plan.is_none() && !looks_up {
            return wrong(format!(
                "`{shown}` in `parents` has no plan: write `{{ parent = \"{shown}\", plan = \
                 \"tenant\" }}`, or assign plans in the table, with `assigned = true` in `plan`"
            ));
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for ParentConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A claim or `*` alone, or with a plan.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Alone(String),
            With { parent: String, plan: Option<String> },
        }

        let (parent, plan) = match Written::deserialize(deserializer)? {
            Written::Alone(parent) => (parent, None),
            Written::With { parent, plan } => (parent, plan),
        };
        let plan = plan.map(PlanId::new).transpose();
        let plan =
            plan.map_err(|error| de::Error::custom(format!("`plan` in `parents` {error}")))?;
        Ok(Self { parent, plan })
    }
}
