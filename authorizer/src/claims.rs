//! What a verified token says, checked against what the configuration asks.

use std::fmt;

use serde_json::{Map, Value};

use crate::config::{Checks, Clients, TokenUse};
use crate::refusal::Refusal;

/// The largest time that is taken for one, the end of the year 9999, in Unix seconds.
const MAX_TIME: u64 = 253_402_300_799;

/// The longest `sub` that is taken, in bytes: it becomes `principalId` and part of a table key.
const MAX_SUBJECT: usize = 256;

/// The audience of an ID token, and of a token that names its client nowhere else.
const AUDIENCE: &str = "aud";

/// The claims of a token whose signature, issuer, audience and times were checked.
#[derive(Clone)]
pub struct Claims {
    members: Map<String, Value>,
    subject: String,
    expires: u64,
}

/// Claims are never shown: they are personal, and what they name can be sensitive.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Claims {
    /// Checks the payload of a token whose signature was verified.
    ///
    /// `issuer` is the configured text that the token's `iss` was looked up by; `now` is in Unix
    /// seconds. A time equal to `now` has expired (RFC 7519 section 4.1.4: "on or after").
    ///
    /// # Errors
    ///
    /// `claim`, for a claim that is missing, of a type that RFC 7519 does not give it, or of a
    /// value that the configuration does not allow.
    pub(crate) fn check(
        members: Map<String, Value>,
        issuer: &str,
        checks: &Checks,
        now: u64,
    ) -> Result<Self, Refusal> {
        if members.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(Refusal::claim("the issuer is another"));
        }
        let expires = check_times(&members, checks, now)?;
        check_use_and_client(&members, checks)?;

        let subject = match members.get("sub") {
            Some(Value::String(sub)) if is_subject(sub) => sub.clone(),
            _ => return Err(Refusal::claim("`sub` is missing or not usable")),
        };
        Ok(Self { members, subject, expires })
    }

    /// Checks again what the passing of time can change.
    ///
    /// # Errors
    ///
    /// `claim`: the token has expired since, or the clock was set back.
    pub(crate) fn check_again(&self, checks: &Checks, now: u64) -> Result<(), Refusal> {
        check_times(&self.members, checks, now).map(drop)
    }

    /// Who the token is about: the `sub` claim.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When the token ends, in Unix seconds.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }

    /// All members of the payload.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// A claim's text; `None` where it is missing or not a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// The application that the token was issued to.
    ///
    /// The claim that was checked against the configuration: `client_id`, or the audience of an
    /// ID token and of a token without a `client_id`, where it is one text.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.text(client_claim(&self.members))
    }

    /// The scopes of an access token (RFC 8693 section 4.2: one string, separated by spaces).
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        self.text("scope")
            .map(|scope| scope.split(' ').filter(|s| !s.is_empty()).collect())
            .unwrap_or_default()
    }

    /// The user's groups, as Cognito puts them into `cognito:groups`.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        match self.members.get("cognito:groups") {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Checks the times of a payload against `now`; returns when it expires.
fn check_times(members: &Map<String, Value>, checks: &Checks, now: u64) -> Result<u64, Refusal> {
    let expires = time(members, "exp")?.ok_or(Refusal::claim("`exp` is missing"))?;
    if expires.saturating_add(checks.leeway) <= now {
        return Err(Refusal::claim("the token has expired"));
    }
    let latest = now.saturating_add(checks.leeway);
    if time(members, "nbf")?.is_some_and(|nbf| nbf > latest) {
        return Err(Refusal::claim("the token is not valid yet"));
    }
    if time(members, "iat")?.is_some_and(|iat| iat > latest) {
        return Err(Refusal::claim("the token was issued in the future"));
    }
    Ok(expires)
}

/// A `NumericDate` (RFC 7519 section 2) as whole seconds; fractions are refused, not rounded.
fn time(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, Refusal> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(seconds) if seconds <= MAX_TIME => Ok(Some(seconds)),
            _ => Err(Refusal::claim("a time is not a whole number of seconds")),
        },
    }
}

fn check_use_and_client(members: &Map<String, Value>, checks: &Checks) -> Result<(), Refusal> {
    let fits = match (checks.token_use, members.get("token_use")) {
        (TokenUse::Any, None) => true,
        (TokenUse::Access | TokenUse::Any, Some(used)) if used == "access" => true,
        (TokenUse::Id | TokenUse::Any, Some(used)) if used == "id" => true,
        _ => false,
    };
    if !fits {
        return Err(Refusal::claim("the token is for another use"));
    }
    let Clients::These(clients) = &checks.clients else { return Ok(()) };
    let known = |client: &str| clients.iter().any(|known| known == client);
    let claim = client_claim(members);
    let allowed = match members.get(claim) {
        Some(Value::String(one)) => known(one),
        // An audience may be several (RFC 7519 section 4.1.3), a client is one.
        Some(Value::Array(several)) if claim == AUDIENCE => {
            several.iter().all(Value::is_string)
                && several.iter().filter_map(Value::as_str).any(known)
        }
        _ => false,
    };
    if allowed { Ok(()) } else { Err(Refusal::claim("the token is for another client")) }
}

