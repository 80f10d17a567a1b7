//! A setting that names one claim, or several claims. The first that a token has is used.

use std::fmt;

use policy::is_elsewhere;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Most claims in one list.
const MAX_CLAIMS: usize = 8;

/// Claims, of which the first that a token has is used; never empty.
///
/// It is serialized as it is written: one claim as a text, several as a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstOf(Vec<String>);

impl FirstOf {
    /// Names one claim.
    pub(crate) fn one(claim: &str) -> Self {
        Self(vec![claim.to_owned()])
    }

    /// The claims, in the order in which they are looked for.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns true if this is the only claim.
    pub(crate) fn is(&self, claim: &str) -> bool {
        self.claims().eq([claim])
    }

    /// Returns the value of the first claim that the token has. Null counts as absent.
    ///
    /// A claim that the token keeps elsewhere counts as present, with the unknown value null.
    pub(crate) fn value<'m>(&self, members: &'m Map<String, Value>) -> Option<&'m Value> {
        self.claims().find_map(|claim| {
            let value = members.get(claim).filter(|value| !value.is_null());
            value.or_else(|| is_elsewhere(members, claim).then_some(&Value::Null))
        })
    }
}

/// Formats the claims as "`a`, else `b`".
impl fmt::Display for FirstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, claim) in self.claims().enumerate() {
            let before = if at == 0 { "" } else { ", else " };
            write!(f, "{before}`{}`", claim.escape_debug())?;
        }
        Ok(())
    }
}

impl Serialize for FirstOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => serializer.collect_seq(several),
        }
    }
}

impl<'de> Deserialize<'de> for FirstOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstOfVisitor)
    }
}

struct FirstOfVisitor;

impl<'de> Visitor<'de> for FirstOfVisitor {
    type Value = FirstOf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim, or a list of claims")
    }

    fn visit_str<E: de::Error>(self, claim: &str) -> Result<FirstOf, E> {
        Ok(FirstOf::one(claim))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FirstOf, A::Error> {
        let mut claims: Vec<String> = Vec::new();
        while let Some(claim) = seq.next_element::<String>()? {
            let shown = claim.escape_debug();
            if claims.contains(&claim) {
                return Err(de::Error::custom(format!("duplicate claim `{shown}`: remove one")));
            }
            if claims.len() >= MAX_CLAIMS {
                return Err(de::Error::custom(format!(
                    "more than {MAX_CLAIMS} claims in one list"
                )));
            }
            claims.push(claim);
        }
        if claims.is_empty() {
            return Err(de::Error::custom("an empty list names no claim: write one"));
        }
        Ok(FirstOf(claims))
    }
}
