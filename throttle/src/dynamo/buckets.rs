//! Buckets as operators see them.

use std::borrow::Cow;
use std::num::{NonZeroI64, NonZeroU64};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use table::{
    Attributes, Client, EXPIRES_AT, Error, Failure, Items, Page, TextError, check_text, number,
    read_item, text,
};

use super::history::{BucketRecord, GRANTED, GRANTS, MAX_GRANTED, stale};
use super::item::{is_short, short};
use crate::bucket::{MAX_COUNT, expiry};
use crate::clock::Timestamp;
use crate::id::Subject;
use crate::period::{Period, Window};
use crate::usage::History;

/// The buckets of a table, for operators: usage, grants and resets.
#[derive(Clone, Debug)]
pub struct Buckets(Items<BucketRecord>);

/// Error of a grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The id is invalid.
    #[error("the grant's id {0}")]
    Id(#[source] TextError),
    /// The grants of the period would be more than the largest quota.
    #[error("all grants of one period are at most {MAX_GRANTED}: grant less")]
    TooMuch,
    /// The adjustment gives back more than is used.
    #[error(
        "only {used} is used in this period: give back at most that, and grant more on top of the \
         quota"
    )]
    NotUsed {
        /// The amount used.
        used: u64,
    },
    /// The table is unavailable, or the bucket is damaged.
    #[error(transparent)]
    Table(#[from] Error),
}

