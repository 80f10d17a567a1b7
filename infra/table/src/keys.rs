//! Keys: `KEY#digest`.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::digest::Digest;
use crate::error::{Damage, Error, Failure, WriteError};
use crate::item::{
    self, Attributes, Deletable, EXPIRES_AT, Item, MAX_PLAN, MAX_SUBJECT, NO_KEY, PK, Reader,
    VERSION, number, text, time,
};
use crate::items::Items;
use crate::key::Key;
use crate::time::{later, secs_rounded_up};

mod rights;

pub use rights::KeyRights;

/// The keys of a table.
pub type Keys = Items<KeyRecord>;

/// A key as it is stored, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The digest of the key's text.
    pub digest: Digest,
    /// The details.
    pub details: KeyDetails,
    /// The time of the first write.
    pub created: SystemTime,
    /// The number of writes; 1 for a new key.
    pub version: u64,
}

/// Details of a key: its subject, its plans, its rights, its expiry.
///
/// ```
/// use tollgate_table::KeyDetails;
///
/// let details = KeyDetails { name: Some("laptop".to_owned()), ..KeyDetails::new("maria") };
/// assert_eq!(details.with_plan("gold").plan(), Some("gold"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    /// The subject whose bucket is charged.
    pub subject: String,
    /// The plans of the key, each once. The first applies; if there is none, the subject's
    /// assignment applies.
    pub plans: Vec<String>,
    /// The rights of its callers.
    pub rights: KeyRights,
    /// The name of the key, for people: at most 1,024 bytes.
    pub name: Option<String>,
    /// The description, for people: at most 1,024 bytes.
    pub description: Option<String>,
    /// False if the key is refused.
    pub enabled: bool,
    /// The time from which the key is refused; `None` for never.
    pub expires: Option<SystemTime>,
}

impl KeyDetails {
    /// The longest name and description, in bytes: API Gateway's limit for a key's name.
    pub const MAX_LABEL: usize = 1_024;

