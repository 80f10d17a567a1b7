//! Lists of names in an issuer's table: never empty. Only the text `"any"` accepts every name.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// Most names in one list.
const MAX_NAMES: usize = 1_000;

/// The clients or audiences that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// These; never an empty list.
    These(Vec<String>),
    /// Any. In the file this must be spelled out: `"any"`.
    Any,
}

impl Accepted {
    /// Returns true if exactly this name is accepted.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::These(names) => names.iter().any(|known| known == name),
            Self::Any => true,
        }
    }
}

pub(super) fn clients<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Accepted>, D::Error> {
    d.deserialize_any(AcceptedVisitor { field: "clients", noun: "client" }).map(Some)
}

pub(super) fn audiences<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Accepted>, D::Error> {
    d.deserialize_any(AcceptedVisitor { field: "audiences", noun: "audience" }).map(Some)
}

pub(super) fn tenants<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Accepted>, D::Error> {
    d.deserialize_any(AcceptedVisitor { field: "tenants", noun: "tenant" }).map(Some)
}

struct AcceptedVisitor {
    field: &'static str,
    noun: &'static str,
}

impl<'de> Visitor<'de> for AcceptedVisitor {
    type Value = Accepted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, noun } = self;
        write!(f, "a list of {noun} ids, or {field} = \"any\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Accepted, E> {
        match text {
            "any" => Ok(Accepted::Any),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Accepted, A::Error> {
        let Self { field, noun } = self;
        let found = names(seq, noun)?;
        if found.is_empty() {
            return Err(de::Error::custom(format!(
                "an empty list of `{field}` accepts no token: name one, or write `{field} = \"any\"`"
            )));
        }
        Ok(Accepted::These(found))
    }
}

/// A list of distinct names, none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Names, A::Error> {
        let found = names(seq, "name")?;
        if found.is_empty() {
            return Err(de::Error::custom("an empty list: add an entry, or remove the field"));
        }
        Ok(Names(found))
    }
}

fn names<'de, A: SeqAccess<'de>>(mut seq: A, noun: &str) -> Result<Vec<String>, A::Error> {
    let mut names: Vec<String> = Vec::new();
    while let Some(name) = seq.next_element::<String>()? {
        if name.is_empty() {
            return Err(de::Error::custom(format!("an empty {noun}: write one, or remove it")));
        }
        if names.contains(&name) {
            let shown = name.escape_debug();
            return Err(de::Error::custom(format!("duplicate {noun} `{shown}`: remove one")));
        }
        if names.len() >= MAX_NAMES {
            return Err(de::Error::custom(format!("more than {MAX_NAMES} in one list")));
        }
        names.push(name);
    }
    Ok(names)
}

/// Required claims, each with its allowed values.
pub(super) type Required = BTreeMap<String, Vec<Value>>;

/// Reads `{ claim = value }` or `{ claim = [values] }`; texts, whole numbers and booleans.
pub(super) fn required_claims<'de, D: Deserializer<'de>>(d: D) -> Result<Required, D::Error> {
    let written = BTreeMap::<String, toml::Value>::deserialize(d)?;
    if written.is_empty() {
        return Err(de::Error::custom(
            "an empty `required_claims` requires nothing: name a claim, or remove it",
        ));
    }
    let mut required = Required::new();
    for (claim, values) in written {
        let shown = claim.escape_debug();
        let values = match values {
            toml::Value::Array(values) if values.is_empty() => {
                let message =
                    format!("`{shown}` has an empty list of values: name one, or remove it");
                return Err(de::Error::custom(message));
            }
            toml::Value::Array(values) => values,
            value => vec![value],
        };
        let values: Option<Vec<Value>> = values.into_iter().map(scalar).collect();
        let values = values.ok_or_else(|| {
            de::Error::custom(format!(
                "`{shown}` must be a text, a whole number or a boolean, or a list of them"
            ))
        })?;
        required.insert(claim, values);
    }
    Ok(required)
}

fn scalar(value: toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(Value::from(text)),
        toml::Value::Integer(number) => Some(Value::from(number)),
        toml::Value::Boolean(truth) => Some(Value::from(truth)),
        _ => None,
    }
}
