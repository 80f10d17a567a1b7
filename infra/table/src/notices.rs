//! Notices about used quotas: `NOTICE#counter#percent#subject`.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use crate::error::{Damage, Error, Failure};
use crate::item::{
    self, Attributes, EXPIRES_AT, Item, MAX_SUBJECT, NO_KEY, PK, Reader, check_text, number, time,
};
use crate::items::Items;
use crate::time::{from_nanos, later, secs};

/// The notices of a table. Each is sent once, even with several senders.
///
/// A sender claims a notice, sends it, and marks it as sent. A claim that is neither marked nor
/// released expires, so that a crash loses no notice. After a crash between sending and marking,
/// the notice is sent twice.
pub type Notices = Items<Notice>;

/// Identity of a notice: one subject, one period, one share of its quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoticeId {
    subject: String,
    counter: String,
    percent: u8,
}

/// A notice that is claimed or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The identity.
    pub id: NoticeId,
    /// The end of the claim.
    pub claimed_until: SystemTime,
    /// The time at which it was sent; `None` if it was not.
    pub sent_at: Option<SystemTime>,
    /// The second from which it may be deleted.
    expires_at: u64,
}

/// Result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller must send the notice.
    Ours,
    /// The notice was sent.
    Sent,
    /// Another sender has the claim.
    Theirs,
}

impl Notices {
    /// Claims a notice until a stated time. The item is stored for `keep` after `until`.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged. The claim may have been made.
    pub async fn claim(
        &self,
        id: &NoticeId,
        now: impl Into<SystemTime>,
        until: impl Into<SystemTime>,
        keep: Duration,
    ) -> Result<Claim, Error> {
        let until = until.into();
        let update = self
            .change(id)
            .update_expression("SET #c = :until, #x = :x")
            .condition_expression(
                "attribute_not_exists(#c) OR (attribute_not_exists(#t) AND #c <= :now)",
            )
            .expression_attribute_names("#t", SENT_AT)
            .expression_attribute_names("#x", EXPIRES_AT)
            .expression_attribute_values(":now", time(now.into()))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":x", number(secs(later(until, keep))));
        match send(update).await? {
            Ok(()) => Ok(Claim::Ours),
            Err(Some(notice)) if notice.sent_at.is_some() => Ok(Claim::Sent),
            Err(_) => Ok(Claim::Theirs),
        }
    }

    /// Marks a notice as sent.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn sent(&self, id: &NoticeId, now: impl Into<SystemTime>) -> Result<(), Error> {
        let update = self
            .change(id)
            .update_expression("SET #t = :now")
            .condition_expression("attribute_exists(#c)")
            .expression_attribute_names("#t", SENT_AT)
            .expression_attribute_values(":now", time(now.into()));
        // If the notice was deleted in the meantime, its period ended long ago.
        send(update).await.map(drop)
    }

    /// Releases a claim that was made until this time.
    ///
    /// # Errors
    /// The table is unavailable. The claim then expires.
    pub async fn release(&self, id: &NoticeId, until: impl Into<SystemTime>) -> Result<(), Error> {
        let update = self
            .change(id)
            .update_expression("SET #c = :never")
            .condition_expression("#c = :until")
            .expression_attribute_values(":never", time(from_nanos(0)))
            .expression_attribute_values(":until", time(until.into()));
        send(update).await.map(drop)
    }

    fn change(&self, id: &NoticeId) -> UpdateItemFluentBuilder {
        self.update_item(id)
            .expression_attribute_names("#c", CLAIMED_UNTIL)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// Sends a conditional write. If the condition does not hold, returns the stored notice.
async fn send(update: UpdateItemFluentBuilder) -> Result<Result<(), Option<Notice>>, Error> {
    match Box::pin(update.send()).await {
        Ok(_) => Ok(Ok(())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(kept)) => {
                let kept = kept.item().map(item::read_item).transpose()?;
                Ok(Err(kept.flatten()))
            }
            _ => Err(Failure::from(error).into()),
        },
    }
}

impl NoticeId {
    /// Makes an identity from a subject, the name of a period's counter, such as `d20261121`, and a
    /// share of its quota, in hundredths.
    ///
    /// Returns `None` if the counter has another form, or if the subject is empty or too long.
    #[must_use]
    pub fn new(subject: &str, counter: &str, percent: u8) -> Option<Self> {
        let (period, meter) = counter.split_once('.').unwrap_or((counter, "requests"));
        let digits = period.strip_prefix(['d', 'w', 'm'])?;
        let is_counter = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '-')
            && !meter.is_empty()
            && meter.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        check_text(subject, MAX_SUBJECT).ok()?;
        let (subject, counter) = (subject.to_owned(), counter.to_owned());
        is_counter.then_some(Self { subject, counter, percent })
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The name of the period's counter.
    #[must_use]
    pub fn counter(&self) -> &str {
        &self.counter
    }

    /// The share of the quota, in hundredths.
    #[must_use]
    pub const fn percent(&self) -> u8 {
        self.percent
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.counter, self.percent, self.subject)
    }
}

impl Item for Notice {
    type Id = NoticeId;

    const KIND: &'static str = "notice";
    const PREFIX: &'static str = "NOTICE#";

    fn id(&self) -> &NoticeId {
        &self.id
    }

    fn attributes(&self) -> Attributes {
        item::attributes([
            (CLAIMED_UNTIL, Some(time(self.claimed_until))),
            (SENT_AT, self.sent_at.map(time)),
            (EXPIRES_AT, Some(number(self.expires_at))),
        ])
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reader::new::<Self>(item);
        Ok(Some(Self {
            id: parse(id).ok_or_else(|| item.damage(PK, NO_KEY))?,
            claimed_until: item.required(CLAIMED_UNTIL)?,
            sent_at: item.optional(SENT_AT)?,
            expires_at: item.required(EXPIRES_AT)?,
        }))
    }
}

/// Parses an id. Accepts only one spelling, so that an id identifies one item.
fn parse(text: &str) -> Option<NoticeId> {
    let (counter, rest) = text.split_once('#')?;
    let (percent, subject) = rest.split_once('#')?;
    let id = NoticeId::new(subject, counter, percent.parse().ok()?)?;
    (id.to_string() == text).then_some(id)
}

const CLAIMED_UNTIL: &str = "claimed_until";
const SENT_AT: &str = "told_at";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_found_again_by_its_key() {
        for name in ["d20261121#80#maria", "w2026-47#100#pool#client", "m202611#80##"] {
            let id = parse(name).unwrap();
            assert_eq!(id.to_string(), name);
        }
        for name in ["", "d-#80#maria", "d20261121", "d20261121#80", "d20261121#80#", "x1#80#maria"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
        for name in ["d20261121#080#maria", "d20261121#+80#maria", "d20261121#256#maria"] {
            assert_eq!(parse(name), None, "{name}: one spelling for each");
        }
    }
}