/// The claim that names a token's client: the one that is checked, and the only one believed.
///
/// It follows from what the token is, never from what happens to be there: an ID token with a
/// `client_id` is still judged by its audience.
fn client_claim(members: &Map<String, Value>) -> &'static str {
    match (members.get("token_use"), members.get("client_id")) {
        (Some(used), _) if used == "id" => AUDIENCE,
        (None, None) => AUDIENCE,
        _ => "client_id",
    }
}

fn is_subject(sub: &str) -> bool {
    !sub.is_empty() && sub.len() <= MAX_SUBJECT && !sub.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::refusal::Code;

    const NOW: u64 = 1_800_000_000;
    const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc";

    fn checks(token_use: TokenUse) -> Checks {
        Checks {
            algorithms: vec![],
            clients: Clients::These(vec!["client".into()]),
            token_use,
            leeway: 0,
        }
    }

    /// An access token as Cognito makes it, with some members changed; null removes one.
    fn payload(changes: &Value) -> Map<String, Value> {
        let mut members = json!({
            "sub": "user", "iss": ISSUER, "client_id": "client", "token_use": "access",
            "scope": "orders/read orders/write", "cognito:groups": ["admins", "staff"],
            "auth_time": NOW - 10, "iat": NOW - 10, "exp": NOW + 60, "jti": "j",
        });
        let members = members.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        members.clone()
    }

    fn check(changes: &Value) -> Result<Claims, Refusal> {
        Claims::check(payload(changes), ISSUER, &checks(TokenUse::Access), NOW)
    }

    #[test]
    fn takes_a_cognito_access_token_and_reads_it() {
        let claims = check(&json!({})).unwrap();
        assert_eq!(claims.subject(), "user");
        assert_eq!(claims.client(), Some("client"));
        assert_eq!(claims.scopes(), ["orders/read", "orders/write"]);
        assert_eq!(claims.groups(), ["admins", "staff"]);
        assert_eq!(claims.expires(), NOW + 60);
        assert!(!format!("{claims:?}").contains("user"));
    }

    #[test]
    fn expires_at_the_very_second() {
        assert!(check(&json!({"exp": NOW + 1})).is_ok());
        assert!(check(&json!({"exp": NOW})).is_err());
        assert!(check(&json!({"exp": NOW - 1})).is_err());
    }

    #[test]
    fn leeway_moves_each_bound_by_exactly_itself() {
        let lenient = Checks { leeway: 5, ..checks(TokenUse::Access) };
        let check =
            |changes: &Value| Claims::check(payload(changes), ISSUER, &lenient, NOW).is_ok();
        assert!(check(&json!({"exp": NOW - 4})));
        assert!(!check(&json!({"exp": NOW - 5})));
        assert!(check(&json!({"nbf": NOW + 5, "iat": NOW + 5})));
        assert!(!check(&json!({"nbf": NOW + 6})));
        assert!(!check(&json!({"iat": NOW + 6})));
    }

    #[test]
    fn refuses_times_of_any_form_but_whole_seconds() {
        for name in ["exp", "nbf", "iat"] {
            for value in [
                json!("1800000060"),
                json!(true),
                json!([NOW + 60]),
                json!({}),
                json!(-1),
                json!(1e19),
                json!(1e300),
                json!(1_800_000_060.5),
                json!(u64::MAX),
            ] {
                assert!(check(&json!({name: value})).is_err(), "{name} {value}");
            }
            let mut members = payload(&json!({}));
            members.insert(name.into(), Value::Null);
            let outcome = Claims::check(members, ISSUER, &checks(TokenUse::Access), NOW);
            assert_eq!(outcome.err().map(Refusal::code), Some(Code::Claim), "{name} null");
        }
        assert!(check(&json!({"exp": null})).is_err(), "missing");
        assert!(check(&json!({"iat": null})).is_ok(), "`iat` may be missing");
    }

    #[test]
    fn refuses_what_is_not_valid_yet_or_issued_in_the_future() {
        assert!(check(&json!({"nbf": NOW, "iat": NOW})).is_ok());
        assert!(check(&json!({"nbf": NOW + 1})).is_err());
        assert!(check(&json!({"iat": NOW + 1})).is_err());
    }

    #[test]
    fn takes_an_issuer_by_its_exact_text_alone() {
        for issuer in [
            json!(format!("{ISSUER}/")),
            json!(ISSUER.to_uppercase()),
            json!([ISSUER]),
            json!(format!("{ISSUER}x")),
            json!("https://evil.example/us-east-1_abc"),
            json!(1),
            json!(ISSUER.replace("https://", "https://evil@")),
        ] {
            assert!(check(&json!({"iss": issuer})).is_err(), "{issuer}");
        }
        assert!(check(&json!({"iss": null})).is_err());
    }

    #[test]
    fn tells_access_from_id_tokens() {
        let id = json!({"token_use": "id", "aud": "client", "client_id": null});
        assert!(check(&id).is_err(), "an ID token where access is asked");
        let as_id = |changes: Value| {
            Claims::check(payload(&changes), ISSUER, &checks(TokenUse::Id), NOW).is_ok()
        };
        assert!(as_id(id));
        assert!(!as_id(json!({})), "an access token where ID is asked");
        for wrong in [json!("Access"), json!(["access"]), json!(1), json!("")] {
            assert!(check(&json!({"token_use": wrong})).is_err(), "{wrong}");
        }
        assert!(check(&json!({"token_use": null})).is_err());
    }

    #[test]
    fn takes_any_use_only_where_the_configuration_says_so() {
        let any = |changes: Value| {
            Claims::check(payload(&changes), ISSUER, &checks(TokenUse::Any), NOW).is_ok()
        };
        assert!(any(json!({})));
        assert!(any(json!({"token_use": "id", "aud": "client", "client_id": null})));
        assert!(any(json!({"token_use": null})), "another issuer's token has no such claim");
        assert!(any(json!({"token_use": null, "client_id": null, "aud": ["x", "client"]})));
        assert!(!any(json!({"token_use": "refresh"})));
        assert!(!any(json!({"token_use": 1})));
    }

    #[test]
    fn judges_a_token_by_the_client_claim_of_its_kind() {
        for wrong in [json!("other"), json!(["client"]), json!(1), json!("client "), json!("")] {
            assert!(check(&json!({"client_id": wrong})).is_err(), "{wrong}");
        }
        assert!(check(&json!({"client_id": null})).is_err());
        assert!(
            check(&json!({"client_id": null, "aud": "client"})).is_err(),
            "aud of access tokens"
        );
        let as_id = |changes: Value| {
            Claims::check(payload(&changes), ISSUER, &checks(TokenUse::Id), NOW).is_ok()
        };
        assert!(!as_id(json!({"token_use": "id", "client_id": "client", "aud": "other"})));
        assert!(!as_id(json!({"token_use": "id", "aud": ["client", 1]})));
        assert!(!as_id(json!({"token_use": "id", "aud": []})));
    }

    #[test]
    fn reads_the_client_from_the_claim_that_was_checked() {
        let id = json!({"token_use": "id", "aud": "client", "client_id": "other"});
        let claims = Claims::check(payload(&id), ISSUER, &checks(TokenUse::Id), NOW).unwrap();
        assert_eq!(claims.client(), Some("client"));
        let any =
            |changes: Value| Claims::check(payload(&changes), ISSUER, &checks(TokenUse::Any), NOW);
        let plain = any(json!({"token_use": null, "client_id": null, "aud": "client"})).unwrap();
        assert_eq!(plain.client(), Some("client"));
        assert!(any(json!({"token_use": null, "client_id": 1, "aud": "client"})).is_err());
    }

    #[test]
    fn any_client_must_be_spelled_out() {
        let open = Checks { clients: Clients::Any, ..checks(TokenUse::Access) };
        let members = payload(&json!({"client_id": "other"}));
        assert!(Claims::check(members, ISSUER, &open, NOW).is_ok());
    }

    #[test]
    fn refuses_a_subject_that_can_t_be_a_principal() {
        assert!(check(&json!({"sub": "s".repeat(MAX_SUBJECT)})).is_ok());
        for sub in [
            json!(""),
            json!(1),
            json!(["user"]),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("s".repeat(MAX_SUBJECT + 1)),
        ] {
            assert!(check(&json!({"sub": sub})).is_err(), "{sub}");
        }
        assert!(check(&json!({"sub": null})).is_err());
    }

    #[test]
    fn claims_of_odd_types_grant_nothing() {
        let claims = check(&json!({"scope": ["orders/read"], "cognito:groups": "admins"})).unwrap();
        assert!(claims.scopes().is_empty());
        assert!(claims.groups().is_empty());
    }
}
