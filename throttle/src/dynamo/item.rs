//! Item of a subject's bucket, as decisions read and write it.
//!
//! The key is `BUCKET#subject`. The attributes are:
//! - `pv`, the plan of the last charge and its version;
//! - a `tat` in nanoseconds for each rate, by the names that [`RateId`] writes;
//! - a counter for each period with usage, by the names that [`Counter`] writes, and the period's
//!   grants;
//! - `rt`, the returned tokens, if there are any, and `rt.tokens` of the meter `tokens`;
//! - `wn`, the number of writes;
//! - `ch`, the time of the last change of plan in nanoseconds;
//! - `expires_at`.
//!
//! Unknown attributes are ignored.
//!
//! An item stays below the kilobyte that one write unit pays for. That is room for 31 days, 12
//! weeks and 12 months of history if counts are below ten thousand, the names of subject and plan
//! have 64 bytes together, and there are three methods. Otherwise the oldest counters are removed
//! first.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use table::{Attributes, Damage, Digest, EXPIRES_AT, Reader, number as n};

use super::history::{BucketRecord, GRANTED, GRANTS, granted};
use crate::bucket::{
    Count, Counter, MAX_COUNT, Move, RateId, Stamp, State, To, When, Write, removable,
};
use crate::clock::Timestamp;
use crate::id::Subject;
use crate::meter::Meter;

pub(crate) const PV: &str = "pv";
const RETURNED: &str = "rt";
const WRITES: &str = "wn";
const CHANGED: &str = "ch";

/// The key: `BUCKET#subject`, or `BUCKET#region#subject` where each Region has its own.
pub(crate) fn key(region: Option<&str>, subject: &Subject) -> AttributeValue {
    let name = match region {
        None => Cow::Borrowed(subject.as_str()),
        Some(region) => format!("{region}#{}", subject.as_str()).into(),
    };
    AttributeValue::S(format!("BUCKET#{}", short(&name)))
}

