//! Reading and listing the items of one kind.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use crate::failure::{Failure, StoreError};
use crate::key::KeyError;
use crate::store::dynamo::failure;
use crate::table::item::{self, Item, PK, VERSION};

/// The items of one kind in a table.
///
/// Clones share the connections. Every call is made once, with the client's time-outs.
pub struct Items<T> {
    pub(crate) client: Client,
    pub(crate) table: String,
    kind: PhantomData<fn() -> T>,
}

/// Some of a table's items of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in no order.
    pub items: Vec<T>,
    /// The keys, without the kind's prefix, of items that can't be read.
    pub damaged: Vec<String>,
    /// Where the next page starts; none after the last.
    pub next: Option<String>,
}

/// Why an item wasn't written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Somebody else has written or deleted it meanwhile, or it is there already.
    #[error("the {item} was changed meanwhile: look at it, and write it again")]
    Conflict {
        /// The kind of item.
        item: &'static str,
    },
    /// There is none.
    #[error("there is no such {item}")]
    Missing {
        /// The kind of item.
        item: &'static str,
    },
    /// A new key couldn't be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The table has no answer, or holds something that can't be trusted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A condition on the stored item, in DynamoDB's words.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    expression: String,
    names: Vec<(&'static str, &'static str)>,
    values: Vec<(&'static str, AttributeValue)>,
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Written<T> {
    /// It was made.
    Done,
    /// It wasn't, because of what is stored: none if nothing is.
    Kept(Option<T>),
}

impl<T: Item> Items<T> {
    /// The items of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), kind: PhantomData }
    }

    /// Reads one; none if it isn't there. The read is consistent.
    ///
    /// # Errors
    /// The table has no answer, or the item is damaged.
    pub async fn get(&self, id: &T::Id) -> Result<Option<T>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, item::key::<T>(id))
            .consistent_read(true);
        // Boxed, like the bucket's write: a decision may wait for this too.
        let answer = Box::pin(read.send()).await.map_err(|error| failure(&error))?;
        let read = answer.item.as_ref().map(item::read).transpose()?;
        Ok(read.flatten())
    }

    /// Lists them, a page at a time; `from` is the `next` of the page before.
    ///
    /// Scans the table, a megabyte of it a page at most, so a page may be empty and not the last.
    /// A megabyte costs 128 read units, whatever is in it: listing is for operators, and an index
    /// would cost a write with every key. What is written meanwhile may be missed.
    ///
    /// # Errors
    /// The table has no answer.
    pub async fn list(&self, from: Option<&str>) -> Result<Page<T>, StoreError> {
        let start = from.map(|from| [(PK.to_owned(), item::text(from))].into());
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(#k, :prefix)")
            .expression_attribute_names("#k", PK)
            .expression_attribute_values(":prefix", item::text(T::PREFIX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let mut page = Page { items: Vec::new(), damaged: Vec::new(), next: None };
        for item in answer.items() {
            match item::read(item) {
                Ok(read) => page.items.extend(read),
                Err(_) => {
                    page.damaged.push(item::name::<T>(item).unwrap_or_default().to_owned());
                }
            }
        }
        let last = answer.last_evaluated_key.as_ref().and_then(|key| key.get(PK));
        page.next = last.and_then(|key| key.as_s().ok()).cloned();
        Ok(page)
    }

    /// Writes a whole item, where the condition holds for what is stored.
    pub(crate) async fn write(
        &self,
        item: &T,
        condition: Condition,
    ) -> Result<Written<T>, StoreError> {
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
                    let kept = kept.item().map(item::read).transpose()?;
                    Ok(Written::Kept(kept.flatten()))
                }
                _ => Err(failure(&error).into()),
            },
        }
    }

    /// Writes a whole item over the one with the version `replaced`; none if there must be none.
    pub(crate) async fn replace(&self, item: &T, replaced: Option<u64>) -> Result<(), WriteError> {
        let condition = match replaced {
            None => Condition::new("attribute_not_exists(#k)").name("#k", PK),
            Some(version) => {
                Condition::new("#v = :v").name("#v", VERSION).value(":v", item::n(version))
            }
        };
        match self.write(item, condition).await? {
            Written::Done => Ok(()),
            Written::Kept(_) => Err(WriteError::Conflict { item: T::KIND }),
        }
    }

    /// Deletes an item; says whether there was one, damaged or not.
    pub(crate) async fn remove(&self, id: &T::Id) -> Result<bool, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PK, item::key::<T>(id))
            .condition_expression("attribute_exists(#k)")
            .expression_attribute_names("#k", PK);
        match Box::pin(delete.send()).await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failure(&error).into()),
            },
        }
    }

    /// After `calls` tries that each met another writer.
    pub(crate) fn contended(calls: u32) -> StoreError {
        Failure::Contended { calls }.into()
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

/// DynamoDB refuses an empty list of values.
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
