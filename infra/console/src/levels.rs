//! The levels that the requests of a subject meet, by the table and by a configuration.

use authorizer::{Config, Refusal, assumed_parents, is_of_parent};
use serde_json::{Map, Value, json};
use table::Chain;
use throttle::{MAX_PARENTS, Subject};

/// The levels above a subject, nearest first: the assigned parents, then the configured ones.
#[derive(Debug)]
pub struct Levels {
    /// The parents, nearest first.
    pub parents: Vec<Level>,
    /// The reason why requests of the subject are refused, with the chain and the fix.
    pub problem: Option<String>,
}

/// A parent of a subject.
#[derive(Debug, PartialEq, Eq)]
pub struct Level {
    /// The parent; `None` if a claim names it, and the caller's token is not known.
    pub subject: Option<String>,
    /// The plan, as far as it is known.
    pub plan: Option<String>,
    /// The entry of `parents` in the configuration that adds it; `None` if it is assigned.
    pub entry: Option<String>,
}

impl Level {
    /// The parent in a sentence.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.subject, &self.entry) {
            (Some(subject), _) => format!("`{subject}`"),
            (None, entry) => format!("the claim `{}`", entry.as_deref().unwrap_or_default()),
        }
    }

    /// The parent in JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { subject, plan, entry } = self;
        let mut json = json!({"subject": subject, "plan": plan});
        if let (Some(entry), Some(members)) = (entry, json.as_object_mut()) {
            members.insert("configured".to_owned(), entry.as_str().into());
        }
        json
    }
}

impl Levels {
    /// The levels of a subject with these assigned parents, as a request meets them.
    ///
    /// `claims` are those of the caller's token, if they are known. A configured parent has the
    /// plan of its entry here, not the one that the table assigns.
    ///
    /// # Errors
    /// The claims do not name a configured parent.
    pub fn of(
        chain: &Chain,
        claims: Option<&Map<String, Value>>,
        config: Option<&Config>,
    ) -> Result<Self, Refusal> {
        let assigned = chain.parents.iter().map(|it| Level {
            subject: Some(it.subject.clone()),
            plan: it.plan.clone(),
            entry: None,
        });
        let mut parents: Vec<_> = assigned.collect();
        if let Some(problem) = chain.problem {
            let problem = Some(format!("{} {problem}", chain.shown()));
            return Ok(Self { parents, problem });
        }
        let own = chain.names.first().map(String::as_str).unwrap_or_default();
        let added = match (config, Subject::new(own)) {
            // A parent in the configuration is not a caller.
            (Some(config), Ok(own)) if !is_of_parent(own.as_str()) => {
                assumed_parents(&own, claims, config)?
            }
            _ => Vec::new(),
        };
        for parent in added {
            let name = parent.subject.as_ref().map(|it| it.as_str().to_owned());
            let plan = parent.plan.map(|plan| plan.to_string());
            // A subject that is named twice is one parent.
            let is_same = |level: &&mut Level| match (&name, &level.subject) {
                (Some(name), Some(known)) => name == known,
                // `#ISSUER#CLAIM#TEXT`: most probably the tenant that the token names.
                (None, Some(known)) => known.split('#').nth(2) == Some(parent.name.as_str()),
                (_, None) => false,
            };
            if let Some(same) = parents.iter_mut().find(is_same) {
                same.plan = same.plan.take().or(plan);
                continue;
            }
            parents.push(Level { subject: name, plan, entry: Some(parent.name) });
        }
        let mut levels = Self { parents, problem: None };
        levels.problem = levels.problem_of(own);
        Ok(levels)
    }

    fn problem_of(&self, own: &str) -> Option<String> {
        let names = self.parents.iter().map(Level::name).collect::<Vec<_>>().join(" → ");
        let is_configured = self.parents.iter().any(|level| level.entry.is_some());
        (self.parents.len() > MAX_PARENTS).then(|| {
            let fix = if is_configured { ", or remove one of `parents` in [throttle]" } else { "" };
            format!(
                "`{own}` → {names} has more than four levels: name a parent with fewer above \
                 it{fix}"
            )
        })
    }
}
