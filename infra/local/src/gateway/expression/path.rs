//! Paths to a member of a JSON document, such as `$.pets[0].name` or `$['a b']`.
//!
//! Names and indexes are read. The rest of JSONPath (`..`, `*`, filters, slices, functions) is not.

use serde_json::Value;

use crate::json::{self, Step, Unread};

/// The most members that a path goes through.
const MAX_STEPS: usize = 64;

/// A path, without the `$` that it begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Reads the text after the `$`; `None` for what is not read here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() && steps.len() < MAX_STEPS {
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        rest.is_empty().then_some(Self(steps))
    }

    /// Returns true for `$`.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of a document.
    pub(super) fn find(&self, document: &[u8]) -> Result<Option<Value>, Unread> {
        json::find(document, &self.0)
    }
}

/// Reads one step, and returns the text after it.
fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(after) = text.strip_prefix('.') {
        let is_name = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let (name, rest) = after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()));
        return (!name.is_empty()).then(|| (Step::Member(name.to_owned()), rest));
    }
    let after = text.strip_prefix('[')?;
    for quote in ['\'', '"'] {
        if let Some(after) = after.strip_prefix(quote) {
            let (name, rest) = after.split_once(quote)?;
            // An escaped quote would end it too early.
            let name = Some(name).filter(|name| !name.contains('\\'))?;
            return Some((Step::Member(name.to_owned()), rest.strip_prefix(']')?));
        }
    }
    let (index, rest) = after.split_once(']')?;
    let is_number = index.chars().all(|c| c.is_ascii_digit());
    Some((Step::Item(index.parse().ok().filter(|_| is_number)?), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_indexes_are_followed() {
        let document = json!({"a": {"b-c": [1, {"d e": true}]}, "0": "zero"});
        for (path, found) in [
            ("", Some(document.clone())),
            (".a.b-c[0]", Some(json!(1))),
            (".a['b-c'][1][\"d e\"]", Some(json!(true))),
            (".0", Some(json!("zero"))),
            (".a.b-c[2]", None),
            (".a.b-c.d", None),
            (".a[0]", None),
        ] {
            let path = Path::parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(path.find(document.to_string().as_bytes()), Ok(found));
        }
    }

    #[test]
    fn the_rest_of_jsonpath_is_not_read() {
        for path in [
            "a",
            ".",
            "..a",
            ".*",
            "[*]",
            "[-1]",
            "[+1]",
            "[0:1]",
            "[0,1]",
            "[?(@.a)]",
            "['a'",
            "['a','b']",
            r"['\'']",
            ".a.length()",
            ".a b",
            "[]",
        ] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
        assert!(Path::parse(&".a".repeat(MAX_STEPS)).is_some());
        assert_eq!(Path::parse(&".a".repeat(MAX_STEPS + 1)), None);
    }
}
