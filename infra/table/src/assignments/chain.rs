//! The chain of a subject's parents, which every reader follows by the same rules.

use super::Assignment;

/// The most parents of a subject: with itself there are four levels.
pub const MAX_PARENTS: usize = 3;

/// The parents of a subject, nearest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The names of all levels, the subject's own first. If there is a problem, the last name
    /// caused it.
    pub names: Vec<String>,
    /// The parents. A parent without an assignment has neither a plan nor a parent.
    pub parents: Vec<Assignment>,
    /// The reason why the chain is incomplete. Requests of the subject must then be refused.
    pub problem: Option<ChainProblem>,
}

/// Reason why a chain of parents cannot be used. Holds no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainProblem {
    /// A parent is a subject that is already in the chain.
    #[error("is a loop: name another parent")]
    Loop,
    /// There are more than [`MAX_PARENTS`].
    #[error("has more than four levels: name a parent with fewer above it")]
    TooLong,
}

impl Chain {
    /// Follows the parents of a subject from its own assignment. `get` reads the others.
    ///
    /// Always reads at most [`MAX_PARENTS`] assignments.
    ///
    /// # Errors
    /// An error of `get`.
    pub async fn above<E, F>(own: &Assignment, get: impl Fn(String) -> F) -> Result<Self, E>
    where
        F: Future<Output = Result<Option<Assignment>, E>>,
    {
        let (mut names, mut parents) = (vec![own.subject.clone()], Vec::new());
        let (mut next, mut problem) = (own.parent.clone(), None);
        while let Some(name) = next.take() {
            if names.contains(&name) {
                problem = Some(ChainProblem::Loop);
            } else if parents.len() == MAX_PARENTS {
                problem = Some(ChainProblem::TooLong);
            } else {
                let parent = get(name.clone()).await?;
                let parent = parent.unwrap_or_else(|| Assignment::new(name.as_str()));
                next = parent.parent.clone();
                parents.push(parent);
            }
            names.push(name);
        }
        Ok(Self { names, parents, problem })
    }

    /// The names in a sentence: `` `maria` → `acme` ``.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("`{}`", self.names.join("` → `"))
    }
}
