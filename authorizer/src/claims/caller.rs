//! The caller of a token: its kind, client and audience, and the caller that rules see.

use policy::{Caller, is_elsewhere, looks_like_list};
use serde_json::{Map, Value};

use crate::config::{Accepted, Checks, Issuer, TokenUse};
use crate::refusal::Refusal;

/// The client of an ID token, and the resource that an access token is bound to.
const AUDIENCE: &str = "aud";

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Access,
    Id,
    /// The token does not say.
    Unsaid,
}

/// Checks the kind, the client and the audience; returns the claim that names the client.
pub(super) fn check<'c>(
    members: &Map<String, Value>,
    is_access_token: bool,
    checks: &'c Checks,
) -> Result<&'c str, Refusal> {
    let kind = kind(members, is_access_token, checks)?;
    let client = client_claim(members, kind, checks);
    let named = client_of(members, client);
    let fits = match (&checks.clients, member(members, client)) {
        (None | Some(Accepted::Any), None) => true,
        // The claim names an audience, which is checked below.
        (None, Some(_)) if client == AUDIENCE => true,
        (None, Some(_)) => named.is_some(),
        (Some(clients), _) => named.is_some_and(|name| clients.has(name)),
    };
    if !fits {
        return Err(Refusal::claim("the token is for another client"));
    }
    if client == AUDIENCE && checks.clients.is_some() {
        return Ok(client);
    }
    let audience = member(members, AUDIENCE);
    // An access token whose only audience is its own client is for no other API.
    let is_own = kind == Kind::Access && named.is_some() && client_of(members, AUDIENCE) == named;
    let is_unbound = audience.is_none() || is_own;
    let fits = match &checks.audiences {
        // RFC 7519 section 4.1.3: any other audience must be refused, and none is configured.
        None => is_unbound,
        Some(accepted) if accepts(accepted, audience) => true,
        Some(Accepted::Any) => audience.is_none(),
        Some(Accepted::These(_)) => {
            let name = members.get(&checks.client_claim).and_then(Value::as_str);
            is_unbound
                && kind == Kind::Access
                && name.is_some_and(|name| checks.unbound_clients.iter().any(|id| id == name))
        }
    };
    if fits { Ok(client) } else { Err(Refusal::claim("the token is for another audience")) }
}

/// A claim that says something: an audience that is empty counts as missing.
fn member<'m>(members: &'m Map<String, Value>, claim: &str) -> Option<&'m Value> {
    members.get(claim).filter(|value| {
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        claim != AUDIENCE || !is_empty
    })
}

/// The kind of the token, if the configuration accepts it.
///
/// Cognito states it in `token_use`. Another issuer's token may be marked as an access token by its
/// header's `typ` (RFC 9068). If it is not marked, it is not an access token. It is then accepted
/// as an ID token for its audience, or if any use is accepted.
///
/// A security event (RFC 8417 section 2.2) does not grant access, although some look like an ID
/// token. An example is the logout token of OpenID Connect's back-channel logout, which an issuer
/// sends to every client.
fn kind(
    members: &Map<String, Value>,
    is_access_token: bool,
    checks: &Checks,
) -> Result<Kind, Refusal> {
    let another = Err(Refusal::claim("the token is for another use"));
    if members.get("events").is_some_and(Value::is_object) {
        return another;
    }
    let kind = match members.get("token_use") {
        Some(said) if said == "access" => Kind::Access,
        Some(said) if said == "id" && !is_access_token => Kind::Id,
        Some(_) => return another,
        None if checks.cognito => return another,
        None if is_access_token => Kind::Access,
        None => Kind::Unsaid,
    };
    match (checks.token_use, kind) {
        (TokenUse::Access, Kind::Access)
        | (TokenUse::Id, Kind::Id)
        | (TokenUse::Any, Kind::Access | Kind::Id | Kind::Unsaid) => Ok(kind),
        (TokenUse::Id, Kind::Unsaid) => Ok(Kind::Id),
        _ => another,
    }
}

/// The claim that names a token's client. Only this claim is checked and used.
///
/// It depends on the kind of the token, never on which claims are present: even an ID token with a
/// `client_id` is checked by its audience.
fn client_claim<'c>(members: &Map<String, Value>, kind: Kind, checks: &'c Checks) -> &'c str {
    let client = checks.client_claim.as_str();
    match kind {
        Kind::Id => AUDIENCE,
        Kind::Unsaid if !members.contains_key(client) && checks.audiences.is_none() => AUDIENCE,
        Kind::Access | Kind::Unsaid => client,
    }
}

/// The client that this claim names.
///
/// An audience may be a list of one (RFC 7519 section 4.1.3). A list of several names no client,
/// because it would be unclear which one to deny or revoke.
pub(super) fn client_of<'a>(members: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    let name = match members.get(claim)? {
        Value::String(name) => name,
        Value::Array(all) if claim == AUDIENCE => match all.as_slice() {
            [Value::String(name)] => name,
            _ => return None,
        },
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}

