//! A token before its signature is verified: its form, its header and its payload.
//!
//! Nothing here is verified. Before the signature is verified, only two values may be used: the
//! issuer, to find the configured issuer of exactly that name, and the kid, to find a key.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::json;
use crate::refusal::Refusal;
use crate::tenant;

/// Longest token that is read, in bytes.
///
/// API Gateway limits the request line and all headers together to 10,240 bytes.
const MAX_TOKEN: usize = 10_240;

/// Longest kid that is looked up, in bytes.
const MAX_KID: usize = 256;

/// Most parameters in a header; Cognito's has two, RFC 7515 defines eleven.
const MAX_PARAMETERS: usize = 16;

/// Header parameters that are refused: they change the signed content or bring their own key.
///
/// `crit` names extensions that must be understood (RFC 7515 section 4.1.11), but none is
/// supported; `cty` says that the payload is another token (RFC 7519 section 5.2). `x5t` is
/// allowed: it names a certificate without bringing one, real issuers send it, and the kid alone
/// selects the key.
const REFUSED_PARAMETERS: [&str; 9] =
    ["crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c"];

/// A compact JWS (RFC 7515 section 3.1): bounded and split, not decoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    /// The signed text: header and payload with the dot between.
    pub(crate) signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// A header that passed all checks.
pub(crate) struct Header {
    /// Algorithm of the signature.
    pub(crate) algorithm: Algorithm,
    /// Name of the key.
    pub(crate) kid: String,
    /// True if `typ` marks an access token (RFC 9068 section 2.1).
    pub(crate) is_access_token: bool,
}

/// A payload's members, and its text, because parsed JSON numbers lose digits.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Payload {
    pub(crate) members: Map<String, Value>,
    pub(crate) text: Vec<u8>,
}

/// Takes the token from an `Authorization` value: `Bearer`, in any case, and one token.
///
/// # Errors
///
/// `malformed` for any other scheme and for anything around the token (RFC 6750 section 2.1).
pub(crate) fn bearer(value: &str) -> Result<&str, Refusal> {
    let (scheme, token) =
        value.split_once(' ').ok_or(Refusal::malformed("no scheme before the token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::malformed("the scheme is not Bearer"));
    }
    if token.is_empty() || token.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(Refusal::malformed("not exactly one token after Bearer"));
    }
    Ok(token)
}

impl<'a> Compact<'a> {
    /// Splits a token.
    ///
    /// # Errors
    ///
    /// `malformed` if it is too long or does not have three parts.
    pub(crate) fn split(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::malformed("the token is too long"));
        }
        let three_parts = Refusal::malformed("the token has not three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(three_parts)?;
        let (header, payload) = signed.split_once('.').ok_or(three_parts)?;
        if payload.contains('.') {
            return Err(three_parts);
        }
        Ok(Self { signed, header, payload, signature })
    }

    /// Decodes the header's members.
    ///
    /// # Errors
    ///
    /// `malformed` if it is not one strict JSON object in strict base64url.
    pub(crate) fn header(&self) -> Result<Map<String, Value>, Refusal> {
        json::object(&decode(self.header)?)
            .ok_or(Refusal::malformed("the header is not a plain JSON object"))
    }

    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// `malformed` if it is not one strict JSON object in strict base64url.
    pub(crate) fn payload(&self) -> Result<Payload, Refusal> {
        let text = decode(self.payload)?;
        let members = json::object(&text)
            .ok_or(Refusal::malformed("the payload is not a plain JSON object"))?;
        Ok(Payload { members, text })
    }

    /// Decodes the signature.
    ///
    /// # Errors
    ///
    /// `malformed` if it is empty or not strict base64url.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, Refusal> {
        let signature = decode(self.signature)?;
        if signature.is_empty() {
            return Err(Refusal::malformed("the signature is missing"));
        }
        Ok(signature)
    }
}

/// Returns the first 32 bits of a name's SHA-256 in hexadecimal, as `sha256sum | cut -c 1-8` does.
pub(crate) fn digest_of(name: &str) -> Arc<str> {
    let digest = digest(&SHA256, name.as_bytes());
    let digits: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    digits.into()
}

