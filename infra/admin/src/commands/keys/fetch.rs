//! `tollgate keys fetch`.

use std::path::PathBuf;

use authorizer::fetch_keys;
use clap::Args;
use serde_json::json;

use crate::args::{ConfigFile, issuer};
use crate::error::Error;
use crate::output::{Output, write};

/// Fetch an issuer's key set, to bundle it with a deployment (`jwks_file`).
///
/// It has the limits of the authorizer's own fetch. A set without a usable key is refused.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Fetch {
    #[command(flatten)]
    config: ConfigFile,
    /// Issuer, by its short name or its `iss`; required if there are several.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Write the set to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Fetch {
    pub(crate) async fn run(self, output: Output) -> Result<(), Error> {
        let config = self.config.read()?;
        let issuer = match (&self.issuer, config.issuers.as_slice()) {
            (Some(name), _) => issuer(&config, name)?,
            (None, [only]) => only,
            _ => {
                return Err(Error::misuse(
                    "the configuration has several issuers: name one by `--issuer`",
                ));
            }
        };
        // The other spellings of a pool's name have the same keys, where they have any.
        let named = issuer.identities.iter().find(|it| self.issuer.as_ref() == Some(&it.iss));
        let Some(identity) = named.or_else(|| issuer.identities.first()) else {
            return Err(Error::refused(
                "the issuer has no key endpoint: set its `url` or `jwks_uri`",
            ));
        };
        let Some(place) = &identity.jwks_uri else {
            return Err(Error::refused(
                "the issuer's keys are in the configuration (`jwks` or `jwks_file`): there is \
                 nothing to fetch",
            ));
        };
        let place = place.as_str();
        let set = fetch_keys(identity)
            .await
            .map_err(|error| Error::unavailable(format!("`{place}`: {error}")))?;
        let Some(file) = &self.out else {
            // A carriage return can only stand between JSON's values, where no escape can.
            return write(format_args!("{}\n", set.text.trim_end().replace('\r', "")));
        };
        std::fs::write(file, &set.text)
            .map_err(|error| Error::misuse(format!("can't write `{}`: {error}", file.display())))?;
        let file = file.display().to_string();
        output.print(
            format!("wrote the key set of `{place}` to `{file}`, usable keys: {}", set.usable),
            &json!({"file": file, "keys": set.usable, "from": place}),
        )
    }
}

const EXAMPLES: &str = "\
Examples:
  tollgate keys fetch --config tollgate.toml --out jwks.json
  tollgate keys fetch --config tollgate.toml --issuer us-east-1_abcDEF123";
