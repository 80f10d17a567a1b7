//! A write in DynamoDB's words.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;
use table::{EXPIRES_AT, number as n};

use super::history::{GRANTED, GRANTS};
use super::item::{CHANGED, PV, RETURNED, WRITES};
use crate::bucket::{Count, Move, To, When, Write};
use crate::clock::Timestamp;

/// The update and the condition of one write: [`Write::apply`] and [`Write::applies`].
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// The parts of an expression, as they come together.
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
        if let Some((so_far, tokens)) = write.returned {
            draft.returned(so_far, tokens);
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
        let tat = self.name(change.meter);
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
        let used = self.name(count.counter);
        let (zero, add) = (self.number(0), self.number(count.add));
        let (least, most) = (self.number(count.at_least), self.number(count.at_most));
        self.set(format_args!("{used} = if_not_exists({used}, {zero}) + {add}"));
        let absent_will_do = (count.at_least..=count.at_most).contains(&0);
        // BETWEEN with its bounds the wrong way round is an error; no number is above the one
        // and below the other.
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

    fn returned(&mut self, so_far: u64, tokens: u64) {
        let (before, after) = (self.number(so_far), self.number(so_far.saturating_add(tokens)));
        self.set(format_args!("{RETURNED} = {after}"));
        self.is_still(RETURNED, so_far, &before);
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

    /// Asks that an attribute is this number, where one that isn't there is 0.
    fn is_still(&mut self, name: &str, number: u64, placeholder: &str) {
        if number == 0 {
            let condition =
                format_args!("(attribute_not_exists({name}) OR {name} = {placeholder})");
            self.condition(condition);
        } else {
            self.condition(format_args!("{name} = {placeholder}"));
        }
    }

    /// How an attribute is written in an expression: as it is, or by a placeholder.
    ///
    /// None of the bucket's attributes is one of DynamoDB's reserved words. But a method's `tat` has
    /// a `#` in its name, a week's counter a hyphen, and the expiry an underscore.
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

    fn nanos(&mut self, duration: std::time::Duration) -> String {
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