/// Returns a name as keys contain it: a long name is replaced by its SHA-256 and its last
/// characters.
///
/// For example `sha256-ba7816…~the-end-of-the-name`. Earlier versions wrote long names as they are.
/// Those buckets are no longer found, so such a subject starts with a full bucket, once.
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
        if let Some((RETURNED, meter)) = Meter::of_attribute(name) {
            if let Some(amount) = reader.optional(name)? {
                state.returned.insert(meter, amount);
            }
        } else if let Some(rate) = RateId::parse(name) {
            if let Some(tat) = reader.optional(name)? {
                state.tats.insert(rate, Timestamp::from_nanos(tat));
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
    let full = write.full(&state.tats);
    state.past = removable(merged(others).into_iter(), state.size, full, write.now);
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

/// Returns the counter of an attribute: the attribute itself, or the counter whose grants it holds.
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

/// The size of an item in bytes: one write unit pays for 1,024.
fn size(item: &Attributes) -> u32 {
    let bytes = item.iter().map(|(name, value)| attribute(name, value));
    bytes.fold(0, u32::saturating_add)
}

/// The size of an attribute in bytes: its name and its value.
fn attribute(name: &str, value: &AttributeValue) -> u32 {
    let value = match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => self::number(number),
        AttributeValue::Ss(texts) => texts.iter().map(|text| text.len().saturating_add(1)).sum(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // A bucket has no others.
        _ => 1,
    };
    u32::try_from(name.len().saturating_add(value)).unwrap_or(u32::MAX)
}

/// A byte for two digits, one for the number, and one for a sign. Outer zeros don't count.
fn number(text: &str) -> usize {
    let digits = text.trim_start_matches('-').trim_matches('0').len();
    let sign = usize::from(text.starts_with('-'));
    digits.div_ceil(2).saturating_add(1).saturating_add(sign)
}

/// The update and the condition of one write: [`Write::apply`] and [`Write::applies`].
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The parts of an expression that is being built.
struct Draft {
    set: String,
    remove: String,
    condition: String,
    names: HashMap<String, String>,
    /// The numbers that have a placeholder: each is sent once.
    numbers: Vec<i128>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn new(write: &Write) -> Self {
        let mut draft = Draft {
            set: String::with_capacity(160),
            remove: String::new(),
            condition: String::with_capacity(256),
            names: HashMap::new(),
            numbers: Vec::with_capacity(16),
            values: HashMap::with_capacity(16),
        };
        draft.stamp(write);
        for change in &write.moves {
            draft.change(change);
        }
        for count in &write.counts {
            draft.count(count);
        }
        for counter in &write.forgotten {
            for prefix in ["", GRANTED, GRANTS] {
                let name = draft.name(format_args!("{prefix}{counter}"));
                draft.remove(&name);
            }
        }
        for (meter, (so_far, amount)) in &write.returned {
            draft.returned(*meter, *so_far, *amount);
        }
        draft.writes(write);
        let (expires, moment) = (draft.name(EXPIRES_AT), draft.number(write.expires_at()));
        draft.set(format_args!("{expires} = {moment}"));

        let mut update = format!("SET {}", draft.set);
        if !draft.remove.is_empty() {
            // Writing to a string can't fail; nor below.
            let _ = write!(update, " REMOVE {}", draft.remove);
        }
        Self { update, condition: draft.condition, names: draft.names, values: draft.values }
    }
}

impl Draft {
    fn stamp(&mut self, write: &Write) {
        self.text(":v", &write.stamp);
        self.set(format_args!("{PV} = :v"));
        match &write.found {
            None => self.condition(format_args!("attribute_not_exists({PV})")),
            Some(found) if *found == write.stamp => {
                self.condition(format_args!("(attribute_not_exists({PV}) OR {PV} = :v)"));
            }
            Some(found) => {
                self.text(":w", found);
                self.condition(format_args!("{PV} = :w"));
            }
        }
    }

    fn change(&mut self, change: &Move) {
        let tat = self.name(change.rate);
        match change.when {
            When::Absent => self.condition(format_args!("attribute_not_exists({tat})")),
            When::AtMost(last) => {
                let last = self.number(last.as_nanos());
                self.condition(format_args!("(attribute_not_exists({tat}) OR {tat} <= {last})"));
            }
            When::Within(after, last) => {
                let (after, last) = (self.number(after.as_nanos()), self.number(last.as_nanos()));
                self.condition(format_args!("{tat} > {after} AND {tat} <= {last}"));
            }
            When::Is(exactly) => {
                let exactly = self.number(exactly.as_nanos());
                self.condition(format_args!("{tat} = {exactly}"));
            }
        }
        match change.to {
            To::Same => {}
            To::At(moment) => {
                let moment = self.number(moment.as_nanos());
                self.set(format_args!("{tat} = {moment}"));
            }
            To::Forward(by) => {
                let by = self.nanos(by);
                self.set(format_args!("{tat} = {tat} + {by}"));
            }
            To::Back(by) => {
                let by = self.nanos(by);
                self.set(format_args!("{tat} = {tat} - {by}"));
            }
            To::Gone => self.remove(&tat),
        }
    }

    fn count(&mut self, count: &Count) {
        // The answer has it anyway.
        if *count == Count::read(count.counter) {
            return;
        }
        let used = self.name(count.counter);
        if count.add != 0 {
            let (zero, add) = (self.number(0), self.number(count.add));
            self.set(format_args!("{used} = if_not_exists({used}, {zero}) + {add}"));
        }
        let (least, most) = (self.number(count.at_least), self.number(count.at_most));
        let absent_will_do = (count.at_least..=count.at_most).contains(&0);
        // Not BETWEEN, which DynamoDB rejects if the first bound is larger. This form then matches
        // no number.
        let within = format_args!("{used} >= {least} AND {used} <= {most}");
        if absent_will_do {
            self.condition(format_args!("(attribute_not_exists({used}) OR {within})"));
        } else {
            self.condition(within);
        }
        if count.granted > 0 {
            let granted = self.name(format_args!("{GRANTED}{}", count.counter));
            let least = self.number(count.granted);
            self.condition(format_args!("{granted} >= {least}"));
        }
    }

    fn returned(&mut self, meter: Meter, so_far: u64, amount: u64) {
        let (before, after) = (self.number(so_far), self.number(so_far.saturating_add(amount)));
        let name = self.name(meter.attribute(RETURNED));
        self.set(format_args!("{name} = {after}"));
        self.is_still(&name, so_far, &before);
    }

    fn writes(&mut self, write: &Write) {
        let (zero, one) = (self.number(0), self.number(1));
        self.set(format_args!("{WRITES} = if_not_exists({WRITES}, {zero}) + {one}"));
        if let Some(writes) = write.writes {
            let number = self.number(writes);
            self.is_still(WRITES, writes, &number);
        }
        if let Some(changed) = write.unchanged.map(Timestamp::as_nanos) {
            let number = self.number(changed);
            self.is_still(CHANGED, changed, &number);
        }
        if let Some(changed) = write.changed {
            let changed = self.number(changed.as_nanos());
            self.set(format_args!("{CHANGED} = {changed}"));
        }
    }

    /// Requires that an attribute is this number; a missing attribute counts as 0.
    fn is_still(&mut self, name: &str, number: u64, placeholder: &str) {
        if number == 0 {
            let condition =
                format_args!("(attribute_not_exists({name}) OR {name} = {placeholder})");
            self.condition(condition);
        } else {
            self.condition(format_args!("{name} = {placeholder}"));
        }
    }

    /// Returns an attribute as an expression names it: as it is, or by a placeholder.
    ///
    /// The bucket's attributes are not reserved words of DynamoDB. But some names have characters
    /// that need a placeholder: a method's `tat` a `#`, a week's counter a hyphen, the expiry an
    /// underscore, and every attribute of a named meter a dot.
    fn name(&mut self, attribute: impl Display) -> String {
        let attribute = attribute.to_string();
        if attribute.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return attribute;
        }
        let name = format!("#a{}", self.names.len());
        self.names.insert(name.clone(), attribute);
        name
    }

    /// The placeholder of a number.
    fn number(&mut self, number: impl Into<i128>) -> String {
        let number = number.into();
        let known = self.numbers.iter().position(|known| *known == number);
        let name = format!(":n{}", known.unwrap_or(self.numbers.len()));
        if known.is_none() {
            self.numbers.push(number);
            self.values.insert(name.clone(), n(number));
        }
        name
    }

    fn nanos(&mut self, duration: Duration) -> String {
        self.number(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX))
    }

    fn text(&mut self, placeholder: &str, text: impl Display) {
        self.values.insert(placeholder.to_owned(), AttributeValue::S(text.to_string()));
    }

    fn set(&mut self, action: impl Display) {
        joined(&mut self.set, ", ", action);
    }

    fn remove(&mut self, name: &str) {
        joined(&mut self.remove, ", ", name);
    }

    fn condition(&mut self, condition: impl Display) {
        joined(&mut self.condition, " AND ", condition);
    }
}

