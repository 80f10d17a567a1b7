//! The kinds of items in the table: one definition each, to and from DynamoDB's types.

mod assignment;
pub(crate) mod bucket;
mod digest;
mod history;
mod key;
mod notice;
mod plan;
mod revocation;
mod size;

use std::collections::HashMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::failure::Damage;

pub use assignment::Assignment;
pub use digest::{Digest, DigestError};
pub use history::BucketRecord;
pub use key::{KeyDetails, KeyRecord};
pub use notice::{Notice, NoticeId};
pub use revocation::{Revocable, RevocableError, Revocation, RevocationKind};

pub(crate) use digest::hex;
pub(crate) use history::{GRANTED, GRANTS, MAX_GRANTED, stale};
pub(crate) use key::ENABLED;
pub(crate) use notice::{CLAIMED_UNTIL, TOLD_AT};
pub(crate) use plan::{CREATED, DELETED, PLAN};
pub(crate) use revocation::ISSUED_BEFORE;

/// An item as the SDK has it.
pub type Attributes = HashMap<String, AttributeValue>;

/// The table's only key.
pub(crate) const PK: &str = "pk";
/// The second from which an item may be deleted: the table's time to live.
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// The number of times that an item of a kind with conditional writes was written.
pub(crate) const VERSION: &str = "version";

/// One kind of item: its key and its attributes, both ways.
///
/// What is read is checked as if anybody could have written it: a wrong attribute is a
/// [`Damage`] that names it. Attributes that a kind doesn't know are left alone.
pub trait Item: Sized + Send + Sync {
    /// What tells two items of the kind apart.
    type Id: Send + Sync;

    /// What people call the kind.
    const KIND: &'static str;
    /// How the keys of the kind begin, and no other kind's do.
    const PREFIX: &'static str;

    /// Which one this is.
    fn id(&self) -> &Self::Id;

    /// The key of an item, after the prefix.
    fn name(id: &Self::Id) -> String;

    /// Which item has this key, after the prefix; none if no item can.
    fn parse(name: &str) -> Option<Self::Id>;

    /// The attributes, but for the key.
    ///
    /// # Errors
    /// It can't be written so that it reads back.
    fn attributes(&self) -> Result<Attributes, Damage>;

    /// Reads the attributes; none if they say that the item was deleted.
    ///
    /// # Errors
    /// An attribute is missing or wrong.
    fn read(id: Self::Id, item: &Attributes) -> Result<Option<Self>, Damage>;
}

/// The key of an item.
pub(crate) fn key<T: Item>(id: &T::Id) -> AttributeValue {
    AttributeValue::S(format!("{}{}", T::PREFIX, T::name(id)))
}

/// An item with its key, to be written.
pub(crate) fn whole<T: Item>(item: &T) -> Result<Attributes, Damage> {
    let mut attributes = item.attributes()?;
    attributes.insert(PK.to_owned(), key::<T>(item.id()));
    Ok(attributes)
}

/// The key in an item, after the prefix, whatever else the item holds.
pub(crate) fn name<T: Item>(item: &Attributes) -> Option<&str> {
    item.get(PK)?.as_s().ok()?.strip_prefix(T::PREFIX)
}

/// Reads an item that has its key in it.
pub(crate) fn read<T: Item>(item: &Attributes) -> Result<Option<T>, Damage> {
    let id = name::<T>(item).and_then(T::parse);
    T::read(id.ok_or_else(|| damage(T::KIND, PK, "is no key of this kind"))?, item)
}

/// Reads an item's attributes, one after the other.
pub(crate) struct Reading<'a, T> {
    item: &'a Attributes,
    kind: PhantomData<T>,
}

impl<'a, T: Item> Reading<'a, T> {
    pub(crate) fn of(item: &'a Attributes) -> Self {
        Self { item, kind: PhantomData }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.item.contains_key(name)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Damage> {
        number(T::KIND, self.item, name)
    }

    /// A moment, in nanoseconds.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Damage> {
        Ok(self.number(name)?.map(Timestamp::from_nanos))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Damage> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        let text = value.as_s().map_err(|_| damage(T::KIND, name, "is no text"))?;
        Ok(Some(text.as_str()))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Damage> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        let flag = value.as_bool().map_err(|_| damage(T::KIND, name, "is neither true nor false"));
        flag.copied().map(Some)
    }

    /// A text that is checked further.
    pub(crate) fn checked<V, E: Display>(
        &self,
        name: &str,
        check: impl FnOnce(&'a str) -> Result<V, E>,
    ) -> Result<Option<V>, Damage> {
        let checked = self.text(name)?.map(check).transpose();
        checked.map_err(|error| damage(T::KIND, name, error.to_string()))
    }

    /// A list of texts that are checked further; empty if it is missing.
    pub(crate) fn checked_list<V, E: Display>(
        &self,
        name: &str,
        check: impl Fn(&'a str) -> Result<V, E>,
    ) -> Result<Vec<V>, Damage> {
        let Some(value) = self.item.get(name) else { return Ok(Vec::new()) };
        let wrong = |_: &AttributeValue| damage(T::KIND, name, "is not a list of texts");
        let read = |entry: &'a AttributeValue| {
            let text = entry.as_s().map_err(wrong)?;
            check(text).map_err(|error| damage(T::KIND, name, error.to_string()))
        };
        value.as_l().map_err(wrong)?.iter().map(read).collect()
    }

    /// What must be there.
    pub(crate) fn needed<V>(&self, name: &str, value: Option<V>) -> Result<V, Damage> {
        value.ok_or_else(|| damage(T::KIND, name, "is missing"))
    }
}

/// A text for an expression.
pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number for an expression.
pub(crate) fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A whole number of an item, none if it isn't there.
fn number<T: FromStr>(
    kind: &'static str,
    item: &Attributes,
    name: &str,
) -> Result<Option<T>, Damage> {
    let Some(value) = item.get(name) else { return Ok(None) };
    let parsed = value.as_n().ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| damage(kind, name, "is no whole number, or out of range"))
}

pub(crate) fn damage(item: &'static str, attribute: &str, problem: impl Into<String>) -> Damage {
    Damage { item, attribute: attribute.to_owned(), problem: problem.into() }
}
