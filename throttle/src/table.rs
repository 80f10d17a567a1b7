//! The table's shape: one key, a time to live, and the items in it.
//!
//! `pk` alone is the key. It says what an item is: `PLAN#id`, `KEY#digest`, `SUBJECT#subject`,
//! `BUCKET#subject`, `REVOKED#kind#digest`, `NOTICE#counter#percent#subject`. `expires_at` is the
//! second from which DynamoDB may delete an item; one that is gone counts as unused.

mod assignments;
mod buckets;
pub(crate) mod item;
mod items;
mod keys;
mod notices;
mod offset;
mod plans;
mod revocations;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::failure::Failure;
use crate::store::dynamo::failure;
use crate::table::item::{EXPIRES_AT, PK};

pub use assignments::Assignments;
pub use buckets::{Buckets, GrantError};
pub use item::{
    Assignment, Attributes, BucketRecord, Digest, DigestError, Item, KeyDetails, KeyRecord, Notice,
    NoticeId, Revocable, RevocableError, Revocation, RevocationKind,
};
pub use items::{Items, Page, WriteError};
pub use keys::Keys;
pub use notices::{Claim, Notices};
pub use offset::clock_offset;
pub use plans::Plans;
pub use revocations::Revocations;

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is none of this name.
    #[error("there is no table `{table}`: create it, or correct its name and region")]
    Missing {
        /// Its name.
        table: String,
    },
    /// It isn't shaped as Tollgate's is.
    #[error("the table `{table}` is not Tollgate's: {problem}; use another name")]
    Schema {
        /// Its name.
        table: String,
        /// What differs.
        problem: &'static str,
    },
    /// It wasn't ready within a minute.
    #[error("the table `{table}` is not ready yet: try again in a minute")]
    NotReady {
        /// Its name.
        table: String,
    },
    /// DynamoDB has no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// How a table stands that has the right shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether it can be used now.
    pub active: bool,
    /// Whether items that have expired are deleted.
    pub expiring: bool,
    /// About how many items there are; DynamoDB counts every six hours or so.
    pub items: u64,
}

/// Creates the table, with capacity on demand, and waits until it can be used.
///
/// A table that is there already and has the right shape is left as it is, but for its time to
/// live, which is turned on where it is off. Says whether the table is new.
///
/// # Errors
/// The table has another shape, isn't ready within a minute, or DynamoDB has no answer.
pub async fn create(client: &Client, table: &str) -> Result<bool, TableError> {
    let text = ScalarAttributeType::S;
    let key = AttributeDefinition::builder().attribute_name(PK).attribute_type(text).build();
    let schema = KeySchemaElement::builder().attribute_name(PK).key_type(KeyType::Hash).build();
    let created = client
        .create_table()
        .table_name(table)
        .attribute_definitions(key.map_err(unbuilt)?)
        .key_schema(schema.map_err(unbuilt)?)
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
        Err(error) => return Err(failure(&error).into()),
    };
    let status = ready(client, table).await?;
    if !status.expiring {
        expire(client, table).await?;
    }
    Ok(new)
}

/// Checks that the table is there and shaped as it must be.
///
/// # Errors
/// There is no such table, it has another shape, or DynamoDB has no answer.
pub async fn check(client: &Client, table: &str) -> Result<Status, TableError> {
    let answer = client.describe_table().table_name(table).send().await;
    let answer = answer.map_err(|error| TableError::of(table, failure(&error)))?;
    let missing = || TableError::Missing { table: table.to_owned() };
    let description = answer.table.ok_or_else(missing)?;
    check_shape(table, &description)?;

    let answer = client.describe_time_to_live().table_name(table).send().await;
    let answer = answer.map_err(|error| TableError::of(table, failure(&error)))?;
    let lifetime = answer.time_to_live_description;
    let attribute = lifetime.as_ref().and_then(|lifetime| lifetime.attribute_name());
    let expiring = matches!(
        lifetime.as_ref().and_then(|lifetime| lifetime.time_to_live_status()),
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    );
    if expiring && attribute != Some(EXPIRES_AT) {
        let problem = "its time to live is not by `expires_at`";
        return Err(TableError::Schema { table: table.to_owned(), problem });
    }
    Ok(Status {
        active: description.table_status == Some(TableStatus::Active),
        expiring,
        items: description.item_count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
    })
}

impl TableError {
    fn of(table: &str, failure: Failure) -> Self {
        match failure {
            Failure::NoTable => Self::Missing { table: table.to_owned() },
            failure => Self::Failure(failure),
        }
    }
}

fn check_shape(table: &str, description: &TableDescription) -> Result<(), TableError> {
    let wrong = |problem| Err(TableError::Schema { table: table.to_owned(), problem });
    match description.key_schema() {
        [key] if key.attribute_name() == PK && *key.key_type() == KeyType::Hash => {}
        _ => return wrong("its key is not `pk` alone"),
    }
    let text = description.attribute_definitions().iter().any(|attribute| {
        attribute.attribute_name() == PK && *attribute.attribute_type() == ScalarAttributeType::S
    });
    if text { Ok(()) } else { wrong("its key `pk` is not text") }
}

async fn ready(client: &Client, table: &str) -> Result<Status, TableError> {
    for _ in 0..READY_POLLS {
        match check(client, table).await {
            Ok(status) if status.active => return Ok(status),
            // A table that has just been made may not be seen by every reader yet.
            Ok(_) | Err(TableError::Missing { .. }) => tokio::time::sleep(READY_POLL).await,
            Err(error) => return Err(error),
        }
    }
    Err(TableError::NotReady { table: table.to_owned() })
}

async fn expire(client: &Client, table: &str) -> Result<(), TableError> {
    let lifetime =
        TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build();
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(lifetime.map_err(unbuilt)?)
        .send()
        .await
        .map_err(|error| TableError::of(table, failure(&error)))?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn unbuilt(error: BuildError) -> Failure {
    Failure::Rejected { code: error.to_string() }
}

const READY_POLL: Duration = Duration::from_millis(500);
const READY_POLLS: u32 = 120;
