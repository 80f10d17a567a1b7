//! Who is calling, as far as rules care.

use std::{fmt, net::IpAddr};

use serde_json::{Map, Value};

use super::when::Holds;

/// The last second of the year 9999: what a date of four digits can say.
const MAX_EXP: i64 = 253_402_300_799;

/// A caller whose token has been verified, borrowed from its claims.
///
/// Issuer, scopes, groups and client are given apart from the claims, since each issuer keeps them in
/// claims of its own. Debug shows how many there are and no value.
#[derive(Clone)]
pub struct Caller<'a> {
    issuer: Option<&'a str>,
    client: Option<&'a str>,
    scopes: Vec<&'a str>,
    groups: Vec<&'a str>,
    claims: &'a Map<String, Value>,
    source_ip: Option<IpAddr>,
}

impl<'a> Caller<'a> {
    /// A caller with these claims, and no issuer, client, scope, group or known address.
    #[must_use]
    pub fn new(claims: &'a Map<String, Value>) -> Self {
        let (scopes, groups) = (Vec::new(), Vec::new());
        Self { issuer: None, client: None, scopes, groups, claims, source_ip: None }
    }

    /// Sets who issued the token, by the name that rules call it in `issuers`.
    #[must_use]
    pub fn with_issuer(self, issuer: Option<&'a str>) -> Self {
        Self { issuer, ..self }
    }

    /// Sets the client that the token was issued to, where it names one.
    #[must_use]
    pub fn with_client(self, client: Option<&'a str>) -> Self {
        Self { client, ..self }
    }

    /// Sets the scopes that the token carries, one an item.
    #[must_use]
    pub fn with_scopes(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { scopes: scopes.into_iter().collect(), ..self }
    }

    /// Sets the groups that the caller is in.
    #[must_use]
    pub fn with_groups(self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        Self { groups: groups.into_iter().collect(), ..self }
    }

    /// Sets the address that the request came from, where the event tells it.
    ///
    /// Only [`Rules::verdict`](crate::Rules::verdict) looks at it; in a document the address is a
    /// condition, since API Gateway keeps the document for requests from elsewhere too.
    #[must_use]
    pub fn with_source_ip(self, source_ip: Option<IpAddr>) -> Self {
        Self { source_ip, ..self }
    }

    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    pub(crate) fn claims(&self) -> &'a Map<String, Value> {
        self.claims
    }

    pub(crate) fn claim(&self, claim: &str) -> Option<&'a Value> {
        self.claims.get(claim)
    }

    /// The token's `exp` in whole seconds since 1970, a fraction cut off; none where it is no time.
    pub(crate) fn exp(&self) -> Option<i64> {
        let exp = self.claim("exp")?;
        let seconds = exp.as_i64().or_else(|| {
            // RFC 7519 allows a fraction: the digits before it, since floats are not for counting.
            exp.as_number()?.to_string().split_once('.')?.0.parse().ok()
        })?;
        (0..=MAX_EXP).contains(&seconds).then_some(seconds)
    }

    pub(crate) fn is_from(&self, issuer: &str) -> bool {
        self.issuer == Some(issuer)
    }

    pub(crate) fn is_client(&self, client: &str) -> bool {
        self.client == Some(client)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(&scope)
    }

    pub(crate) fn in_group(&self, group: &str) -> bool {
        self.groups.contains(&group)
    }

    /// Whether a claim is one of the values, or a list of strings with one of them in it.
    ///
    /// Of a claim that is there in any other form it is not known what it means.
    pub(crate) fn claims_one_of(&self, claim: &str, values: &[String]) -> Holds {
        let holds = match self.claims.get(claim) {
            None => false,
            Some(Value::String(claimed)) => values.contains(claimed),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).any(|c| values.iter().any(|v| v == c))
            }
            Some(_) => return Holds::Unknown,
        };
        if holds { Holds::Yes } else { Holds::No }
    }
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("has_issuer", &self.issuer.is_some())
            .field("has_client", &self.client.is_some())
            .field("scopes", &self.scopes.len())
            .field("groups", &self.groups.len())
            .field("claims", &self.claims.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_claim_is_judged_as_a_string_or_a_list_of_strings_alone() {
        let values = ["gold".to_owned(), "1".to_owned(), "true".to_owned(), String::new()];
        for (claim, matches) in [
            (json!("gold"), Holds::Yes),
            (json!(["iron", "gold"]), Holds::Yes),
            (json!("Gold"), Holds::No),
            (json!("gold iron"), Holds::No),
            (json!(["iron"]), Holds::No),
            (json!([]), Holds::No),
            (json!(["gold", 1]), Holds::Unknown),
            (json!([["gold"]]), Holds::Unknown),
            (json!({ "gold": "gold" }), Holds::Unknown),
            (json!(1), Holds::Unknown),
            (json!(true), Holds::Unknown),
            (json!(null), Holds::Unknown),
        ] {
            let claims = claims(json!({ "plan": claim }));
            let caller = Caller::new(&claims);
            assert_eq!(caller.claims_one_of("plan", &values), matches, "{claim}");
            assert_eq!(caller.claims_one_of("other", &values), Holds::No);
        }
    }

    #[test]
    fn exp_is_a_time_in_seconds() {
        for (exp, seconds) in [
            (json!(1_763_724_000), Some(1_763_724_000)),
            (json!(1_763_724_000.75), Some(1_763_724_000)),
            (json!(0), Some(0)),
            (json!(253_402_300_799_i64), Some(253_402_300_799)),
            (json!(253_402_300_800_i64), None),
            (json!(-1), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("1763724000"), None),
            (json!(null), None),
        ] {
            let claims = claims(json!({ "exp": exp }));
            assert_eq!(Caller::new(&claims).exp(), seconds, "{exp}");
        }
        assert_eq!(Caller::new(&Map::new()).exp(), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let claims = claims(json!({ "sub": "secret-sub" }));
        let caller = Caller::new(&claims)
            .with_issuer(Some("secret-issuer"))
            .with_client(Some("secret-client"))
            .with_scopes(["secret-scope"])
            .with_groups(["secret-group"]);
        let shown = format!("{caller:?}");
        assert_eq!(
            shown,
            "Caller { has_issuer: true, has_client: true, scopes: 1, groups: 1, claims: 1, .. }"
        );
    }
}
