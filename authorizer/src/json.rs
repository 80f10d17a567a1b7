//! Strict JSON: no duplicate member at any level, no deep nesting.
//!
//! JSON does not define the meaning of a duplicate name (RFC 8259 section 4), so two readers of one
//! token could see different claims. RFC 7519 section 4 allows a verifier to refuse such a token.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Deepest nesting of objects and arrays that is read; Cognito's tokens use two levels.
const MAX_DEPTH: u8 = 16;

const DUPLICATE: &str = "a duplicate member";

/// Reads exactly one JSON object.
///
/// Returns `None` if the bytes are not UTF-8, are not one object, nest too deeply or have a
/// duplicate member. The parser's own error is dropped, because it would quote the input.
pub(crate) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match strict_json(bytes) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// Reads exactly one JSON value, for operators.
///
/// # Errors
///
/// It is not JSON, nests deeper than 16 levels, or has a duplicate member
/// ([`is_duplicate_member`]).
pub fn strict_json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Returns true for the error of a duplicate member.
#[must_use]
pub fn is_duplicate_member(error: &serde_json::Error) -> bool {
    error.to_string().starts_with(DUPLICATE)
}

/// Reads exactly one JSON object, and leaves its members as text.
///
/// Only the object's own names are checked; `object` checks a member's text.
pub(crate) fn members(bytes: &[u8]) -> Option<HashMap<String, &RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let members = deserializer.deserialize_map(Members).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// Visitor of `members`.
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
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(members)
    }
}

/// Visitor of `object`: builds a `Value` of at most `depth` levels.
#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
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
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
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

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.insert(name, map.next_value_seed(inner)?).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(members))
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
