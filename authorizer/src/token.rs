//! A token as it arrives: bounded, decoded strictly, and not yet believed.
//!
//! Nothing in here is verified. Two values may be used before the signature is: the issuer, to
//! look up the configuration by its exact text, and the kid, to look up a key.

mod header;

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::json::{self, Unread};
use crate::refusal::Refusal;
use header::{Header, Parameter};

/// The longest token that is read, in bytes.
///
/// API Gateway bounds the request line and all headers together to 10,240 bytes.
const MAX_TOKEN: usize = 10_240;

/// The longest kid that is looked up, in bytes.
const MAX_KID: usize = 256;

/// The three parts of a compact JWS (RFC 7515 section 3.1), as they came.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// What was signed: the first two parts with the dot between.
    pub(crate) signed: &'a str,
    /// The signature, in base64url if it is well-formed.
    pub(crate) signature: &'a str,
    header: &'a str,
    payload: &'a str,
}

/// A token whose header was read; nothing of it is verified.
pub(crate) struct Unverified<'a> {
    /// The algorithm that the header asks for; whether it may is the configuration's to say.
    pub(crate) algorithm: Algorithm,
    /// Whether the header's type is an access token's (RFC 9068 section 2.1).
    pub(crate) marked: bool,
    /// The key that the header names.
    pub(crate) kid: String,
    pub(crate) parts: Parts<'a>,
}

/// A payload that was read, with its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payload {
    pub(crate) members: Map<String, Value>,
    text: Vec<u8>,
}

/// A signature's bytes.
pub(crate) struct Signature {
    bytes: [u8; MAX_SIGNATURE],
    length: usize,
}

/// Takes the token out of an `Authorization` value: `Bearer`, in any case, and one token.
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

/// Checks a token's length: before it is decoded, and before its digest is taken.
///
/// # Errors
///
/// `malformed` for a token over the bound.
pub(crate) fn check_length(token: &str) -> Result<(), Refusal> {
    if token.len() > MAX_TOKEN {
        return Err(Refusal::malformed("the token is too long"));
    }
    Ok(())
}

/// The longest signature that is read, in bytes: RSA's with 8,192 bits.
const MAX_SIGNATURE: usize = 1_024;

const NOT_BASE64: Refusal = Refusal::malformed("a part is not strict base64url");

/// The refusal of a token of somebody else's.
pub(crate) const UNKNOWN_ISSUER: Refusal = Refusal::claim("the issuer is not configured");

impl<'a> Parts<'a> {
    /// Splits a token whose length was checked.
    ///
    /// # Errors
    ///
    /// `malformed` where it has not three parts.
    pub(crate) fn of(token: &'a str) -> Result<Self, Refusal> {
        let (signed, signature) =
            token.rsplit_once('.').ok_or(Refusal::malformed("the token has not three parts"))?;
        let (header, payload) =
            signed.split_once('.').ok_or(Refusal::malformed("the token has not three parts"))?;
        if payload.contains('.') {
            return Err(Refusal::malformed("the token has not three parts"));
        }
        Ok(Self { signed, signature, header, payload })
    }
}

impl<'a> Unverified<'a> {
    /// Reads a token's header, strictly.
    ///
    /// # Errors
    ///
    /// `malformed` where it is not what base64url without padding (RFC 7515 section 2) or JSON
    /// allows; `header` where it asks for something other than a signature by a named key.
    pub(crate) fn read(parts: Parts<'a>) -> Result<Self, Refusal> {
        let header = decode(parts.header)?;
        let header = Header::read(&header)
            .ok_or(Refusal::malformed("the header is not a plain JSON object"))?;
        let algorithm = check_header(&header)?;
        let marked = header.typ.text().is_some_and(is_access);
        let kid = kid_of(header.kid).ok_or(Refusal::header("no usable kid"))?;
        if parts.signature.is_empty() {
            return Err(Refusal::malformed("the signature is missing"));
        }
        Ok(Self { algorithm, marked, kid, parts })
    }

    /// Splits and reads, for tests.
    #[cfg(test)]
    pub(crate) fn parse(token: &'a str) -> Result<Self, Refusal> {
        Parts::of(token).and_then(Self::read)
    }

