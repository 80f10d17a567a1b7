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
    /// An optional member that is null counts as absent.
    ///
    /// # Errors
    ///
    /// The key is malformed, weak, private, or for something other than signatures.
    pub(super) fn read(jwk: &Map<String, Value>) -> Result<(&str, Vec<Self>), Skip> {
        let kid = text(jwk, "kid").filter(|kid| !kid.is_empty()).ok_or(Skip::NoKid)?;
        if !is_for_verification(jwk) {
            return Err(Skip::Use);
        }
        if PRIVATE.iter().any(|name| is_given(jwk, name)) {
            return Err(Skip::Private);
        }
        let algorithms = match jwk.get("alg") {
            None | Some(Value::Null) => Algorithm::ALL.to_vec(),
            Some(alg) => {
                let known = alg.as_str().and_then(Algorithm::of_name);
                vec![known.ok_or(Skip::Algorithm)?]
            }
        };
        let public = Public::read(jwk)?;
        let keys: Vec<Self> = algorithms
            .into_iter()
            .filter_map(|algorithm| Some(Self { algorithm, parsed: public.parse(algorithm)? }))
            .collect();
        if keys.is_empty() { Err(Skip::Unfit) } else { Ok((kid, keys)) }
    }
}

/// The reason why a key of a set is skipped.
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
    #[error("its `alg` is for another type of key, or its numbers are not a valid key")]
    Unfit,
    #[error("another key has its `kid`, and nothing tells the two apart")]
    Ambiguous,
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name).and_then(Value::as_str)
}

/// Returns true for a member that says something: neither null nor an empty list.
fn is_given(jwk: &Map<String, Value>, name: &str) -> bool {
    jwk.get(name).is_some_and(|value| !value.is_null() && value.as_array() != Some(&Vec::new()))
}

/// Returns true if `use` and `key_ops` allow it (RFC 7517 sections 4.2 and 4.3), or are absent.
fn is_for_verification(jwk: &Map<String, Value>) -> bool {
    let used = !is_given(jwk, "use") || text(jwk, "use") == Some("sig");
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let operates = !is_given(jwk, "key_ops")
        || operations.is_some_and(|operations| operations.iter().any(|one| one == "verify"));
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
    fn read(jwk: &Map<String, Value>) -> Result<Self, Skip> {
        let bytes = |name: &str| {
            let bytes = text(jwk, name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            bytes.ok_or(Skip::Numbers)
        };
        let public = match (text(jwk, "kty"), text(jwk, "crv")) {
            (Some("RSA"), _) => {
                let n = without_leading_zeros(bytes("n")?);
                let e = without_leading_zeros(bytes("e")?);
                let good = MODULUS_BITS.contains(&bits(&n)) && is_odd(&n) && is_exponent(&e);
                good.then_some(Self::Rsa(RsaPublicKeyComponents { n, e }))
            }
            (Some("EC"), Some("P-256")) => point(&bytes("x")?, &bytes("y")?, 32).map(Self::P256),
            (Some("EC"), Some("P-384")) => point(&bytes("x")?, &bytes("y")?, 48).map(Self::P384),
            (Some("OKP"), Some("Ed25519")) => {
                let x = bytes("x")?;
                (x.len() == ED25519_LENGTH).then_some(Self::Ed25519(x))
            }
            _ => return Err(Skip::Type),
        };
        public.ok_or(Skip::Numbers)
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

/// The same number in the shortest form.
///
/// RFC 7518 section 6.3.1.1 demands it of the writer, and warns readers of writers that put a zero
/// byte before `n`, as Java's `BigInteger` does.
fn without_leading_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
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
        read.map_or_else(|_| vec![], |(_, keys)| keys.iter().map(Key::algorithm).collect())
    }

    #[test]
    fn takes_a_key_for_the_algorithm_that_it_names() {
        assert_eq!(algorithms(&rsa(&json!({}))), [Algorithm::Rs256]);
        for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
            assert_eq!(algorithms(&rsa(&json!({"alg": alg}))), [Algorithm::of_name(alg).unwrap()]);
        }
        assert_eq!(algorithms(&ec(&json!({}))), [Algorithm::Es256]);
        assert_eq!(algorithms(&okp(&json!({}))), [Algorithm::EdDsa]);
        assert_eq!(algorithms(&okp(&json!({"alg": "Ed25519"}))), [Algorithm::EdDsa]);
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
        let all = Algorithm::ALL[..6].to_vec();
        for (name, expected) in [("alg", all), ("use", vec![Algorithm::Rs256])] {
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
        let read = |key: &Value| Key::read(key.as_object().unwrap()).unwrap().1.remove(0);
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