/// Decodes base64url without padding (RFC 7515 section 2), in its only canonical spelling.
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| Refusal::malformed("a part is not strict base64url"))
}

impl Header {
    /// Checks every parameter that could change how the token is read.
    ///
    /// # Errors
    ///
    /// `malformed` for too many parameters; `header` if the parameters require anything but a
    /// signature by a named public key.
    pub(crate) fn check(parameters: &Map<String, Value>) -> Result<Self, Refusal> {
        if parameters.len() > MAX_PARAMETERS {
            return Err(Refusal::malformed("the header has too many parameters"));
        }
        // RFC 8725 sections 3.1 and 3.2: an unknown algorithm is refused first.
        let algorithm = parameters.get("alg").and_then(Value::as_str).and_then(Algorithm::of_name);
        let algorithm = algorithm
            .ok_or(Refusal::header("the algorithm is not one for signatures by public keys"))?;
        if REFUSED_PARAMETERS.iter().any(|name| parameters.contains_key(*name)) {
            return Err(Refusal::header("a parameter that is not allowed"));
        }
        let is_access_token = match parameters.get("typ").map(Value::as_str) {
            None => false,
            Some(typ) => is_access_token(typ.unwrap_or_default())
                .ok_or(Refusal::header("the type is not a JWT"))?,
        };
        let kid = parameters.get("kid").and_then(Value::as_str).filter(|kid| {
            !kid.is_empty() && kid.len() <= MAX_KID && !kid.chars().any(char::is_control)
        });
        let kid = kid.ok_or(Refusal::header("no usable kid"))?.to_owned();
        Ok(Self { algorithm, kid, is_access_token })
    }
}

/// Returns true for an access token's `typ` (RFC 9068 section 2.1), false for a plain JWT's, and
/// `None` for any other.
///
/// It is a media type in any case, and may omit `application/` (RFC 7515 section 4.1.9).
fn is_access_token(typ: &str) -> Option<bool> {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" => Some(false),
        "at+jwt" => Some(true),
        _ => None,
    }
}

impl Payload {
    /// Returns `iss`, the one claim that may be used before the signature is verified.
    ///
    /// # Errors
    ///
    /// `claim` if it is missing or not a string.
    pub(crate) fn issuer(&self) -> Result<&str, Refusal> {
        let issuer = self.members.get("iss").and_then(Value::as_str);
        issuer.ok_or(Refusal::claim("the issuer is missing or not a text"))
    }

    /// Returns the tenant that the token states, which is a part of its issuer's name.
    pub(crate) fn tid(&self) -> Option<&str> {
        tenant::tid_of(&self.members)
    }

