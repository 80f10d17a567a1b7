//! Strict JSON: no duplicate member at any level, no deep nesting.
//!
//! Two readers of one token must not see different claims. JSON allows a name twice and leaves
//! the meaning open (RFC 8259 section 4), so a token that does it is refused (RFC 7519 section 4).

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may nest; Cognito's tokens use two levels.
const MAX_DEPTH: u8 = 16;

/// Reads exactly one JSON object.
///
/// # Errors
///
/// `None` where the bytes are not UTF-8, not one JSON object, nest too deeply, or name a member
/// twice. The reason is not kept: it would quote the input.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    object_of(bytes, |_, _| true).ok()
}

/// Why an object was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is none that `object` reads.
    Malformed,
    /// One of its members is not accepted; what follows it was not looked at.
    Refused,
}

/// Reads exactly one JSON object, as `object` does, while its members are accepted.
///
/// # Errors
///
/// Those of `object`, and the first member of its own that `accepts` says no to.
pub(crate) fn object_of(
    bytes: &[u8],
    accepts: impl Fn(&str, &Value) -> bool,
) -> Result<Map<String, Value>, Unread> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let mut refused = false;
    let accepting =
        Accepting { inner: Strict { depth: MAX_DEPTH }, accepts, refused: &mut refused };
    let members = deserializer.deserialize_map(accepting);
    if refused {
        return Err(Unread::Refused);
    }
    let members = members.map_err(|_| Unread::Malformed)?;
    deserializer.end().map_err(|_| Unread::Malformed)?;
    Ok(members)
}

/// Reads exactly one JSON object, each of its members as the text that it is.
///
/// What is within a member is not looked at; `object` reads it, where it matters.
///
/// # Errors
///
/// `None` where the bytes are not UTF-8, not one JSON object, or name one of its members twice.
pub(crate) fn members(bytes: &[u8]) -> Option<HashMap<String, &RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let members = deserializer.deserialize_map(Members).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// Builds a map of texts.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = HashMap<String, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = HashMap::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(members)
    }
}

/// Builds a map, and stops at a member that is not accepted.
struct Accepting<'r, F> {
    inner: Strict,
    accepts: F,
    refused: &'r mut bool,
}

impl<'de, F: Fn(&str, &Value) -> bool> Visitor<'de> for Accepting<'_, F> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let Self { inner, accepts, refused } = self;
        inner.deeper()?.members(map, |name, value| {
            *refused = !accepts(name, value);
            !*refused
        })
    }
}

/// Builds a `Value` while it counts the levels that are left.
#[derive(Clone, Copy)]
pub(crate) struct Strict {
    depth: u8,
}

impl Strict {
    /// What is a member of the outermost object.
    pub(crate) const fn below_an_object() -> Self {
        Self { depth: MAX_DEPTH - 1 }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }

    /// Reads members, each of which is accepted and stands once.
    fn members<'de, A: MapAccess<'de>>(
        self,
        mut map: A,
        mut accepts: impl FnMut(&str, &Value) -> bool,
    ) -> Result<Map<String, Value>, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            if !accepts(&name, &value) {
                return Err(A::Error::custom("a member is not accepted"));
            }
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(members)
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        self.deeper()?.members(map, |_, _| true).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_object_as_it_is() {
        let map = object(br#" {"a":[1,-2,1.5,true,null,"x"],"b":{"c":{}}} "#).unwrap();
        assert_eq!(
            Value::Object(map),
            serde_json::json!({"a":[1,-2,1.5,true,null,"x"],"b":{"c":{}}})
        );
    }

    #[test]
    fn reads_no_further_than_a_member_that_is_not_accepted() {
        let accepts = |name: &str, value: &Value| name != "iss" || value == "us";
        let read = |text: &str| object_of(text.as_bytes(), accepts);
        assert_eq!(read(r#"{"a":{"iss":"them"},"iss":"us"}"#).unwrap().len(), 2, "its own alone");
        assert_eq!(read(r#"{"a":1}"#).unwrap().len(), 1);
        for refused in [r#"{"iss":"them"}"#, r#"{"\u0069ss":null}"#, r#"{"iss":[],"a":nonsense"#] {
            assert_eq!(read(refused), Err(Unread::Refused), "{refused}");
        }
        for text in [
            r#"{"iss":"us","iss":"us"}"#,
            r#"{"iss":"us"}{}"#,
            r#"{"iss":"us","a":{"b":1,"b":1}}"#,
            r#"[{"iss":"them"}]"#,
            r#"{"iss":"us""#,
        ] {
            assert_eq!(read(text), Err(Unread::Malformed), "{text}");
        }
        let nested = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(usize::from(MAX_DEPTH) - 1)).is_ok());
        assert_eq!(read(&nested(usize::from(MAX_DEPTH))), Err(Unread::Malformed));
    }

    #[test]
    fn refuses_a_member_that_stands_twice_at_any_level_and_in_any_spelling() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"b":2,"a":3}]}"#,
            r#"{"iss":1,"\u0069ss":2}"#,
        ] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_exactly_one_object() {
        for text in ["", "[]", "1", "null", "{}{}", "{} x", "{\"a\":}", "{'a':1}", "\u{feff}{}"] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), None, "invalid UTF-8");
    }

    #[test]
    fn refuses_deep_nesting_and_keeps_what_is_within_the_bound() {
        let nested = |levels: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
        };
        assert_eq!(MAX_DEPTH, 16);
        assert!(object(&nested(usize::from(MAX_DEPTH) - 1)).is_some());
        assert_eq!(object(&nested(usize::from(MAX_DEPTH))), None);
        assert_eq!(object(&nested(100_000)), None);
    }
}