fn joined(text: &mut String, between: &str, part: impl Display) {
    if !text.is_empty() {
        text.push_str(between);
    }
    let _ = write!(text, "{part}");
}

const SHORT: &str = "sha256-";
/// The longest name that a key has unchanged, in bytes.
const LONGEST: usize = 128;
/// The number of bytes of a long name's end in a key.
const ENDING: usize = 40;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::bucket::{Charge, Form};
    use crate::id::PlanId;
    use crate::plan::{Plan, PlanRecord};

    #[test]
    fn sizes_are_dynamodbs() {
        let n = |text: &str| AttributeValue::N(text.to_owned());
        for (value, bytes) in [
            (n("0"), 1),
            (n("7"), 2),
            (n("100"), 2),
            (n("123"), 3),
            (n("-123"), 4),
            (n("1795251600000000001"), 11),
            (AttributeValue::S("é".to_owned()), 2),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 5),
            (AttributeValue::Bool(true), 1),
        ] {
            assert_eq!(attribute("name", &value), 4 + bytes, "{value:?}");
        }
        let item = Attributes::from([("pk".to_owned(), n("12")), ("a".to_owned(), n("3"))]);
        assert_eq!(size(&item), 4 + 3);
    }

    /// The expressions of a request without meters, as the versions before meters wrote them.
    #[test]
    fn a_plan_without_meters_writes_as_before() {
        let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}, "quota": [
            {"limit": 9, "period": "DAY"}, {"limit": 20, "period": "WEEK"}]}"#;
        let (id, plan) = (PlanId::new("free").unwrap(), Plan::from_json(json).unwrap());
        let now = Timestamp::from_secs(1_795_251_600);
        let record = PlanRecord { id, plan, version: 1, created: Timestamp::EPOCH };
        let charge = Charge::new(&record, 1, now);
        let written = Expression::new(&charge.write(|_| Form::Idle));
        assert_eq!(
            written.update,
            "SET pv = :v, t3b9aca00 = :n1, d20261121 = if_not_exists(d20261121, :n2) + :n3, \
             #a0 = if_not_exists(#a0, :n2) + :n3, wn = if_not_exists(wn, :n2) + :n3, #a1 = :n7"
        );
        assert_eq!(
            written.condition,
            "(attribute_not_exists(pv) OR pv = :v) AND \
             (attribute_not_exists(t3b9aca00) OR t3b9aca00 <= :n0) AND \
             (attribute_not_exists(d20261121) OR d20261121 >= :n4 AND d20261121 <= :n5) AND \
             (attribute_not_exists(#a0) OR #a0 >= :n4 AND #a0 <= :n6)"
        );
        let names = [("#a0", "w2026-47"), ("#a1", "expires_at")];
        assert_eq!(written.names, names.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let mut values: Vec<_> = written.values.into_iter().collect();
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_n().or(value.as_s()).unwrap().as_str()))
            .collect();
        assert_eq!(
            values,
            [
                (":n0", "1795251600000000000"),
                (":n1", "1795251601000000000"),
                (":n2", "0"),
                (":n3", "1"),
                (":n4", "-4000000000000000"),
                (":n5", "8"),
                (":n6", "19"),
                (":n7", "1829811600"),
                (":v", "1.free"),
            ]
        );
    }

    #[test]
    fn a_named_meter_writes_attributes_of_its_own() {
        let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}, "meters": {"tokens": {
            "throttle": {"rateLimit": 1, "burstLimit": 900}}}}"#;
        let (id, plan) = (PlanId::new("free").unwrap(), Plan::from_json(json).unwrap());
        let now = Timestamp::from_secs(1_795_251_600);
        let record = PlanRecord { id, plan, version: 1, created: Timestamp::EPOCH };
        let (meter, amount) = (Meter::new("tokens").unwrap(), NonZeroU64::new(800).unwrap());
        let charge = Charge::new(&record, 1, now).named(&record, meter, amount);
        let written = Expression::new(&charge.write(|_| Form::Idle));
        let mut names: Vec<_> = written.names.into_values().collect();
        names.sort();
        assert_eq!(names, ["d20261121.tokens", "expires_at", "t3b9aca00.tokens"]);
        assert!(written.update.contains("t3b9aca00 = :n1, #a0 = "), "{}", written.update);
    }

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