    /// Makes a payload of these members.
    #[cfg(test)]
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        let text = Value::Object(members.clone()).to_string().into_bytes();
        Self { members, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn header(token: &str) -> Result<Header, Refusal> {
        Header::check(&Compact::split(token)?.header()?)
    }

    fn code(token: &str) -> Option<Code> {
        let read = || {
            header(token)?;
            let token = Compact::split(token)?;
            token.payload()?;
            token.signature()
        };
        read().err().map(Refusal::code)
    }

    const HEADER: &str = r#"{"kid":"k","alg":"RS256"}"#;

    #[test]
    fn takes_one_bearer_token_in_any_case_of_the_scheme() {
        assert_eq!(bearer("Bearer a.b.c"), Ok("a.b.c"));
        assert_eq!(bearer("bEARER a.b.c"), Ok("a.b.c"));
        for wrong in [
            "",
            "a.b.c",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer a ",
            "Basic a.b.c",
            " Bearer a",
            "Bearer\ta",
            "Bearer a\n",
        ] {
            assert_eq!(bearer(wrong).map_err(Refusal::code), Err(Code::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn decodes_a_token_of_cognito_s_form() {
        let text = token(HEADER, r#"{"iss":"i"}"#);
        let parsed = header(&text).unwrap();
        assert_eq!(parsed.kid, "k");
        assert_eq!(parsed.algorithm, Algorithm::RS256);
        let token = Compact::split(&text).unwrap();
        let payload = token.payload().unwrap();
        assert_eq!(payload.issuer(), Ok("i"));
        assert_eq!(payload.text, br#"{"iss":"i"}"#);
        assert_eq!(format!("{}.c2ln", token.signed), text);
        assert_eq!(token.signature(), Ok(b"sig".to_vec()));
    }

    #[test]
    fn an_issuer_is_a_text() {
        for payload in ["{}", r#"{"iss":null}"#, r#"{"iss":["i"]}"#, r#"{"iss":1}"#] {
            let text = token(HEADER, payload);
            let payload = Compact::split(&text).unwrap().payload().unwrap();
            assert_eq!(payload.issuer().map_err(Refusal::code), Err(Code::Claim));
        }
    }

    #[test]
    fn refuses_any_number_of_parts_but_three() {
        let good = token(HEADER, "{}");
        for wrong in [
            "",
            ".",
            "..",
            "a",
            "a.b",
            &format!("{good}.x"),
            &format!("{good}.x.y"),
            &format!(".{good}"),
            good.rsplit_once('.').unwrap().0,
        ] {
            assert_eq!(code(wrong), Some(Code::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn refuses_padding_whitespace_other_alphabets_and_non_canonical_tails() {
        let good = token(HEADER, "{}");
        let (head, _) = good.rsplit_once('.').unwrap();
        for signature in ["c2ln=", "c2l+", "c2l/", "c2l n", "c2ln\n", "", "c2ln\0", "c", "YR", "é"]
        {
            assert_eq!(
                code(&format!("{head}.{signature}")),
                Some(Code::Malformed),
                "{signature:?}"
            );
        }
        assert_eq!(code(&format!("{head}.YQ")), None, "the canonical spelling of the same byte");
    }

    #[test]
    fn refuses_a_token_over_the_bound_before_it_decodes() {
        let of_length = |length: usize| {
            let text = format!("..{}", "A".repeat(length - 2));
            Compact::split(&text).map(drop)
        };
        assert_eq!(of_length(MAX_TOKEN), Ok(()));
        let refused = of_length(MAX_TOKEN + 1);
        assert_eq!(refused, Err(Refusal::malformed("the token is too long")));
    }

    #[test]
    fn refuses_every_algorithm_without_a_public_key() {
        for alg in [
            "\"none\"",
            "\"None\"",
            "\"NONE\"",
            "\"nOnE\"",
            "\"HS256\"",
            "\"HS512\"",
            "\"ES512\"",
            "\"dir\"",
            "\"rs256\"",
            "\"RS256 \"",
            "null",
            "1",
            "[\"RS256\"]",
            "\"\"",
        ] {
            let header = format!(r#"{{"kid":"k","alg":{alg}}}"#);
            assert_eq!(code(&token(&header, "{}")), Some(Code::Header), "{alg}");
        }
        assert_eq!(code(&token(r#"{"kid":"k"}"#, "{}")), Some(Code::Header), "missing");
    }

    #[test]
    fn refuses_header_parameters_that_bring_keys_or_change_the_form() {
        for name in REFUSED_PARAMETERS {
            for value in ["null", "true", "[]", "\"x\"", "{}"] {
                let header = format!(r#"{{"kid":"k","alg":"RS256","{name}":{value}}}"#);
                assert_eq!(code(&token(&header, "{}")), Some(Code::Header), "{name} {value}");
            }
        }
    }

    #[test]
    fn takes_a_type_of_jwt_or_at_jwt_and_no_other() {
        for (typ, wrong) in [
            ("\"JWT\"", false),
            ("\"jwt\"", false),
            ("\"at+jwt\"", false),
            ("\"AT+JWT\"", false),
            ("\"application/at+jwt\"", false),
            ("\"Application/JWT\"", false),
            ("\"application/\"", true),
            ("\"application/application/jwt\"", true),
            ("\"text/jwt\"", true),
            ("\"JWT \"", true),
            ("\"at-jwt\"", true),
            ("\"logout+jwt\"", true),
            ("\"JWE\"", true),
            ("\"\"", true),
            ("null", true),
            ("1", true),
            ("[\"JWT\"]", true),
        ] {
            let header = format!(r#"{{"kid":"k","alg":"RS256","typ":{typ}}}"#);
            assert_eq!(code(&token(&header, "{}")).is_some(), wrong, "{typ}");
        }
    }

    #[test]
    fn says_whether_the_type_is_an_access_token_s() {
        for (typ, marked) in
            [("JWT", false), ("at+jwt", true), ("AT+JWT", true), ("application/at+jwt", true)]
        {
            let text = token(&format!(r#"{{"kid":"k","alg":"RS256","typ":"{typ}"}}"#), "{}");
            assert_eq!(header(&text).unwrap().is_access_token, marked, "{typ}");
        }
        assert!(!header(&token(HEADER, "{}")).unwrap().is_access_token);
    }

    #[test]
    fn refuses_a_kid_that_is_missing_of_another_type_or_too_long() {
        let long = format!("\"{}\"", "k".repeat(MAX_KID + 1));
        let controls = ["\"k\\u0000\"", "\"k\\n\"", "\"\\u007fk\"", "\"k\\u0085\""];
        for kid in ["null", "1", "[]", "{}", "\"\"", &long].iter().chain(&controls) {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert_eq!(code(&token(&header, "{}")), Some(Code::Header), "{kid}");
        }
        assert_eq!(code(&token(r#"{"alg":"RS256"}"#, "{}")), Some(Code::Header));
        let longest = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(MAX_KID));
        assert_eq!(code(&token(&longest, "{}")), None);
    }

    #[test]
    fn refuses_duplicate_members_in_header_and_payload() {
        let twice = r#"{"kid":"k","alg":"none","alg":"RS256"}"#;
        assert_eq!(code(&token(twice, "{}")), Some(Code::Malformed));
        assert_eq!(code(&token(HEADER, r#"{"iss":"a","iss":"b"}"#)), Some(Code::Malformed));
    }

    #[test]
    fn refuses_a_header_that_is_ambiguous_deep_large_or_not_one_object() {
        let code = |header: &str| code(&token(header, "{}"));
        let with = |more: &str| format!(r#"{{"kid":"k","alg":"RS256"{more}}}"#);
        let many = |count: usize| {
            with(&(2..count).map(|number| format!(",\"{number}\":0")).collect::<String>())
        };
        let deep = |levels| with(&format!(",\"a\":{}{}", "[".repeat(levels), "]".repeat(levels)));
        for good in [with(r#","x5t":["x",{"a":1}]"#), many(MAX_PARAMETERS), deep(15)] {
            assert_eq!(code(&good), None, "{good}");
        }
        for bad in [
            &with(r#","alg":"RS256""#),
            &with(r#","\u0061lg":"none""#),
            &with(r#","x":{"a":1,"a":2}"#),
            &with(r#","x":[{"a":1,"a":2}]"#),
            "{}{}",
            "{",
            "[]",
            "null",
            "",
            &many(MAX_PARAMETERS + 1),
            &deep(16),
            &deep(1_000),
        ] {
            assert_eq!(code(bad), Some(Code::Malformed), "{bad}");
        }
        assert_eq!(code(r#"{"kid":"k","alg":"RS256","\u006awk":null}"#), Some(Code::Header));
        let escaped = token(r#"{"kid":"a\u0062","alg":"RS256"}"#, "{}");
        assert_eq!(header(&escaped).unwrap().kid, "ab");
        let not_utf8 = format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(b"{\"a\":\"\xff\"}"));
        assert_eq!(super::tests::code(&not_utf8), Some(Code::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}") {
            let _ = bearer(&text);
            let _ = code(&text);
        }

        #[test]
        fn never_panics_on_three_decodable_parts(
            header in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
        ) {
            let text = format!(
                "{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
            let _ = code(&text);
        }
    }
}
