//! Digests that stand for names in the log.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

/// Returns the first 32 bits of a name's SHA-256 in hexadecimal, as `sha256sum | cut -c 1-8` does.
pub(crate) fn digest_of(name: &str) -> Arc<str> {
    let digest = digest(&SHA256, name.as_bytes());
    let digits: String = digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    digits.into()
}
