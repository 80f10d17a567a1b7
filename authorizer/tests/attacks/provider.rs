//! A process that has chosen other cryptography for `jsonwebtoken`: one that accepts anything.
//!
//! The verifier must not use it, or every attack on a signature here succeeds.

use std::sync::LazyLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, aws_lc};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey};

static CREDULOUS: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    verifier_factory: |algorithm: &Algorithm, _: &DecodingKey| Ok(Box::new(Credulous(*algorithm))),
    ..aws_lc::DEFAULT_PROVIDER.clone()
});

struct Credulous(Algorithm);

impl JwtVerifier for Credulous {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

impl Verifier<Vec<u8>> for Credulous {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes it the choice of this process, if it is not yet.
pub(crate) fn choose() {
    let _ = LazyLock::force(&CREDULOUS).install_default();
}
