//! Looking things up in an event, whose maps may be null, missing, or of a wrong type.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The members of an event.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    event: &'a Value,
}

/// Which names of a map are meant.
#[derive(Clone, Copy)]
enum Case {
    /// A header's name, in any case (RFC 9110 section 5.1).
    Any,
    /// A query parameter's name, as it is.
    Same,
}

impl<'a> Members<'a> {
    pub(super) const fn new(event: &'a Value) -> Self {
        Self { event }
    }

    /// A member's text.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.event.get(name)?.as_str()
    }

    /// A member, whatever it is; null is none.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.event.get(name).filter(|value| !value.is_null())
    }

    /// The one value of a header.
    ///
    /// # Errors
    ///
    /// `malformed` where it came more than once, or is not a text.
    pub(super) fn header(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.one("headers", "multiValueHeaders", name, Case::Any)
    }

    /// The one value of a query parameter.
    ///
    /// # Errors
    ///
    /// As for a header.
    pub(super) fn parameter(self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.one("queryStringParameters", "multiValueQueryStringParameters", name, Case::Same)
    }

    /// The one value of a name that a map of single and a map of several values may hold.
    ///
    /// The first holds the last of several values, so neither is believed without the other.
    fn one(
        self,
        single: &str,
        several: &str,
        name: &str,
        case: Case,
    ) -> Result<Option<&'a str>, Refusal> {
        let last = exactly_one(&values(self.map(single), name, case))?;
        let all = exactly_one(&values(self.map(several), name, case))?;
        match (last, all) {
            (Some(last), Some(all)) if last != all => {
                Err(Refusal::malformed("the event contradicts itself"))
            }
            (last, all) => Ok(last.or(all)),
        }
    }

    fn map(self, name: &str) -> Option<&'a Map<String, Value>> {
        self.event.get(name)?.as_object()
    }
}

/// Every value under a name, of maps of values and maps of lists alike; null is none.
fn values<'a>(map: Option<&'a Map<String, Value>>, name: &str, case: Case) -> Vec<&'a Value> {
    let is_meant = |known: &str| match case {
        Case::Any => known.eq_ignore_ascii_case(name),
        Case::Same => known == name,
    };
    map.into_iter()
        .flatten()
        .filter(|(known, _)| is_meant(known))
        .flat_map(|(_, value)| match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        })
        .filter(|value| !value.is_null())
        .collect()
}

fn exactly_one<'a>(values: &[&'a Value]) -> Result<Option<&'a str>, Refusal> {
    match values {
        [] => Ok(None),
        [Value::String(one)] => Ok(Some(one)),
        [_] => Err(Refusal::malformed("a value that is not a text")),
        _ => Err(Refusal::malformed("a value that came more than once")),
    }
}
