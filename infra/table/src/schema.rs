//! Schema of the table: its key and its time to live.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::error::Failure;
use crate::item::{EXPIRES_AT, PK};

/// Error of creating or checking a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The table does not exist.
    #[error("there is no table `{table}`: create it, or correct its name and region")]
    Missing {
        /// Its name.
        table: String,
    },
    /// The table has another schema.
    #[error("the table `{table}` is not Tollgate's: {problem}; use another name")]
    Schema {
        /// Its name.
        table: String,
        /// The difference.
        problem: &'static str,
    },
    /// DynamoDB has no tables of this name.
    #[error("`{table}` cannot name a table: use 3 to 255 letters, digits, `_`, `.` or `-`")]
    Name {
        /// The name.
        table: String,
    },
    /// The table was not ready within a minute.
    #[error("the table `{table}` is not ready yet: try again in a minute")]
    NotReady {
        /// Its name.
        table: String,
    },
    /// The call failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// State of a table with the right schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// True if the table can be used.
    pub active: bool,
    /// True if DynamoDB deletes expired items.
    pub expiring: bool,
    /// The approximate number of items, which DynamoDB counts about every six hours.
    pub items: u64,
}

/// Creates the table, with capacity on demand, and waits until it can be used.
///
/// Returns false if the table already exists with the right schema. Turns its time to live on if it
/// is off.
///
/// # Errors
/// The name is invalid; the table has another schema, is not ready within a minute, or is
/// unavailable.
pub async fn create(client: &Client, table: &str) -> Result<bool, SchemaError> {
    check_name(table)?;
    let text = ScalarAttributeType::S;
    let key = AttributeDefinition::builder().attribute_name(PK).attribute_type(text).build();
    let schema = KeySchemaElement::builder().attribute_name(PK).key_type(KeyType::Hash).build();
    let created = client
        .create_table()
        .table_name(table)
        .attribute_definitions(key.map_err(Failure::from)?)
        .key_schema(schema.map_err(Failure::from)?)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    let new = match created {
        Ok(_) => true,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            false
        }
        Err(error) => return Err(Failure::from(error).into()),
    };
    let status = ready(client, table).await?;
    if !status.expiring {
        expire(client, table).await?;
    }
    Ok(new)
}

/// Checks a table's name by DynamoDB's bounds. DynamoDB also takes an ARN in its place.
///
/// # Errors
/// The name is invalid.
pub fn check_name(table: &str) -> Result<(), SchemaError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let is_name = (3..=255).contains(&table.len()) && table.chars().all(plain);
    if is_name || table.starts_with("arn:") {
        return Ok(());
    }
    Err(SchemaError::Name { table: table.to_owned() })
}

/// Checks that the table exists and has the right schema.
///
/// # Errors
/// The name is invalid; the table does not exist, has another schema, or is unavailable.
pub async fn check(client: &Client, table: &str) -> Result<Status, SchemaError> {
    check_name(table)?;
    let answer = client.describe_table().table_name(table).send().await;
    let answer = answer.map_err(|error| SchemaError::of(table, error.into()))?;
    let missing = || SchemaError::Missing { table: table.to_owned() };
    let description = answer.table.ok_or_else(missing)?;
    check_shape(table, &description)?;

    let answer = client.describe_time_to_live().table_name(table).send().await;
    let answer = answer.map_err(|error| SchemaError::of(table, error.into()))?;
    let lifetime = answer.time_to_live_description;
    let attribute = lifetime.as_ref().and_then(|lifetime| lifetime.attribute_name());
    let expiring = matches!(
        lifetime.as_ref().and_then(|lifetime| lifetime.time_to_live_status()),
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    );
    if expiring && attribute != Some(EXPIRES_AT) {
        let problem = "its time to live is not by `expires_at`";
        return Err(SchemaError::Schema { table: table.to_owned(), problem });
    }
    Ok(Status {
        active: description.table_status == Some(TableStatus::Active),
        expiring,
        items: description.item_count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
    })
}

impl SchemaError {
    fn of(table: &str, failure: Failure) -> Self {
        match failure {
            Failure::NoTable => Self::Missing { table: table.to_owned() },
            failure => Self::Failure(failure),
        }
    }
}

fn check_shape(table: &str, description: &TableDescription) -> Result<(), SchemaError> {
    let wrong = |problem| Err(SchemaError::Schema { table: table.to_owned(), problem });
    match description.key_schema() {
        [key] if key.attribute_name() == PK && *key.key_type() == KeyType::Hash => {}
        _ => return wrong("its key is not `pk` alone"),
    }
    let text = description.attribute_definitions().iter().any(|attribute| {
        attribute.attribute_name() == PK && *attribute.attribute_type() == ScalarAttributeType::S
    });
    if text { Ok(()) } else { wrong("its key `pk` is not text") }
}

async fn ready(client: &Client, table: &str) -> Result<Status, SchemaError> {
    for _ in 0..READY_POLLS {
        match check(client, table).await {
            Ok(status) if status.active => return Ok(status),
            // A new table may not be visible to every reader yet.
            Ok(_) | Err(SchemaError::Missing { .. }) => tokio::time::sleep(READY_POLL).await,
            Err(error) => return Err(error),
        }
    }
    Err(SchemaError::NotReady { table: table.to_owned() })
}

async fn expire(client: &Client, table: &str) -> Result<(), SchemaError> {
    let lifetime =
        TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build();
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(lifetime.map_err(Failure::from)?)
        .send()
        .await
        .map_err(|error| SchemaError::of(table, error.into()))?;
    Ok(())
}

const READY_POLL: Duration = Duration::from_millis(500);
const READY_POLLS: u32 = 120;
