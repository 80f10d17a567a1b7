//! A write in DynamoDB's words.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::bucket::{Count, Move, To, When, Write};
use crate::clock::Timestamp;
use crate::table::item::bucket::{CHANGED, PV, RETURNED, WRITES};
use crate::table::item::{EXPIRES_AT, GRANTED, n};

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
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn new(write: &Write) -> Self {
        let mut draft = Draft {
            set: String::with_capacity(128),
            remove: String::new(),
            condition: String::with_capacity(256),
            names: HashMap::with_capacity(16),
            values: HashMap::with_capacity(16),
        };
        draft.stamp(write);
        for (at, change) in write.moves.iter().enumerate() {
            draft.change(at, change);
        }
        for (at, count) in write.counts.iter().enumerate() {
            draft.count(at, count);
        }
        for (at, counter) in write.forgotten.iter().enumerate() {
            let name = draft.name('f', at, counter);
            draft.remove(&name);
        }
        if let Some((so_far, tokens)) = write.returned {
            draft.returned(so_far, tokens);
        }
        draft.writes(write);
        draft.name('x', 0, EXPIRES_AT);
        draft.value('x', 0, write.expires_at);
        draft.set("#x0 = :x0");

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
        self.name('v', 0, PV);
        self.value_text("v", &write.stamp);
        self.set("#v0 = :v");
        match &write.found {
            None => self.condition("attribute_not_exists(#v0)"),
            Some(found) if *found == write.stamp => {
                self.condition("(attribute_not_exists(#v0) OR #v0 = :v)");
            }
            Some(found) => {
                self.value_text("w", found);
                self.condition("#v0 = :w");
            }
        }
    }

    fn change(&mut self, at: usize, change: &Move) {
        self.name('t', at, change.meter);
        match change.when {
            When::Absent => self.condition(&format!("attribute_not_exists(#t{at})")),
            When::AtMost(last) => {
                self.value('m', at, last.as_nanos());
                self.condition(&format!("(attribute_not_exists(#t{at}) OR #t{at} <= :m{at})"));
            }
            When::Within(after, last) => {
                self.value('l', at, after.as_nanos());
                self.value('m', at, last.as_nanos());
                self.condition(&format!("#t{at} > :l{at} AND #t{at} <= :m{at}"));
            }
            When::Is(exactly) => {
                self.value('m', at, exactly.as_nanos());
                self.condition(&format!("#t{at} = :m{at}"));
            }
        }
        match change.to {
            To::Same => {}
            To::At(tat) => {
                self.value('t', at, tat.as_nanos());
                self.set(&format!("#t{at} = :t{at}"));
            }
            To::Forward(by) => {
                self.value('t', at, by.as_nanos());
                self.set(&format!("#t{at} = #t{at} + :t{at}"));
            }
            To::Back(by) => {
                self.value('t', at, by.as_nanos());
                self.set(&format!("#t{at} = #t{at} - :t{at}"));
            }
            To::Gone => self.remove(&format!("#t{at}")),
        }
    }

    fn count(&mut self, at: usize, count: &Count) {
        self.name('c', at, count.counter);
        self.value('a', at, count.add);
        self.value('n', at, count.at_least);
        self.value('q', at, count.at_most);
        self.values.entry(":zero".to_owned()).or_insert_with(|| n(0));
        self.set(&format!("#c{at} = if_not_exists(#c{at}, :zero) + :a{at}"));
        let absent_will_do = (count.at_least..=count.at_most).contains(&0);
        // BETWEEN with its bounds the wrong way round is an error; no number is above the one
        // and below the other.
        let within = format!("#c{at} >= :n{at} AND #c{at} <= :q{at}");
        self.condition(&if absent_will_do {
            format!("(attribute_not_exists(#c{at}) OR {within})")
        } else {
            within
        });
        if count.granted > 0 {
            self.name('g', at, format_args!("{GRANTED}{}", count.counter));
            self.value('g', at, count.granted);
            self.condition(&format!("#g{at} >= :g{at}"));
        }
    }

    fn returned(&mut self, so_far: u64, tokens: u64) {
        self.name('r', 0, RETURNED);
        self.value('r', 0, so_far);
        self.value('r', 1, so_far.saturating_add(tokens));
        self.set("#r0 = :r1");
        self.condition(if so_far == 0 {
            "(attribute_not_exists(#r0) OR #r0 = :r0)"
        } else {
            "#r0 = :r0"
        });
    }

    fn writes(&mut self, write: &Write) {
        self.name('n', 0, WRITES);
        self.value('z', 0, 0);
        self.value('o', 0, 1);
        self.set("#n0 = if_not_exists(#n0, :z0) + :o0");
        if let Some(writes) = write.writes {
            self.value('w', 0, writes);
            self.condition(if writes == 0 {
                "(attribute_not_exists(#n0) OR #n0 = :w0)"
            } else {
                "#n0 = :w0"
            });
        }
        if let Some(changed) = write.unchanged {
            self.name('h', 0, CHANGED);
            self.value('u', 0, changed.as_nanos());
            self.condition(if changed == Timestamp::EPOCH {
                "(attribute_not_exists(#h0) OR #h0 = :u0)"
            } else {
                "#h0 = :u0"
            });
        }
        if let Some(changed) = write.changed {
            self.name('h', 0, CHANGED);
            self.value('h', 0, changed.as_nanos());
            self.set("#h0 = :h0");
        }
    }

    fn name(&mut self, letter: char, at: usize, attribute: impl Display) -> String {
        let name = format!("#{letter}{at}");
        self.names.insert(name.clone(), attribute.to_string());
        name
    }

    fn value(&mut self, letter: char, at: usize, number: impl Display) {
        self.values.insert(format!(":{letter}{at}"), n(number));
    }

    fn value_text(&mut self, name: &str, text: impl Display) {
        self.values.insert(format!(":{name}"), AttributeValue::S(text.to_string()));
    }

    fn set(&mut self, action: &str) {
        joined(&mut self.set, ", ", action);
    }

    fn remove(&mut self, name: &str) {
        joined(&mut self.remove, ", ", name);
    }

    fn condition(&mut self, condition: &str) {
        joined(&mut self.condition, " AND ", condition);
    }
}

fn joined(text: &mut String, between: &str, part: &str) {
    if !text.is_empty() {
        text.push_str(between);
    }
    text.push_str(part);
}
