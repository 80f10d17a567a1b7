//! One key of a set (RFC 7517): parsed by `jsonwebtoken`, checked here.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, VerificationAlgorithm,
};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::tenant;

/// RSA moduli in bits: at least 2048 (RFC 7518 section 3.3), at most AWS-LC's limit.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// Longest public exponent in bytes; AWS-LC accepts 33 bits.
const MAX_EXPONENT: usize = 4;

/// Length of an Ed25519 public key in bytes (RFC 8032 section 5.1.5).
const ED25519_LENGTH: usize = 32;

/// Members that only private or secret keys have.
///
/// Anyone can sign with a private key that was published, so its signatures prove nothing.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key and the algorithms it may verify.
#[derive(Clone)]
pub(crate) struct Key {
    pub(super) algorithms: Vec<Algorithm>,
    key: DecodingKey,
    /// The only issuer that the key signs for, if the set states it. It may have a placeholder.
    pub(super) issuer: Option<String>,
}

/// Two keys are equal if they verify the same signatures of the same issuer.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.algorithms == other.algorithms
            && self.issuer == other.issuer
            && self.has_numbers_of(other)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

/// Reason to skip a key of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(super) enum Skip {
    #[error("it is not a JSON object whose members are unique")]
    Form,
    #[error("it has no `kid`")]
    NoKid,
    #[error("its `use` or `key_ops` is not for verifying signatures")]
    Use,
    #[error("it contains a private key")]
    Private,
    #[error("its `alg` is not supported")]
    Algorithm,
    #[error("its `kty` or `crv` is not supported")]
    Type,
    #[error("its numbers are missing, malformed, or out of bounds (RSA has 2048 to 8192 bits)")]
    Numbers,
    #[error("its `alg` is for another type of key")]
    Unfit,
    #[error("another key has the same `kid` and algorithm")]
    Ambiguous,
    #[error("its `issuer` is not a text")]
    Issuer,
}

impl Key {
    /// Reads a member of a set. An optional member that is null counts as absent.
    ///
    /// # Errors
    ///
    /// The key is malformed, weak, private, or not for signatures.
    pub(super) fn read(jwk: &Map<String, Value>) -> Result<(&str, Self), Skip> {
        let kid = text(jwk, "kid").filter(|kid| !kid.is_empty()).ok_or(Skip::NoKid)?;
        if !is_for_verification(jwk) {
            return Err(Skip::Use);
        }
        if PRIVATE.iter().any(|name| given(jwk, name).is_some_and(|value| !is_empty_list(value))) {
            return Err(Skip::Private);
        }
        let mut algorithms = algorithms(jwk)?;
        if let Some(alg) = given(jwk, "alg") {
            let alg = alg.as_str().and_then(Algorithm::of_name).ok_or(Skip::Algorithm)?;
            algorithms.retain(|algorithm| *algorithm == alg);
        }
        if algorithms.is_empty() {
            return Err(Skip::Unfit);
        }
        let issuer = match given(jwk, "issuer") {
            None => None,
            Some(Value::String(issuer)) => Some(issuer.clone()),
            Some(_) => return Err(Skip::Issuer),
        };
        let key = decoding_key(jwk).ok_or(Skip::Numbers)?;
        Ok((kid, Self { algorithms, key, issuer }))
    }

    /// Returns true if the key signs for this issuer.
    ///
    /// Entra ID publishes the keys of several issuers in one set and names the issuer of each.
    pub(crate) fn serves(&self, iss: &str, tid: Option<&str>) -> bool {
        self.issuer.as_deref().is_none_or(|name| tenant::is_name(name, tid, iss))
    }