    /// The details of an enabled key without rights that never expires, under its subject's plan.
    #[must_use]
    pub fn new(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            plans: Vec::new(),
            rights: KeyRights::default(),
            name: None,
            description: None,
            enabled: true,
            expires: None,
        }
    }

    /// Sets the plan that applies, in place of the subject's.
    ///
    /// If the key already has that plan, it keeps its other plans; otherwise it loses them.
    #[must_use]
    pub fn with_plan(self, plan: impl Into<String>) -> Self {
        let plan = plan.into();
        let plans = if self.plans.contains(&plan) { self.plans.clone() } else { Vec::new() };
        self.with_plans(plan, plans)
    }

    /// Sets all plans of the key, each once; `plan` applies.
    ///
    /// In API Gateway a key has one plan for each API. Here one plan applies to all of them.
    #[must_use]
    pub fn with_plans(
        self,
        plan: impl Into<String>,
        all: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut plans = vec![plan.into()];
        for other in all {
            if !plans.contains(&other) {
                plans.push(other);
            }
        }
        Self { plans, ..self }
    }

    /// Returns the plan that applies; `None` if the subject's assignment applies.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.plans.first().map(String::as_str)
    }

    /// Returns true if the key is accepted: enabled, and not expired.
    #[must_use]
    pub fn is_valid(&self, now: impl Into<SystemTime>) -> bool {
        let now = now.into();
        self.enabled && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Keys {
    /// Stores the digest of a key.
    ///
    /// # Errors
    /// The key is stored already, the details are invalid, or the table is unavailable.
    pub async fn put(
        &self,
        key: &Key,
        details: KeyDetails,
        now: impl Into<SystemTime>,
    ) -> Result<KeyRecord, WriteError> {
        let record = KeyRecord { digest: key.digest(), details, created: now.into(), version: 1 };
        self.replace(&record, None).await?;
        Ok(record)
    }

    /// Reads a key; `None` if it is not stored.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged.
    pub async fn find(&self, key: &Key) -> Result<Option<KeyRecord>, Error> {
        self.get(&key.digest()).await
    }

    /// Replaces the details of a key that was read as `record`.
    ///
    /// # Errors
    /// The key was written since, the details are invalid, or the table is unavailable.
    pub async fn update(
        &self,
        record: &KeyRecord,
        details: KeyDetails,
    ) -> Result<KeyRecord, WriteError> {
        let version = record.version.saturating_add(1);
        let changed = KeyRecord { details, version, ..record.clone() };
        self.replace(&changed, Some(record.version)).await?;
        Ok(changed)
    }

    /// Enables or disables a key, regardless of its version.
    ///
    /// # Errors
    /// The key does not exist, or the table is unavailable.
    pub async fn set_enabled(
        &self,
        digest: &Digest,
        enabled: bool,
    ) -> Result<KeyRecord, WriteError> {
        let update = self
            .update_item(digest)
            .update_expression("SET #e = :e, #v = #v + :one")
            .condition_expression("attribute_exists(#k)")
            .expression_attribute_names("#k", PK)
            .expression_attribute_names("#e", ENABLED)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_values(":e", AttributeValue::Bool(enabled))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let missing = WriteError::Missing { item: KeyRecord::KIND };
        let answer = Box::pin(update.send()).await.map_err(|error| {
            let is_missing = error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
            if is_missing { missing.clone() } else { Failure::from(error).into() }
        })?;
        item::read_item(&answer.attributes.ok_or(Failure::Outage)?)?.ok_or(missing)
    }

    /// Stores a new key with the details of an old one, which expires at `until` or before.
    ///
    /// The old key is changed last. If that fails, the new key is deleted again. If the deletion
    /// fails too, the new key stays, but its text is never returned.
    ///
    /// # Errors
    /// The old key does not exist or changed in the meantime, or the table is unavailable.
    pub async fn rotate(
        &self,
        old: &Digest,
        new: &Key,
        until: impl Into<SystemTime>,
        now: impl Into<SystemTime>,
    ) -> Result<KeyRecord, WriteError> {
        let missing = WriteError::Missing { item: KeyRecord::KIND };
        let old = self.get(old).await?.ok_or(missing)?;
        let new = self.put(new, old.details.clone(), now).await?;
        let until = until.into();
        let expires = Some(old.details.expires.map_or(until, |expires| expires.min(until)));
        match self.update(&old, KeyDetails { expires, ..old.details.clone() }).await {
            Ok(_) => Ok(new),
            Err(error) => {
                let _ = self.delete(&new.digest).await;
                Err(error)
            }
        }
    }
}

impl Item for KeyRecord {
    type Id = Digest;

    const KIND: &'static str = "key";
    const PREFIX: &'static str = "KEY#";

    fn id(&self) -> &Digest {
        &self.digest
    }

    fn attributes(&self) -> Attributes {
        let KeyDetails { subject, plans, rights, name, description, enabled, expires } =
            &self.details;
        let all = || AttributeValue::L(plans.iter().map(|plan| text(plan)).collect());
        let gone = |expires| number(secs_rounded_up(later(expires, KEEP_EXPIRED)));
        let mut item = item::attributes([
            (SUBJECT, Some(text(subject))),
            (PLAN, self.details.plan().map(text)),
            (PLANS, (plans.len() > 1).then(all)),
            (NAME, name.as_deref().map(text)),
            (DESCRIPTION, description.as_deref().map(text)),
            (ENABLED, Some(AttributeValue::Bool(*enabled))),
            (EXPIRES, expires.map(time)),
            (EXPIRES_AT, expires.map(gone)),
            (CREATED, Some(time(self.created))),
            (VERSION, Some(number(self.version))),
        ]);
        rights.write(&mut item);
        item
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reader::new::<Self>(item);
        let digest = id.parse().map_err(|_| item.damage(PK, NO_KEY))?;
        let mut details = KeyDetails {
            subject: item.text(SUBJECT, MAX_SUBJECT)?,
            plans: Vec::new(),
            rights: KeyRights::read(item)?,
            name: item.optional_text(NAME, KeyDetails::MAX_LABEL)?,
            description: item.optional_text(DESCRIPTION, KeyDetails::MAX_LABEL)?,
            enabled: item.required(ENABLED)?,
            expires: item.optional(EXPIRES)?,
        };
        let all: Vec<String> = item.optional(PLANS)?.unwrap_or_default();
        for plan in &all {
            item.check(PLANS, plan, MAX_PLAN)?;
        }
        match item.optional_text(PLAN, MAX_PLAN)? {
            Some(plan) => details = details.with_plans(plan, all),
            None if all.is_empty() => {}
            None => return Err(item.damage(PLAN, "is missing, but `plan_ids` is there")),
        }
        let (created, version) = (item.required(CREATED)?, item.required(VERSION)?);
        Ok(Some(Self { digest, details, created, version }))
    }
}

impl Deletable for KeyRecord {}

const SUBJECT: &str = "subject";
/// The plan that applies.
const PLAN: &str = "plan_id";
/// All plans, if there are several.
const PLANS: &str = "plan_ids";
const NAME: &str = "name";
const DESCRIPTION: &str = "description";
const ENABLED: &str = "enabled";
/// The expiry of the key. It is not the table's time to live, because an expired key is listed for
/// a while.
const EXPIRES: &str = "expires";
const CREATED: &str = "created";
const KEEP_EXPIRED: Duration = Duration::from_secs(31 * 86_400);
