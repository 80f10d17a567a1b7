//! The caller of a request, as rules use it.

use std::{fmt, net::IpAddr, sync::LazyLock};

use serde_json::{Map, Value};

/// The claims of a caller without a credential.
static NO_CLAIMS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// The last second of the year 9999, the latest date with a year of four digits.
const MAX_EXP: i64 = 253_402_300_799;

/// The result of a requirement. The least of several results is that of `all`, the greatest that of
/// `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    No,
    /// Undecided: a claim is missing, kept elsewhere or of another type, or a condition's value is
    /// not a Boolean.
    Unknown,
    Yes,
}

/// A caller, borrowed from the claims of its credential, which has been verified.
///
/// Issuer, scopes, groups and client are set separately, because each issuer keeps them in
/// different claims. Client, scopes and groups that cannot be understood are *unclear*: they never
/// satisfy an allow and always trigger a deny. Debug shows counts and no values.
#[derive(Clone)]
pub struct Caller<'a> {
    issuer: Option<&'a str>,
    client: Named<'a>,
    scopes: Named<'a>,
    groups: Named<'a>,
    claims: &'a Map<String, Value>,
    source_ip: Option<IpAddr>,
    is_anonymous: bool,
}

/// The names that a token states: scopes, groups, or its client.
#[derive(Clone)]
enum Named<'a> {
    These(Vec<&'a str>),
    /// The token has them in an unexpected type, or keeps them elsewhere.
    Unclear,
}

impl<'a> Named<'a> {
    fn these(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::These(names.into_iter().collect())
    }

    fn has(&self, name: &str) -> Holds {
        match self {
            Self::These(names) if names.contains(&name) => Holds::Yes,
            Self::These(_) => Holds::No,
            Self::Unclear => Holds::Unknown,
        }
    }
}

/// The number of names, or `Unclear`.
impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(names) => fmt::Debug::fmt(&names.len(), f),
            Self::Unclear => f.write_str("Unclear"),
        }
    }
}

impl<'a> Caller<'a> {
    /// Makes a caller with these claims, without issuer, client, scopes, groups and address.
    #[must_use]
    pub fn new(claims: &'a Map<String, Value>) -> Self {
        let none = || Named::These(Vec::new());
        let (client, scopes, groups) = (none(), none(), none());
        let (issuer, source_ip) = (None, None);
        Self { issuer, client, scopes, groups, claims, source_ip, is_anonymous: false }
    }