    /// Returns true if a signature is this key's signature of the message.
    ///
    /// Always uses AWS-LC, even if the process has chosen another provider for `jsonwebtoken`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm.inner(), &self.key);
        self.algorithms.contains(&algorithm)
            && verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }

    /// Verifies by the key's first algorithm.
    #[cfg(test)]
    pub(crate) fn verifies_alone(&self, message: &[u8], signature: &[u8]) -> bool {
        let first = self.algorithms.first();
        first.is_some_and(|algorithm| self.verifies(*algorithm, message, signature))
    }

    /// Returns true if both have the same modulus and exponent, or the same point.
    pub(super) fn has_numbers_of(&self, other: &Self) -> bool {
        match (self.key.kind(), other.key.kind()) {
            (DecodingKeyKind::SecretOrDer(one), DecodingKeyKind::SecretOrDer(two)) => one == two,
            (
                DecodingKeyKind::RsaModulusExponent { n, e },
                DecodingKeyKind::RsaModulusExponent { n: other_n, e: other_e },
            ) => n == other_n && e == other_e,
            _ => false,
        }
    }
}

fn given<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j Value> {
    jwk.get(name).filter(|value| !value.is_null())
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name).and_then(Value::as_str)
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Returns true if `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3) are absent or allow it.
fn is_for_verification(jwk: &Map<String, Value>) -> bool {
    let used = given(jwk, "use").is_none_or(|usage| usage == "sig");
    let operates = given(jwk, "key_ops").is_none_or(|operations| match operations {
        Value::Array(operations) => {
            operations.is_empty() || operations.iter().any(|operation| operation == "verify")
        }
        _ => false,
    });
    used && operates
}

/// Returns all algorithms of the key's type and curve.
fn algorithms(jwk: &Map<String, Value>) -> Result<Vec<Algorithm>, Skip> {
    let names: &[&str] = match (text(jwk, "kty"), text(jwk, "crv")) {
        (Some("RSA"), _) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        (Some("EC"), Some("P-256")) => &["ES256"],
        (Some("EC"), Some("P-384")) => &["ES384"],
        (Some("OKP"), Some("Ed25519")) => &["EdDSA"],
        _ => return Err(Skip::Type),
    };
    Ok(names.iter().filter_map(|name| Algorithm::of_name(name)).collect())
}

/// Parses the numbers of a key, and returns `None` if they are not those of a strong, valid key.
fn decoding_key(jwk: &Map<String, Value>) -> Option<DecodingKey> {
    let algorithm = AlgorithmParameters::deserialize(jwk).ok()?;
    let jwk = Jwk { common: CommonParameters::default(), algorithm };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    match (&jwk.algorithm, key.kind()) {
        (AlgorithmParameters::RSA(_), DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
            let is_good = MODULUS_BITS.contains(&bits(n)) && is_odd(n) && is_exponent(e);
            is_good.then(|| DecodingKey::from_rsa_raw_components(n, e))
        }
        (AlgorithmParameters::EllipticCurve(ec), DecodingKeyKind::SecretOrDer(point)) => {
            // Both coordinates have the curve's full length (RFC 7518 section 6.2.1.2).
            (ec.x.len() == ec.y.len() && is_on_curve(&ec.curve, point)).then_some(key)
        }
        (AlgorithmParameters::OctetKeyPair(_), DecodingKeyKind::SecretOrDer(x)) => {
            (x.len() == ED25519_LENGTH).then_some(key)
        }
        _ => None,
    }
}

/// Returns true for an uncompressed point (SEC 1 section 2.3.3) on this curve.
///
/// `jsonwebtoken` checks this only with each signature, so it would accept an invalid key.
fn is_on_curve(curve: &EllipticCurve, point: &[u8]) -> bool {
    let (length, curve): (_, &'static dyn VerificationAlgorithm) = match curve {
        EllipticCurve::P256 => (65, &ECDSA_P256_SHA256_FIXED),
        EllipticCurve::P384 => (97, &ECDSA_P384_SHA384_FIXED),
        _ => return false,
    };
    point.len() == length && ParsedPublicKey::new(curve, point).is_ok()
}

/// Returns the same number in its shortest form.
///
/// RFC 7518 section 6.3.1.1 requires that form, and warns of writers that put a zero byte before
/// `n`, as Java's `BigInteger` does.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The number of bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros());
    number.len().saturating_mul(8).saturating_sub(usize::try_from(zeros).unwrap_or_default())
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

/// Returns true for an odd public exponent from 3 on.
fn is_exponent(number: &[u8]) -> bool {
    is_odd(number) && number != [1] && number.len() <= MAX_EXPONENT
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair as _,
    };
    use serde_json::json;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Changes members of a key; null removes one.
    fn changed(mut key: Value, changes: &Value) -> Value {
        let members = key.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        key
    }

    fn rsa(changes: &Value) -> Value {
        let key = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k",
            "n": encode([0xc5; 256]), "e": "AQAB",
        });
        changed(key, changes)
    }

    fn ec(changes: &Value) -> Value {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let key = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k",
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        });
        changed(key, changes)
    }

    fn okp(changes: &Value) -> Value {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k",
            "x": encode(pair.public_key()),
        });
        changed(key, changes)
    }

    const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    fn of(names: &[&str]) -> Vec<Algorithm> {
        names.iter().map(|name| Algorithm::of_name(name).unwrap()).collect()
    }

    fn algorithms(key: &Value) -> Vec<Algorithm> {
        let read = Key::read(key.as_object().unwrap());
        read.map_or_else(|_| vec![], |(_, key)| key.algorithms)
    }

    #[test]
    fn takes_a_key_for_the_algorithm_that_it_names() {
        assert_eq!(algorithms(&rsa(&json!({}))), of(&["RS256"]));
        for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
            assert_eq!(algorithms(&rsa(&json!({"alg": alg}))), of(&[alg]));
        }
        assert_eq!(algorithms(&ec(&json!({}))), of(&["ES256"]));
        assert_eq!(algorithms(&okp(&json!({}))), of(&["EdDSA"]));
        assert_eq!(algorithms(&okp(&json!({"alg": "Ed25519"}))), of(&["EdDSA"]));
        assert_eq!(algorithms(&rsa(&json!({"use": null}))), of(&["RS256"]));
        assert_eq!(algorithms(&rsa(&json!({"key_ops": ["sign", "verify"]}))), of(&["RS256"]));
    }

    #[test]
    fn takes_a_key_that_names_none_for_all_that_its_type_and_curve_fit() {
        let none = json!({"alg": null});
        assert_eq!(algorithms(&rsa(&none)), of(&RSA));
        assert_eq!(algorithms(&ec(&none)), of(&["ES256"]));
        assert_eq!(algorithms(&okp(&none)), of(&["EdDSA"]));
    }

    #[test]
    fn skips_keys_that_are_for_something_else() {
        let mut changes = vec![
            json!({"kty": "oct"}),
            json!({"kty": "none"}),
            json!({"kty": null}),
            json!({"use": "enc"}),
            json!({"use": "SIG"}),
            json!({"use": 1}),
            json!({"use": []}),
            json!({"alg": "HS256"}),
            json!({"alg": "none"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": "ES384"}),
            json!({"alg": 1}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": "verify"}),
            json!({"key_ops": [null]}),
            json!({"kid": null}),
            json!({"kid": 1}),
            json!({"kid": ""}),
        ];
        changes.extend(PRIVATE.map(|name| json!({name: "AQAB"})));
        changes.push(json!({"d": 1}));
        for changes in &changes {
            for key in [rsa(changes), ec(changes), okp(changes)] {
                assert_eq!(algorithms(&key), [], "{key}");
            }
        }
    }

    #[test]
    fn an_optional_member_that_is_null_is_absent() {
        let all = of(&RSA);
        for (name, expected) in [("alg", all), ("use", of(&["RS256"]))] {
            let mut key = rsa(&json!({}));
            key[name] = Value::Null;
            assert_eq!(algorithms(&key), expected, "{name}");
        }
        for name in PRIVATE.iter().chain(&["x5c", "x5t", "x5u", "key_ops"]) {
            for empty in [json!(null), json!([])] {
                for mut key in [rsa(&json!({})), ec(&json!({})), okp(&json!({}))] {
                    key[*name] = empty.clone();
                    assert_eq!(algorithms(&key).len(), 1, "{key}");
                }
            }
        }
        for name in ["kty", "n", "e", "kid"] {
            let mut key = rsa(&json!({}));
            key[name] = Value::Null;
            assert_eq!(algorithms(&key), [], "{name} is needed");
        }
    }

    #[test]
    fn says_why_a_key_is_skipped() {
        for (changes, reason) in [
            (json!({"kid": null}), Skip::NoKid),
            (json!({"use": "enc"}), Skip::Use),
            (json!({"key_ops": ["encrypt"]}), Skip::Use),
            (json!({"d": "AQAB"}), Skip::Private),
            (json!({"alg": "RSA-OAEP"}), Skip::Algorithm),
            (json!({"kty": "oct"}), Skip::Type),
            (json!({"n": encode([0xc5; 128])}), Skip::Numbers),
            (json!({"e": null}), Skip::Numbers),
            (json!({"alg": "ES256"}), Skip::Unfit),
        ] {
            let key = rsa(&changes);
            assert_eq!(Key::read(key.as_object().unwrap()).err(), Some(reason), "{changes}");
        }
    }

    #[test]
    fn a_leading_zero_changes_no_number() {
        let plain = rsa(&json!({}));
        let written = |zeros: usize| {
            let n = [vec![0; zeros], vec![0xc5; 256]].concat();
            rsa(&json!({"n": encode(n), "e": encode([&vec![0; zeros][..], &[1, 0, 1]].concat())}))
        };
        let read = |key: &Value| Key::read(key.as_object().unwrap()).unwrap().1;
        for zeros in [1, 2, 9] {
            assert!(read(&written(zeros)) == read(&plain), "{zeros}");
        }
        // A zero is not a bit of the modulus.
        let short = [&[0; 2][..], &[0xc5; 255]].concat();
        assert_eq!(algorithms(&rsa(&json!({"n": encode(short)}))), []);
    }

    #[test]
    fn skips_rsa_keys_that_are_weak_huge_or_not_of_the_form() {
        let n = |bytes: &[u8]| json!({"n": encode(bytes)});
        let with_last = |last: u8| n(&[&[0xc5; 255][..], &[last]].concat());
        for changes in [
            json!({"kty": "EC"}),
            json!({"alg": "ES256"}),
            json!({"n": null}),
            json!({"n": 1}),
            json!({"n": "!"}),
            json!({"n": ""}),
            json!({"n": format!("{}=", encode([0xc5; 256]))}),
            n(&[0xc5; 128]),
            n(&[&[0x7f][..], &[0xc5; 255]].concat()),
            n(&[&[1][..], &[0xc5; 1024]].concat()),
            n(&[0; 256]),
            with_last(0xc4),
            json!({"e": null}),
            json!({"e": 65537}),
            json!({"e": ""}),
            json!({"e": "AA"}),
            json!({"e": "AQ"}),
            json!({"e": "Ag"}),
            json!({"e": "AAE"}),
            json!({"e": "AQAAAAE"}),
        ] {
            assert_eq!(algorithms(&rsa(&changes)), [], "{changes}");
        }
        for good in [
            n(&[&[0x80][..], &[0xc5; 255]].concat()),
            n(&[0xc5; 384]),
            n(&[&[1][..], &[0xc5; 256]].concat()),
            n(&[0xc5; 1024]),
            with_last(0xc7),
            json!({"e": "Aw"}),
            json!({"e": "_____w"}),
        ] {
            assert_eq!(algorithms(&rsa(&good)), of(&["RS256"]), "{good}");
        }
    }

    #[test]
    fn skips_points_that_are_not_on_the_curve_or_not_of_its_length() {
        for changes in [
            json!({"kty": "RSA"}),
            json!({"kty": "OKP"}),
            json!({"crv": null}),
            json!({"crv": "P-384"}),
            json!({"crv": "P-521"}),
            json!({"crv": "secp256k1"}),
            json!({"crv": "Ed25519"}),
            json!({"alg": "ES512"}),
            json!({"alg": "RS256"}),
            json!({"x": null}),
            json!({"y": null}),
            json!({"x": encode([1; 32])}),
            json!({"x": encode([0; 32]), "y": encode([0; 32])}),
            json!({"x": encode([0; 31])}),
            json!({"y": encode([0; 33])}),
            json!({"x": encode([0xff; 32])}),
        ] {
            assert_eq!(algorithms(&ec(&changes)), [], "{changes}");
        }
        // The right 64 bytes, cut in the wrong place.
        let point = ec(&json!({}));
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(point[name].as_str().unwrap()).unwrap();
        let both = [bytes("x"), bytes("y")].concat();
        let cut = json!({"x": encode(&both[..31]), "y": encode(&both[31..])});
        assert_eq!(algorithms(&ec(&cut)), []);
        // A whole SubjectPublicKeyInfo, which AWS-LC would read too.
        let pair = Ed25519KeyPair::generate().unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        assert_eq!(algorithms(&okp(&json!({"x": encode(der.as_ref())}))), []);
        for changes in [
            json!({"kty": "EC"}),
            json!({"crv": "X25519"}),
            json!({"crv": "Ed448"}),
            json!({"crv": null}),
            json!({"alg": "ES256"}),
            json!({"x": null}),
            json!({"x": encode([1; 31])}),
            json!({"x": encode([1; 57])}),
        ] {
            assert_eq!(algorithms(&okp(&changes)), [], "{changes}");
        }
    }

    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (EcdsaKeyPair, Key) {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let (crv, alg) = if x.len() == 32 { ("P-256", "ES256") } else { ("P-384", "ES384") };
        let jwk = json!({"kty": "EC", "crv": crv, "alg": alg, "kid": "k",
            "x": encode(x), "y": encode(y)});
        (pair, Key::read(jwk.as_object().unwrap()).unwrap().1)
    }

    #[test]
    fn verifies_both_curves_by_signatures_of_fixed_length_and_never_by_der() {
        for algorithm in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING] {
            let (pair, key) = ecdsa(algorithm);
            let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
            let signature = signature.as_ref();
            assert!(key.verifies_alone(b"message", signature));
            assert!(!key.verifies_alone(b"Message", signature));
            assert!(!key.verifies_alone(b"message", &signature[1..]));
            assert!(!key.verifies_alone(b"message", &[signature, &[0]].concat()));
            assert!(!key.verifies_alone(b"message", &[]));
            assert!(!key.verifies_alone(b"message", &vec![0; signature.len()]), "r = s = 0");
        }
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = ec(&json!({"x": encode(&point[1..33]), "y": encode(&point[33..])}));
        let (_, key) = Key::read(jwk.as_object().unwrap()).unwrap();
        let der = pair.sign(&SystemRandom::new(), b"message").unwrap();
        assert!(!key.verifies_alone(b"message", der.as_ref()));
    }

    #[test]
    fn verifies_ed25519() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk = okp(&json!({"x": encode(pair.public_key())}));
        let (kid, key) = Key::read(jwk.as_object().unwrap()).unwrap();
        assert_eq!(kid, "k");
        assert!(key.verifies_alone(b"message", pair.sign(b"message").as_ref()));
        assert!(!key.verifies_alone(b"message", pair.sign(b"other").as_ref()));
    }

    #[test]
    fn keys_are_equal_by_algorithm_and_bytes_and_their_debug_shows_none() {
        let read = |jwk: Value| Key::read(jwk.as_object().unwrap()).unwrap().1;
        let key = read(rsa(&json!({})));
        assert!(key == read(rsa(&json!({"kid": "other"}))));
        assert!(key != read(rsa(&json!({"alg": "RS384"}))));
        assert!(key != read(rsa(&json!({"n": encode([0xc7; 256])}))));
        assert!(key != read(rsa(&json!({"e": "Aw"}))));
        assert_eq!(format!("{key:?}"), "Key { algorithms: [Algorithm(RS256)], .. }");
    }
}
