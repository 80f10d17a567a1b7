//! `tollgate subject`.

mod assign;
mod reset;
mod show;
mod unassign;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Error;

/// Show and change the subjects whose requests are counted: their plan and usage.
///
/// The subjects of an authorizer are its issuer's short name, `#`, and the claim's value, such as
/// `us-east-1_abcDEF123#client1`; `usage export` lists those that have used a plan.
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
