//! JSON of strangers, read with bounded memory.
//!
//! A [`Value`] takes many times the bytes of its text: `{"":0}` more than 600. So a member is found
//! while a document is read, and the values that are kept are held to a bound.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The memory that the values of a document may take, in bytes, as it is reckoned here.
const MAX_MEMORY: usize = 64 * 1024 * 1024;
/// A value, in a list that has grown to twice its items.
const VALUE: usize = 2 * size_of::<Value>();
/// A text on the heap, without its bytes.
const TEXT: usize = 16;
/// The first node of an object, which has room for eleven members.
const OBJECT: usize = 11 * (size_of::<String>() + size_of::<Value>());
/// A further member, in nodes that may be half empty.
const MEMBER: usize = OBJECT / 5;

/// One step to a member of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
}

/// Reasons why a document has no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    NotJson,
    /// The values take more than 64 MB in memory.
    TooLarge,
}

/// Reads a whole document.
pub(crate) fn whole(document: &[u8]) -> Result<Value, Unread> {
    find(document, &[]).map(Option::unwrap_or_default)
}

/// Reads the member of a document that these steps lead to; of two with one name the last counts.
pub(crate) fn find(document: &[u8], steps: &[Step]) -> Result<Option<Value>, Unread> {
    let room = Room { left: Cell::new(MAX_MEMORY), is_full: Cell::new(false) };
    let mut reader = serde_json::Deserializer::from_slice(document);
    let found = Find { steps, room: &room }.deserialize(&mut reader);
    let found = found.and_then(|found| reader.end().map(|()| found));
    found.map_err(|_| if room.is_full.get() { Unread::TooLarge } else { Unread::NotJson })
}

/// The memory that is left.
struct Room {
    left: Cell<usize>,
    is_full: Cell<bool>,
}

impl Room {
    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes);
        self.is_full.set(left.is_none());
        self.left.set(left.ok_or_else(|| E::custom("too large"))?);
        Ok(())
    }
}

/// Finds a member, and keeps nothing else.
#[derive(Clone, Copy)]
struct Find<'a> {
    steps: &'a [Step],
    room: &'a Room,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        match self.steps {
            [] => Keep(self.room).deserialize(reader).map(Some),
            _ => reader.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (name, steps) = match self.steps {
            [Step::Member(name), steps @ ..] => (Some(name.as_str()), steps),
            _ => (None, [].as_slice()),
        };
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(Is(name))? {
            if is_it {
                found = members.next_value_seed(Find { steps, ..self })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        if let [Step::Item(at), steps @ ..] = self.steps {
            for _ in 0..*at {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(None);
                }
            }
            found = items.next_element_seed(Find { steps, ..self })?.flatten();
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Tells whether a member's name is this one.
struct Is<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}

/// Keeps a value.
#[derive(Clone, Copy)]
struct Keep<'a>(&'a Room);

impl<'de> DeserializeSeed<'de> for Keep<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        self.0.take(VALUE)?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keep<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = if kept.is_empty() { OBJECT } else { MEMBER };
            self.0.take(member.saturating_add(TEXT).saturating_add(name.len()))?;
            kept.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            kept.push(item);
        }
        Ok(Value::Array(kept))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.take(TEXT.saturating_add(value.len()))?;
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn member(name: &str) -> Step {
        Step::Member(name.to_owned())
    }

    #[test]
    fn a_document_is_read_as_it_is() {
        let text =
            r#"{"b": [1, -2, 2.5e3, true, null, "\u00e9\n", {}, []], "a": {"c": "d"}, "é": 0}"#;
        assert_eq!(whole(text.as_bytes()), Ok(serde_json::from_str(text).unwrap()));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(whole(deep(100).as_bytes()).is_ok());
        for wrong in ["", "{", "[1] 2", "{a: 1}", "nul", "\"\u{1}\"", &deep(1000)] {
            assert_eq!(whole(wrong.as_bytes()), Err(Unread::NotJson), "{wrong}");
        }
        assert_eq!(whole(b"\"\xff\""), Err(Unread::NotJson));
    }

    #[test]
    fn a_member_is_found_wherever_it_is() {
        let document = br#"{"x": [{"a": 1}], "a": {"b": [0, {"c": "found"}, 2]}, "y": {"a": 2}}"#;
        let found = |steps: &[Step]| find(document, steps).unwrap();
        let path = [member("a"), member("b"), Step::Item(1), member("c")];
        assert_eq!(found(&path), Some(json!("found")));
        assert_eq!(found(&path[..3]), Some(json!({"c": "found"})));
        for missing in [
            vec![member("b")],
            vec![member("a"), member("b"), Step::Item(3)],
            vec![member("a"), Step::Item(0)],
            vec![member("x"), member("a")],
            vec![member("a"), member("b"), Step::Item(0), member("c")],
        ] {
            assert_eq!(found(&missing), None, "{missing:?}");
        }
        assert_eq!(find(br#"{"a": 1, "a": [2]}"#, &[member("a")]), Ok(Some(json!([2]))));
        assert_eq!(find(br#"{"a": {"b": 1}, "a": 2}"#, &[member("a"), member("b")]), Ok(None));
        assert_eq!(find(br#"{"a": 1"#, &[member("a")]), Err(Unread::NotJson));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_not_asked_for_is_not() {
        let many = |one: &str| {
            let list = vec![one; MAX_MEMORY / OBJECT].join(",");
            format!(r#"{{"a": 1, "b": [{list}], "c": [{one}]}}"#)
        };
        let objects = many(r#"{"":0}"#);
        assert_eq!(whole(objects.as_bytes()), Err(Unread::TooLarge));
        assert_eq!(find(objects.as_bytes(), &[member("b")]), Err(Unread::TooLarge));
        for name in ["a", "c"] {
            assert!(find(objects.as_bytes(), &[member(name)]).unwrap().is_some());
        }
        assert!(whole(many("0").as_bytes()).is_ok(), "numbers take less");
        let members: Vec<String> =
            (0..MAX_MEMORY / MEMBER).map(|at| format!(r#""{at}":0"#)).collect();
        let members = format!("{{{}}}", members.join(","));
        assert_eq!(whole(members.as_bytes()), Err(Unread::TooLarge));
    }
}
