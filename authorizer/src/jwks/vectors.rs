//! Public test vectors, every case of them, through the product's own code.
//!
//! Project Wycheproof's files for JSON Web Signatures, RSA and ECDSA, and the examples of RFC 7520
//! (with those of RFC 8037 and RFC 7797). What can't apply is counted by its reason, and the
//! counts are asserted, so that no case is passed over in silence.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::key::Key;
use super::set::KeySet;
use crate::algorithm::Algorithm;
use crate::refusal::Refusal;
use crate::token::{Compact, Header};

const SECRET: &str = "signed with a shared secret (HMAC), which is never taken";
const ENCRYPTED: &str = "encrypted (JWE), which is never read";
const COMPRESSED: &str = "encrypted (JWE) and compressed, which is never read";
const NESTED: &str = "a signed token in an encrypted one, which is never read";
const P521: &str = "on P-521, which can't be configured";
const JSON_FORM: &str = "only in the JSON serialization, which is never read";
const ANOTHER: &str = "called valid, though its key says PS256 and its token PS384: refused";
const ROCA: &str = "made by a known faulty chip: its issuer is trusted with making keys";

/// Outcomes of the cases of one file.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    not_applicable: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn pass(&mut self, holds: bool, case: &str) {
        assert!(holds, "{case}");
        self.passed += 1;
    }

    fn skip(&mut self, reason: &'static str) {
        *self.not_applicable.entry(reason).or_default() += 1;
    }

    /// Prints the counts, and checks them.
    fn is(&self, file: &str, passed: usize, not_applicable: &[(&'static str, usize)]) {
        println!("{file}: {} passed", self.passed);
        for (reason, count) in &self.not_applicable {
            println!("{file}: {count} not applicable: {reason}");
        }
        let not_applicable = not_applicable.iter().copied().collect();
        assert_eq!(self, &Self { passed, not_applicable }, "{file}");
    }
}

/// Returns true if a token verifies by one of these keys, as a request's token does.
fn verifies(keys: &Value, token: &str) -> bool {
    let Ok(set) = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()) else {
        return false;
    };
    let Ok((token, header)) = read(token) else { return false };
    let Ok(signature) = token.signature() else { return false };
    set.key(&header.kid)
        .and_then(|keys| keys.of(header.algorithm).cloned())
        .is_some_and(|key| key.verifies(header.algorithm, token.signed.as_bytes(), &signature))
}

fn read(token: &str) -> Result<(Compact<'_>, Header), Refusal> {
    let token = Compact::split(token)?;
    Ok((token, Header::check(&token.header()?)?))
}

/// A file's test groups.
fn groups(file: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    file["testGroups"].as_array().unwrap().clone()
}

fn cases(group: &Value) -> impl Iterator<Item = (&Value, String)> {
    group["tests"].as_array().unwrap().iter().map(|case| {
        (case, format!("case {} of {}: {}", case["tcId"], group["comment"], case["comment"]))
    })
}

fn says_ps256(token: &str) -> bool {
    read(token).is_ok_and(|(_, header)| Some(header.algorithm) == Algorithm::of_name("PS256"))
}

/// Runs a Wycheproof file of tokens.
fn tokens(file: &str) -> Tally {
    let mut tally = Tally::default();
    for group in groups(file) {
        let keys = match &group["public"] {
            Value::Null => Value::Null,
            public => public.get("keys").cloned().unwrap_or_else(|| json!([public])),
        };
        for (case, name) in cases(&group) {
            let Some(token) = case.get("jws") else {
                tally.skip(ENCRYPTED);
                continue;
            };
            // The JSON serialization stands there as an object.
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            let valid = case["result"] == "valid";
            let roca = group["comment"] == "jws_rsa_roca_key";
            match keys.get(0) {
                None => tally.skip(SECRET),
                Some(_) if roca => tally.skip(ROCA),
                Some(key) if valid && key["crv"] == "P-521" => tally.skip(P521),
                Some(key) if valid && key["alg"] == "PS256" && !says_ps256(&token) => {
                    assert!(!verifies(&keys, &token), "{name}");
                    tally.skip(ANOTHER);
                }
                Some(_) => tally.pass(verifies(&keys, &token) == valid, &name),
            }
        }
    }
    tally
}

