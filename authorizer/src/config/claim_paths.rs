//! The `[claim_paths]` table: names for claims that are inside objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Mistake;

mod resolve;

pub(crate) use resolve::resolve;

/// Most aliases, because each can copy a part of the token.
const MAX_ALIASES: usize = 32;

/// Most names in a path; a token nests no deeper than 16 levels.
const MAX_PATH: usize = 8;

/// The longest name, in bytes, as in a route.
const MAX_NAME: usize = 128;

/// Claims with a fixed meaning, which an alias must not replace.
const RESERVED: [&str; 17] = [
    "_claim_names",
    "_claim_sources",
    "aud",
    "auth_time",
    "client_id",
    "cnf",
    "events",
    "exp",
    "hasgroups",
    "iat",
    "iss",
    "jti",
    "nbf",
    "origin_jti",
    "sub",
    "tid",
    "token_use",
];

/// An alias, and the names that lead to its claim: the first at the token's top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimPath {
    pub(crate) alias: String,
    pub(crate) path: Vec<String>,
}

impl ClaimPath {
    /// The claim at the token's top level in which the path begins.
    pub(crate) fn root(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// Follows the path. A missing claim is `Ok(None)`, and so is null.
    ///
    /// # Errors
    ///
    /// The path leads into a value that is not an object.
    pub(crate) fn find<'m>(
        &self,
        members: &'m Map<String, Value>,
    ) -> Result<Option<&'m Value>, ()> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(None) };
        let mut found = members.get(first);
        for name in rest {
            found = match found {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::Object(members)) => members.get(name),
                Some(_) => return Err(()),
            };
        }
        Ok(found.filter(|value| !value.is_null()))
    }
}

/// Checks the table as it is written.
pub(super) fn check(written: BTreeMap<String, Vec<String>>) -> Result<Vec<ClaimPath>, Mistake> {
    if written.len() > MAX_ALIASES {
        let message = format!("more than {MAX_ALIASES} aliases in [claim_paths]: remove some");
        return Err(Mistake::of_table(message));
    }
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
    };
    for (alias, path) in &written {
        let shown = alias.escape_debug();
        let wrong = |message: String| Err(Mistake::of(alias, message));
        if !is_name(alias) {
            return wrong(format!("`{shown}` must be a name of 1 to {MAX_NAME} bytes"));
        }
        if RESERVED.contains(&alias.as_str()) || alias.starts_with("groups:src") {
            return wrong(format!(
                "`{shown}` in [claim_paths] is a claim with a meaning of its own: choose another \
                 name"
            ));
        }
        if path.is_empty() || path.len() > MAX_PATH || !path.iter().all(is_name) {
            return wrong(format!(
                "`{shown}` in [claim_paths] must be a path of 1 to {MAX_PATH} names, as in \
                 `[\"realm_access\", \"roles\"]`"
            ));
        }
        // Otherwise the result would depend on the order of the aliases.
        if written.values().any(|path| path.first() == Some(alias)) {
            return wrong(format!(
                "`{shown}` in [claim_paths] is also the first name of a path: choose another name"
            ));
        }
    }
    Ok(written.into_iter().map(|(alias, path)| ClaimPath { alias, path }).collect())
}
