//! `tollgate subject`.

mod assign;
mod reset;
mod show;
mod unassign;

use clap::Subcommand;

use crate::desk::Desk;
use crate::exit::Failed;

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
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        match self {
            Self::Assign(it) => it.run(desk).await,
            Self::Unassign(it) => it.run(desk).await,
            Self::Show(it) => it.run(desk).await,
            Self::Reset(it) => it.run(desk).await,
        }
    }
}
