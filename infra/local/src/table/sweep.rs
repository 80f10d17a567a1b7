//! The removal of expired items, at an interval.
//!
//! As with DynamoDB, an item shows until it is removed, and one that expired more than five years
//! ago is never removed, because such a time is taken for a mistake (developer guide, "Using time
//! to live").

use std::collections::HashMap;

use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::types::AttributeValue;
use dynoxide::{Database, DynoxideError};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::Options;

/// Items that expired longer ago, in seconds, are kept.
const FIVE_YEARS: u64 = 5 * 365 * 86_400;
/// Items that are looked at in one go, while requests wait.
const PAGE: usize = 100;
/// The condition of the search, and of the removal: the item may have been written in between.
const EXPIRED: &str = "#expires < :now AND #expires > :oldest";

/// Removes expired items until the runtime ends.
pub(super) async fn run(database: Database, options: Options) {
    let mut ticks = interval(options.sweep);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (database, now) = (database.clone(), options.now.moment().as_secs());
        // The next sweep removes what a failed one leaves.
        drop(spawn_blocking(move || sweep(&database, now)).await);
    }
}

fn sweep(database: &Database, now: u64) -> Result<(), DynoxideError> {
    for table in database.list_tables(ListTablesRequest::default())?.table_names {
        let Some(meta) = database.get_table_metadata(&table)? else { continue };
        if let Some(attribute) = meta.ttl_attribute.filter(|_| meta.ttl_enabled) {
            sweep_table(database, &table, &attribute, now)?;
        }
    }
    Ok(())
}

fn sweep_table(
    database: &Database,
    table: &str,
    attribute: &str,
    now: u64,
) -> Result<(), DynoxideError> {
    let keys = key_names(database, table)?;
    let names = HashMap::from([("#expires".to_owned(), attribute.to_owned())]);
    let number = |number: u64| AttributeValue::N(number.to_string());
    let values = HashMap::from([
        (":now".to_owned(), number(now)),
        (":oldest".to_owned(), number(now.saturating_sub(FIVE_YEARS))),
    ]);
    let mut from = None;
    loop {
        let page = database.scan(ScanRequest {
            table_name: table.to_owned(),
            filter_expression: Some(EXPIRED.to_owned()),
            expression_attribute_names: Some(names.clone()),
            expression_attribute_values: Some(values.clone()),
            limit: Some(PAGE),
            exclusive_start_key: from,
            ..ScanRequest::default()
        })?;
        for item in page.items.unwrap_or_default() {
            let key = item.into_iter().filter(|(name, _)| keys.contains(name)).collect();
            let removed = database.delete_item(DeleteItemRequest {
                table_name: table.to_owned(),
                key,
                condition_expression: Some(EXPIRED.to_owned()),
                expression_attribute_names: Some(names.clone()),
                expression_attribute_values: Some(values.clone()),
                ..DeleteItemRequest::default()
            });
            match removed {
                // Written in between, and so no longer expired.
                Ok(_) | Err(DynoxideError::ConditionalCheckFailedException(..)) => {}
                Err(error) => return Err(error),
            }
        }
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(());
        }
    }
}

/// The attributes of a table's primary key, the partition key first.
pub(super) fn key_names(database: &Database, table: &str) -> Result<Vec<String>, DynoxideError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Element {
        attribute_name: String,
        key_type: String,
    }
    let Some(meta) = database.get_table_metadata(table)? else { return Ok(Vec::new()) };
    let mut elements: Vec<Element> = serde_json::from_str(&meta.key_schema).unwrap_or_default();
    elements.sort_by_key(|element| element.key_type != "HASH");
    Ok(elements.into_iter().map(|element| element.attribute_name).collect())
}
