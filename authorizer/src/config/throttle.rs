//! The `[throttle]` table: subject, plan, and the response over the limit.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use table::connect::OPERATION_TIMEOUT;

use super::{FirstOf, Mistake, ParentConfig, parents};
use throttle::{FailurePolicy, PlanId};

/// The value of `subject` for API keys instead of a claim.
const API_KEY: &str = "api_key";

/// The value of `subject` for source addresses instead of a claim.
const SOURCE_IP: &str = "source_ip";

/// An API key that no usage plan has. API Gateway refuses it, and the API maps that to 429.
pub(crate) const UNKNOWN_KEY: &str = "tollgateThrottledUnknownKey";

/// API Gateway's bounds on the value of an API key, in characters.
const API_KEY_LENGTH: std::ops::RangeInclusive<usize> = 20..=128;

/// Bounds of `timeout_ms`: a call rarely takes less, and API Gateway gives up after ten seconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 10..=5_000;

/// The longest name of a Region, in bytes.
const MAX_REGION: usize = 64;

/// The `[throttle]` table.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleConfig {
    /// The DynamoDB table's name.
    pub table: String,
    /// This Region, if several Regions share the table: each has its own buckets.
    pub region: Option<String>,
    /// The claim that names the subject, `api_key` for the subject of the request's API key, or
    /// `source_ip` for the caller's address. With a claim, callers without a token are counted by
    /// their key. Callers without a credential are always counted by their address.
    pub subject: FirstOf,
    /// The plan of a caller.
    pub plan: PlanChoice,
    /// The subjects whose limits apply too, nearest first; after those that the table assigns.
    #[serde(default)]
    pub parents: Vec<ParentConfig>,
    /// The response to a caller over its limit.
    pub refuse: Refuse,
    /// The failure policy of plans that do not set one.
    #[serde(default)]
    pub failure: FailurePolicy,
    /// Time-out of a call to the table, connecting included, in milliseconds. Default 500.
    timeout_ms: Option<u64>,
    /// The API key of the usage plan of allowed callers; for `unknown-key`.
    api_key: Option<String>,
}

impl ThrottleConfig {
    /// Time-out of a call to the table, connecting and one retry included.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(OPERATION_TIMEOUT, Duration::from_millis)
    }

    /// Returns true if the request's API key names the subject.
    #[must_use]
    pub fn counts_by_api_key(&self) -> bool {
        self.subject.is(API_KEY)
    }

    /// Returns true if the caller's address names the subject.
    #[must_use]
    pub fn counts_by_address(&self) -> bool {
        self.subject.is(SOURCE_IP)
    }

    /// The claims that name the subject; none if a key or an address does.
    pub fn subject_claims(&self) -> impl Iterator<Item = &str> {
        let is_other = self.counts_by_api_key() || self.counts_by_address();
        self.subject.claims().filter(move |_| !is_other)
    }

    /// The claims that name parents.
    pub fn parent_claims(&self) -> impl Iterator<Item = &str> {
        self.parents.iter().filter_map(ParentConfig::claim)
    }

    /// Returns true if a plan is looked up in the table.
    pub(crate) fn looks_up(&self) -> bool {
        self.counts_by_api_key() || self.plan.assigned
    }

    /// The API key of allowed callers; present if `refuse` is `unknown-key`.
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
            .field("parents", &self.parents)
            .field("refuse", &self.refuse)
            .field("failure", &self.failure)
            .field("timeout", &self.timeout())
            .finish_non_exhaustive()
    }
}

/// The sources of a caller's plan, in order of precedence.
///
/// An API key's own plan precedes all of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanChoice {
    /// Looks up the subject's assigned plan in the table. For API keys it is always looked up.
    #[serde(default)]
    pub assigned: bool,
    /// The claim that names the plan.
    pub claim: Option<String>,
    /// The plan of all other callers, and of callers whose claim names no plan. `None`: 403.
    #[serde(default, deserialize_with = "default_plan")]
    pub default: Option<PlanId>,
    /// The plan of callers without a credential. `None`: the default plan.
    #[serde(default, deserialize_with = "anonymous_plan")]
    pub anonymous: Option<PlanId>,
}

/// The response to a caller over its limit. An authorizer cannot choose the status.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Refuse {
    /// Allow with an API key that no usage plan has: the gateway response `INVALID_API_KEY`.
    UnknownKey,
    /// Deny, with the reason in the context: the gateway response `ACCESS_DENIED`.
    Deny,
    /// Allow, with the reason in the context: the backend answers 429.
    Context,
}