impl Buckets {
    /// The buckets of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self(Items::new(client, table))
    }

    /// Reads a subject's bucket; `None` if it has none.
    ///
    /// # Errors
    /// The table is unavailable, or the bucket is damaged.
    pub async fn get(&self, subject: &Subject) -> Result<Option<BucketRecord>, Error> {
        self.0.get(&id(subject)).await
    }

    /// Lists the buckets page by page, as [`Items::list`].
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list(&self, from: Option<&str>) -> Result<Page<BucketRecord>, Failure> {
        self.0.list(from).await
    }

    /// Lists the buckets in smaller pages, as [`Items::list_part`].
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list_part(
        &self,
        from: Option<&str>,
        most: u16,
    ) -> Result<Page<BucketRecord>, Failure> {
        self.0.list_part(from, most).await
    }

    /// Returns a subject's usage; empty if it has no bucket.
    ///
    /// # Errors
    /// The table is unavailable, or the bucket is damaged.
    pub async fn usage(&self, subject: &Subject) -> Result<History, Error> {
        Ok(self.get(subject).await?.map(|bucket| bucket.history).unwrap_or_default())
    }

    /// Grants a subject `extra` requests on top of its quota, for the period of `now`.
    ///
    /// The period is that of the calendar: for a quota with a start day, see
    /// [`grant_of`](Self::grant_of). Unused requests lapse when the period ends. A grant for a
    /// period without a quota has no effect. Within its period a grant with the same `id` is made
    /// only once, so after an error repeat it with that `id`. Returns the usage afterwards.
    ///
    /// Makes one read, to find the attributes of old grants, and one conditional write. Instances
    /// that remember a refusal apply the grant within a second.
    ///
    /// # Errors
    /// The id is empty, longer than 64 bytes, or has control characters; the grants of the period
    /// would exceed the largest quota; the bucket is damaged; or the table is unavailable.
    pub async fn grant(
        &self,
        subject: &Subject,
        period: Period,
        extra: NonZeroU64,
        id: &str,
        now: Timestamp,
    ) -> Result<History, GrantError> {
        self.grant_of(subject, &period.window(now), extra, id, now).await
    }

    /// Grants a subject an amount of any meter, like [`grant`](Self::grant), also for a quota with
    /// a start day. `window` is the period of `now`, from [`Plan::window`](crate::Plan::window).
    ///
    /// # Errors
    /// As of [`grant`](Self::grant).
    pub async fn grant_of(
        &self,
        subject: &Subject,
        window: &Window,
        extra: NonZeroU64,
        id: &str,
        now: Timestamp,
    ) -> Result<History, GrantError> {
        check_text(id, 64).map_err(GrantError::Id)?;
        let room = MAX_GRANTED.checked_sub(extra.get()).ok_or(GrantError::TooMuch)?;
        let counter = window.counter.to_string();
        let bucket = self::id(subject);
        // Attributes of grants of other periods, which are no longer needed.
        let old = self.0.get_raw(&bucket).await.map_err(Error::from)?.unwrap_or_default();
        let mut remove = Vec::new();
        let mut update = self
            .0
            .update_item(&bucket)
            .condition_expression(
                "(attribute_not_exists(#i) OR NOT contains(#i, :id)) \
                 AND (attribute_not_exists(#g) OR #g BETWEEN :zero AND :room)",
            )
            .expression_attribute_names("#c", &counter)
            .expression_attribute_names("#g", format!("{GRANTED}{counter}"))
            .expression_attribute_names("#i", format!("{GRANTS}{counter}"))
            .expression_attribute_names("#x", EXPIRES_AT)
            .expression_attribute_values(":n", number(extra.get()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":room", number(room))
            .expression_attribute_values(":id", text(id))
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_string()]))
            .expression_attribute_values(":x", number(expiry(now)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (at, name) in stale(&old, now).enumerate() {
            remove.push(format!("#s{at}"));
            update = update.expression_attribute_names(format!("#s{at}"), name);
        }
        let remove = if remove.is_empty() {
            String::new()
        } else {
            format!(" REMOVE {}", remove.join(", "))
        };
        let update = update.update_expression(format!(
            "SET #c = if_not_exists(#c, :zero) - :n, #g = if_not_exists(#g, :zero) + :n, #x = :x \
             ADD #i :ids{remove}"
        ));
        match Box::pin(update.send()).await {
            Ok(answer) => {
                let written = answer.attributes.ok_or(Error::Failure(Failure::Outage))?;
                Ok(history(&written)?)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                    let kept = kept.item().ok_or(Error::Failure(Failure::Outage))?;
                    let history = history(kept)?;
                    if has_id(kept, &counter, id) { Ok(history) } else { Err(GrantError::TooMuch) }
                }
                _ => Err(Error::from(Failure::from(error)).into()),
            },
        }
    }

    /// Changes the rest of a subject's current period by `by`: lowers it by counting more use, or
    /// raises it by giving back a part of the use.
    ///
    /// The window gives the period and the meter, as for [`grant_of`](Self::grant_of); rates and
    /// other periods do not change. The rest never goes below zero, but the use counts in full. If
    /// an earlier adjustment or grant of the period has the same `id`, nothing changes. Returns the
    /// usage afterwards, and true if this call changed it.
    ///
    /// Makes one read and one conditional write, and one more write each time that another write
    /// comes first. Instances that remember a refusal, or a lease, apply it within a second.
    ///
    /// # Errors
    /// The id is invalid, `by` gives back more than is used, the use would exceed the largest
    /// quota, other writes come first each time, the bucket is damaged, or the table is
    /// unavailable.
    pub async fn adjust(
        &self,
        subject: &Subject,
        window: &Window,
        by: NonZeroI64,
        id: &str,
        now: Timestamp,
    ) -> Result<(History, bool), GrantError> {
        check_text(id, 64).map_err(GrantError::Id)?;
        let (bucket, counter) = (self::id(subject), window.counter.to_string());
        let mut found = self.0.get_raw(&bucket).await.map_err(Error::from)?.unwrap_or_default();
        for _ in 0..MAX_WRITES {
            // Without a bucket, the item has no key to read.
            let before = if found.is_empty() { History::default() } else { history(&found)? };
            if has_id(&found, &counter, id) {
                return Ok((before, false));
            }
            let (used, granted) = (before.used(window), before.granted(window));
            let room = MAX_GRANTED.checked_sub(used).ok_or(GrantError::TooMuch)?;
            if by.get() > 0 && by.get().unsigned_abs() > used {
                return Err(GrantError::NotUsed { used });
            }
            if by.get() < 0 && by.get().unsigned_abs() > room {
                return Err(GrantError::TooMuch);
            }
            let (least, most) = if by.get() > 0 {
                // The grants are part of the use, so they must not change in between.
                (by.get().saturating_sub_unsigned(granted), MAX_COUNT)
            } else {
                let most = i64::try_from(MAX_GRANTED).unwrap_or(i64::MAX);
                (-MAX_COUNT, most.saturating_add(by.get()).saturating_sub_unsigned(granted))
            };
            let absent =
                if (least..=most).contains(&0) { "attribute_not_exists(#c) OR " } else { "" };
            let same = if granted == 0 { "attribute_not_exists(#g) OR " } else { "" };
            let update = self
                .0
                .update_item(&bucket)
                .update_expression("SET #c = if_not_exists(#c, :zero) - :by, #x = :x ADD #i :ids")
                .condition_expression(format!(
                    "(attribute_not_exists(#i) OR NOT contains(#i, :id)) \
                     AND ({absent}#c >= :least AND #c <= :most) AND ({same}#g = :g)"
                ))
                .expression_attribute_names("#c", &counter)
                .expression_attribute_names("#g", format!("{GRANTED}{counter}"))
                .expression_attribute_names("#i", format!("{GRANTS}{counter}"))
                .expression_attribute_names("#x", EXPIRES_AT)
                .expression_attribute_values(":by", number(by.get()))
                .expression_attribute_values(":zero", number(0))
                .expression_attribute_values(":least", number(least))
                .expression_attribute_values(":most", number(most))
                .expression_attribute_values(":g", number(granted))
                .expression_attribute_values(":id", text(id))
                .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.to_string()]))
                .expression_attribute_values(":x", number(expiry(now)))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            match Box::pin(update.send()).await {
                Ok(answer) => {
                    let written = answer.attributes.ok_or(Error::Failure(Failure::Outage))?;
                    return Ok((history(&written)?, true));
                }
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                        found = kept.item().cloned().unwrap_or_default();
                    }
                    _ => return Err(Error::from(Failure::from(error)).into()),
                },
            }
        }
        Err(Error::from(Failure::Contended { calls: MAX_WRITES }).into())
    }

    /// Deletes a subject's bucket with its debt, usage and grants; returns false if it has none.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn reset(&self, subject: &Subject) -> Result<bool, Failure> {
        self.0.delete(&id(subject)).await
    }
}

/// The key of a bucket after the prefix. A listing shows a long name's digest, which is accepted as
/// a subject too.
fn id(subject: &Subject) -> Cow<'_, str> {
    let name = subject.as_str();
    if is_short(name) { name.into() } else { short(name) }
}

/// Returns true if a grant or an adjustment of a counter had this id.
fn has_id(item: &Attributes, counter: &str, id: &str) -> bool {
    let ids = item.get(&format!("{GRANTS}{counter}")).and_then(|ids| ids.as_ss().ok());
    ids.is_some_and(|ids| ids.iter().any(|known| known == id))
}

/// The most writes of an adjustment, if other writes come first.
const MAX_WRITES: u32 = 5;

fn history(item: &Attributes) -> Result<History, Error> {
    let bucket: Option<BucketRecord> = read_item(item)?;
    Ok(bucket.map(|bucket| bucket.history).unwrap_or_default())
}
