//! The keys in the table.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::clock::Timestamp;
use crate::failure::{Failure, StoreError};
use crate::key::Key;
use crate::store::dynamo::failure;
use crate::table::item::{self, Digest, ENABLED, Item, KeyDetails, KeyRecord, PK, VERSION, n};
use crate::table::{Items, WriteError};

/// Reads and writes the keys of a table.
pub type Keys = Items<KeyRecord>;

impl Keys {
    /// Makes a key and stores its digest. The key is told here and never again.
    ///
    /// # Errors
    /// The system gives no random numbers, or the table has no answer.
    pub async fn create(
        &self,
        details: KeyDetails,
        now: Timestamp,
    ) -> Result<(Key, KeyRecord), WriteError> {
        let key = Key::generate()?;
        let record = self.import(&key, details, now).await?;
        Ok((key, record))
    }

    /// Stores the digest of a key from elsewhere.
    ///
    /// # Errors
    /// The key is stored already, or the table has no answer.
    pub async fn import(
        &self,
        key: &Key,
        details: KeyDetails,
        now: Timestamp,
    ) -> Result<KeyRecord, WriteError> {
        let record = KeyRecord { digest: key.digest(), details, created: now, version: 1 };
        self.replace(&record, None).await?;
        Ok(record)
    }

    /// Reads what is said about a key; none if it isn't stored.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged.
    pub async fn find(&self, key: &Key) -> Result<Option<KeyRecord>, StoreError> {
        self.get(&key.digest()).await
    }

    /// Says something else about a key: the one that was read as `record`.
    ///
    /// # Errors
    /// Somebody else has written it since, or the table has no answer.
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

    /// Enables a key, whoever else writes it.
    ///
    /// # Errors
    /// There is no such key, or the table has no answer.
    pub async fn enable(&self, digest: &Digest) -> Result<KeyRecord, WriteError> {
        self.set_enabled(digest, true).await
    }

    /// Disables a key, whoever else writes it.
    ///
    /// # Errors
    /// There is no such key, or the table has no answer.
    pub async fn disable(&self, digest: &Digest) -> Result<KeyRecord, WriteError> {
        self.set_enabled(digest, false).await
    }

    /// Makes a new key with what is said of an old one, which expires at `until`, or before.
    ///
    /// The new key is enabled, and expires, as the old one was and did. The old one is changed last, and where that fails the new one
    /// is deleted again; if not even that works, it stays without anybody knowing its text.
    ///
    /// # Errors
    /// There is no old key, somebody else writes it at the same time, or the table has no answer.
    pub async fn rotate(
        &self,
        old: &Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(Key, KeyRecord), WriteError> {
        let missing = WriteError::Missing { item: KeyRecord::KIND };
        let old = self.get(old).await?.ok_or(missing)?;
        let (key, new) = self.create(old.details.clone(), now).await?;
        let until = old.details.expires().map_or(until, |expires| expires.min(until));
        match self.update(&old, old.details.clone().with_expiry(until)).await {
            Ok(_) => Ok((key, new)),
            Err(error) => {
                let _ = self.delete(&new.digest).await;
                Err(error)
            }
        }
    }

    /// Deletes a key; says whether there was one.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn delete(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.remove(digest).await
    }

    async fn set_enabled(&self, digest: &Digest, enabled: bool) -> Result<KeyRecord, WriteError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, item::key::<KeyRecord>(digest))
            .update_expression("SET #e = :e, #v = #v + :one")
            .condition_expression("attribute_exists(#k)")
            .expression_attribute_names("#k", PK)
            .expression_attribute_names("#e", ENABLED)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_values(":e", AttributeValue::Bool(enabled))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew);
        let answer = Box::pin(update.send()).await.map_err(|error| {
            let missing = error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception);
            if missing {
                WriteError::Missing { item: KeyRecord::KIND }
            } else {
                StoreError::from(failure(&error)).into()
            }
        })?;
        let written = answer.attributes.ok_or(StoreError::Failure(Failure::Outage))?;
        let record = item::read(&written).map_err(StoreError::from)?;
        record.ok_or(WriteError::Missing { item: KeyRecord::KIND })
    }
}
