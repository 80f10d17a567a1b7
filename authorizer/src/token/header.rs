//! A token's header, read strictly and without a copy of what is not used.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use crate::json::Strict;

/// How many parameters a header may have; Cognito's has two, RFC 7515 names eleven.
const MAX_PARAMETERS: usize = 16;

/// Header parameters that change what is signed or where the key comes from.
///
/// `crit` names extensions that must be understood (RFC 7515 section 4.1.11), and none is; `cty`
/// says that the payload is a token again (RFC 7519 section 5.2). `x5t` is not here: it names a
/// certificate without bringing one, real issuers send it, and the key is found by kid alone.
pub(super) const REFUSED: [&str; 9] =
    ["crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c"];

/// What a header says of how its token is to be verified.
#[derive(Default)]
pub(super) struct Header<'a> {
    pub(super) alg: Parameter<'a>,
    pub(super) typ: Parameter<'a>,
    pub(super) kid: Parameter<'a>,
    /// Whether it has one of the parameters that are refused.
    pub(super) is_refused: bool,
}

/// A parameter that is a text, where it is known.
#[derive(Default)]
pub(super) enum Parameter<'a> {
    #[default]
    Missing,
    Text(Cow<'a, str>),
    /// It is there, and no text.
    Other,
}

impl<'a> Header<'a> {
    /// Reads exactly one JSON object.
    ///
    /// # Errors
    ///
    /// `None` where the bytes are not UTF-8, not one JSON object, nest too deeply, name a member
    /// twice at any level, or name too many.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let header = deserializer.deserialize_map(Members).ok()?;
        deserializer.end().ok()?;
        Some(header)
    }
}

impl<'a> Parameter<'a> {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Other => None,
        }
    }
}

/// Reads the members of a header.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut header = Header::default();
        let mut names = SmallVec::<[Cow<'de, str>; 4]>::new();
        while let Some(Parameter::Text(name)) = map.next_key_seed(Text)? {
            if names.len() == MAX_PARAMETERS || names.contains(&name) {
                return Err(A::Error::custom("a parameter stands twice, or there are too many"));
            }
            let value = map.next_value_seed(Text)?;
            match &*name {
                "alg" => header.alg = value,
                "typ" => header.typ = value,
                "kid" => header.kid = value,
                other => header.is_refused |= REFUSED.contains(&other),
            }
            names.push(name);
        }
        Ok(header)
    }
}

/// Reads any value, and keeps it if it is a text.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Parameter<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Parameter<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Parameter::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Parameter::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Parameter::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Parameter::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Parameter::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Parameter::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Parameter::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Strict::below_an_object().visit_seq(seq).map(|_| Parameter::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Strict::below_an_object().visit_map(map).map(|_| Parameter::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_texts_and_tells_what_is_there_from_what_is_not() {
        let text = r#"{"alg":"RS256","typ":1,"x5t":["x",{"a":1}],"kid":"a\u0062"}"#;
        let header = Header::read(text.as_bytes()).unwrap();
        assert_eq!(header.alg.text(), Some("RS256"));
        assert!(matches!(header.typ, Parameter::Other));
        assert_eq!(header.kid.text(), Some("ab"));
        assert!(!header.is_refused);
        assert!(matches!(Header::read(b"{}").unwrap().alg, Parameter::Missing));
        for other in ["null", "true", "-1", "1", "1.5", "[]", "{}"] {
            let text = format!(r#"{{"alg":{other}}}"#);
            assert!(
                matches!(Header::read(text.as_bytes()).unwrap().alg, Parameter::Other),
                "{other}"
            );
        }
        assert!(Header::read(br#"{"\u006awk":null}"#).unwrap().is_refused);
    }

    #[test]
    fn refuses_what_is_ambiguous_deep_or_not_one_object() {
        let many = |count: usize| {
            let members: Vec<String> = (0..count).map(|number| format!("\"{number}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        for good in [many(MAX_PARAMETERS), deep(15)] {
            assert!(Header::read(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","\u0061lg":"none"}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
            "{}{}",
            "{",
            "[]",
            "null",
            "",
            &many(MAX_PARAMETERS + 1),
            &deep(16),
            &deep(100_000),
        ] {
            assert!(Header::read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Header::read(b"{\"a\":\"\xff\"}").is_none(), "not UTF-8");
    }
}