/// Returns true if a claim names a client, or more than one, in a form that is not understood.
pub(super) fn is_unclear(members: &Map<String, Value>, claim: &str) -> bool {
    is_elsewhere(members, claim)
        || client_of(members, claim).is_none() && member(members, claim).is_some()
}

/// Returns true if an audience is well formed and has an accepted entry.
///
/// It may have several entries (RFC 7519 section 4.1.3).
fn accepts(accepted: &Accepted, claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::String(one)) => !one.is_empty() && accepted.has(one),
        Some(Value::Array(all)) => {
            all.iter().all(Value::is_string)
                && all.iter().filter_map(Value::as_str).any(|one| accepted.has(one))
        }
        _ => false,
    }
}

/// The scopes of a token: a text with spaces between them (RFC 8693 section 4.2), or a list.
///
/// `None` if they cannot be understood.
pub(super) fn scopes<'m>(members: &'m Map<String, Value>, claim: &str) -> Option<Vec<&'m str>> {
    let split = |text: &'m str| text.split(' ').filter(|scope| !scope.is_empty()).collect();
    names(members, claim, split)
}

/// The user's groups: a list, or a text that is a single group.
///
/// `None` if they cannot be understood.
pub(super) fn groups<'m>(members: &'m Map<String, Value>, claim: &str) -> Option<Vec<&'m str>> {
    names(members, claim, |text| if text.is_empty() { Vec::new() } else { vec![text] })
}

/// The names in a claim: none if it is missing or null, `None` if it cannot be understood.
///
/// It cannot be understood if it is neither a text nor a list of texts, if a text looks like a list
/// in another notation, or if the token keeps the claim elsewhere. Each of these may hide the name
/// that a rule denies.
fn names<'m>(
    members: &'m Map<String, Value>,
    claim: &str,
    of_text: impl FnOnce(&'m str) -> Vec<&'m str>,
) -> Option<Vec<&'m str>> {
    if is_elsewhere(members, claim) {
        return None;
    }
    match members.get(claim) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) if looks_like_list(text) => None,
        Some(Value::String(text)) => Some(of_text(text)),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

/// The caller with these claims, whose client is named by `client_claim`.
pub(super) fn caller<'a>(
    members: &'a Map<String, Value>,
    checks: &'a Checks,
    client_claim: &str,
) -> Caller<'a> {
    let caller = Caller::new(members).with_issuer(Some(&checks.issuer));
    let caller = if is_unclear(members, client_claim) {
        caller.with_unclear_client()
    } else {
        caller.with_client(client_of(members, client_claim))
    };
    let caller = match scopes(members, &checks.scopes_claim) {
        Some(scopes) => caller.with_scopes(scopes),
        None => caller.with_unclear_scopes(),
    };
    match groups(members, &checks.groups_claim) {
        Some(groups) => caller.with_groups(groups),
        None => caller.with_unclear_groups(),
    }
}

/// Returns the caller that rules would see in a valid token with these claims.
///
/// Verifies nothing: use it only for operators who test their rules, never for a request. Without
/// `iss` the only configured issuer is assumed. The client comes from the same claim as in a real
/// token: `aud` in an ID token, else the issuer's `client_claim`.
///
/// # Errors
///
/// `claim` if the issuer is not configured, or if `iss` is missing and several issuers are
/// configured.
pub fn assumed_caller<'a>(
    members: &'a Map<String, Value>,
    issuers: &'a [Issuer],
) -> Result<Caller<'a>, Refusal> {
    let checks = &assumed_issuer(members, issuers)?.checks;
    Ok(caller(members, checks, assumed_client_claim(members, checks)))
}

/// Returns the client that a valid token of this issuer with these claims names.
///
/// Verifies nothing, like [`assumed_caller`].
#[must_use]
pub fn assumed_client<'a>(members: &'a Map<String, Value>, issuer: &Issuer) -> Option<&'a str> {
    client_of(members, assumed_client_claim(members, &issuer.checks))
}

/// The claim that names the client, without knowing if the header marks an access token.
fn assumed_client_claim<'c>(members: &Map<String, Value>, checks: &'c Checks) -> &'c str {
    let kind = kind(members, false, checks).or_else(|_| kind(members, true, checks));
    let is_id = members.get("token_use").is_some_and(|said| said == "id");
    match kind {
        Ok(kind) => client_claim(members, kind, checks),
        // The token would be refused.
        Err(_) if is_id || !members.contains_key(&checks.client_claim) => AUDIENCE,
        Err(_) => &checks.client_claim,
    }
}

