//! Item of a subject's bucket, as decisions read it.
//!
//! The key is `BUCKET#subject`. The attributes are:
//! - `pv`, the plan of the last charge and its version;
//! - a `tat` in nanoseconds for each rate, by the names that [`Meter`] writes;
//! - a counter for each period with usage, by the names that [`Counter`] writes, and the period's
//!   grants beside it;
//! - `rt`, the returned tokens, if there are any;
//! - `wn`, the number of writes;
//! - `ch`, the time of the last change of plan in nanoseconds;
//! - `expires_at`.
//!
//! Unknown attributes are ignored.
//!
//! An item stays below the kilobyte that one write unit pays for. With 31 days, 12 weeks and 12
//! months of history, counts below ten thousand, names of subject and plan of 64 bytes together and
//! three methods there is room for all of it. Otherwise the oldest counters go first.

use std::borrow::Cow;

use aws_sdk_dynamodb::types::AttributeValue;
use table::{Attributes, Damage, Digest, Reader};

use super::history::{BucketRecord, GRANTED, GRANTS, granted};
use super::size::{attribute, size};
use crate::bucket::{Counter, MAX_COUNT, Meter, Stamp, State, Write, removable};
use crate::clock::Timestamp;
use crate::id::Subject;

pub(crate) const PV: &str = "pv";
pub(crate) const RETURNED: &str = "rt";
pub(crate) const WRITES: &str = "wn";
pub(crate) const CHANGED: &str = "ch";

/// The key: `BUCKET#subject`, or `BUCKET#region#subject` where each Region has its own.
pub(crate) fn key(region: Option<&str>, subject: &Subject) -> AttributeValue {
    let name = match region {
        None => Cow::Borrowed(subject.as_str()),
        Some(region) => format!("{region}#{}", subject.as_str()).into(),
    };
    AttributeValue::S(format!("BUCKET#{}", short(&name)))
}

/// Returns a name as a key has it: a long one is replaced by its SHA-256 and its last characters.
///
/// For example `sha256-ba7816…~the-end-of-the-name`. Earlier versions wrote long names as they are.
/// Such a bucket is not found any more, so its subject starts once with a full bucket.
pub(crate) fn short(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST && !is_short(name) {
        return name.into();
    }
    let from = name.len().saturating_sub(ENDING);
    let from = (from..=name.len()).find(|at| name.is_char_boundary(*at)).unwrap_or_default();
    let ending = name.get(from..).unwrap_or_default();
    format!("{SHORT}{}~{ending}", Digest::of(&[name.as_bytes()])).into()
}

/// Returns true if a name has the form of a long name in a key.
pub(crate) fn is_short(name: &str) -> bool {
    let rest = name.strip_prefix(SHORT).and_then(|rest| rest.split_once('~'));
    rest.is_some_and(|(digest, _)| digest.parse::<Digest>().is_ok())
}

/// Reads the part of the state that a write needs. A missing counter is 0.
pub(crate) fn state(item: &Attributes, write: &Write) -> Result<State, Damage> {
    let reader = Reader::new::<BucketRecord>(item);
    let mut state = State { size: size(item), stamp: stamp(reader)?, ..State::default() };
    let mut others = Vec::new();
    for (name, value) in item {
        if let Some(meter) = Meter::parse(name) {
            if let Some(tat) = reader.optional(name)? {
                state.tats.insert(meter, Timestamp::from_nanos(tat));
            }
        } else if let Some(counter) = counter(name) {
            if !write.counts.iter().any(|count| count.counter == counter) {
                others.push((counter, attribute(name, value)));
            } else if counter.to_string() == *name
                && let Some(used) = reader.optional::<i64>(name)?
            {
                if used.unsigned_abs() > MAX_COUNT.unsigned_abs() {
                    return Err(reader.damage(name, "is out of range"));
                }
                let granted = granted(reader, name, used)?;
                state.counters.insert(counter, used);
                if granted > 0 {
                    state.granted.insert(counter, granted);
                }
            }
        }
    }
    state.past = removable(merged(others).into_iter(), state.size, write.now);
    state.returned = reader.optional(RETURNED)?.unwrap_or_default();
    state.writes = reader.optional(WRITES)?.unwrap_or_default();
    let changed = reader.optional(CHANGED)?.unwrap_or_default();
    state.changed = Timestamp::from_nanos(changed);
    Ok(state)
}

/// The plan and the version that the bucket is under.
pub(super) fn stamp(reader: Reader<'_>) -> Result<Option<Stamp>, Damage> {
    let Some(text) = reader.optional::<String>(PV)? else { return Ok(None) };
    Stamp::parse(&text).map(Some).ok_or_else(|| reader.damage(PV, "names no plan's version"))
}

/// Returns the counter that an attribute is, or whose grants it holds.
fn counter(name: &str) -> Option<Counter> {
    let granted = || name.strip_prefix(GRANTED).or_else(|| name.strip_prefix(GRANTS));
    Counter::parse(name).or_else(|| Counter::parse(granted()?))
}

/// Returns each counter once, with the size of all its attributes.
fn merged(mut counters: Vec<(Counter, u32)>) -> Vec<(Counter, u32)> {
    counters.sort_unstable();
    counters.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        same
    });
    counters
}

const SHORT: &str = "sha256-";
/// The longest name that a key has unchanged, in bytes.
const LONGEST: usize = 128;
/// The number of bytes of a long name's end in a key.
const ENDING: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_keyed_by_their_digest() {
        let longest = "n".repeat(128);
        assert_eq!(short(&longest), longest);
        let [one, other] = ["a", "b"].map(|first| format!("{first}{}", "é".repeat(64)));
        let [a, b] = [short(&one), short(&other)];
        assert_eq!(a.len(), 7 + 64 + 1 + 40, "{a}");
        assert_ne!(a, b);
        assert!(a.starts_with("sha256-") && a.ends_with(&format!("~{}", "é".repeat(20))), "{a}");
    }

    #[test]
    fn no_short_name_is_taken_for_a_long_one() {
        let long = Subject::new("n".repeat(129)).unwrap();
        let key_of_long = key(None, &long);
        let alike = key_of_long.as_s().unwrap().strip_prefix("BUCKET#").unwrap().to_owned();
        assert_ne!(key(None, &Subject::new(alike).unwrap()), key_of_long);
        assert_ne!(key(None, &Subject::new("sha256-1~n").unwrap()), key_of_long);
        let region = key(Some("eu"), &Subject::new("n").unwrap());
        assert_eq!(region.as_s().unwrap(), "BUCKET#eu#n");
    }
}
