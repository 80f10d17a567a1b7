//! The `[throttle]` table: who is counted, on which plan, and how a refusal is said.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use table::connect::OPERATION_TIMEOUT;
use throttle::FailurePolicy;

/// What `subject` says where keys are looked up, and no claim.
const API_KEY: &str = "api_key";

/// The key value that says "throttled" to API Gateway: no usage plan knows it.
pub(crate) const UNKNOWN_KEY: &str = "tollgate-throttled-unknown-key";

/// API Gateway's bounds on the value of an API key, in characters.
const API_KEY_LENGTH: std::ops::RangeInclusive<usize> = 20..=128;

/// What `timeout_ms` may be: less is never met, and more outlasts the caller's patience.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=5_000;

/// The longest name of a Region, in bytes.
const MAX_REGION: usize = 64;

/// The `[throttle]` table: where limits are kept, and how a refusal is said.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleConfig {
    /// The DynamoDB table's name.
    pub table: String,
    /// The Region whose own budgets count, where several share the table.
    pub region: Option<String>,
    /// The claim whose text a bucket belongs to, or `api_key`: whoever holds the request's key.
    pub subject: String,
    /// Which plan a caller is on.
    pub plan: PlanChoice,
    /// How API Gateway is told to answer 429.
    pub refuse: Refuse,
    /// What happens while the table fails, where the plan doesn't say.
    #[serde(default)]
    pub failure: FailurePolicy,
    /// How long one call to the table may take, and as long again to connect first; milliseconds.
    timeout_ms: Option<u64>,
    /// The API key of the usage plan that an allowed caller is put on; for `unknown-key`.
    api_key: Option<String>,
}

impl ThrottleConfig {
    /// How long one call to the table may take; making a connection may take as long.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(OPERATION_TIMEOUT, Duration::from_millis)
    }

    /// Whether the API key of a request says who is counted, and no claim.
    #[must_use]
    pub fn counts_by_api_key(&self) -> bool {
        self.subject == API_KEY
    }

    /// Whether keys or assignments are looked up in the table.
    pub(crate) fn looks_up(&self) -> bool {
        self.counts_by_api_key() || self.plan.assigned
    }

    /// The API key that stands for "allowed"; present where `refuse` is `unknown-key`.
    #[must_use]
    pub fn api_key(&self) -> Option<&str> {
        self.api_key.as_deref()
    }
}

impl fmt::Debug for ThrottleConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleConfig")
            .field("table", &self.table)
            .field("region", &self.region)
            .field("subject", &self.subject)
            .field("plan", &self.plan)
            .field("refuse", &self.refuse)
            .field("failure", &self.failure)
            .field("timeout", &self.timeout())
            .finish_non_exhaustive()
    }
}

/// Which plan a caller is on: the first of these that names one.
///
/// An API key's own plan goes before all of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChoice {
    /// Whether the table is asked which plan the subject is assigned; of a key it always is.
    #[serde(default)]
    pub assigned: bool,
    /// The claim that names the plan.
    pub claim: Option<String>,
    /// The plan of every other caller, and of one whose claim names no plan. `None`: they get 403.
    #[serde(default, deserialize_with = "plan_id")]
    pub default: Option<throttle::PlanId>,
}

/// How a REST API is told that a caller is over its limit; an authorizer can't choose a status.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Refuse {
    /// Allow with a usage key that no plan knows: the gateway response `INVALID_API_KEY`.
    UnknownKey,
    /// Deny, with the reason in the context: the gateway response `ACCESS_DENIED`.
    Deny,
    /// Allow, with the reason in the context: the backend answers 429.
    Context,
}

/// Checks what no single field can say of itself.
pub(super) fn check(spec: &ThrottleConfig) -> Result<(), String> {
    if spec.subject.is_empty() || spec.table.is_empty() {
        return Err("`table` and `subject` must not be empty".into());
    }
    if spec.region.as_deref().is_some_and(|region| !is_region(region)) {
        return Err("`region` is not a Region's name: write one as `eu-west-1`".into());
    }
    if spec.timeout_ms.is_some_and(|timeout| !TIMEOUT_MS.contains(&timeout)) {
        return Err(
            "`timeout_ms` must be 10 to 5000: API Gateway itself waits for ten seconds".into()
        );
    }
    if spec.plan.default.is_none() && spec.plan.claim.is_none() && !spec.looks_up() {
        return Err("`plan` names no plan, so nobody may call anything: set `default`".into());
    }
    match (&spec.refuse, &spec.api_key) {
        (Refuse::UnknownKey, None) => {
            Err("`refuse = \"unknown-key\"` needs `api_key`, the key of \
                                           the usage plan that allowed callers are put on"
                .into())
        }
        (Refuse::UnknownKey, Some(key)) if !API_KEY_LENGTH.contains(&key.len()) => {
            Err("`api_key` must have 20 to 128 characters, as API Gateway's keys do".into())
        }
        (Refuse::UnknownKey, Some(key)) if key == UNKNOWN_KEY => {
            Err("`api_key` is the key that stands for \"throttled\": choose another".into())
        }
        (Refuse::Deny | Refuse::Context, Some(_)) => {
            Err("`api_key` is used with `refuse = \"unknown-key\"` alone: remove it".into())
        }
        _ => Ok(()),
    }
}

/// Whether a text has the form of Regions' names: a bucket's key begins with it.
fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_REGION && text.bytes().all(plain)
}

fn plan_id<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<throttle::PlanId>, D::Error> {
    let text = String::deserialize(deserializer)?;
    throttle::PlanId::new(text)
        .map(Some)
        .map_err(|error| de::Error::custom(format!("`default` is not a plan's name: {error}")))
}
