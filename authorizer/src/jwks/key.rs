//! One key of a set (RFC 7517), parsed once: a verification must not pay for that again.

use std::fmt;
use std::ops::RangeInclusive;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;

/// RSA moduli in bits: 2048 at least (RFC 7518 section 3.3), and AWS-LC's most.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// The longest public exponent in bytes; AWS-LC takes 33 bits.
const MAX_EXPONENT: usize = 4;

/// The length of an Ed25519 public key in bytes (RFC 8032 section 5.1.5).
const ED25519_LENGTH: usize = 32;

/// The members that make a key a private or a secret one.
///
/// A private key that was published is everybody's: signatures by it prove nothing.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key for one algorithm, ready to verify.
#[derive(Clone)]
pub(crate) struct Key {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

/// Two keys are equal when they verify the same signatures.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.parsed.as_ref() == other.parsed.as_ref()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// The algorithm that this key verifies, and the only one.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature of this message is this key's.
    ///
    /// `digest` is the message's by SHA-256, which most algorithms sign: it isn't taken again.
    pub(crate) fn verifies(&self, message: &[u8], digest: &Digest, signature: &[u8]) -> bool {
        let verified = match self.algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => {
                self.parsed.verify_digest_sig(digest, signature)
            }
            Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Es384
            | Algorithm::EdDsa => self.parsed.verify_sig(message, signature),
        };
        verified.is_ok()
    }

    /// The same, for tests that have the message alone.
    #[cfg(test)]
    pub(crate) fn verifies_alone(&self, message: &[u8], signature: &[u8]) -> bool {
        use aws_lc_rs::digest::{SHA256, digest};

        self.verifies(message, &digest(&SHA256, message), signature)
    }

    /// Some key, for tests of what holds keys.
    #[cfg(test)]
    pub(crate) fn for_tests() -> std::sync::Arc<Self> {
        let modulus = URL_SAFE_NO_PAD.encode([0xc5; 256]);
        let jwk = serde_json::json!({"kty": "RSA", "kid": "k", "n": modulus, "e": "AQAB"});
        let (_, keys) = Self::read(jwk.as_object().unwrap()).unwrap();
        std::sync::Arc::new(keys[0].clone())
    }

    /// Reads a member of a set: its kid, and a key for each algorithm that it may verify.
    ///
    /// Nothing where it is malformed, weak, private, or for something else than signatures.
    pub(super) fn read(jwk: &Map<String, Value>) -> Option<(&str, Vec<Self>)> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let kid = text("kid").filter(|kid| !kid.is_empty())?;
        if !is_for_verification(jwk) || PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return None;
        }
        let public = Public::read(jwk)?;
        let algorithms = match jwk.get("alg") {
            None => Algorithm::ALL.to_vec(),
            Some(alg) => vec![Algorithm::of_name(alg.as_str()?)?],
        };
        let keys: Vec<Self> = algorithms
            .into_iter()
            .filter_map(|algorithm| Some(Self { algorithm, parsed: public.parse(algorithm)? }))
            .collect();
        if keys.is_empty() { None } else { Some((kid, keys)) }
    }
}

/// Whether `use` and `key_ops` allow it (RFC 7517 sections 4.2 and 4.3); both may be missing.
fn is_for_verification(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|used| used == "sig");
    let operates = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|one| one == "verify"),
        Some(_) => false,
    };
    used && operates
}

/// The public part of a key, of the type and curve that it says it is.
enum Public {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point (SEC 1 section 2.3.3) on P-256.
    P256(Vec<u8>),
    /// The same on P-384.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Public {
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let good = MODULUS_BITS.contains(&bits(&n)?) && is_odd(&n) && is_exponent(&e);
                good.then_some(Self::Rsa(RsaPublicKeyComponents { n, e }))
            }
            ("EC", Some("P-256")) => Some(Self::P256(point(&bytes("x")?, &bytes("y")?, 32)?)),
            ("EC", Some("P-384")) => Some(Self::P384(point(&bytes("x")?, &bytes("y")?, 48)?)),
            ("OKP", Some("Ed25519")) => {
                bytes("x").filter(|x| x.len() == ED25519_LENGTH).map(Self::Ed25519)
            }
            _ => None,
        }
    }

    /// The key for one algorithm; nothing where the two don't fit or the key is not a valid one.
    fn parse(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        let rsa = |parameters: &'static RsaParameters| match self {
            Self::Rsa(components) => components.to_parsed_public_key(parameters).ok(),
            _ => None,
        };
        let other = |algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            ParsedPublicKey::new(algorithm, bytes).ok()
        };
        match (algorithm, self) {
            (Algorithm::Rs256, _) => rsa(&RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, _) => rsa(&RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, _) => rsa(&RSA_PKCS1_2048_8192_SHA512),
            (Algorithm::Ps256, _) => rsa(&RSA_PSS_2048_8192_SHA256),
            (Algorithm::Ps384, _) => rsa(&RSA_PSS_2048_8192_SHA384),
            (Algorithm::Ps512, _) => rsa(&RSA_PSS_2048_8192_SHA512),
            // The signature is r and s, each of the curve's length (RFC 7518 section 3.4).
            (Algorithm::Es256, Self::P256(point)) => other(&ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::Es384, Self::P384(point)) => other(&ECDSA_P384_SHA384_FIXED, point),
            (Algorithm::EdDsa, Self::Ed25519(bytes)) => other(&ED25519, bytes),
            _ => None,
        }
    }
}