/// Returns the issuer of these claims; without `iss`, the only configured one.
///
/// # Errors
///
/// Those of [`assumed_caller`].
pub(crate) fn assumed_issuer<'a>(
    members: &Map<String, Value>,
    issuers: &'a [Issuer],
) -> Result<&'a Issuer, Refusal> {
    match (members.get("iss"), issuers) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Refusal::claim("no `iss` says which issuer's claims these are")),
        (Some(_), all) => {
            let tables: Vec<&Issuer> = all.iter().filter(|issuer| issuer.is_of(members)).collect();
            let accepts = |issuer: &&&Issuer| {
                [false, true]
                    .iter()
                    .any(|is_access| check(members, *is_access, &issuer.checks).is_ok())
            };
            let unknown = Refusal::claim("`iss` names no issuer whose tokens are taken");
            tables.iter().find(accepts).or(tables.first()).copied().ok_or(unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::{MethodArn, RuleSpec, Rules, Verdict};
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    /// A pool, another issuer, and both.
    fn issuers(of: &[&str]) -> Vec<Issuer> {
        let rule = "[[rule]]\nname = \"r\"\nallow = [\"GET /x\"]\neveryone = true\n";
        Config::parse(&format!("{}{rule}", of.concat()), "test").unwrap().issuers
    }

    const POOL: &str = "[[issuer]]\nuser_pool = \"us-east-1_abc\"\nclients = \"any\"\n\
                        token_use = \"any\"\n";

    const OTHER: &str = "[[issuer]]\nname = \"other\"\nurl = \"https://id.example\"\n\
                         clients = \"any\"\ntoken_use = \"any\"\ngroups_claim = \"roles\"\n\
                         scopes_claim = \"scp\"\nclient_claim = \"azp\"\n";

    #[test]
    fn rules_see_the_client_that_the_kind_of_token_names() {
        let rule: RuleSpec =
            toml::from_str("name = \"r\"\nallow = [\"GET /x\"]\nclients = [\"c\"]").unwrap();
        let rules = Rules::compile(vec![rule]).unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
        let arn = MethodArn::parse(arn).unwrap();
        for (claims, is_client) in [
            (json!({"client_id": "c"}), true),
            (json!({"client_id": "c", "token_use": "access", "aud": "d"}), true),
            (json!({"client_id": "c", "token_use": "id", "aud": "d"}), false),
            (json!({"token_use": "id", "aud": "c"}), true),
            (json!({"token_use": "id", "aud": "c", "client_id": "d"}), true),
            (json!({"aud": "c"}), true),
            (json!({"client_id": "d", "aud": "c"}), false),
            (json!({"client_id": 1, "aud": "c"}), false),
            (json!({"aud": ["c"]}), true),
            (json!({"aud": ["c", "d"]}), false),
            (json!({}), false),
        ] {
            let issuers = issuers(&[POOL]);
            let caller = assumed_caller(claims.as_object().unwrap(), &issuers).unwrap();
            let expected = if is_client {
                Verdict::Allowed { rule: "r" }
            } else {
                Verdict::Denied { rule: None }
            };
            assert_eq!(rules.evaluate(&caller, &arn).verdict, expected, "{claims}");
        }
    }

    #[test]
    fn an_id_token_that_does_not_say_so_names_its_client_by_its_audience() {
        let claims = json!({"aud": "c", "azp": "d", "sub": "maria"});
        let client = |token_use: &str| {
            let issuers =
                issuers(&[&OTHER.replace("\"any\"\ngroups", &format!("{token_use}\ngroups"))]);
            assumed_client(claims.as_object().unwrap(), &issuers[0]).map(str::to_owned)
        };
        assert_eq!(client("\"id\"").as_deref(), Some("c"));
        assert_eq!(client("\"access\"").as_deref(), Some("d"));
        assert_eq!(client("\"any\"").as_deref(), Some("d"));
    }

    /// The verdict for a caller of the pool with these claims, by a rule that allows and one that
    /// denies.
    fn verdict(claims: &Value, requirement: &str) -> [bool; 2] {
        let rule = |effect: &str| {
            let text = format!("name = \"{effect}\"\n{effect} = [\"GET /x\"]\n{requirement}");
            toml::from_str::<RuleSpec>(&text).unwrap()
        };
        let open: RuleSpec =
            toml::from_str("name = \"open\"\nallow = [\"GET /x\"]\neveryone = true").unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
        let arn = MethodArn::parse(arn).unwrap();
        let issuers = issuers(&[POOL]);
        let caller = assumed_caller(claims.as_object().unwrap(), &issuers).unwrap();
        let is_allowed =
            |rules| Rules::compile(rules).unwrap().evaluate(&caller, &arn).verdict.is_authorized();
        [is_allowed(vec![rule("allow")]), !is_allowed(vec![open, rule("deny")])]
    }

    #[test]
    fn names_are_absent_understood_or_neither() {
        const ABSENT: [bool; 2] = [false, false];
        const HELD: [bool; 2] = [true, true];
        // Never enough for an allow, always enough for a deny.
        const UNCLEAR: [bool; 2] = [false, true];
        let elsewhere = |claim: &str| json!({ claim: "src1" });
        for (claim, requirement) in
            [("cognito:groups", "any_group = [\"a\"]"), ("scope", "any_scope = [\"a\"]")]
        {
            for (value, expected) in [
                (json!(null), ABSENT),
                (json!([]), ABSENT),
                (json!(""), ABSENT),
                (json!("b"), ABSENT),
                (json!(["b", "a,b"]), ABSENT),
                (json!("a"), HELD),
                (json!(["b", "a"]), HELD),
                (json!("a,b"), UNCLEAR),
                (json!("b;a"), UNCLEAR),
                (json!("[\"a\"]"), UNCLEAR),
                (json!(" [a]"), UNCLEAR),
                (json!(["a", 1]), UNCLEAR),
                (json!(["a", null]), UNCLEAR),
                (json!([["a"]]), UNCLEAR),
                (json!({"a": true}), UNCLEAR),
                (json!(1), UNCLEAR),
                (json!(true), UNCLEAR),
            ] {
                let claims = json!({ claim: value });
                assert_eq!(verdict(&claims, requirement), expected, "{claims}");
            }
            assert_eq!(verdict(&json!({}), requirement), ABSENT, "{claim}");
            for claims in [
                json!({"_claim_names": elsewhere(claim), "_claim_sources": {}}),
                json!({"_claim_names": elsewhere(claim), claim: ["a"]}),
                json!({"_claim_sources": {"src1": {}}}),
                json!({"_claim_names": [claim]}),
            ] {
                assert_eq!(verdict(&claims, requirement), UNCLEAR, "{claims}");
            }
        }
        let scopes = json!({"scope": "b a"});
        assert_eq!(verdict(&scopes, "all_scopes = [\"a\", \"b\"]"), HELD);
        let whole = json!({"cognito:groups": "a b"});
        assert_eq!(verdict(&whole, "any_group = [\"a\"]"), ABSENT, "a text is one group");
        assert_eq!(verdict(&whole, "any_group = [\"a b\"]"), HELD);
        let other = json!({"hasgroups": true, "cognito:groups": ["a"]});
        assert_eq!(verdict(&other, "any_group = [\"a\"]"), HELD, "`hasgroups` is of `groups`");
    }

    #[test]
    fn a_client_of_several_is_unclear() {
        let requirement = "clients = [\"c\"]";
        for (claims, expected) in [
            (json!({"aud": ["c"]}), [true, true]),
            (json!({"aud": ["d"]}), [false, false]),
            (json!({"aud": []}), [false, false]),
            (json!({"aud": ["c", "d"]}), [false, true]),
            (json!({"client_id": 1}), [false, true]),
            (json!({"client_id": "d", "_claim_names": {"client_id": "s"}}), [false, true]),
        ] {
            assert_eq!(verdict(&claims, requirement), expected, "{claims}");
        }
    }

    #[test]
    fn each_issuer_s_claims_are_read_where_it_keeps_them() {
        let rule: RuleSpec = toml::from_str(
            "name = \"r\"\nallow = [\"GET /x\"]\nclients = [\"c\"]\nall_scopes = [\"s\", \"t\"]\n\
             all_groups = [\"g\"]\nissuers = [\"other\"]",
        )
        .unwrap();
        let rules = Rules::compile(vec![rule]).unwrap();
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/x";
        let arn = MethodArn::parse(arn).unwrap();
        let both = issuers(&[POOL, OTHER]);
        let pool = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";
        for (claims, is_met) in [
            (json!({"iss": "https://id.example", "azp": "c", "scp": "s t", "roles": ["g"]}), true),
            (
                json!({"iss": "https://id.example", "azp": "c", "scp": ["s", "t"], "roles": ["g"]}),
                true,
            ),
            (
                json!({"iss": "https://id.example", "azp": "c", "scp": ["s t"], "roles": ["g"]}),
                false,
            ),
            (
                json!({"iss": "https://id.example", "client_id": "c", "scope": "s t",
                    "cognito:groups": ["g"]}),
                false,
            ),
            (
                json!({"iss": pool, "client_id": "c", "scope": "s t", "cognito:groups": ["g"]}),
                false,
            ),
        ] {
            let caller = assumed_caller(claims.as_object().unwrap(), &both).unwrap();
            assert_eq!(rules.evaluate(&caller, &arn).verdict.is_authorized(), is_met, "{claims}");
        }
        for claims in [
            json!({}),
            json!({"iss": "https://id.example/"}),
            json!({"iss": ["https://id.example"]}),
        ] {
            assert!(assumed_caller(claims.as_object().unwrap(), &both).is_err(), "{claims}");
        }
    }
}
