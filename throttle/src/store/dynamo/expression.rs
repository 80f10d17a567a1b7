//! A charge in DynamoDB's words.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::bucket::{Charge, Form};
use crate::table::item::{EXPIRES_AT, bucket::TAT, n};

/// The update and the condition of one write: [`Charge::apply`] and [`Charge::applies`].
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn new(charge: &Charge, form: Form) -> Self {
        let mut names = HashMap::from([("#x".to_owned(), EXPIRES_AT.to_owned())]);
        let mut values = HashMap::from([(":x".to_owned(), n(charge.expires_at))]);
        let mut set = vec!["#x = :x".to_owned()];
        let mut remove = Vec::new();
        let mut conditions = Vec::new();

        if let Some(step) = charge.step {
            names.insert("#t".to_owned(), TAT.to_owned());
            values.insert(":now".to_owned(), n(charge.now.as_nanos()));
            match form {
                Form::Idle => {
                    let tat = charge.now.saturating_add(step.advance);
                    values.insert(":t".to_owned(), n(tat.as_nanos()));
                    set.push("#t = :t".to_owned());
                    conditions.push("(attribute_not_exists(#t) OR #t <= :now)".to_owned());
                }
                Form::Busy => {
                    values.insert(":t".to_owned(), nanos(step.advance));
                    values.insert(":ceiling".to_owned(), n(step.ceiling.as_nanos()));
                    set.push("#t = #t + :t".to_owned());
                    conditions.push("#t > :now AND #t <= :ceiling".to_owned());
                }
            }
        }
        for (at, count) in charge.counts.iter().enumerate() {
            names.insert(format!("#c{at}"), count.name.clone());
            names.insert(format!("#f{at}"), count.forgotten.clone());
            values.insert(":zero".to_owned(), n(0));
            values.insert(format!(":c{at}"), n(count.cost));
            set.push(format!("#c{at} = if_not_exists(#c{at}, :zero) + :c{at}"));
            remove.push(format!("#f{at}"));
            // The lower bound keeps a damaged, negative counter from being used.
            conditions.push(match count.room() {
                Some(room) => {
                    values.insert(format!(":m{at}"), n(room));
                    format!("(attribute_not_exists(#c{at}) OR #c{at} BETWEEN :zero AND :m{at})")
                }
                None => format!("#c{at} < :zero"),
            });
        }

        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update = format!("{update} REMOVE {}", remove.join(", "));
        }
        Self { update, condition: conditions.join(" AND "), names, values }
    }
}

fn nanos(duration: Duration) -> AttributeValue {
    AttributeValue::N(duration.as_nanos().to_string())
}
