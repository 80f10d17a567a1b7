//! The caller's name in a token that nobody verified here, or the beginning of its API key's id: for
//! display, and for nothing else.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use serde_json::{Map, Value};

/// The longest token that is decoded, in bytes; API Gateway passes on no longer header.
const MAX_TOKEN: usize = 10_240;
/// The longest name that is kept, in characters.
const MAX_NAME: usize = 256;
/// Claims that name a caller, the most telling first.
const CLAIMS: [&str; 5] = ["cognito:username", "username", "client_id", "azp", "sub"];

/// The name in the first token of a request: of the `Authorization` header, else of any other
/// header or of the query. Without a token, `key` and the first digits of its API key's id.
pub(crate) fn name(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    candidates(headers, query).find_map(name_in).or_else(|| key_in(headers))
}

/// The first token of a request that is not too long, from the same places.
pub(crate) fn token(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let found = candidates(headers, query).find(|token| token.len() <= MAX_TOKEN);
    found.map(str::to_owned)
}

fn candidates<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let authorization = headers.get_all(header::AUTHORIZATION).iter();
    let texts = authorization.chain(others(headers)).filter_map(|text| text.to_str().ok());
    texts.chain(query).flat_map(tokens)
}

/// The name of the caller's API key: its id is its SHA-256.
fn key_in(headers: &HeaderMap) -> Option<String> {
    let digest = digest(&SHA256, headers.get("x-api-key")?.as_bytes());
    let digits = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}"));
    Some(key_name(&digits.collect::<String>()))
}

/// The name of a caller with an API key of this id.
pub(crate) fn key_name(id: &str) -> String {
    format!("{KEY}{}", id.chars().take(8).collect::<String>())
}

/// The beginning of the name of a caller with an API key and no token.
pub(crate) const KEY: &str = "key ";

fn others(headers: &HeaderMap) -> impl Iterator<Item = &http::HeaderValue> {
    headers.iter().filter(|(name, _)| *name != header::AUTHORIZATION).map(|(_, value)| value)
}

/// The parts of a text that look like tokens.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split(move |c| !inside(c)).filter(|part| part.starts_with("eyJ"))
}

fn name_in(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1).filter(|_| token.len() <= MAX_TOKEN)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let name = CLAIMS.iter().find_map(|claim| claims.get(*claim)?.as_str())?;
    (!name.is_empty()).then(|| name.chars().take(MAX_NAME).collect())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn token(claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", encode(&json!({"alg": "RS256"})), encode(claims))
    }

    fn found(name: &'static str, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-other", HeaderValue::from_static("eyJ, not a token"));
        headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        super::name(&headers, None)
    }

    #[test]
    fn a_token_is_found_wherever_a_request_may_carry_it() {
        let token = token(&json!({"sub": "1", "client_id": "orders-reader"}));
        for (name, value) in [
            ("authorization", format!("Bearer {token}")),
            ("authorization", token.clone()),
            ("cookie", format!("theme=dark; access_token={token}")),
            ("sec-websocket-protocol", format!("bearer, {token}")),
            ("x-my-token", token.clone()),
        ] {
            assert_eq!(found(name, &value).as_deref(), Some("orders-reader"), "{name}");
        }
        let query = format!("a=b&t={token}");
        assert_eq!(name(&HeaderMap::new(), Some(&query)).as_deref(), Some("orders-reader"));
    }

    #[test]
    fn a_user_s_name_goes_before_the_client_and_the_client_before_the_sub() {
        for (claims, expected) in [
            (json!({"sub": "1", "client_id": "web", "username": "alice"}), Some("alice")),
            (json!({"sub": "1", "cognito:username": "bob"}), Some("bob")),
            (json!({"sub": "1", "azp": "spa"}), Some("spa")),
            (json!({"sub": "1"}), Some("1")),
            (json!({"sub": 1}), None),
            (json!({"sub": ""}), None),
            (json!([]), None),
        ] {
            assert_eq!(found("authorization", &token(&claims)).as_deref(), expected, "{claims}");
        }
    }

    #[test]
    fn a_key_is_named_by_the_beginning_of_its_id_unless_there_is_a_token() {
        // printf a-key-of-20-characters | sha256sum
        let key = "a-key-of-20-characters";
        assert_eq!(found("x-api-key", key).as_deref(), Some("key 19c975b6"));
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key.parse().unwrap());
        let token = format!("Bearer {}", token(&json!({"sub": "1"})));
        headers.insert("authorization", token.parse().unwrap());
        assert_eq!(name(&headers, None).as_deref(), Some("1"));
    }

    #[test]
    fn what_is_no_token_has_no_name_and_a_long_name_is_cut() {
        for text in ["", "Bearer", "Bearer eyJ", "eyJ.e30.x", "eyJ.!!.x", "Basic dXNlcjpwYXNz"] {
            assert_eq!(found("authorization", text), None, "{text}");
        }
        let long = "n".repeat(5000);
        let name = found("authorization", &token(&json!({"sub": long}))).unwrap();
        assert_eq!(name.len(), MAX_NAME);
        let longer = "n".repeat(MAX_TOKEN);
        assert_eq!(found("authorization", &token(&json!({"sub": longer}))), None);
    }
}