/// The point with these coordinates, each of the curve's full length (RFC 7518 section 6.2.1.2).
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}

/// How many bits a number has; leading zeros are not RFC 7518's form (section 6.3.1.1).
fn bits(number: &[u8]) -> Option<usize> {
    let zeros = match number.first()?.leading_zeros() {
        8 => return None,
        zeros => usize::try_from(zeros).ok()?,
    };
    number.len().checked_mul(8)?.checked_sub(zeros)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}

/// An odd public exponent from 3 on.
fn is_exponent(bytes: &[u8]) -> bool {
    is_odd(bytes) && bytes.first() != Some(&0) && bytes != [1] && bytes.len() <= MAX_EXPONENT
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

    fn algorithms(key: &Value) -> Vec<Algorithm> {
        let read = Key::read(key.as_object().unwrap());
        read.map_or(vec![], |(_, keys)| keys.iter().map(Key::algorithm).collect())
    }

    #[test]
    fn takes_a_key_for_the_algorithm_that_it_names() {
        assert_eq!(algorithms(&rsa(&json!({}))), [Algorithm::Rs256]);
        for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
            assert_eq!(algorithms(&rsa(&json!({"alg": alg}))), [Algorithm::of_name(alg).unwrap()]);
        }
        assert_eq!(algorithms(&ec(&json!({}))), [Algorithm::Es256]);
        assert_eq!(algorithms(&okp(&json!({}))), [Algorithm::EdDsa]);
        assert_eq!(algorithms(&rsa(&json!({"use": null}))), [Algorithm::Rs256]);
        assert_eq!(algorithms(&rsa(&json!({"key_ops": ["sign", "verify"]}))), [Algorithm::Rs256]);
    }

    #[test]
    fn takes_a_key_that_names_none_for_all_that_its_type_and_curve_fit() {
        let none = json!({"alg": null});
        assert_eq!(algorithms(&rsa(&none)), Algorithm::ALL[..6]);
        assert_eq!(algorithms(&ec(&none)), [Algorithm::Es256]);
        assert_eq!(algorithms(&okp(&none)), [Algorithm::EdDsa]);
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
            json!({"alg": "HS256"}),
            json!({"alg": "none"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": "ES384"}),
            json!({"alg": 1}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": "verify"}),
            json!({"key_ops": []}),
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
        let mut null = rsa(&json!({}));
        null["alg"] = Value::Null;
        assert_eq!(algorithms(&null), [], "null is not absent");
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
            n(&[&[0][..], &[0xc5; 256]].concat()),
            n(&[&[1][..], &[0xc5; 1024]].concat()),
            with_last(0xc4),
            json!({"e": null}),
            json!({"e": 65537}),
            json!({"e": ""}),
            json!({"e": "AA"}),
            json!({"e": "AQ"}),
            json!({"e": "Ag"}),
            json!({"e": "AAEAAQ"}),
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
            assert_eq!(algorithms(&rsa(&good)), [Algorithm::Rs256], "{good}");
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
        let (_, mut keys) = Key::read(jwk.as_object().unwrap()).unwrap();
        (pair, keys.remove(0))
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
        let (_, keys) = Key::read(jwk.as_object().unwrap()).unwrap();
        let der = pair.sign(&SystemRandom::new(), b"message").unwrap();
        assert!(!keys[0].verifies_alone(b"message", der.as_ref()));
    }

    #[test]
    fn verifies_ed25519() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk = okp(&json!({"x": encode(pair.public_key())}));
        let (kid, keys) = Key::read(jwk.as_object().unwrap()).unwrap();
        assert_eq!(kid, "k");
        assert!(keys[0].verifies_alone(b"message", pair.sign(b"message").as_ref()));
        assert!(!keys[0].verifies_alone(b"message", pair.sign(b"other").as_ref()));
    }

    #[test]
    fn keys_are_equal_by_algorithm_and_bytes_and_their_debug_shows_none() {
        let read = |jwk: Value| Key::read(jwk.as_object().unwrap()).unwrap().1.remove(0);
        let key = read(rsa(&json!({})));
        assert!(key == read(rsa(&json!({"kid": "other"}))));
        assert!(key != read(rsa(&json!({"alg": "RS384"}))));
        assert!(key != read(rsa(&json!({"n": encode([0xc7; 256])}))));
        assert!(key != read(rsa(&json!({"e": "Aw"}))));
        assert_eq!(format!("{key:?}"), "Key { algorithm: Rs256, .. }");
    }
}
