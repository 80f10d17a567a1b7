//! Signature algorithms that can be configured: public-key algorithms only, and never `none`.

use std::fmt;

use serde::Deserialize;

/// Signature algorithm of JSON Web Signatures, by its registered name.
///
/// RFC 7518 section 3.1 and RFC 8037 section 3.1. Algorithms with a shared secret (HS256 and
/// others) are not supported: an attacker could pass off a public key as the secret.
/// `Ed25519` (RFC 9864) is another name for `EdDSA`, because Ed25519 is the only curve supported.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(try_from = "String")]
pub struct Algorithm(jsonwebtoken::Algorithm);

impl Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, as Cognito uses: the default.
    pub const RS256: Self = Self(jsonwebtoken::Algorithm::RS256);

    /// Returns the algorithm of exactly this name (RFC 7515 section 4.1.1: case-sensitive).
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        let algorithm: jsonwebtoken::Algorithm = name.parse().ok()?;
        (algorithm.family() != jsonwebtoken::AlgorithmFamily::Hmac).then_some(Self(algorithm))
    }

    /// Returns the algorithm as `jsonwebtoken` names it.
    pub(crate) const fn inner(self) -> jsonwebtoken::Algorithm {
        self.0
    }
}

impl TryFrom<String> for Algorithm {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::of_name(&name).ok_or_else(|| {
            format!(
                "unknown algorithm `{}`: write RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
                 ES384 or EdDSA",
                name.escape_debug()
            )
        })
    }
}

/// Writes the registered name, as a token's `alg` has it.
impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_in_a_token_and_in_the_configuration() {
        for name in
            ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
        {
            let algorithm = Algorithm::of_name(name).unwrap();
            assert_eq!(algorithm.to_string(), name);
            let read: Algorithm = serde_json::from_value(name.into()).unwrap();
            assert_eq!(read, algorithm, "{name}");
        }
    }

    #[test]
    fn ed25519_is_another_name_of_eddsa() {
        let eddsa = Algorithm::of_name("EdDSA");
        assert_eq!(Algorithm::of_name("Ed25519"), eddsa);
        let read: Algorithm = serde_json::from_value("Ed25519".into()).unwrap();
        assert_eq!(Some(read), eddsa);
    }

    #[test]
    fn knows_no_other_name() {
        for name in [
            "Ed448", "ed25519", "EDDSA", "none", "None", "HS256", "HS384", "HS512", "ES512",
            "ES256K", "rs256", "RS256 ", "",
        ] {
            assert_eq!(Algorithm::of_name(name), None, "{name}");
            assert!(serde_json::from_value::<Algorithm>(name.into()).is_err(), "{name}");
        }
    }
}
