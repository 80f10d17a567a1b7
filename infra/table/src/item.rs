//! Common to all kinds of items: their keys, and their attributes in DynamoDB's types.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::time::SystemTime;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{Damage, TextError};
use crate::time::{from_nanos, nanos};

/// An item in the SDK's types.
pub type Attributes = HashMap<String, AttributeValue>;

/// The table's only key.
pub const PK: &str = "pk";
/// The second from which DynamoDB may delete an item: the table's time to live.
pub const EXPIRES_AT: &str = "expires_at";
/// The number of writes of an item.
pub(crate) const VERSION: &str = "version";

/// One kind of item, with reading and writing of its key and attributes.
///
/// Every attribute is checked when it is read, because other programs may have written it. A
/// missing or invalid one is a [`Damage`] that names it. Unknown attributes are ignored.
pub trait Item: Sized + Send + Sync {
    /// Identifies an item among those of its kind. As text, it is the key after the prefix.
    type Id: Display + Sync + ?Sized;

    /// The name of the kind in messages.
    const KIND: &'static str;
    /// The prefix of the kind's keys.
    const PREFIX: &'static str;

    /// Returns the item's id.
    fn id(&self) -> &Self::Id;

    /// Returns the attributes without the key.
    fn attributes(&self) -> Attributes;

    /// Reads an item; `None` if the attributes mark it as deleted.
    ///
    /// # Errors
    /// The id, which is the key after the prefix, or an attribute is missing or invalid.
    fn read(id: &str, item: &Attributes) -> Result<Option<Self>, Damage>;
}

/// A kind whose items may be deleted entirely. A plan's item must stay, because its version must.
pub trait Deletable: Item {}

/// A type of attribute.
pub trait Attribute: Sized {
    /// The problem with a value of another type.
    const PROBLEM: &'static str;

    /// Reads a value; `None` if it has another type.
    fn read(value: &AttributeValue) -> Option<Self>;
}

/// Reads an item's attributes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    kind: &'static str,
    item: &'a Attributes,
}

impl<'a> Reader<'a> {
    /// Reads the attributes of an item of this kind.
    #[must_use]
    pub fn new<T: Item>(item: &'a Attributes) -> Self {
        Self { kind: T::KIND, item }
    }

    /// Reads an attribute; `None` if it is missing.
    ///
    /// # Errors
    /// It has another type.
    pub fn optional<A: Attribute>(self, name: &str) -> Result<Option<A>, Damage> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        A::read(value).map(Some).ok_or_else(|| self.damage(name, A::PROBLEM))
    }

    /// Reads an attribute.
    ///
    /// # Errors
    /// It is missing or has another type.
    pub fn required<A: Attribute>(self, name: &str) -> Result<A, Damage> {
        self.optional(name)?.ok_or_else(|| self.damage(name, "is missing"))
    }

    /// Reads a text of at most `max` bytes; `None` if it is missing.
    pub(crate) fn optional_text(self, name: &str, max: usize) -> Result<Option<String>, Damage> {
        let text: Option<String> = self.optional(name)?;
        text.as_deref().map_or(Ok(()), |text| self.check(name, text, max))?;
        Ok(text)
    }

    /// Reads a text of at most `max` bytes.
    pub(crate) fn text(self, name: &str, max: usize) -> Result<String, Damage> {
        self.optional_text(name, max)?.ok_or_else(|| self.damage(name, "is missing"))
    }

    /// Checks a text that was read: see [`check_text`].
    pub(crate) fn check(self, name: &str, text: &str, max: usize) -> Result<(), Damage> {
        check_text(text, max).map_err(|error| self.damage(name, error.to_string()))
    }

    /// Makes the error of an attribute.
    #[must_use]
    pub fn damage(self, name: &str, problem: impl Into<String>) -> Damage {
        Damage { item: self.kind, attribute: name.to_owned(), problem: problem.into() }
    }
}

impl Attribute for u64 {
    const PROBLEM: &'static str = WHOLE_NUMBER;

    fn read(value: &AttributeValue) -> Option<Self> {
        value.as_n().ok()?.parse().ok()
    }
}

