//! The `[metrics]` table: metrics in the log, for CloudWatch.

use serde::{Deserialize, Deserializer, de};

/// The longest name of a namespace, in characters (CloudWatch, `PutMetricData`).
const MAX_NAMESPACE: usize = 255;

/// The `[metrics]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Adds metrics to each request's log line. Default true; CloudWatch charges for them.
    pub enabled: bool,
    /// The metrics' namespace in CloudWatch. Default `Tollgate`.
    #[serde(deserialize_with = "namespace")]
    pub namespace: String,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, namespace: "Tollgate".into() }
    }
}

fn namespace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    let usable = !name.trim().is_empty()
        && name.len() <= MAX_NAMESPACE
        && name.bytes().all(is_known)
        && !name.starts_with(':')
        && !name.starts_with("AWS/");
    if usable {
        Ok(name)
    } else {
        Err(de::Error::custom(
            "`namespace` must have 1 to 255 of A-Z a-z 0-9 . - _ / # : and spaces, \
             and not begin with `AWS/` or `:`",
        ))
    }
}
