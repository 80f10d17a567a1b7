//! The `[jwks]` table: fetching the issuers' keys.

use serde::Deserialize;

/// The `[jwks]` table.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct JwksConfig {
    /// Fetches keys through the proxy that `HTTPS_PROXY` names.
    pub(super) proxy: bool,
}
