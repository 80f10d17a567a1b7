//! The kinds of items, against a served table: a module a kind.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod buckets;
#[path = "../common/mod.rs"]
mod common;
#[path = "../../../infra/table/tests/items/counted.rs"]
mod counted;
mod earlier;
mod key_lookup;
mod properties;
mod table;

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tollgate_throttle::{Clock, ManualClock, Timestamp};

use common::{Served, TABLE};

/// A plain moment.
fn now() -> Timestamp {
    ManualClock::default().now()
}

fn after(secs: u64) -> Timestamp {
    now().saturating_add(Duration::from_secs(secs))
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
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
