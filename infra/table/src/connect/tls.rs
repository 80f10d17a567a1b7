//! TLS settings: AWS-LC, and the system's root certificates.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// Error of the TLS settings.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The system has no usable root certificate.
    #[error("no root certificates found: install the system's, or set SSL_CERT_FILE")]
    NoRoots,
    /// The cryptography does not offer the protocol's versions.
    #[error("TLS can't be set up: {0}")]
    Protocol(#[from] rustls::Error),
}

/// Returns the TLS settings of every connection to the table.
///
/// Reads the system's root certificates once in a process: they are most of a cold start's time.
///
/// # Errors
/// The system has no root certificate that can be read.
pub fn tls() -> Result<Arc<ClientConfig>, TlsError> {
    static SETTINGS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(settings) = SETTINGS.get() {
        return Ok(Arc::clone(settings));
    }
    let mut roots = RootCertStore::empty();
    let (usable, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(SETTINGS.get_or_init(|| Arc::new(settings))))
}
