//! The revocations in the table.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::failure::{Failure, StoreError};
use crate::store::dynamo::failure;
use crate::table::Items;
use crate::table::item::{self, EXPIRES_AT, ISSUED_BEFORE, PK, Revocable, Revocation, n};
use crate::table::items::{Condition, Written};

/// Reads and writes the revocations of a table.
pub type Revocations = Items<Revocation>;

impl Revocations {
    /// Stores a revocation, and gives what is stored then.
    ///
    /// A revocation that still counts is never weakened by another: what is stored revokes what
    /// either does, and as long as either does. To take one back, delete it.
    ///
    /// # Errors
    /// The table has no answer, what is stored is damaged, or others write it again and again.
    pub async fn put(&self, revocation: &Revocation) -> Result<Revocation, StoreError> {
        let now = revocation.revoked_at();
        let mut revocation = revocation.clone();
        for _ in 0..TRIES {
            let condition = stronger_than_stored(&revocation);
            match self.write(&revocation, condition).await? {
                Written::Done => return Ok(revocation),
                Written::Kept(Some(stored)) if stored.is_live(now) => {
                    revocation = revocation.join(&stored);
                }
                // It has been deleted since.
                Written::Kept(_) => {}
            }
        }
        Err(Self::contended(TRIES))
    }

    /// Looks up at most 100 at once, in one call.
    ///
    /// What has expired and not been deleted yet is found too: ask [`Revocation::revokes`]. The
    /// reads are consistent, at a read unit each, found or not: what was revoked before is seen.
    ///
    /// # Errors
    /// The table has no answer or only half of one, more than 100 were asked for, or an item is
    /// damaged. A caller that goes on must treat each as revoked.
    pub async fn get_many(&self, targets: &[Revocable]) -> Result<Vec<Revocation>, StoreError> {
        // DynamoDB refuses a key that is asked for twice, and a call that asks for none.
        let targets: HashSet<_> = targets.iter().collect();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let keys = targets
            .into_iter()
            .map(|target| [(PK.to_owned(), item::key::<Revocation>(target))].into());
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| Failure::Rejected { code: error.to_string() })?;
        let read = self.client.batch_get_item().request_items(&self.table, keys);
        let answer = Box::pin(read.send()).await.map_err(|error| failure(&error))?;
        let left = answer.unprocessed_keys.unwrap_or_default();
        if left.values().any(|keys| !keys.keys().is_empty()) {
            return Err(Failure::Throttled.into());
        }
        let mut found = Vec::new();
        // A table that was asked is named in the answer, even where nothing was found.
        let mut responses = answer.responses.unwrap_or_default();
        for item in responses.remove(&self.table).ok_or(Failure::Outage)? {
            found.extend(item::read(&item)?);
        }
        Ok(found)
    }

    /// Takes a revocation back; says whether there was one.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn delete(&self, target: &Revocable) -> Result<bool, StoreError> {
        self.remove(target).await
    }
}

/// Where nothing is stored, or nothing that counts, or nothing that this doesn't cover.
fn stronger_than_stored(revocation: &Revocation) -> Condition {
    let covered = "#x <= :x";
    let (covered, before) = match revocation.issued_before() {
        Some(before) => (format!("({covered} AND #b <= :b)"), Some(before)),
        None => (covered.to_owned(), None),
    };
    let condition = Condition::new(format!("attribute_not_exists(#x) OR #x <= :now OR {covered}"))
        .name("#x", EXPIRES_AT)
        .value(":x", n(revocation.expires_at()))
        .value(":now", n(revocation.revoked_at().as_secs()));
    match before {
        Some(before) => condition.name("#b", ISSUED_BEFORE).value(":b", n(before.as_nanos())),
        None => condition,
    }
}

const TRIES: u32 = 3;