#[test]
fn wycheproof_json_web_signature() {
    let file = include_str!("../../../tests/vectors/wycheproof/json_web_signature_test.json");
    tokens(file).is("json_web_signature", 357, &[(ANOTHER, 2), (P521, 2), (SECRET, 40)]);
}

#[test]
fn wycheproof_json_web_key() {
    let file = include_str!("../../../tests/vectors/wycheproof/json_web_key_test.json");
    tokens(file).is("json_web_key", 10, &[(ROCA, 1), (SECRET, 15)]);
}

#[test]
fn wycheproof_json_web_crypto() {
    let file = include_str!("../../../tests/vectors/wycheproof/json_web_crypto_test.json");
    tokens(file).is("json_web_crypto", 28, &[(ENCRYPTED, 34), (ROCA, 1), (SECRET, 20)]);
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A number in base64url, of exactly this many bytes; as few as can be where there is no length.
fn number(hex: &Value, length: Option<usize>) -> String {
    let bytes = bytes(hex);
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let zeros = length.map_or(0, |length| length - digits.len());
    URL_SAFE_NO_PAD.encode([&vec![0; zeros][..], digits].concat())
}

/// Runs a Wycheproof file of bare signatures, whose groups this makes keys of.
fn signatures(file: &str, jwk: impl Fn(&Value) -> Value) -> Tally {
    let mut tally = Tally::default();
    for group in groups(file) {
        let jwk = jwk(&group["publicKey"]);
        let (_, key) = Key::read(jwk.as_object().unwrap()).unwrap();
        for (case, name) in cases(&group) {
            let verified = key.verifies_alone(&bytes(&case["msg"]), &bytes(&case["sig"]));
            // "acceptable" is what a lenient reader may take: not this one.
            tally.pass(verified == (case["result"] == "valid"), &name);
        }
    }
    tally
}

#[test]
fn wycheproof_rsa_signature_2048_sha256() {
    let file =
        include_str!("../../../tests/vectors/wycheproof/rsa_signature_2048_sha256_test.json");
    let jwk = |key: &Value| {
        json!({"kty": "RSA", "kid": "k", "alg": "RS256",
            "n": number(&key["modulus"], None), "e": number(&key["publicExponent"], None)})
    };
    signatures(file, jwk).is("rsa_signature_2048_sha256", 259, &[]);
}

#[test]
fn wycheproof_ecdsa_secp256r1_sha256_p1363() {
    let file =
        include_str!("../../../tests/vectors/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    let jwk = |key: &Value| {
        assert_eq!(key["curve"], "secp256r1");
        json!({"kty": "EC", "kid": "k", "alg": "ES256", "crv": "P-256",
            "x": number(&key["wx"], Some(32)), "y": number(&key["wy"], Some(32))})
    };
    signatures(file, jwk).is("ecdsa_secp256r1_sha256_p1363", 262, &[]);
}

/// Returns the public members of an example's key.
fn public(key: &Value) -> Value {
    const PUBLIC: [&str; 9] = ["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"];
    let members = key.as_object().unwrap().iter();
    members
        .filter(|(name, _)| PUBLIC.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<Map<String, Value>>()
        .into()
}

#[test]
fn rfc_7520_signatures() {
    let mut tally = Tally::default();
    for (name, file) in [
        ("4.1", include_str!("../../../tests/vectors/cookbook/jws/4_1.rsa_v15_signature.json")),
        ("4.2", include_str!("../../../tests/vectors/cookbook/jws/4_2.rsa-pss_signature.json")),
        ("4.3", include_str!("../../../tests/vectors/cookbook/jws/4_3.ecdsa_signature.json")),
        (
            "4.4",
            include_str!(
                "../../../tests/vectors/cookbook/jws/4_4.hmac-sha2_integrity_protection.json"
            ),
        ),
        (
            "4.5",
            include_str!(
                "../../../tests/vectors/cookbook/jws/4_5.signature_with_detached_content.json"
            ),
        ),
        (
            "4.6",
            include_str!(
                "../../../tests/vectors/cookbook/jws/4_6.protecting_specific_header_fields.json"
            ),
        ),
        (
            "4.7",
            include_str!("../../../tests/vectors/cookbook/jws/4_7.protecting_content_only.json"),
        ),
        ("4.8", include_str!("../../../tests/vectors/cookbook/jws/4_8.multiple_signatures.json")),
        ("RFC 8037", include_str!("../../../tests/vectors/cookbook/curve25519/jws.json")),
        (
            "RFC 7797 4.2",
            include_str!("../../../tests/vectors/cookbook/rfc7797/4.2.hmac-sha2_b64_false.json"),
        ),
        (
            "RFC 7797",
            include_str!("../../../tests/vectors/cookbook/rfc7797/hmac-sha2_b64_false.json"),
        ),
    ] {
        let example: Value = serde_json::from_str(file).unwrap();
        let input = &example["input"];
        match (&input["alg"], example["output"]["compact"].as_str()) {
            (Value::String(alg), _) if alg.starts_with("HS") => tally.skip(SECRET),
            (Value::String(alg), _) if alg == "ES512" => tally.skip(P521),
            (_, None) => tally.skip(JSON_FORM),
            (_, Some(token)) => {
                let mut key = public(&input["key"]);
                // The example on Ed25519 names no key, and what names none is refused.
                if key.get("kid").is_none() {
                    assert!(!verifies(&json!([key]), token), "{name}");
                    key["kid"] = "k".into();
                    tally.pass(is_signed_by(&key, token), name);
                } else {
                    assert!(!verifies(&json!([input["key"]]), token), "{name}: a private key");
                    tally.pass(verifies(&json!([key]), token), name);
                }
                let forged = token.replacen('.', ".A", 1);
                assert!(!verifies(&json!([key]), &forged) && !is_signed_by(&key, &forged));
            }
        }
    }
    tally.is("RFC 7520 signatures", 3, &[(JSON_FORM, 1), (P521, 1), (SECRET, 6)]);
}

/// Returns true if this key signed the token, whatever its header says.
fn is_signed_by(key: &Value, token: &str) -> bool {
    let (_, key) = Key::read(key.as_object().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    key.verifies_alone(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
}

#[test]
fn rfc_7520_keys() {
    let mut tally = Tally::default();
    for (name, usable, file) in [
        ("3.1", None, include_str!("../../../tests/vectors/cookbook/jwk/3_1.ec_public_key.json")),
        (
            "3.2",
            Some(false),
            include_str!("../../../tests/vectors/cookbook/jwk/3_2.ec_private_key.json"),
        ),
        (
            "3.3",
            Some(true),
            include_str!("../../../tests/vectors/cookbook/jwk/3_3.rsa_public_key.json"),
        ),
        (
            "3.4",
            Some(false),
            include_str!("../../../tests/vectors/cookbook/jwk/3_4.rsa_private_key.json"),
        ),
        (
            "3.5",
            Some(false),
            include_str!(
                "../../../tests/vectors/cookbook/jwk/3_5.symmetric_key_mac_computation.json"
            ),
        ),
        (
            "3.6",
            Some(false),
            include_str!("../../../tests/vectors/cookbook/jwk/3_6.symmetric_key_encryption.json"),
        ),
    ] {
        let key: Value = serde_json::from_str(file).unwrap();
        let read = Key::read(key.as_object().unwrap());
        match usable {
            None => tally.skip(P521),
            Some(usable) => tally.pass(read.is_ok() == usable, name),
        }
    }
    tally.is("RFC 7520 keys", 5, &[(P521, 1)]);
}

#[test]
fn rfc_7520_encryption() {
    let mut tally = Tally::default();
    let compressed =
        include_str!("../../../tests/vectors/cookbook/jwe/5_9.compressed_content.json");
    let nested =
        include_str!("../../../tests/vectors/cookbook/6.nesting_signatures_and_encryption.json");
    let compressed: Value = serde_json::from_str(compressed).unwrap();
    let nested: Value = serde_json::from_str(nested).unwrap();
    for (output, reason) in
        [(&compressed["output"], COMPRESSED), (&nested["encrypt"]["output"], NESTED)]
    {
        assert!(read(output["compact"].as_str().unwrap()).is_err());
        tally.skip(reason);
    }
    // What is nested is a signature like any other, but for the kid, which its header lacks.
    let token = nested["sign"]["output"]["compact"].as_str().unwrap();
    let mut key = public(&nested["sign"]["input"]["key"]);
    assert!(!verifies(&json!([key]), token));
    key["alg"] = "PS256".into();
    tally.pass(is_signed_by(&key, token), "6, the signature");
    assert!(!is_signed_by(&key, &token.replacen('.', ".A", 1)));
    tally.is("RFC 7520 encryption", 1, &[(COMPRESSED, 1), (NESTED, 1)]);
}
