//! Tables of a template, which are created before the first request.

use std::collections::BTreeSet;

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use dynoxide::storage::TableMetadata;
use dynoxide::{Database, DynoxideError};
use serde::Deserialize as _;
use serde_json::Value;

/// The mark of DynamoDB's own texts in the server's errors of reading a request.
const MARK: &str = "VALIDATION:";

/// Errors of creating a table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefineError {
    /// The request is wrong, in DynamoDB's words.
    #[error("{0}")]
    Request(String),
    /// A table of the name has other keys or indexes.
    #[error(
        "it exists with other keys or indexes than the template's; change `TableName`, or remove it"
    )]
    Other,
    /// The database fails or refuses the table.
    #[error(transparent)]
    Database(#[from] DynoxideError),
}

/// Creates a table by a request of `CreateTable`, unless it exists with the same keys and indexes.
///
/// `expiry` is the attribute of its time to live. Returns the label of its stream, if it has one.
pub(super) fn define(
    database: &Database,
    request: &Value,
    expiry: Option<String>,
) -> Result<Option<String>, DefineError> {
    let wanted = CreateTableRequest::deserialize(request);
    let wanted = wanted.map_err(|error| DefineError::Request(own(&error)))?;
    let table_name = wanted.table_name.clone();
    let existing = database.get_table_metadata(&table_name)?;
    match &existing {
        Some(existing) if shape(request) != shape(&described(existing)) => {
            return Err(DefineError::Other);
        }
        Some(_) => {}
        None => drop(database.create_table(wanted)?),
    }
    if let Some(attribute_name) = expiry
        && !existing.is_some_and(|existing| existing.ttl_enabled)
    {
        let time_to_live_specification = TimeToLiveSpecification { attribute_name, enabled: true };
        let table_name = table_name.clone();
        let request = UpdateTimeToLiveRequest { table_name, time_to_live_specification };
        database.update_time_to_live(request)?;
    }
    Ok(database.get_table_metadata(&table_name)?.and_then(|table| table.stream_label))
}

/// DynamoDB's text in an error of reading a request.
fn own(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.strip_prefix(MARK).unwrap_or(&text).to_owned()
}

/// A table that exists, in the members of `CreateTable`.
fn described(table: &TableMetadata) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let indexes = |text: &Option<String>| text.as_deref().map(read).unwrap_or_default();
    serde_json::json!({
        "KeySchema": read(&table.key_schema),
        "AttributeDefinitions": read(&table.attribute_definitions),
        "GlobalSecondaryIndexes": indexes(&table.gsi_definitions),
        "LocalSecondaryIndexes": indexes(&table.lsi_definitions),
    })
}

/// The keys and indexes of a table, in any order.
fn shape(table: &Value) -> BTreeSet<String> {
    let list = |name: &str| table.get(name).and_then(Value::as_array).into_iter().flatten();
    let key = |found: &Value| found.get("KeySchema").map(Value::to_string).unwrap_or_default();
    let indexes = list("GlobalSecondaryIndexes").chain(list("LocalSecondaryIndexes"));
    let indexes = indexes.map(|index| {
        let name = index.get("IndexName").map(Value::to_string).unwrap_or_default();
        format!("{name} {}", key(index))
    });
    list("AttributeDefinitions").map(Value::to_string).chain(indexes).chain([key(table)]).collect()
}
