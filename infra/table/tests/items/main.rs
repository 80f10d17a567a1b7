//! The kinds of items, against a served table: a module a kind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

// The modules that `throttle` shares name the crate as its users do.
extern crate tollgate_table as table;

mod assignments;
#[path = "../../../../throttle/tests/common/mod.rs"]
mod common;
mod counted;
mod keys;
mod notices;
mod revocations;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;

use common::{Served, TABLE};

/// A fixed time.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_251_600)
}

fn after(secs: u64) -> SystemTime {
    now() + Duration::from_secs(secs)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl TryInto<i128>) -> AttributeValue {
    AttributeValue::N(number.try_into().ok().unwrap().to_string())
}

/// Changes one attribute of an item; none removes it.
async fn edit(served: &Served, pk: &str, attribute: &str, value: Option<AttributeValue>) {
    let update = served.client.update_item().table_name(TABLE).key("pk", text(pk));
    let update = update.expression_attribute_names("#a", attribute);
    let update = match value {
        Some(value) => {
            update.update_expression("SET #a = :a").expression_attribute_values(":a", value)
        }
        None => update.update_expression("REMOVE #a"),
    };
    update.send().await.unwrap();
}

/// The attributes of an item, as they are stored.
async fn raw(served: &Served, pk: &str) -> Option<::table::Attributes> {
    let read = served.client.get_item().table_name(TABLE).key("pk", text(pk));
    read.send().await.unwrap().item
}
