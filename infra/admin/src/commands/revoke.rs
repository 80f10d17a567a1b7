//! `tollgate revoke`.

mod add;
mod list;
mod undo;

use clap::Subcommand;
use table::RevocationKind;

use crate::context::Context;
use crate::error::Error;

/// Revoke tokens before they expire, and list revocations.
///
/// Authorizers whose configuration has `[revocation]` notice within its `cache_seconds`. The table
/// stores digests, never the ids. A configuration, by `--config` or in the environment, checks the
/// issuer's name and states how long tokens live. Without one, Cognito's defaults apply: 30 days
/// for refresh tokens, 24 hours for tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Revoke {
    /// Revoke one token, by its `jti`.
    #[command(after_help = TOKEN)]
    Token(add::Add),
    /// Revoke all tokens of one sign-in, by their `origin_jti`.
    #[command(after_help = SESSION)]
    Session(add::Add),
    /// Revoke all tokens of a user, and their refreshes, by the `sub`.
    ///
    /// The user can sign in again and gets new tokens. If tokens do not state the time of the
    /// sign-in (`auth_time`, as Cognito's do), a refresh counts as a new sign-in: then revoke at
    /// the issuer as well. A sign-in within the next 10 seconds is revoked too, because the
    /// issuer's clock may be ahead.
    #[command(after_help = USER)]
    User(add::Add),
    /// Revoke all tokens of a client, by its `client_id`.
    ///
    /// The client can get new tokens, so disable it at the issuer as well. A token issued within
    /// the next 10 seconds is revoked too, because the issuer's clock may be ahead.
    #[command(after_help = CLIENT)]
    Client(add::Add),
    List(list::List),
    Undo(undo::Undo),
}

impl Revoke {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Token(it) => it.run(context, RevocationKind::Token).await,
            Self::Session(it) => it.run(context, RevocationKind::Session).await,
            Self::User(it) => it.run(context, RevocationKind::User).await,
            Self::Client(it) => it.run(context, RevocationKind::Client).await,
            Self::List(it) => it.run(context).await,
            Self::Undo(it) => it.run(context).await,
        }
    }
}

const TOKEN: &str = "\
Examples:
  echo \"$TOKEN\" | tollgate revoke token - --config tollgate.toml
  tollgate revoke token 5f6c… --issuer us-east-1_abcDEF123 --reason leaked";
const SESSION: &str = "\
Examples:
  echo \"$TOKEN\" | tollgate revoke session - --config tollgate.toml
  tollgate revoke session 9a1b… --config tollgate.toml";
const USER: &str = "\
Examples:
  tollgate revoke user 3c44… --config tollgate.toml --reason 'left the company'
  tollgate revoke user 3c44… --config tollgate.toml --dry-run
  tollgate revoke user 3c44… --issuer us-east-1_abcDEF123 --for 3651d";
const CLIENT: &str = "\
Examples:
  tollgate revoke client client1 --config tollgate.toml
  tollgate revoke client client1 --issuer us-east-1_abcDEF123 --for 90d";