    /// Reads the payload. Only `iss` may be used before the signature is verified.
    ///
    /// `goes_on` receives the issuer. If it returns false, the rest of the payload is not read and
    /// the result is `None`.
    ///
    /// # Errors
    ///
    /// `malformed` if the payload is not one JSON object without ambiguity; `claim` if the issuer
    /// is not a text.
    pub(crate) fn claims(
        &self,
        goes_on: impl Fn(&str) -> bool,
    ) -> Result<Option<Payload>, Refusal> {
        let payload = decode(self.parts.payload)?;
        let no_text = Cell::new(false);
        let accepts = |name: &str, value: &Value| {
            name != "iss" || value.as_str().map_or_else(|| !no_text.replace(true), &goes_on)
        };
        match json::object_of(&payload, accepts) {
            Ok(members) => Ok(Some(Payload { members, text: payload })),
            Err(Unread::Refused) if no_text.get() => Err(UNKNOWN_ISSUER),
            Err(Unread::Refused) => Ok(None),
            Err(Unread::Malformed) => {
                Err(Refusal::malformed("the payload is not a plain JSON object"))
            }
        }
    }

    /// The signature's bytes.
    ///
    /// # Errors
    ///
    /// `malformed` where it is not strict base64url, or longer than any.
    pub(crate) fn signature(&self) -> Result<Signature, Refusal> {
        let mut bytes = [0; MAX_SIGNATURE];
        let length = URL_SAFE_NO_PAD.decode_slice(self.parts.signature, &mut bytes);
        Ok(Signature { bytes, length: length.map_err(|_| NOT_BASE64)? })
    }
}

impl Payload {
    /// Returns a member exactly as it is written: JSON numbers lose digits when they are read.
    pub(crate) fn written(&self, name: &str) -> Option<&str> {
        json::members(&self.text)?.get(name).map(|value| value.get())
    }

    /// A payload of these members, for tests.
    #[cfg(test)]
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        let text = Value::Object(members.clone()).to_string().into_bytes();
        Self { members, text }
    }
}

impl Signature {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| NOT_BASE64)
}

/// Checks each header parameter that could change how the token is read.
fn check_header(header: &Header<'_>) -> Result<Algorithm, Refusal> {
    // RFC 8725 sections 3.1 and 3.2: what is not known by name is refused before all else.
    let algorithm = header
        .alg
        .text()
        .and_then(Algorithm::of_name)
        .ok_or(Refusal::header("the algorithm is not one for signatures by public keys"))?;
    if header.is_refused {
        return Err(Refusal::header("a parameter that is not allowed"));
    }
    match &header.typ {
        Parameter::Missing => Ok(algorithm),
        Parameter::Text(typ) if is_type(typ) => Ok(algorithm),
        Parameter::Text(_) | Parameter::Other => Err(Refusal::header("the type is not a JWT")),
    }
}

/// Whether a `typ` is a JWT's or an access token's (RFC 9068 section 2.1).
///
/// A media type, in any case; `application/` may be left out (RFC 7515 section 4.1.9).
fn is_type(typ: &str) -> bool {
    let short = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case("JWT") || short.eq_ignore_ascii_case("at+jwt")
}

/// Whether a type that is taken is an access token's.
fn is_access(typ: &str) -> bool {
    typ.rsplit('/').next().is_some_and(|short| short.eq_ignore_ascii_case("at+jwt"))
}

fn kid_of(kid: Parameter<'_>) -> Option<String> {
    let Parameter::Text(kid) = kid else { return None };
    let fits = !kid.is_empty() && kid.len() <= MAX_KID && !kid.chars().any(char::is_control);
    fits.then(|| kid.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn code(token: &str) -> Option<Code> {
        Unverified::parse(token)
            .and_then(|token| token.claims(|_| true).and(token.signature()).map(drop))
            .err()
            .map(Refusal::code)
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
        let parsed = Unverified::parse(&text).unwrap();
        assert_eq!(parsed.kid, "k");
        assert_eq!(parsed.algorithm, Algorithm::Rs256);
        let claims = parsed.claims(|iss| iss == "i").unwrap().unwrap();
        assert_eq!(claims.members.get("iss"), Some(&Value::from("i")));
        assert_eq!(claims.written("iss"), Some("\"i\""));
        assert_eq!(parsed.claims(|iss| iss == "j"), Ok(None), "not read to its end");
        assert_eq!(format!("{}.c2ln", parsed.parts.signed), text);
        assert_eq!(parsed.signature().unwrap().as_bytes(), b"sig");
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
        assert_eq!(check_length(&"A".repeat(MAX_TOKEN)), Ok(()));
        let refused = check_length(&"A".repeat(MAX_TOKEN + 1));
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
        for name in header::REFUSED {
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
            assert_eq!(Unverified::parse(&text).unwrap().marked, marked, "{typ}");
        }
        assert!(!Unverified::parse(&token(HEADER, "{}")).unwrap().marked);
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
