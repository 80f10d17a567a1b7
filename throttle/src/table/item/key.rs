//! A key: `KEY#digest`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Attributes, Digest, EXPIRES_AT, Item, Reading, VERSION, damage, n, text};
use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::failure::Damage;
use crate::name::{NameError, PlanId, Subject, checked};

/// The details of a key: its subject, its plans, its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    subject: Subject,
    /// The first is the one that counts.
    plans: Vec<PlanId>,
    name: Option<String>,
    description: Option<String>,
    enabled: bool,
    expires: Option<Timestamp>,
}

/// A key as it is stored: never its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// What it is found by.
    pub digest: Digest,
    /// What is said about it.
    pub details: KeyDetails,
    /// When it was stored.
    pub created: Timestamp,
    /// How many times it has been written; 1 for a new one.
    pub version: u64,
}

impl KeyDetails {
    /// A key of this subject, enabled, for ever, under the plan that the subject is assigned.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let (plans, name, description, expires) = (Vec::new(), None, None, None);
        Self { subject, plans, name, description, enabled: true, expires }
    }

    /// Sets the plan that counts, whatever the subject is assigned.
    ///
    /// If the key is on that plan already, it keeps the others; otherwise it leaves them.
    #[must_use]
    pub fn with_plan(self, plan: PlanId) -> Self {
        let plans = if self.plans.contains(&plan) { self.plans.clone() } else { Vec::new() };
        self.with_plans(plan, plans)
    }

    /// Sets every plan that the key is on, each once; `plan` is the one that counts.
    ///
    /// API Gateway keeps a key under one plan for each API. Here one plan counts for them all.
    #[must_use]
    pub fn with_plans(self, plan: PlanId, all: impl IntoIterator<Item = PlanId>) -> Self {
        let mut plans = vec![plan];
        for other in all {
            if !plans.contains(&other) {
                plans.push(other);
            }
        }
        Self { plans, ..self }
    }

    /// Sets what people call the key; nothing is looked up by it.
    ///
    /// # Errors
    /// It is empty, longer than 1024 bytes, or holds control characters.
    pub fn with_name(self, name: impl Into<String>) -> Result<Self, NameError> {
        Ok(Self { name: Some(label(name)?), ..self })
    }

    /// Sets what people say about it.
    ///
    /// # Errors
    /// It is empty, longer than 1024 bytes, or holds control characters.
    pub fn with_description(self, description: impl Into<String>) -> Result<Self, NameError> {
        Ok(Self { description: Some(label(description)?), ..self })
    }

    /// Sets whether the key may be used.
    #[must_use]
    pub fn with_enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// Sets from when on it may no longer be used.
    #[must_use]
    pub fn with_expiry(self, moment: Timestamp) -> Self {
        Self { expires: Some(moment), ..self }
    }

    /// Whose requests are counted.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The plan that counts; none if the subject's assignment decides.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanId> {
        self.plans.first()
    }

    /// Every plan that the key is on, the one that counts first.
    #[must_use]
    pub fn plans(&self) -> &[PlanId] {
        &self.plans
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What people say about it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whether it may be used, as long as it hasn't expired.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// From when on it may no longer be used; none if for ever.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether it may be used now: enabled, and not expired.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.enabled && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Item for KeyRecord {
    type Id = Digest;

    const KIND: &'static str = "key";
    const PREFIX: &'static str = "KEY#";

    fn id(&self) -> &Digest {
        &self.digest
    }

    fn name(id: &Digest) -> String {
        id.to_string()
    }

    fn parse(name: &str) -> Option<Digest> {
        name.parse().ok()
    }

    fn attributes(&self) -> Result<Attributes, Damage> {
        let KeyDetails { subject, plans, name, description, enabled, expires } = &self.details;
        let mut item = Attributes::from([
            (SUBJECT.to_owned(), text(subject.as_str())),
            (ENABLED.to_owned(), AttributeValue::Bool(*enabled)),
            (CREATED.to_owned(), n(self.created.as_nanos())),
            (VERSION.to_owned(), n(self.version)),
        ]);
        let mut put = |name: &str, value: Option<AttributeValue>| {
            item.extend(value.map(|value| (name.to_owned(), value)));
        };
        put(PLAN, plans.first().map(|plan| text(plan.as_str())));
        let all = || AttributeValue::L(plans.iter().map(|plan| text(plan.as_str())).collect());
        put(PLANS, (plans.len() > 1).then(all));
        put(NAME, name.as_deref().map(text));
        put(DESCRIPTION, description.as_deref().map(text));
        put(EXPIRES, expires.map(|expires| n(expires.as_nanos())));
        let gone = expires.map(|expires| expires.saturating_add(KEEP_EXPIRED));
        put(EXPIRES_AT, gone.map(|gone| n(gone.as_nanos().div_ceil(NANOS_A_SECOND))));
        Ok(item)
    }

    fn read(digest: Digest, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reading::<Self>::of(item);
        let subject = item.checked(SUBJECT, Subject::new)?;
        let plan = item.checked(PLAN, PlanId::new)?;
        let all = item.checked_list(PLANS, PlanId::new)?;
        let details = KeyDetails {
            subject: item.needed(SUBJECT, subject)?,
            plans: Vec::new(),
            name: item.checked(NAME, label)?,
            description: item.checked(DESCRIPTION, label)?,
            enabled: item.needed(ENABLED, item.flag(ENABLED)?)?,
            expires: item.moment(EXPIRES)?,
        };
        let details = match plan {
            Some(plan) => details.with_plans(plan, all),
            None if all.is_empty() => details,
            None => return Err(damage(Self::KIND, PLAN, "is missing beside `plan_ids`")),
        };
        let created = item.needed(CREATED, item.moment(CREATED)?)?;
        let version = item.needed(VERSION, item.number(VERSION)?)?;
        Ok(Some(Self { digest, details, created, version }))
    }
}

fn label(text: impl Into<String>) -> Result<String, NameError> {
    Ok(checked(text.into(), MAX_LABEL)?.to_string())
}

pub(crate) const ENABLED: &str = "enabled";
const SUBJECT: &str = "subject";
/// The plan that counts.
const PLAN: &str = "plan_id";
/// Every plan, if there are several.
const PLANS: &str = "plan_ids";
const NAME: &str = "name";
const DESCRIPTION: &str = "description";
const CREATED: &str = "created";
/// Not the table's time to live: an expired key stays to be seen for a while.
const EXPIRES: &str = "expires";
/// API Gateway's bound of a key's name.
const MAX_LABEL: usize = 1_024;
const KEEP_EXPIRED: Duration = Duration::from_secs(31 * 86_400);
