//! Two tables of one issuer: no token may fit both.

use super::{Accepted, Checks, Identity, Issuer, TokenUse};
use crate::config::Mistake;

/// Checks a table against an earlier one.
///
/// Two tables may have the same issuer, for tokens of different audiences, clients or kinds. They
/// must have the same keys, because the signature is verified before the table is chosen.
pub(in crate::config) fn check_pair(earlier: &Issuer, later: &Issuer) -> Result<(), Mistake> {
    let pairs = earlier
        .identities
        .iter()
        .flat_map(|one| later.identities.iter().map(move |other| (one, other)));
    let mut shared = pairs.filter(|(one, other)| one.overlaps(other)).peekable();
    let Some((_, Identity { iss, .. })) = shared.peek() else { return Ok(()) };
    if !are_apart(&earlier.checks, &later.checks) {
        return Err(Mistake::of_table(format!(
            "duplicate issuer `{iss}`: remove one, or give both tables different `audiences`, \
             `clients` or `token_use`, so that each token fits one of them"
        )));
    }
    let has_same_keys = shared.all(|(one, other)| one.shares_keys(other));
    if !has_same_keys || earlier.checks.algorithms != later.checks.algorithms {
        return Err(Mistake::of_table(format!(
            "`{iss}` is the issuer of two tables, which need the same keys: write the same \
             `jwks_uri`, `jwks` or `jwks_file`, and `algorithms`, in both"
        )));
    }
    Ok(())
}

/// Returns true if no token of one audience, client and kind fits both tables.
fn are_apart(one: &Checks, other: &Checks) -> bool {
    let differ = |one: &Option<Accepted>, other: &Option<Accepted>| match (one, other) {
        (Some(Accepted::These(one)), Some(Accepted::These(other))) => {
            !one.iter().any(|name| other.contains(name))
        }
        _ => false,
    };
    let kinds = [one.token_use, other.token_use];
    differ(&one.audiences, &other.audiences)
        || differ(&one.clients, &other.clients)
        || kinds.contains(&TokenUse::Access) && kinds.contains(&TokenUse::Id)
}
