//! CloudFormation's intrinsic functions, as far as an API's definition needs them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::Error;
use super::text::text_of;

mod allowed;
mod bounds;
mod conditions;
mod functions;
mod generated;
mod loops;
mod references;
mod seen;
mod stored;
mod tables;

use bounds::Bounds;
pub(super) use loops::written_out;
pub(crate) use seen::Mark;
use seen::View;
pub(super) use stored::is_reference;

/// The function that brings what another file holds.
pub(super) const TRANSFORM: &str = "Fn::Transform";

/// Returns true for a function's call, such as `{"Ref": "Name"}`.
fn is_call(map: &Map<String, Value>) -> bool {
    let name = map.keys().next().filter(|_| map.len() == 1);
    name.is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// A value that cannot be evaluated here.
#[derive(Debug)]
pub(super) struct Lack {
    /// The resource and the names of the members down to the value.
    pub(super) path: Vec<String>,
    pub(super) error: Error,
}

/// A template, with values for its parameters.
///
/// A value that cannot be evaluated is a [`Lack`], and a text that names it stands in its place: as
/// a guard's setting it is an authorizer that is not there, so that no route becomes open by it.
pub(super) struct Resolver<'a> {
    pub(super) template: &'a Value,
    parameters: &'a BTreeMap<String, String>,
    /// The template's folder, which the files that it includes are looked for in.
    folder: &'a Path,
    bounds: Bounds,
    /// The conditions that are being evaluated.
    open: RefCell<Vec<String>>,
    /// The names of the members down to the value that is evaluated.
    path: RefCell<Vec<String>>,
    /// True in the arguments of a function, whose error is that of the function.
    is_strict: Cell<bool>,
    view: Cell<View>,
    lacks: RefCell<Vec<Lack>>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        template: &'a Value,
        parameters: &'a BTreeMap<String, String>,
        folder: &'a Path,
    ) -> Self {
        Self {
            template,
            parameters,
            folder,
            bounds: Bounds::default(),
            open: RefCell::default(),
            path: RefCell::default(),
            is_strict: Cell::new(false),
            view: Cell::default(),
            lacks: RefCell::default(),
        }
    }

    /// Names the resource or section that is evaluated from here on.
    pub(super) fn at(&self, place: &str) {
        self.bounds.at(place);
        *self.path.borrow_mut() = vec![place.trim_start_matches("Resources.").to_owned()];
    }

    /// Returns the values that could not be evaluated since the last time.
    pub(super) fn lacks(&self) -> Vec<Lack> {
        self.lacks.take()
    }

    /// Evaluates a member.
    pub(super) fn member(&self, name: &str, value: &Value) -> Result<Option<Value>, Error> {
        self.path.borrow_mut().push(name.to_owned());
        let before = self.view.get();
        if before == View::Ids {
            self.view.set(View::of(name, value));
        }
        let resolved = self.resolve(value);
        self.view.set(before);
        self.path.borrow_mut().pop();
        resolved
    }

    fn strictly<T>(&self, run: impl FnOnce() -> T) -> T {
        let before = self.is_strict.replace(true);
        let done = run();
        self.is_strict.set(before);
        done
    }

    /// Counts a value that is copied into a resource.
    pub(super) fn copy(&self, value: &Value) -> Result<(), Error> {
        self.bounds.made(value.to_string()).map(drop)
    }

    /// Evaluates every function in a value. `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Value) -> Result<Option<Value>, Error> {
        self.bounds.deeper(|| self.resolve_here(value))
    }

    fn resolve_here(&self, value: &Value) -> Result<Option<Value>, Error> {
        match value {
            Value::Array(entries) => {
                let mut resolved = Vec::new();
                for entry in entries {
                    resolved.extend(self.resolve(entry)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(map) => {
                if is_call(map)
                    && let Some((name, argument)) = map.iter().next()
                {
                    return self.called(name, argument);
                }
                let mut resolved = Map::new();
                for (name, entry) in map {
                    // The members that a transform brings are beside those that are there.
                    if name == TRANSFORM {
                        match self.called(name, entry)? {
                            Some(Value::Object(brought)) => resolved.extend(brought),
                            // It might bring a guard: the whole is not known.
                            other => return Ok(other),
                        }
                    } else if let Some(entry) = self.member(name, entry)? {
                        resolved.insert(name.clone(), entry);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            Value::String(text) if stored::has_reference(text) => {
                self.known(self.dereferenced(text).map(|text| Some(text.into())))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// A function's value, or the text that stands for a value that is not known here.
    fn called(&self, name: &str, argument: &Value) -> Result<Option<Value>, Error> {
        // A branch and what is included are evaluated as if they were there without the function.
        let is_plain = ["Fn::If", TRANSFORM].contains(&name);
        let value = match is_plain {
            true => self.call(name, argument),
            false => self.strictly(|| self.call(name, argument)),
        };
        self.known(match value {
            Ok(Some(Value::String(text))) if stored::has_reference(&text) => {
                self.dereferenced(&text).map(|text| Some(text.into()))
            }
            other => other,
        })
    }

    /// The value, or the text that stands for one that is not known here.
    fn known(&self, value: Result<Option<Value>, Error>) -> Result<Option<Value>, Error> {
        match value {
            Err(error) if !self.is_strict.get() && error.is_lack() => {
                let stand_in = format!("(not known here: {})", error.short());
                let path = self.path.borrow().clone();
                self.lacks.borrow_mut().push(Lack { path, error });
                Ok(Some(stand_in.into()))
            }
            other => other,
        }
    }

    fn text(&self, value: &Value) -> Result<Option<String>, Error> {
        Ok(self.resolve(value)?.as_ref().and_then(text_of))
    }

    fn list(&self, value: &Value) -> Result<Option<Vec<String>>, Error> {
        let Some(Value::Array(entries)) = self.resolve(value)? else { return Ok(None) };
        Ok(entries.iter().map(text_of).collect())
    }
}
