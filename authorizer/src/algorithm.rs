//! The signature algorithms that can be configured; each is public-key, and none is `none`.

use std::fmt;

use serde::Deserialize;

/// A signature algorithm of JSON Web Signatures, by its registered name.
///
/// RFC 7518 section 3.1 and RFC 8037 section 3.1. Those with a shared secret (HS256 and its like)
/// are not here: a verifier that knows them can be given a public key as the secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what Cognito signs with.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// EdDSA on Ed25519, the only curve that is supported.
    ///
    /// RFC 9864 calls it `Ed25519`: both names mean this algorithm everywhere.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm that can be configured.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The registered name, as it stands in a token's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of exactly this name; names are case-sensitive (RFC 7515 section 4.1.1).
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_in_a_token_and_in_the_configuration() {
        for algorithm in Algorithm::ALL {
            let name = algorithm.name();
            assert_eq!(Algorithm::of_name(name), Some(algorithm));
            let read: Algorithm = serde_json::from_value(name.into()).unwrap();
            assert_eq!(read, algorithm, "{name}");
        }
    }

    #[test]
    fn ed25519_is_another_name_of_eddsa() {
        assert_eq!(Algorithm::of_name("Ed25519"), Some(Algorithm::EdDsa));
        let read: Algorithm = serde_json::from_value("Ed25519".into()).unwrap();
        assert_eq!(read, Algorithm::EdDsa);
    }

    #[test]
    fn knows_no_other_name() {
        for name in [
            "Ed448", "ed25519", "EDDSA", "none", "None", "HS256", "HS512", "ES512", "ES256K",
            "rs256", "RS256 ", "",
        ] {
            assert_eq!(Algorithm::of_name(name), None, "{name}");
            assert!(serde_json::from_value::<Algorithm>(name.into()).is_err(), "{name}");
        }
    }
}
