//! Reading and listing the items of one kind.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use crate::error::{Error, Failure, WriteError};
use crate::item::{self, Attributes, Deletable, Item, PK, VERSION};

/// The items of one kind in a table.
///
/// Clones share the connections. Every call is made once, with the client's time-outs.
pub struct Items<T> {
    client: Client,
    table: String,
    kind: PhantomData<fn() -> T>,
}

/// A page of a table's items of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, unordered.
    pub items: Vec<T>,
    /// The keys of damaged items, without the kind's prefix.
    pub damaged: Vec<String>,
    /// The start of the next page; `None` after the last.
    pub next: Option<String>,
    /// The number of items of any kind that were read for this page.
    pub read: u64,
}

/// A condition on the stored item, as a DynamoDB expression.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    expression: String,
    names: Vec<(&'static str, &'static str)>,
    values: Vec<(&'static str, AttributeValue)>,
}

/// Outcome of a conditional write.
#[derive(Debug)]
pub(crate) enum Written<T> {
    /// The item was written.
    Done,
    /// The condition does not hold for the stored item; `None` if there is none.
    Kept(Option<T>),
}

impl<T: Item> Items<T> {
    /// The items of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), kind: PhantomData }
    }

    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Reads an item; `None` if it does not exist. The read is consistent.
    ///
    /// # Errors
    /// The table is unavailable, or the item is damaged.
    pub async fn get(&self, id: &T::Id) -> Result<Option<T>, Error> {
        let item = self.get_raw(id).await?;
        Ok(item.as_ref().map(item::read_item).transpose()?.flatten())
    }

    /// Reads an item's attributes, of any kind and damaged or not.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn get_raw(&self, id: &T::Id) -> Result<Option<Attributes>, Failure> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, item::item_key::<T>(id))
            .consistent_read(true);
        // Boxed, because the SDK's futures nest so deeply that callers' futures would not compile.
        Ok(Box::pin(read.send()).await?.item)
    }

    /// Lists the items page by page. `from` is the `next` of the page before.
    ///
    /// Scans at most one megabyte of the table for a page, so a page that is not the last may be
    /// empty. A megabyte always costs 128 read units. Listing is only for operators, because an
    /// index would make every write more expensive. A listing may miss an item that is written
    /// during it.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list(&self, from: Option<&str>) -> Result<Page<T>, Failure> {
        self.scan(from, None).await
    }

    /// Lists like [`list`](Self::list), but reads at most `most` items of any kind for a page.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn list_part(&self, from: Option<&str>, most: u16) -> Result<Page<T>, Failure> {
        self.scan(from, Some(i32::from(most).max(1))).await
    }

    async fn scan(&self, from: Option<&str>, limit: Option<i32>) -> Result<Page<T>, Failure> {
        let start = from.map(|from| [(PK.to_owned(), item::text(from))].into());
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(#k, :prefix)")
            .expression_attribute_names("#k", PK)
            .expression_attribute_values(":prefix", item::text(T::PREFIX))
            .set_exclusive_start_key(start)
            .set_limit(limit)
            .send()
            .await?;
        let read = u64::try_from(answer.scanned_count).unwrap_or_default();
        let mut page = Page { items: Vec::new(), damaged: Vec::new(), next: None, read };
        for item in answer.items() {
            match item::read_item(item) {
                Ok(read) => page.items.extend(read),
                Err(_) => {
                    page.damaged.push(item::id_text::<T>(item).unwrap_or_default().to_owned());
                }
            }
        }
        let last = answer.last_evaluated_key.as_ref().and_then(|key| key.get(PK));
        page.next = last.and_then(|key| key.as_s().ok()).cloned();
        Ok(page)
    }

    /// Starts an update of an item, without the conditions that its kind needs.
    #[doc(hidden)]
    #[must_use]
    pub fn update_item(&self, id: &T::Id) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key(PK, item::item_key::<T>(id))
    }

    /// Writes a whole item if the condition holds for the stored one.
    pub(crate) async fn write(&self, item: &T, condition: Condition) -> Result<Written<T>, Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::whole(item)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(owned(condition.names)))
            .set_expression_attribute_values(some(owned(condition.values)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match Box::pin(put.send()).await {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(kept)) => {
                    let kept = kept.item().map(item::read_item).transpose()?;
                    Ok(Written::Kept(kept.flatten()))
                }
                _ => Err(Failure::from(error).into()),
            },
        }
    }

    /// Writes a whole item over the version `replaced`; `None` for a new item.
    pub(crate) async fn replace(&self, item: &T, replaced: Option<u64>) -> Result<(), WriteError> {
        let condition = match replaced {
            None => Condition::new("attribute_not_exists(#k)").name("#k", PK),
            Some(version) => {
                Condition::new("#v = :v").name("#v", VERSION).value(":v", item::number(version))
            }
        };
        match self.write(item, condition).await? {
            Written::Done => Ok(()),
            Written::Kept(_) => Err(WriteError::Conflict { item: T::KIND }),
        }
    }
}

impl<T: Deletable> Items<T> {
    /// Deletes an item, damaged or not; returns false if it does not exist.
    ///
    /// # Errors
    /// The table is unavailable.
    pub async fn delete(&self, id: &T::Id) -> Result<bool, Failure> {
        self.delete_if(id, Condition::new("attribute_exists(#k)").name("#k", PK)).await
    }

    /// Deletes an item if it has this version; returns false otherwise.
    pub(crate) async fn delete_version(&self, id: &T::Id, version: u64) -> Result<bool, Failure> {
        let is_same = Condition::new("#v = :v").name("#v", VERSION);
        self.delete_if(id, is_same.value(":v", item::number(version))).await
    }

    async fn delete_if(&self, id: &T::Id, condition: Condition) -> Result<bool, Failure> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PK, item::item_key::<T>(id))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(owned(condition.names)))
            .set_expression_attribute_values(some(owned(condition.values)));
        match Box::pin(delete.send()).await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

impl Condition {
    pub(crate) fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), ..Self::default() }
    }

    pub(crate) fn name(mut self, placeholder: &'static str, name: &'static str) -> Self {
        self.names.push((placeholder, name));
        self
    }

    pub(crate) fn value(mut self, placeholder: &'static str, value: AttributeValue) -> Self {
        self.values.push((placeholder, value));
        self
    }
}

fn owned<V, W: From<V>>(pairs: Vec<(&str, V)>) -> HashMap<String, W> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// DynamoDB rejects an empty map of values.
fn some<V>(map: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

impl<T> Clone for Items<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), table: self.table.clone(), kind: PhantomData }
    }
}

impl<T: Item> Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("kind", &T::KIND).field("table", &self.table).finish()
    }
}
