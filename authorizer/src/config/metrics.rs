//! The `[metrics]` table: metrics in the log, for CloudWatch to find.

use serde::{Deserialize, Deserializer, de};

/// The longest name of a namespace, in characters (CloudWatch, `PutMetricData`).
const MAX_NAMESPACE: usize = 255;

/// Whether each request's line in the log carries metrics, and under which namespace.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether there are metrics. They are on unless turned off, and cost what CloudWatch asks.
    pub enabled: bool,
    /// The namespace that they are found under.
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
