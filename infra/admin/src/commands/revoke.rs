//! `tollgate revoke`.

mod add;
mod list;
mod undo;

use clap::Subcommand;
use throttle::table::RevocationKind;

use crate::desk::Desk;
use crate::exit::Failed;

/// Take tokens back before their end, and show what was taken back.
///
/// Authorizers whose configuration has a table `revocation` notice within the time for which
/// they keep answers. The table holds digests of what is revoked, never the ids themselves.
#[derive(Debug, Subcommand)]
pub(crate) enum Revoke {
    /// Revoke one token, by its `jti`.
    #[command(after_help = TOKEN)]
    Token(add::Add),
    /// Revoke all tokens of one sign-in, refreshed ones too, by their `origin_jti`.
    #[command(after_help = SESSION)]
    Session(add::Add),
    /// Revoke all tokens that a user has now, by the `sub`.
    ///
    /// A sign-in within the next 10 seconds is revoked too, because the issuer's clock may be ahead.
    #[command(after_help = USER)]
    User(add::Add),
    /// Revoke all tokens that a client has now, by its `client_id`.
    ///
    /// A token issued within the next 10 seconds is revoked too, because the issuer's clock may be
    /// ahead.
    #[command(after_help = CLIENT)]
    Client(add::Add),
    List(list::List),
    Undo(undo::Undo),
}

impl Revoke {
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failed> {
        match self {
            Self::Token(it) => it.run(desk, RevocationKind::Token).await,
            Self::Session(it) => it.run(desk, RevocationKind::Session).await,
            Self::User(it) => it.run(desk, RevocationKind::User).await,
            Self::Client(it) => it.run(desk, RevocationKind::Client).await,
            Self::List(it) => it.run(desk).await,
            Self::Undo(it) => it.run(desk).await,
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
  tollgate revoke session 9a1b… --issuer us-east-1_abcDEF123 --for 90d";
const USER: &str = "\
Examples:
  tollgate revoke user 3c44… --issuer us-east-1_abcDEF123 --reason 'left the company'
  tollgate revoke user 3c44… --issuer us-east-1_abcDEF123 --dry-run";
const CLIENT: &str = "\
Examples:
  tollgate revoke client client1 --config tollgate.toml
  tollgate revoke client client1 --issuer us-east-1_abcDEF123 --for 1h";
