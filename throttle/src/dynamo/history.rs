//! Usage in a bucket: the counters that operators read and add grants to.

use std::collections::BTreeMap;
use std::time::Duration;

use table::{Attributes, Damage, Deletable, Item, PK, Reader, number, text};

use super::item::{PV, stamp};
use crate::bucket::{RateId, Stamp};
use crate::clock::Timestamp;
use crate::id::Subject;
use crate::meter::Meter;
use crate::period::Counter;
use crate::plan::Scope;
use crate::usage::{History, Use};

/// Usage of a subject, as its bucket holds it.
///
/// With a counter such as `d20261121` there may be `gd20261121`, the sum of the period's grants,
/// and `id20261121`, the ids of these grants. A grant is subtracted from the counter, so that the
/// condition of a decision stays one comparison: `counter + granted = admitted + unreturned +
/// unknown`, and `counter <= limit`. A counter may be below zero, but not below minus its grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// The subject.
    pub subject: Subject,
    /// The plan of the last request and its version; `None` before the first request.
    pub stamp: Option<Stamp>,
    /// The usage.
    pub history: History,
    /// The moment at which each rate's bucket is full again.
    pub(crate) tats: BTreeMap<RateId, Timestamp>,
}

/// The state of one rate of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateState {
    /// The time per token.
    pub interval: Duration,
    /// The moment at which the bucket is full again.
    pub full_at: Timestamp,
    /// The meter of the plan's rate; `None` for the rate of one method.
    pub meter: Option<Meter>,
}

impl BucketRecord {
    /// The state of each rate that the subject has used, the plan's first.
    ///
    /// Rates of older plans stay until a write under the new plan converts them.
    pub fn rates(&self) -> impl Iterator<Item = RateState> {
        let state = |(rate, full_at): (&RateId, &Timestamp)| RateState {
            interval: Duration::from_nanos(rate.interval.get()),
            full_at: *full_at,
            meter: match rate.scope {
                Scope::Meter(meter) => Some(meter),
                Scope::Method(_) => None,
            },
        };
        self.tats.iter().map(state)
    }
}

impl Item for BucketRecord {
    type Id = str;

    const KIND: &'static str = "bucket";
    const PREFIX: &'static str = "BUCKET#";

    fn id(&self) -> &str {
        self.subject.as_str()
    }

    fn attributes(&self) -> Attributes {
        let mut item = Attributes::new();
        item.extend(self.stamp.as_ref().map(|stamp| (PV.to_owned(), text(&stamp.to_string()))));
        for (name, Use { counter, granted }) in &self.history.periods {
            item.insert(name.clone(), number(*counter));
            if *granted > 0 {
                item.insert(format!("{GRANTED}{name}"), number(*granted));
            }
        }
        item.extend(self.tats.iter().map(|(rate, tat)| (rate.to_string(), number(tat.as_nanos()))));
        item
    }

    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage> {
        let reader = Reader::new::<Self>(item);
        let subject =
            Subject::new(id).map_err(|_| reader.damage(PK, "is not a key of this kind"))?;
        let stamp = stamp(reader)?;
        let mut history = History::default();
        for name in item.keys().filter(|name| is_counter(name)) {
            let counter = reader.required(name)?;
            let granted = granted(reader, name, counter)?;
            history.periods.insert(name.clone(), Use { counter, granted });
        }
        let mut tats = BTreeMap::new();
        for (name, rate) in item.keys().filter_map(|name| Some((name, RateId::parse(name)?))) {
            tats.insert(rate, Timestamp::from_nanos(reader.required(name)?));
        }
        Ok(Some(Self { subject, stamp, history, tats }))
    }
}

/// Reads the grants of a counter's period. A counter below minus its grants is damaged.
pub(super) fn granted(reader: Reader<'_>, name: &str, counter: i64) -> Result<u64, Damage> {
    let granted_name = format!("{GRANTED}{name}");
    let granted: u64 = reader.optional(&granted_name)?.unwrap_or_default();
    if granted > MAX_GRANTED {
        return Err(reader.damage(&granted_name, "is more than can be granted"));
    }
    if granted.checked_add_signed(counter).is_none() {
        return Err(reader.damage(name, "is lower than what was granted explains"));
    }
    Ok(granted)
}

impl Deletable for BucketRecord {}

/// Returns true for the name of a counter: `d20261121`, `w2026-47`, `m202611`, `m202611.tokens`.
fn is_counter(name: &str) -> bool {
    let Some((period, _)) = Meter::of_attribute(name) else { return false };
    let shape: String = period.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "d00000000" | "w0000-00" | "w00000000" | "m000000" | "m00000000")
}

/// Returns the attributes of grants that are no longer needed, because their period has no counter.
///
/// The ids of grants are needed only in their own period, because a grant is repeated only there.
pub(super) fn stale(item: &Attributes, now: Timestamp) -> impl Iterator<Item = &str> {
    let is_current = move |counter: &str| {
        Counter::parse(counter).is_some_and(|known| known == known.at(now).counter)
    };
    item.keys().map(String::as_str).filter(move |name| {
        if let Some(counter) = name.strip_prefix(GRANTED) {
            is_counter(counter) && !is_current(counter) && !item.contains_key(counter)
        } else if let Some(counter) = name.strip_prefix(GRANTS) {
            is_counter(counter) && !is_current(counter)
        } else {
            false
        }
    })
}

/// Prefix of the attribute with the sum of a period's grants.
pub(super) const GRANTED: &str = "g";
/// Prefix of the attribute with the ids of a period's grants.
pub(super) const GRANTS: &str = "i";
/// The largest sum of a period's grants, which is the largest quota.
pub(super) const MAX_GRANTED: u64 = 1_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_from_what_else_a_bucket_has() {
        for name in ["d20261121", "w2026-47", "w20261122", "m202611", "m20261115.tokens"] {
            assert!(is_counter(name), "{name}");
        }
        for name in
            ["", "tat", "t3b9aca00", "d2026112", "d202611211", "w202647", "m2026-1", "pv", "d٢"]
        {
            assert!(!is_counter(name), "{name}");
        }
    }

    #[test]
    fn grants_of_periods_long_past_may_go() {
        let names = [
            "d20261121",
            "gd20261121",
            "id20261121",
            "gd20261120",
            "id20261120",
            "d20261119",
            "gd20261119",
            "id20261119",
            "im202610",
            "im202611",
            "iw2026-47.tokens",
            "gpv",
            "pv",
        ];
        let item: Attributes = names.into_iter().map(|name| (name.to_owned(), number(1))).collect();
        // Noon of 2026-11-21.
        let mut stale: Vec<_> = stale(&item, Timestamp::from_secs(1_795_262_400)).collect();
        stale.sort_unstable();
        assert_eq!(stale, ["gd20261120", "id20261119", "id20261120", "im202610"]);
    }
}
