//! The `tenants` of an issuer whose `url` has a placeholder.

use super::Accepted;
use crate::config::Mistake;
use crate::tenant::{PLACEHOLDER, Tenants, is_uuid};

/// A tenant's id, to check a URL with a placeholder as its tokens write it.
const SAMPLE: &str = "00000000-0000-0000-0000-000000000000";

/// Checks that `url` has a placeholder exactly if there are tenants, and the tenants' ids.
pub(super) fn check(url: &str, tenants: Option<&Accepted>) -> Result<Option<Tenants>, Mistake> {
    let count = url.matches(PLACEHOLDER).count();
    let Some(tenants) = tenants else {
        if count > 0 {
            let message = format!(
                "`url` has `{PLACEHOLDER}`: list `tenants`, or write `tenants = \"any\"` to accept \
                 every tenant of the issuer"
            );
            return Err(Mistake::of("url", message));
        }
        if url.contains(['{', '}']) {
            let message = format!("the only placeholder in `url` is `{PLACEHOLDER}`: write that");
            return Err(Mistake::of("url", message));
        }
        return Ok(None);
    };
    if count != 1 || sample(url).contains(['{', '}']) {
        let message = format!(
            "`tenants` goes with one `{PLACEHOLDER}` in `url`, as in \
             `https://login.microsoftonline.com/{PLACEHOLDER}/v2.0`"
        );
        return Err(Mistake::of("tenants", message));
    }
    let Accepted::These(ids) = tenants else { return Ok(Some(Tenants::Any)) };
    match ids.iter().find(|id| !is_uuid(id)) {
        Some(id) => {
            let shown = id.escape_debug();
            let message =
                format!("`{shown}` in `tenants` is not a tenant's id: write a UUID in lower case");
            Err(Mistake::of_item("tenants", id, message))
        }
        None => Ok(Some(Tenants::These(ids.clone()))),
    }
}

/// The URL of a tenant, if it has a placeholder.
pub(super) fn sample(url: &str) -> String {
    url.replace(PLACEHOLDER, SAMPLE)
}

/// The mistake of an issuer with tenants and without keys.
pub(super) fn no_keys() -> Mistake {
    Mistake::of(
        "url",
        format!(
            "an issuer with `{PLACEHOLDER}` needs `jwks_uri`, one address for all tenants, such as \
             `https://login.microsoftonline.com/common/discovery/v2.0/keys`"
        ),
    )
}
