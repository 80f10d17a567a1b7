//! A key: `KEY#digest`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Attributes, Digest, EXPIRES_AT, Item, Reading, VERSION, n, text};
use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::failure::Damage;
use crate::name::{NameError, PlanId, Subject, checked};

/// What is said about a key: whose it is, under which plan, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    subject: Subject,
    plan: Option<PlanId>,
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
        Self { subject, plan: None, name: None, description: None, enabled: true, expires: None }
    }

    /// Sets the plan, whatever the subject is assigned.
    #[must_use]
    pub fn with_plan(self, plan: PlanId) -> Self {
        Self { plan: Some(plan), ..self }
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

    /// The plan; none if the subject's assignment says which.
    #[must_use]
    pub fn plan(&self) -> Option<&PlanId> {
        self.plan.as_ref()
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
        let KeyDetails { subject, plan, name, description, enabled, expires } = &self.details;
        let mut item = Attributes::from([
            (SUBJECT.to_owned(), text(subject.as_str())),
            (ENABLED.to_owned(), AttributeValue::Bool(*enabled)),
            (CREATED.to_owned(), n(self.created.as_nanos())),
            (VERSION.to_owned(), n(self.version)),
        ]);
        let mut put = |name: &str, value: Option<AttributeValue>| {
            item.extend(value.map(|value| (name.to_owned(), value)));
        };
        put(PLAN, plan.as_ref().map(|plan| text(plan.as_str())));
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
        let details = KeyDetails {
            subject: item.needed(SUBJECT, subject)?,
            plan: item.checked(PLAN, PlanId::new)?,
            name: item.checked(NAME, label)?,
            description: item.checked(DESCRIPTION, label)?,
            enabled: item.needed(ENABLED, item.flag(ENABLED)?)?,
            expires: item.moment(EXPIRES)?,
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
const PLAN: &str = "plan_id";
const NAME: &str = "name";
const DESCRIPTION: &str = "description";
const CREATED: &str = "created";
/// Not the table's time to live: an expired key stays to be seen for a while.
const EXPIRES: &str = "expires";
/// API Gateway's bound of a key's name.
const MAX_LABEL: usize = 1_024;
const KEEP_EXPIRED: Duration = Duration::from_secs(31 * 86_400);