/// Checks a table's fields together.
pub(super) fn check(spec: &ThrottleConfig) -> Result<(), Mistake> {
    check_table(&spec.table, "throttle")?;
    if spec.subject.claims().any(str::is_empty) {
        return Err(Mistake::of("subject", "`subject` in [throttle] is empty: name the claim"));
    }
    if !spec.counts_by_api_key() && spec.subject.claims().any(|claim| claim == API_KEY) {
        let message = "`api_key` in `subject` stands alone: write `subject = \"api_key\"`, or \
                       list claims only";
        return Err(Mistake::of_item("subject", API_KEY, message));
    }
    if spec.region.as_deref().is_some_and(|region| !is_region(region)) {
        let message = "`region` is not a Region's name: write it like `eu-west-1`";
        return Err(Mistake::of("region", message));
    }
    check_timeout(spec.timeout_ms)?;
    if spec.plan.default.is_none() && spec.plan.claim.is_none() && !spec.looks_up() {
        let message = "`plan` names no plan, so no caller may call anything: write \
                       `plan = { default = \"free\" }`";
        return Err(Mistake::of("plan", message));
    }
    if spec.plan.claim.as_deref() == Some("") {
        let message = "`claim` of `plan` is empty: name the claim, or remove it";
        return Err(Mistake::of("plan", message));
    }
    parents::check(&spec.parents, spec.looks_up())?;
    match (&spec.refuse, &spec.api_key) {
        (Refuse::UnknownKey, None) => Err(Mistake::of(
            "refuse",
            "`refuse = \"unknown-key\"` needs `api_key`: the API key of the usage plan for allowed \
             callers",
        )),
        (Refuse::UnknownKey, Some(key)) if !API_KEY_LENGTH.contains(&key.len()) => {
            let message = "`api_key` must have 20 to 128 characters, as API Gateway's keys do";
            Err(Mistake::of("api_key", message))
        }
        (Refuse::UnknownKey, Some(key)) if key == UNKNOWN_KEY => {
            let message = "`api_key` is the key that stands for \"throttled\": choose another";
            Err(Mistake::of("api_key", message))
        }
        (Refuse::Deny | Refuse::Context, Some(_)) => {
            let message = "`api_key` is used with `refuse = \"unknown-key\"` only: remove it";
            Err(Mistake::of("api_key", message))
        }
        _ => Ok(()),
    }
}

/// Checks the name of a DynamoDB table, in this table of the configuration.
pub(super) fn check_table(name: &str, place: &str) -> Result<(), Mistake> {
    if name.is_empty() {
        return Err(Mistake::of("table", format!("`table` in [{place}] is empty: name the table")));
    }
    table::check_name(name).map_err(|_| {
        let shown = name.escape_debug();
        let message = format!(
            "`{shown}` in [{place}] cannot name a table: write 3 to 255 letters, digits, `_`, `.` or \
             `-`"
        );
        Mistake::of("table", message)
    })
}

/// Checks the time-out of a call to a table.
pub(super) fn check_timeout(timeout_ms: Option<u64>) -> Result<(), Mistake> {
    match timeout_ms.filter(|timeout| !TIMEOUT_MS.contains(timeout)) {
        Some(_) => Err(Mistake::of(
            "timeout_ms",
            "`timeout_ms` must be 10 to 5000: API Gateway itself waits for ten seconds",
        )),
        None => Ok(()),
    }
}

/// Returns true for a text in the form of a Region's name. A bucket's key begins with it.
fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_REGION && text.bytes().all(plain)
}

fn default_plan<'de, D: Deserializer<'de>>(of: D) -> Result<Option<PlanId>, D::Error> {
    plan_id("default", of)
}

fn anonymous_plan<'de, D: Deserializer<'de>>(of: D) -> Result<Option<PlanId>, D::Error> {
    plan_id("anonymous", of)
}

fn plan_id<'de, D: Deserializer<'de>>(field: &str, of: D) -> Result<Option<PlanId>, D::Error> {
    let text = String::deserialize(of)?;
    let wrong = |error| de::Error::custom(format!("`{field}` of `plan` {error}"));
    PlanId::new(text).map(Some).map_err(wrong)
}
