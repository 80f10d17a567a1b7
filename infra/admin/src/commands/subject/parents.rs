//! The parents of a subject: tenants, teams and what else its requests are counted within.

use table::Assignment;
use throttle::MAX_PARENTS;

use crate::context::Context;
use crate::error::Error;

/// Reads the parents of a subject, nearest first, from the one that its assignment names.
///
/// # Errors
/// They lead back to a subject before them, or are more than three: the chain is named. The
/// authorizer refuses the subject's requests then.
pub(super) async fn parents(
    context: &Context,
    subject: &str,
    parent: Option<&str>,
) -> Result<Vec<Assignment>, Error> {
    let assignments = context.assignments();
    let mut chain = vec![subject.to_owned()];
    let mut parents = Vec::new();
    let mut next = parent.map(str::to_owned);
    while let Some(name) = next {
        let is_loop = chain.contains(&name);
        chain.push(name.clone());
        let problem = match parents.len() {
            _ if is_loop => Some("is a loop: name another parent"),
            MAX_PARENTS => Some("has more than four levels: name a parent with fewer above it"),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(Error::refused(format!("`{}` {problem}", chain.join("` → `"))));
        }
        let assigned = assignments.get(&name).await?;
        let assigned = assigned.unwrap_or_else(|| Assignment::new(name));
        next = assigned.parent.clone();
        parents.push(assigned);
    }
    Ok(parents)
}

/// A subject's plan and parent in a sentence: `under `gold`, within `acme``.
pub(super) fn standing(plan: Option<&str>, parent: Option<&str>) -> String {
    let plan = plan.map(|plan| format!("under `{plan}`"));
    let parent = parent.map(|parent| format!("within `{parent}`"));
    plan.into_iter().chain(parent).collect::<Vec<_>>().join(", ")
}
