//! The flags of a key's rights, for `key create` and `key update`.

use authorizer::is_reserved_for_keys;
use clap::Args;
use table::KeyRights;

use crate::error::Error;

#[derive(Args, Debug)]
#[command(next_help_heading = "Rights")]
pub(super) struct Rights {
    /// Scope of its callers; may be repeated.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Group of its callers; may be repeated.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Value that rules read as a claim, and the backend as context; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Stage in which the key is accepted; by default all. May be repeated.
    #[arg(long, value_name = "STAGE")]
    stage: Vec<String>,
}

impl Rights {
    /// Returns true if no flag is given.
    pub(super) fn are_none(&self) -> bool {
        self.scope.is_empty()
            && self.group.is_empty()
            && self.context.is_empty()
            && self.stage.is_empty()
    }

    /// Replaces each list of which a flag is given.
    pub(super) fn apply(self, rights: &mut KeyRights) -> Result<(), Error> {
        for (given, list) in [
            (self.scope, &mut rights.scopes),
            (self.group, &mut rights.groups),
            (self.stage, &mut rights.stages),
        ] {
            if !given.is_empty() {
                *list = given;
            }
        }
        if let Some((name, _)) = self.context.iter().find(|(name, _)| is_reserved_for_keys(name)) {
            return Err(Error::misuse(format!(
                "`--context {name}=…` is a name that Tollgate uses: choose another"
            )));
        }
        if !self.context.is_empty() {
            rights.context = self.context.into_iter().collect();
        }
        rights.check().map_err(|damage| {
            let flag = damage.attribute.trim_end_matches('s');
            Error::misuse(format!("`--{flag}` {}", damage.problem))
        })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as tenant=acme")?;
    Ok((name.to_owned(), value.to_owned()))
}
