//! The claims that a backend receives, and their names there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Spanned;

/// Names with a meaning in the response or for API Gateway.
const RESERVED: [&str; 14] = [
    "principalId",
    "integrationLatency",
    "claims",
    "subject",
    "parents",
    "plan",
    "limit",
    "limitOf",
    "remaining",
    "retryAfter",
    "throttled",
    "wouldThrottle",
    "counted",
    "reason",
];

/// Most claims that may be passed on.
const MAX_ENTRIES: usize = 32;

/// The longest name of an entry, in bytes.
const MAX_NAME: usize = 64;

/// Returns true for a name with a meaning in the response or for API Gateway. No other context
/// value may have it.
#[must_use]
pub fn is_reserved_in_context(name: &str) -> bool {
    RESERVED.contains(&name) || name == "keyId"
}

/// Returns true for a name that no context value of an API key may have: a reserved one, or that of
/// the key's own scopes and groups.
#[must_use]
pub fn is_reserved_for_keys(name: &str) -> bool {
    is_reserved_in_context(name) || ["scope", "groups"].contains(&name)
}

/// A claim that is passed on, and its name for the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) name: String,
    pub(crate) claim: String,
    /// True if it is passed on as the JSON text of a list.
    pub(crate) as_json: bool,
}

/// A claim as it is written: its name, or its form and its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(String),
    Json { json: String },
}

/// The claims to pass on, in the order of the file.
///
/// No claim is duplicated, so all values together are at most as long as the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context(pub(super) Vec<Passed>);

impl Context {
    /// Returns the default context.
    ///
    /// It includes the issuer, because the same `sub` of another issuer is another user.
    pub(super) fn of(scopes_claim: &str, groups_claim: &str) -> Self {
        let entries = [
            ("issuer", "iss"),
            ("sub", "sub"),
            ("clientId", "client_id"),
            ("scope", scopes_claim),
            ("groups", groups_claim),
        ];
        let passed = |(name, claim): (&str, &str)| Passed {
            name: name.to_owned(),
            claim: claim.to_owned(),
            as_json: false,
        };
        Self(entries.map(passed).into())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Spanned<Written>>::deserialize(deserializer)?;
        let mut entries: Vec<(String, Spanned<Written>)> = written.into_iter().collect();
        entries.sort_by_key(|(_, claim)| claim.span().start);
        let passed = |(name, claim): (String, Spanned<Written>)| match claim.into_inner() {
            Written::Plain(claim) => Passed { name, claim, as_json: false },
            Written::Json { json } => Passed { name, claim: json, as_json: true },
        };
        let entries: Vec<Passed> = entries.into_iter().map(passed).collect();
        check(&entries).map_err(de::Error::custom)?;
        Ok(Self(entries))
    }
}

fn check(entries: &[Passed]) -> Result<(), String> {
    if entries.len() > MAX_ENTRIES {
        return Err(format!("more than {MAX_ENTRIES} claims in `context`"));
    }
    for (at, Passed { name, claim, .. }) in entries.iter().enumerate() {
        let shown = name.escape_debug();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > MAX_NAME || !plain {
            return Err(format!(
                "`{shown}` is not a valid name in `context`: use up to {MAX_NAME} letters, digits, `_`"
            ));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "`{shown}` in `context` is a name that Tollgate uses: choose another"
            ));
        }
        if claim.is_empty() {
            return Err(format!("`{shown}` in `context` is empty: name a claim"));
        }
        if entries.iter().take(at).any(|other| other.claim == *claim) {
            let claim = claim.escape_debug();
            return Err(format!("duplicate claim `{claim}` in `context`: remove one"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct File {
        context: Context,
    }

    fn read(context: &str) -> Result<Context, String> {
        toml::from_str::<File>(&format!("context = {context}"))
            .map(|file| file.context)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_the_order_of_the_file() {
        let Context(entries) = read("{ z = \"sub\", a = \"email\", m = \"jti\" }").unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["z", "a", "m"]);
        assert_eq!(read("{}").unwrap(), Context(Vec::new()), "nothing is passed on");
    }

    #[test]
    fn refuses_names_that_have_a_meaning_or_can_t_be_used() {
        for name in RESERVED {
            assert!(
                read(&format!("{{ {name} = \"x\" }}"))
                    .unwrap_err()
                    .contains("a name that Tollgate uses")
            );
        }
        let long = "n".repeat(MAX_NAME + 1);
        for name in ["\"\"", "\"a b\"", "\"a.b\"", "\"a-b\"", "\"é\"", &long] {
            assert!(
                read(&format!("{{ {name} = \"x\" }}")).unwrap_err().contains("is not a valid name")
            );
        }
        assert!(read(&format!("{{ {} = \"x\" }}", "n".repeat(MAX_NAME))).is_ok());
        assert!(read("{ a = \"\" }").unwrap_err().contains("is empty: name a claim"));
        assert!(read("{ a = \"x\", b = \"x\" }").unwrap_err().contains("duplicate claim"));
        assert!(read("{ a = 1 }").is_err());
    }

    #[test]
    fn bounds_how_many_there_are() {
        let of = |count: usize| {
            let entries: Vec<_> = (0..count).map(|n| format!("n{n} = \"c{n}\"")).collect();
            read(&format!("{{ {} }}", entries.join(", ")))
        };
        assert!(of(MAX_ENTRIES).is_ok());
        assert!(of(MAX_ENTRIES + 1).unwrap_err().contains("more than"));
    }
}
