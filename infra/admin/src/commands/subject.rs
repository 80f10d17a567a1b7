//! `tollgate subject`.

mod assign;
mod reset;
mod show;
mod unassign;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Error;

/// Show, assign and reset subjects, which requests are counted under.
///
/// A caller's subject is the issuer's short name, `#` and the claim's value, such as
/// `us-east-1_abcDEF123#client1`. A key's own subject is `key-` and its id. A tenant that subjects
/// are within is a subject too. Choose a name that begins with `#`, such as `#tenant#acme`, because
/// no caller can have it. `usage export` lists the subjects that have used a plan.
#[derive(Debug, Subcommand)]
pub(crate) enum Subject {
    Assign(assign::Assign),
    Unassign(unassign::Unassign),
    Show(show::Show),
    Reset(reset::Reset),
}

impl Subject {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Assign(it) => it.run(context).await,
            Self::Unassign(it) => it.run(context).await,
            Self::Show(it) => it.run(context).await,
            Self::Reset(it) => it.run(context).await,
        }
    }
}

/// A subject's plan and parent in a sentence: `under `gold`, within `acme``.
fn standing(plan: Option<&str>, parent: Option<&str>) -> String {
    let plan = plan.map(|plan| format!("under `{plan}`"));
    let parent = parent.map(|parent| format!("within `{parent}`"));
    plan.into_iter().chain(parent).collect::<Vec<_>>().join(", ")
}