impl Attribute for i64 {
    const PROBLEM: &'static str = WHOLE_NUMBER;

    fn read(value: &AttributeValue) -> Option<Self> {
        value.as_n().ok()?.parse().ok()
    }
}

/// Nanoseconds since the Unix epoch.
impl Attribute for SystemTime {
    const PROBLEM: &'static str = WHOLE_NUMBER;

    fn read(value: &AttributeValue) -> Option<Self> {
        u64::read(value).map(from_nanos)
    }
}

impl Attribute for bool {
    const PROBLEM: &'static str = "is neither true nor false";

    fn read(value: &AttributeValue) -> Option<Self> {
        value.as_bool().ok().copied()
    }
}

impl Attribute for String {
    const PROBLEM: &'static str = "is not a text";

    fn read(value: &AttributeValue) -> Option<Self> {
        value.as_s().ok().cloned()
    }
}

impl Attribute for Vec<String> {
    const PROBLEM: &'static str = "is not a list of texts";

    fn read(value: &AttributeValue) -> Option<Self> {
        value.as_l().ok()?.iter().map(String::read).collect()
    }
}

impl Attribute for BTreeMap<String, String> {
    const PROBLEM: &'static str = "is not a map of texts";

    fn read(value: &AttributeValue) -> Option<Self> {
        let entry = |(name, value): (&String, _)| Some((name.clone(), String::read(value)?));
        value.as_m().ok()?.iter().map(entry).collect()
    }
}

/// The key of an item.
#[must_use]
pub fn item_key<T: Item>(id: &T::Id) -> AttributeValue {
    AttributeValue::S(format!("{}{id}", T::PREFIX))
}

/// Reads an item that has its key in it; `None` if its attributes mark it as deleted.
///
/// # Errors
/// The key is not one of this kind, or an attribute is missing or invalid.
pub fn read_item<T: Item>(item: &Attributes) -> Result<Option<T>, Damage> {
    let id = id_text::<T>(item);
    T::read(id.ok_or_else(|| Reader::new::<T>(item).damage(PK, NO_KEY))?, item)
}

/// Returns the key after the prefix, without checking other attributes.
pub(crate) fn id_text<T: Item>(item: &Attributes) -> Option<&str> {
    item.get(PK)?.as_s().ok()?.strip_prefix(T::PREFIX)
}

/// Returns an item with its key, to be written. Fails if it could not be read back.
pub(crate) fn whole<T: Item>(item: &T) -> Result<Attributes, Damage> {
    let mut attributes = item.attributes();
    T::read(&item.id().to_string(), &attributes)?;
    attributes.insert(PK.to_owned(), item_key::<T>(item.id()));
    Ok(attributes)
}

/// Attributes with these names. Those without a value are left out.
pub(crate) fn attributes<const N: usize>(
    values: [(&str, Option<AttributeValue>); N],
) -> Attributes {
    let set = |(name, value): (&str, Option<_>)| Some((name.to_owned(), value?));
    values.into_iter().filter_map(set).collect()
}

/// A text in DynamoDB's types.
#[must_use]
pub fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number in DynamoDB's types.
#[must_use]
pub fn number(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A time in nanoseconds.
pub(crate) fn time(time: SystemTime) -> AttributeValue {
    number(nanos(time))
}

/// Checks that a text is not empty, has at most `max` bytes and no control characters.
///
/// # Errors
/// It is empty, longer, or has a control character.
pub fn check_text(text: &str, max: usize) -> Result<(), TextError> {
    if text.is_empty() {
        Err(TextError::Empty)
    } else if text.len() > max {
        Err(TextError::TooLong { bytes: text.len(), max })
    } else if text.chars().any(char::is_control) {
        Err(TextError::Control)
    } else {
        Ok(())
    }
}

pub(crate) const NO_KEY: &str = "is not a key of this kind";
const WHOLE_NUMBER: &str = "is not a whole number, or out of range";
/// The longest name of a plan, in bytes.
pub(crate) const MAX_PLAN: usize = 128;
/// The longest name of a subject, in bytes.
pub(crate) const MAX_SUBJECT: usize = 512;
