//! That somebody was told how much of a quota is used: `NOTICE#counter#percent#subject`.

use std::fmt;

use super::{Attributes, EXPIRES_AT, Item, Reading, n};
use crate::clock::Timestamp;
use crate::failure::Damage;
use crate::name::Subject;
use crate::period::Counter;

/// Which notice it is: of one subject, one period and one share of its quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoticeId {
    /// Whose requests were counted.
    pub subject: Subject,
    /// The period, by its counter.
    pub counter: Counter,
    /// The share of the quota, in hundredths.
    pub percent: u8,
}

/// A notice as it is stored: told, or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which one.
    pub id: NoticeId,
    /// Until when somebody is telling it.
    pub claimed_until: Timestamp,
    /// When it was told, if it was.
    pub told_at: Option<Timestamp>,
    /// The second from which it may be deleted.
    pub(crate) expires_at: u64,
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.counter, self.percent, self.subject.as_str())
    }
}

impl Item for Notice {
    type Id = NoticeId;

    const KIND: &'static str = "notice";
    const PREFIX: &'static str = "NOTICE#";

    fn id(&self) -> &NoticeId {
        &self.id
    }

    fn name(id: &NoticeId) -> String {
        id.to_string()
    }

    fn parse(name: &str) -> Option<NoticeId> {
        let (counter, rest) = name.split_once('#')?;
        let (percent, subject) = rest.split_once('#')?;
        let id = NoticeId {
            subject: Subject::new(subject).ok()?,
            counter: Counter::parse(counter)?,
            percent: percent.parse().ok()?,
        };
        (Self::name(&id) == name).then_some(id)
    }

    fn attributes(&self) -> Result<Attributes, Damage> {
        let mut item = Attributes::from([
            (CLAIMED_UNTIL.to_owned(), n(self.claimed_until.as_nanos())),
            (EXPIRES_AT.to_owned(), n(self.expires_at)),
        ]);
        let told = self.told_at.map(|told| (TOLD_AT.to_owned(), n(told.as_nanos())));
        item.extend(told);
        Ok(item)
    }

    fn read(id: NoticeId, item: &Attributes) -> Result<Option<Self>, Damage> {
        let item = Reading::<Self>::of(item);
        Ok(Some(Self {
            id,
            claimed_until: item.needed(CLAIMED_UNTIL, item.moment(CLAIMED_UNTIL)?)?,
            told_at: item.moment(TOLD_AT)?,
            expires_at: item.needed(EXPIRES_AT, item.number(EXPIRES_AT)?)?,
        }))
    }
}

pub(crate) const CLAIMED_UNTIL: &str = "claimed_until";
pub(crate) const TOLD_AT: &str = "told_at";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_found_again_by_its_key() {
        for name in ["d20261121#80#maria", "w2026-47#100#pool#client", "m202611#80##"] {
            let id = Notice::parse(name).unwrap();
            assert_eq!(Notice::name(&id), name);
        }
        for name in ["", "d20261121", "d20261121#80", "d20261121#80#", "x1#80#maria"] {
            assert_eq!(Notice::parse(name), None, "{name}");
        }
        for name in ["d20261121#080#maria", "d20261121#+80#maria", "d20261121#256#maria"] {
            assert_eq!(Notice::parse(name), None, "{name}: one spelling for each");
        }
    }
}
