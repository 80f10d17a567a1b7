//! `Fn::ForEach`: the loops of a template, written out before anything else is read.
//!
//! The rules are those of the page "`Fn::ForEach`" of CloudFormation's template reference. Loops are
//! written out where routes can come from: in `Resources` with their properties, and in `Conditions`.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::Resolver;
use super::bounds::Bounds;
use crate::template::Error;

/// The beginning of a loop's name.
const LOOP: &str = "Fn::ForEach::";
/// The transform without which CloudFormation knows no loops.
const TRANSFORM: &str = "AWS::LanguageExtensions";

/// Writes out the loops of a template; `None` if it has none.
///
/// # Errors
/// A loop is wrong, or makes more than a template may hold.
pub(in crate::template) fn written_out(
    resolver: &Resolver<'_>,
    notes: &mut Vec<String>,
) -> Result<Option<Value>, Error> {
    let template = resolver.template;
    if !["Conditions", "Resources"].iter().any(|name| template.get(*name).is_some_and(has_loop)) {
        return Ok(None);
    }
    let transform = template.get("Transform");
    if !transform.is_some_and(|transform| transform.to_string().contains(TRANSFORM)) {
        notes.push(format!("`Fn::ForEach` needs `Transform: {TRANSFORM}` on AWS"));
    }
    let mut written = template.clone();
    for name in ["Conditions", "Resources"] {
        if let Some(section) = written.get_mut(name) {
            let loops = Loops { resolver, section: name };
            *section = loops.value(section.take(), name, true)?;
        }
    }
    Ok(Some(written))
}

fn has_loop(value: &Value) -> bool {
    match value {
        Value::Array(entries) => entries.iter().any(has_loop),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.starts_with(LOOP) || has_loop(value))
        }
        _ => false,
    }
}

/// The loops of a section.
struct Loops<'a> {
    resolver: &'a Resolver<'a>,
    section: &'static str,
}

impl Loops<'_> {
    /// A value with its loops written out. `is_top` is true for the section itself.
    fn value(&self, value: Value, place: &str, is_top: bool) -> Result<Value, Error> {
        self.resolver.bounds.deeper(|| match value {
            Value::Array(entries) => {
                entries.into_iter().map(|entry| self.value(entry, place, false)).collect()
            }
            Value::Object(members) => {
                let mut written = Map::new();
                self.members(members, place, is_top, &mut written)?;
                Ok(Value::Object(written))
            }
            other => Ok(other),
        })
    }

    fn members(
        &self,
        members: Map<String, Value>,
        place: &str,
        is_top: bool,
        written: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        for (name, value) in members {
            let own = if is_top { format!("{}.{name}", self.section) } else { place.to_owned() };
            if name.starts_with(LOOP) {
                let place = if is_top { own } else { format!("{place}.{name}") };
                self.repeat(&value, &place, is_top, written)?;
                continue;
            }
            let value = self.value(value, &own, false)?;
            if written.contains_key(&name) {
                return Err(twice(place, &name));
            }
            written.insert(name, value);
        }
        Ok(())
    }

    /// Adds what a loop makes.
    fn repeat(
        &self,
        found: &Value,
        place: &str,
        is_top: bool,
        written: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let wrong =
            |reason: &str| Error::Loop { place: place.to_owned(), reason: reason.to_owned() };
        let form = "must be a list of an identifier, a collection and a map";
        let [Value::String(identifier), collection, fragment @ Value::Object(_)] =
            found.as_array().map(Vec::as_slice).unwrap_or_default()
        else {
            return Err(wrong(form));
        };
        self.resolver.at(place);
        let items = self.resolver.strictly(|| self.resolver.list(collection));
        let items = items.map_err(|error| error.at(place, "collection"))?;
        let items = items.ok_or_else(|| wrong("has a collection that is not a list of texts"))?;
        for item in items {
            self.resolver.bounds.step()?;
            let bounds = &self.resolver.bounds;
            let item = Item { identifier, text: &item, place, bounds, made: Cell::new(0) };
            let copy = item.in_value(fragment)?;
            self.resolver.bounds.makes(copy.to_string().len())?;
            let Value::Object(members) = copy else { return Err(wrong(form)) };
            let odd = |name: &&String| !name.chars().all(|c| c.is_ascii_alphanumeric());
            let odd = members.keys().filter(|name| !name.starts_with(LOOP)).find(odd);
            if let Some(name) = odd.filter(|_| is_top) {
                return Err(wrong(&format!(
                    "makes the name `{name}`, which is not alphanumeric: write \
                     `&{{{identifier}}}` in the name"
                )));
            }
            self.members(members, place, is_top, written)?;
        }
        Ok(())
    }
}

/// An item of a collection, which stands in the place of the identifier.
struct Item<'a> {
    identifier: &'a str,
    text: &'a str,
    place: &'a str,
    bounds: &'a Bounds,
    /// The bytes of the texts that were made with it.
    made: Cell<usize>,
}

impl Item<'_> {
    fn in_value(&self, value: &Value) -> Result<Value, Error> {
        match value {
            Value::String(text) => Ok(self.in_text(text)?.into()),
            Value::Array(entries) => entries.iter().map(|entry| self.in_value(entry)).collect(),
            Value::Object(members) => {
                let is_reference = members.len() == 1
                    && members.get("Ref").and_then(Value::as_str) == Some(self.identifier);
                if is_reference {
                    return Ok(self.text.into());
                }
                let mut made = Map::new();
                for (name, value) in members {
                    let name = self.in_text(name)?;
                    if made.contains_key(&name) {
                        return Err(twice(self.place, &name));
                    }
                    made.insert(name, self.in_value(value)?);
                }
                Ok(Value::Object(made))
            }
            other => Ok(other.clone()),
        }
    }

    /// `${Identifier}` is the item, `&{Identifier}` its letters and digits.
    fn in_text(&self, text: &str) -> Result<String, Error> {
        let (whole, short) =
            (format!("${{{}}}", self.identifier), format!("&{{{}}}", self.identifier));
        let marks = text.matches(&whole).count().saturating_add(text.matches(&short).count());
        let length = text.len().saturating_add(marks.saturating_mul(self.text.len()));
        // Before the text is made, because it may name the item many thousand times.
        self.made.set(self.made.get().saturating_add(length));
        self.bounds.fits(self.made.get())?;
        let plain: String = self.text.chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(text.replace(&whole, self.text).replace(&short, &plain))
    }
}

fn twice(place: &str, name: &str) -> Error {
    Error::Loop { place: place.to_owned(), reason: format!("makes `{name}` a second time") }
}