    /// Makes a caller without a credential: only rules with `anonymous = true` allow it anything.
    #[must_use]
    pub fn anonymous() -> Caller<'static> {
        Caller { is_anonymous: true, ..Caller::new(&NO_CLAIMS) }
    }

    /// Sets the token's issuer, by its name in the rules' `issuers`.
    #[must_use]
    pub fn with_issuer(self, issuer: Option<&'a str>) -> Self {
        Self { issuer, ..self }
    }

    /// Sets the client that the token was issued to, if it names one.
    #[must_use]
    pub fn with_client(self, client: Option<&'a str>) -> Self {
        Self { client: Named::these(client), ..self }
    }

    /// Marks the client as unclear, for example because the token names several.
    #[must_use]
    pub fn with_unclear_client(self) -> Self {
        Self { client: Named::Unclear, ..self }
    }

    /// Sets the token's scopes, one per item.
    #[must_use]
    pub fn with_scopes(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { scopes: Named::these(scopes), ..self }
    }

    /// Marks the scopes as unclear: the token has scopes that cannot be understood.
    #[must_use]
    pub fn with_unclear_scopes(self) -> Self {
        Self { scopes: Named::Unclear, ..self }
    }

    /// Sets the groups that the caller is in.
    #[must_use]
    pub fn with_groups(self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        Self { groups: Named::these(groups), ..self }
    }

    /// Marks the groups as unclear: the token has groups that cannot be understood.
    #[must_use]
    pub fn with_unclear_groups(self) -> Self {
        Self { groups: Named::Unclear, ..self }
    }

    /// Sets the address that the request came from, if the event has it.
    ///
    /// Only the [`Verdict`](crate::Verdict) depends on it. In a document the address is a
    /// condition, because API Gateway caches the document and uses it for requests from other
    /// addresses too.
    #[must_use]
    pub fn with_source_ip(self, source_ip: Option<IpAddr>) -> Self {
        Self { source_ip, ..self }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    pub(crate) fn source_ip(&self) -> Option<IpAddr> {
        self.source_ip
    }

    pub(crate) fn claims(&self) -> &'a Map<String, Value> {
        self.claims
    }

    /// Returns the claim's value, unless the token keeps it elsewhere.
    pub(crate) fn claim(&self, claim: &str) -> Option<&'a Value> {
        self.claims.get(claim).filter(|_| !is_elsewhere(self.claims, claim))
    }

    /// Returns the token's `exp` in whole seconds since 1970; `None` if it is not a valid time.
    pub(crate) fn exp(&self) -> Option<i64> {
        let exp = self.claim("exp")?;
        let seconds = exp.as_i64().or_else(|| {
            // RFC 7519 allows a fraction. It is cut off as text, without floats.
            exp.as_number()?.to_string().split_once('.')?.0.parse().ok()
        })?;
        (0..=MAX_EXP).contains(&seconds).then_some(seconds)
    }

    pub(crate) fn is_from(&self, issuer: &str) -> bool {
        self.issuer == Some(issuer)
    }

    pub(crate) fn is_client(&self, client: &str) -> Holds {
        self.client.has(client)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> Holds {
        self.scopes.has(scope)
    }

    pub(crate) fn in_group(&self, group: &str) -> Holds {
        self.groups.has(group)
    }

    /// Checks that a claim is one of the values, or a list of strings that contains one of them.
    ///
    /// The result is unknown for a claim of another type, a text that looks like a list, and a claim
    /// that the token keeps elsewhere.
    pub(crate) fn claims_one_of(&self, claim: &str, values: &[String]) -> Holds {
        if is_elsewhere(self.claims, claim) {
            return Holds::Unknown;
        }
        let holds = match self.claims.get(claim) {
            None => false,
            Some(Value::String(claimed)) if values.contains(claimed) => true,
            Some(Value::String(claimed)) if looks_like_list(claimed) => return Holds::Unknown,
            Some(Value::String(_)) => false,
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
            .field("clients", &self.client)
            .field("scopes", &self.scopes)
            .field("groups", &self.groups)
            .field("claims", &self.claims.len())
            .finish_non_exhaustive()
    }
}

/// Returns true if a text looks like a list: `a,b`, `a;b` or `["a"]`.
///
/// Cognito writes lists of a SAML provider as `[a, b]` into one attribute, for example.
#[must_use]
pub fn looks_like_list(text: &str) -> bool {
    text.contains([',', ';']) || text.trim_start().starts_with('[')
}

/// Returns true if the token says that this claim is kept elsewhere.
///
/// The token then has no value for it, or only a part. `_claim_names` names such claims (OpenID
/// Connect Core 1.0 section 5.6.2). Entra ID leaves out more than 200 groups and says so by
/// `hasgroups` or by a link such as `groups:src1`. A token that mentions other sources without
/// naming the claims may keep any claim there.
#[must_use]
pub fn is_elsewhere(claims: &Map<String, Value>, claim: &str) -> bool {
    let named = match given(claims, CLAIM_NAMES) {
        Some(Value::Object(names)) => names.contains_key(claim),
        Some(_) => true,
        None => given(claims, CLAIM_SOURCES).is_some(),
    };
    named || claim == GROUPS && lacks_groups(claims)
}

/// Returns true if the token says that some claim is kept elsewhere.
pub(crate) fn keeps_elsewhere(claims: &Map<String, Value>) -> bool {
    [CLAIM_NAMES, CLAIM_SOURCES].iter().any(|name| given(claims, name).is_some())
        || lacks_groups(claims)
}

const CLAIM_NAMES: &str = "_claim_names";
const CLAIM_SOURCES: &str = "_claim_sources";
const GROUPS: &str = "groups";

fn lacks_groups(claims: &Map<String, Value>) -> bool {
    given(claims, "hasgroups").is_some_and(|has| *has != false)
        || claims.keys().any(|name| name.starts_with("groups:src"))
}

/// Returns a member that is not null.
fn given<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other} is not an object"),
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
    fn a_claim_is_elsewhere_if_the_token_says_so() {
        for (token, groups, tier) in [
            (json!({}), false, false),
            (json!({ "groups": ["a"], "_claim_names": null, "hasgroups": null }), false, false),
            (json!({ "hasgroups": false, "grouped": 1 }), false, false),
            (json!({ "_claim_names": { "groups": "src1" } }), true, false),
            (json!({ "_claim_names": { "tier": "src1" } }), false, true),
            (json!({ "_claim_names": { "tier": null }, "_claim_sources": {} }), false, true),
            (json!({ "_claim_names": {}, "_claim_sources": {} }), false, false),
            (json!({ "hasgroups": true }), true, false),
            (json!({ "hasgroups": "true" }), true, false),
            (json!({ "groups:src1": { "endpoint": "https://graph.example" } }), true, false),
            (json!({ "_claim_sources": { "src1": {} } }), true, true),
            (json!({ "_claim_names": ["groups"] }), true, true),
            (json!({ "_claim_names": "groups" }), true, true),
        ] {
            let token = claims(token);
            let shown = json!(token);
            assert_eq!(is_elsewhere(&token, "groups"), groups, "{shown}");
            assert_eq!(is_elsewhere(&token, "tier"), tier, "{shown}");
            let mentions = token.get("_claim_sources").is_some();
            assert_eq!(keeps_elsewhere(&token), groups || tier || mentions, "{shown}");
        }
    }

    #[test]
    fn a_claim_that_is_elsewhere_is_not_judged_and_fills_no_path() {
        let claims =
            claims(json!({ "tier": "gold", "sub": "u", "_claim_names": { "tier": "src1" } }));
        let caller = Caller::new(&claims);
        assert_eq!(caller.claims_one_of("tier", &["gold".to_owned()]), Holds::Unknown);
        assert_eq!(caller.claim("tier"), None);
        assert_eq!(caller.claim("sub"), Some(&json!("u")));
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
            "Caller { has_issuer: true, clients: 1, scopes: 1, groups: 1, claims: 1, .. }"
        );
        let shown = format!("{:?}", caller.with_unclear_groups());
        assert!(shown.contains("groups: Unclear"), "{shown}");
    }
}
