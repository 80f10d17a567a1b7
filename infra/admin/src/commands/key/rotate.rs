//! `tollgate key rotate`.

use std::time::Duration;

use clap::Args;
use table::{Key, KeyRecord, WriteError};
use throttle::Timestamp;

use super::{Which, missing, reveal};
use crate::confirm::Confirm;
use crate::context::Context;
use crate::error::Error;
use crate::time::{moment, parse_length};

/// Replace a key by a new one. The old one expires after an overlap.
///
/// The new key has the old one's subject, plan, rights and expiry. It cannot be shown again.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Time for which both keys are valid.
    #[arg(long, value_name = "LENGTH", default_value = "1d", value_parser = parse_length)]
    overlap: Duration,
    #[command(flatten)]
    confirm: Confirm,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let digest = self.which.digest()?;
        let now = context.now();
        let until = now.saturating_add(self.overlap);
        let old = context.keys().get(&digest).await?.ok_or_else(|| missing(context))?;
        check(&old, until)?;
        if self.confirm.dry_run() {
            let what = format!("make a new key, and let the old one expire at {}", moment(until));
            return context.would(&what);
        }
        if self.overlap.is_zero() {
            self.confirm.require("end the old key at once")?;
        }
        let key = Key::generate().map_err(|error| Error::unavailable(error.to_string()))?;
        let rotated = context.keys().rotate(&digest, &key, until, now).await;
        let record = rotated.map_err(|error| match error {
            WriteError::Missing { .. } => missing(context),
            error => error.into(),
        })?;
        let more = format!("The old key is good until {}.\n", moment(until));
        reveal(context, &key, &record, &more).await.map_err(|error| {
            error.after(format_args!("the old key expires at {} all the same", moment(until)))
        })
    }
}

/// Refuses a key whose replacement would not work as long as the old key is to.
fn check(old: &KeyRecord, until: Timestamp) -> Result<(), Error> {
    if !old.details.enabled {
        return Err(Error::refused(
            "the key is disabled, and so would the new one be: enable it, or create a key",
        ));
    }
    match old.details.expires {
        Some(expires) if Timestamp::from(expires) <= until => Err(Error::refused(format!(
            "the key expires at {} already, as after a rotation, and so would the new one: use \
             the key of that rotation, create a key, or give a shorter `--overlap`",
            moment(expires)
        ))),
        _ => Ok(()),
    }
}

const EXAMPLES: &str = "\
Examples:
  printenv API_KEY | tollgate key rotate - --overlap 7d
  printenv LEAKED_KEY | tollgate key rotate - --overlap 0s --yes";
